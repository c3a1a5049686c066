"""What else may be seen of a body beside its features: keypoints, parts, an outline; each an observed site of its own."""

import abc
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float, Int
from pyro import poutine
from torch import Tensor, nn

from probbody.contracts import ArticulatedBody, Camera
from probbody.observation import Observation
from probbody.quantities import Pose, Rendering, Surface

from .keypoint_body import KeypointNoise, NormalOrAnywhere


@dataclass(frozen=True)
class Scene:
    """A body as the story tells of it: posed, before its camera, and rendered; ``rendering`` holds the evidence's channels."""

    pose: Pose
    surface: Surface
    camera: Camera
    rendering: Rendering


class Evidence(nn.Module, abc.ABC):
    """An observed site beside the features."""

    def attributes(self, surface: Surface) -> Float[Tensor, "B V E"]:
        """What the renderer is to carry for it: no channels, unless it says otherwise."""
        return surface.vertices[..., :0]

    @abc.abstractmethod
    def observe(self, scene: Scene, observation: Observation) -> None:
        """Tell Pyro of what was observed; nothing where it was not."""


def carried(evidence: Iterable[Evidence], surface: Surface) -> Float[Tensor, "B V E"]:
    """What the renderer is to carry for all of them, one after the other."""
    return torch.cat([surface.vertices[..., :0], *(each.attributes(surface) for each in evidence)], dim=-1)


def observe_all(evidence: Iterable[Evidence], scene: Scene, observation: Observation) -> None:
    """Every piece observes the scene with its own channels of what was rendered."""
    drawn, first = scene.rendering.features, 0
    for each in evidence:
        count = each.attributes(scene.surface).shape[-1]
        own = replace(scene.rendering, features=drawn[:, first : first + count])
        each.observe(replace(scene, rendering=own), observation)
        first += count


class KeypointEvidence(Evidence):
    """Joints near where the body puts them, or anywhere: the site ``keypoints``, and those of the noise.

    Args:
        body: it knows the joint set ``layout``.
        layout: that of the observed keypoints, in pixels of the observation's camera.
        noise: how they scatter.
    """

    def __init__(self, body: ArticulatedBody, layout: str = "coco17", noise: KeypointNoise | None = None) -> None:
        super().__init__()
        self.layout, self.skeleton, self.noise = layout, body.reduced(layout), noise or NormalOrAnywhere()

    def observe(self, scene: Scene, observation: Observation) -> None:
        """Add the site ``keypoints`` where there are any."""
        if observation.keypoints is None:
            return
        if observation.layout != self.layout:
            raise ValueError(
                f"KeypointEvidence: made for {self.layout}, but the observation holds {observation.layout}; convert them."
            )
        joints = self.skeleton.keypoints(self.skeleton(scene.pose), self.layout)
        self.noise.observe(scene.camera.project(joints)[..., :2], observation)


class PartEvidence(Evidence):
    """A map of the body's parts: the site ``parts`` (H, W), 0 where the body is not seen, else 1 + the part.

    Each pixel shows the part that the renderer puts there, or, with the chance ``wrong``, any of them. ``weight`` is an
    exponent: pixels are not independent evidence.
    """

    one_hot: Float[Tensor, "V E"]

    def __init__(self, part: Int[Tensor, " V"], wrong: float = 0.1, weight: float = 1.0) -> None:
        super().__init__()
        _check(wrong, weight)
        self.register_buffer("one_hot", nn.functional.one_hot(part).to(torch.get_default_dtype()))
        self.wrong, self.weight = wrong, weight

    def attributes(self, surface: Surface) -> Float[Tensor, "B V E"]:
        """One channel a part."""
        if len(self.one_hot) != surface.vertices.shape[1]:
            raise ValueError(
                f"part: expected one for each of {surface.vertices.shape[1]} vertices, found {len(self.one_hot)}."
            )
        return self.one_hot.to(surface.vertices).expand(len(surface.vertices), -1, -1)

    def observe(self, scene: Scene, observation: Observation) -> None:
        """Add the site ``parts`` where there is a map, which must have the features' size."""
        if observation.parts is None:
            return
        drawn = torch.cat([1 - scene.rendering.coverage[:, None], scene.rendering.features], dim=1).clamp_min(0)
        if observation.parts.shape[1:] != drawn.shape[2:]:
            raise ValueError(
                f"parts: expected a map of {tuple(drawn.shape[2:])}, found {tuple(observation.parts.shape[1:])}."
            )
        if int(observation.parts.max()) >= drawn.shape[1]:
            raise ValueError(
                f"parts: expected numbers up to {drawn.shape[1] - 1}, 1 + the last part, found {int(observation.parts.max())}."
            )
        chance = (1 - self.wrong) * drawn.movedim(1, -1) + self.wrong / drawn.shape[1]
        with poutine.scale(scale=self.weight):
            pyro.sample("parts", dist.Categorical(chance).to_event(2), obs=observation.parts)


class OutlineEvidence(Evidence):
    """A mask of what is seen of the body: the site ``outline`` (H, W), the chance in [0, 1] that a pixel is the body's.

    Args as of ``PartEvidence``.
    """

    def __init__(self, wrong: float = 0.1, weight: float = 1.0) -> None:
        super().__init__()
        _check(wrong, weight)
        self.wrong, self.weight = wrong, weight

    def observe(self, scene: Scene, observation: Observation) -> None:
        """Add the site ``outline`` where there is a mask, which must have the features' size."""
        if observation.outline is None:
            return
        coverage = scene.rendering.coverage
        if observation.outline.shape != coverage.shape:
            raise ValueError(f"outline: expected {tuple(coverage.shape)}, found {tuple(observation.outline.shape)}.")
        chance = (1 - self.wrong) * coverage.clamp(0, 1) + 0.5 * self.wrong
        # validation off: a soft mask is a chance, whose log density is the expected one
        inside = dist.Bernoulli(probs=chance, validate_args=False)
        with poutine.scale(scale=self.weight):
            pyro.sample("outline", inside.to_event(2), obs=observation.outline)


def _check(wrong: float, weight: float) -> None:
    if not 0 < wrong <= 1 or not 0 < weight < math.inf:
        raise ValueError(
            "wrong, weight: expected a chance above zero, so that no picture is impossible, and an exponent above zero, "
            f"found {wrong} and {weight}."
        )
