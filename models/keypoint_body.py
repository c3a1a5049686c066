"""A body behind its keypoints, some of them missing, some of them wrong.

SMPLify as a generative story: a shape, a pose from a prior, an orientation, a place; the joints, projected; each of them
found near its place, or anywhere.

References:
    Bogo et al. (2016), Keep it SMPL, arXiv:1607.08128: the energy, whose terms are the log densities below.
    Pavlakos et al. (2019), Expressive body capture, arXiv:1904.05866: the learnt pose prior.
"""

import abc
import math

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor, nn

from probbody.contracts import ArticulatedBody, Density, PosePrior
from probbody.densities import InlierOutlier, geman_mcclure
from probbody.observation import Observation
from probbody.quantities import Pose

from .posed_body import PosedBody


class KeypointNoise(abc.ABC):
    """How far from its place a keypoint is found."""

    @abc.abstractmethod
    def observe(self, places: Float[Tensor, "B M 2"], observation: Observation) -> None:
        """Tell Pyro of the observed keypoints, given where the body puts them (pixels)."""


class NormalOrAnywhere(KeypointNoise):
    """A normal around the place, or, for an outlier, a uniform over a window around the person.

    Sites: ``noise`` (B,), or what ``site`` says, the standard deviation as a share of the diagonal of the person's box,
    log-normal and so fitted with the rest: it starts wide and narrows as the body comes to explain its keypoints;
    ``keypoints`` (B, M, 2), observed.
    A detector's confidence is taken for what it says, the chance that the point is the joint.

    Args:
        typical: the median of the noise, as a share of the diagonal.
        spread: the standard deviation of its logarithm.
        outliers: the share of wrong points among those of full confidence.
        window: side of the outliers' square, in diagonals.
        site: its name; points that scatter otherwise than keypoints have another, as fits pass on sites by name.
    """

    def __init__(
        self,
        typical: float = 0.012,
        spread: float = 0.1,
        outliers: float = 0.1,
        window: float = 2.0,
        site: str = "noise",
    ) -> None:
        if not (typical > 0 and spread > 0 and 0 <= outliers <= 1 and window > 0):
            raise ValueError(
                "typical, spread, window, outliers: expected three above 0 and a share in [0, 1], "
                f"found {typical}, {spread}, {window} and {outliers}."
            )
        self.typical, self.spread, self.outliers, self.window = typical, spread, outliers, window
        self.site = site

    def observe(self, places: Float[Tensor, "B M 2"], observation: Observation) -> None:
        """Sample the noise, and observe ``keypoints``."""
        _require_one_each(places, observation)
        noise = pyro.sample(self.site, dist.LogNormal(places.new_full((), math.log(self.typical)), self.spread))
        density = self.density(places, noise, observation)
        if observation.keypoints is None:
            pyro.sample("keypoints", density.to_event(1))
        else:
            seen, confidence = observation.keypoints[..., :2], observation.keypoints[..., 2]
            pyro.sample("keypoints", density.mask(confidence > 0).to_event(1), obs=seen)

    def density(
        self, places: Float[Tensor, "B M 2"], noise: Float[Tensor, " B"], observation: Observation
    ) -> InlierOutlier:
        """The density of each keypoint; its ``responsibility`` says which of them the fit believes."""
        if observation.keypoints is None:
            reach = places.detach()
            extent = (reach.amax(1) - reach.amin(1)).norm(dim=-1)[:, None].expand(-1, places.shape[1])
            confidence = torch.ones_like(extent)
        else:
            extent, confidence = _extent_in_its_view(observation), observation.keypoints[..., 2]
        chance = ((1 - self.outliers) * confidence).clamp(0, 1)
        return InlierOutlier(places, noise[:, None] * extent, chance, 2 * (self.window * extent).log())


class GemanMcClureNoise(KeypointNoise):
    """SMPLify's robust energy, as a factor: no density of points, but the one that papers report.

    Args:
        sigma: where the energy is quadratic it is that of a normal with this deviation, a share of the box's diagonal.
        scale: the residual at which the energy turns, a share of the box's diagonal.
    """

    def __init__(self, sigma: float = 0.01, scale: float = 0.1) -> None:
        if not (sigma > 0 and scale > 0):
            raise ValueError(f"sigma, scale: expected both above 0, found {sigma} and {scale}.")
        self.sigma, self.scale = sigma, scale

    def observe(self, places: Float[Tensor, "B M 2"], observation: Observation) -> None:
        """Add the factor ``keypoints``, weighted by the squared confidence as in SMPLify."""
        if observation.keypoints is None:
            return
        _require_one_each(places, observation)
        seen, confidence = observation.keypoints[..., :2], observation.keypoints[..., 2]
        away = (seen - places).norm(dim=-1) / (self.sigma * _extent_in_its_view(observation))
        energy = 0.5 * geman_mcclure(away, self.scale / self.sigma) * confidence.square()
        pyro.factor("keypoints", -torch.where(confidence > 0, energy, 0.0).sum(-1))


class KeypointBody(nn.Module):
    """shape, pose, orientation, place; the joints where the camera puts them; keypoints near them or anywhere.

    Sites, all in the plate ``bodies``: those of ``PosedBody`` and those of the noise. In a rig all views see the same body.

    Args:
        body: any articulated body that knows the joint set ``layout``.
        pose_prior, focal_spread, depth, orientation: see ``PosedBody``.
        layout: the joint set of the keypoints.
        noise: how keypoints scatter.
    """

    def __init__(
        self,
        body: ArticulatedBody,
        pose_prior: PosePrior,
        layout: str = "coco17",
        noise: KeypointNoise | None = None,
        focal_spread: float = 0.0,
        depth: float = 4.0,
        orientation: Density | None = None,
    ) -> None:
        super().__init__()
        self.story = PosedBody(body, pose_prior, focal_spread, depth, orientation)
        self.body, self.pose_prior, self.layout = body, pose_prior, layout
        self.skeleton = body.reduced(layout)
        self.noise = noise or NormalOrAnywhere()

    @property
    def licences(self) -> tuple[str, ...]:
        """What the parts were made from."""
        return self.story.licences

    def forward(self, observation: Observation) -> Pose:
        """The story; what it returns is the pose it told of."""
        self._check(observation)
        with pyro.plate("bodies", len(observation)):
            pose, camera = self.story(observation.camera)
            joints = self.skeleton.keypoints(self.skeleton(pose), self.layout)
            self.noise.observe(camera.project(joints)[..., :2], observation)
        return pose

    def _check(self, observation: Observation) -> None:
        if observation.keypoints is not None and observation.layout != self.layout:
            raise ValueError(
                f"KeypointBody: made for {self.layout} keypoints, but the observation holds {observation.layout}; "
                "convert them, or make the model with that layout."
            )


def _require_one_each(places: Float[Tensor, "B M 2"], observation: Observation) -> None:
    """The layout that was observed may have another number of keypoints than the body that is asked to explain them."""
    if observation.keypoints is not None and observation.keypoints.shape[1] != places.shape[1]:
        raise ValueError(
            f"keypoints: expected {places.shape[1]}, those of the model's layout in all views, "
            f"found {observation.keypoints.shape[1]}."
        )


def _extent_in_its_view(observation: Observation) -> Float[Tensor, "B M"]:
    """The extent of the person in each keypoint's own view."""
    assert observation.keypoints is not None
    return observation.extent().repeat_interleave(observation.keypoints.shape[1] // observation.camera.views, dim=1)
