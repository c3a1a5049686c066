"""A body seen as an image of features: rendered, and explained pixel by pixel by itself or by something else."""

import abc
from dataclasses import replace

import pyro
import torch
from jaxtyping import Float
from torch import Tensor, nn

from probbody.contracts import ArticulatedBody, Background, Camera, Density, FeatureField, Likelihood, Renderer
from probbody.observation import Observation
from probbody.quantities import Pose, Rendering, Surface


class FeatureImage(nn.Module):
    """From a posed surface to the density of a feature image: the half of the story that all feature models share.

    Site: ``features`` (D, H, W), unit vectors, observed.

    Args:
        renderer: how the surface becomes a picture.
        field: what its points look like to the feature extractor.
        background: what is seen where it is not.
        likelihood: how a pixel chooses between them.
    """

    def __init__(self, renderer: Renderer, field: FeatureField, background: Background, likelihood: Likelihood) -> None:
        super().__init__()
        self.renderer, self.field, self.background, self.likelihood = renderer, field, background, likelihood

    def render(
        self, surface: Surface, camera: Camera, beside: Float[Tensor, "B V E"] | None = None
    ) -> tuple[Rendering, Rendering]:
        """The expected features at every pixel, and in a second record what lies ``beside`` them on the vertices."""
        attributes = self.field.attributes(surface, camera)
        channels = attributes.shape[-1]
        if beside is not None and beside.shape[-1]:
            attributes = torch.cat([attributes, beside], dim=-1)
        drawn = self.renderer(surface, attributes, camera)
        parts = drawn.features[:, :channels], drawn.features[:, channels:]
        first, second = (Rendering(part, drawn.coverage, drawn.depth) for part in parts)
        return first, second

    def observe(self, rendering: Rendering, observation: Observation) -> None:
        """The site ``features``: observed where the observation holds them, told where it does not.

        A fit to other evidence alone must not seek features too: ``poutine.block(model, hide=["features"])``.
        """
        pyro.sample("features", self.density(rendering), obs=observation.features)

    def density(self, rendering: Rendering) -> Density:
        """The density of the feature image."""
        return self.likelihood.density(rendering, self.field, self.background)

    def camera(self, camera: Camera, observation: Observation) -> Camera:
        """The camera at the size of the observed feature map, which is refused where it is not the field's."""
        if observation.features is None:
            return camera
        channels, height, width = observation.features.shape[1:]
        if channels != self.field.channels:
            raise ValueError(f"features: expected {self.field.channels} channels, as the field has, found {channels}.")
        return camera.resized((height, width))

    def occlusion(
        self, rendering: Rendering, features: Float[Tensor, "B D H W"] | None
    ) -> Float[Tensor, "B H W"] | None:
        """The chance that a pixel shows something that hides the body; None without features."""
        if features is None:
            return None
        visible = self.likelihood.visible(rendering, self.field, self.background, features)
        return rendering.coverage * (1 - visible)

    def evidence(self, rendering: Rendering, features: Float[Tensor, "B D H W"] | None) -> Float[Tensor, " B"] | None:
        """By how many nats the features are likelier with this body than with background alone; None without features."""
        if features is None:
            return None
        nothing = replace(rendering, coverage=torch.zeros_like(rendering.coverage))
        return self.density(rendering).log_prob(features) - self.density(nothing).log_prob(features)


class FeatureModel(nn.Module, abc.ABC):
    """A story that ends in a feature image: what can be asked of its picture.

    Questions about a pose are asked with the camera that goes with it: zoomed by the site ``focal``, where there is one.
    """

    body: ArticulatedBody
    image: FeatureImage

    @abc.abstractmethod
    def forward(self, observation: Observation) -> Pose:
        """The story; what it returns is the pose it told of."""

    def render(self, pose: Pose, observation: Observation) -> Rendering:
        """What the field carries to the pixels, were nothing before the body, at the size of the observed map."""
        return self.image.render(self.body(pose), self.image.camera(observation.camera, observation))[0]

    def occlusion(self, pose: Pose, observation: Observation) -> Float[Tensor, "B H W"] | None:
        """The chance that a pixel shows something that hides the body; None without observed features."""
        return self.image.occlusion(self.render(pose, observation), observation.features)

    def evidence(self, pose: Pose, observation: Observation) -> Float[Tensor, " B"] | None:
        """By how many nats the features are likelier with this body than without any; None without observed features."""
        return self.image.evidence(self.render(pose, observation), observation.features)
