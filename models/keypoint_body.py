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
from probbody.densities import InlierOutlier, UniformRotation, geman_mcclure
from probbody.geometry.rotations import quaternion_to_matrix
from probbody.observation import Observation
from probbody.quantities import Pose


class KeypointNoise(abc.ABC):
    """How far from its place a keypoint is found."""

    @abc.abstractmethod
    def observe(self, places: Float[Tensor, "B M 2"], observation: Observation) -> None:
        """Tell Pyro of the observed keypoints, given where the body puts them (pixels)."""


class NormalOrAnywhere(KeypointNoise):
    """A normal around the place, or, for an outlier, a uniform over a window around the person.

    Sites: ``noise`` (B,), the standard deviation as a share of the diagonal of the person's box, log-normal and so fitted
    with the rest: it starts wide and narrows as the body comes to explain its keypoints; ``keypoints`` (B, M, 2), observed.
    A detector's confidence is taken for what it says, the chance that the point is the joint.

    Args:
        typical: the median of the noise, as a share of the diagonal.
        spread: the standard deviation of its logarithm.
        outliers: the share of wrong points among those of full confidence.
        window: side of the outliers' square, in diagonals.
    """

    def __init__(
        self, typical: float = 0.012, spread: float = 0.1, outliers: float = 0.05, window: float = 2.0
    ) -> None:
        self.typical, self.spread, self.outliers, self.window = typical, spread, outliers, window

    def observe(self, places: Float[Tensor, "B M 2"], observation: Observation) -> None:
        """Sample ``noise``, and observe ``keypoints``."""
        noise = pyro.sample("noise", dist.LogNormal(places.new_full((), math.log(self.typical)), self.spread))
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
        self.sigma, self.scale = sigma, scale

    def observe(self, places: Float[Tensor, "B M 2"], observation: Observation) -> None:
        """Add the factor ``keypoints``, weighted by the squared confidence as in SMPLify."""
        if observation.keypoints is None:
            return
        seen, confidence = observation.keypoints[..., :2], observation.keypoints[..., 2]
        away = (seen - places).norm(dim=-1) / (self.sigma * _extent_in_its_view(observation))
        energy = 0.5 * geman_mcclure(away, self.scale / self.sigma) * confidence.square()
        pyro.factor("keypoints", -torch.where(confidence > 0, energy, 0.0).sum(-1))


class KeypointBody(nn.Module):
    """shape, pose, orientation, place; the joints where the camera puts them; keypoints near them or anywhere.

    Sites, all in the plate ``bodies``: ``shape`` (S,); ``pose`` (Z,), the prior's code; ``orientation`` (4,), a quaternion;
    ``place`` (3,), the body's translation as (x / z, y / z, log z) in the first camera's frame; ``focal`` (), a factor on
    the focal length, where that has a prior; and those of the noise. In a rig all views see the same body.

    Args:
        body: any articulated body that knows the joint set ``layout``.
        pose_prior: over the joints that follow the root; joints beyond it rest.
        layout: the joint set of the keypoints.
        noise: how keypoints scatter.
        focal_spread: standard deviation of the logarithm of the focal length around the camera's; 0 where it is known.
        depth: median of the distance to the camera in metres; its logarithm has a standard deviation of 1.
    """

    def __init__(
        self,
        body: ArticulatedBody,
        pose_prior: PosePrior,
        layout: str = "coco17",
        noise: KeypointNoise | None = None,
        focal_spread: float = 0.0,
        depth: float = 4.0,
    ) -> None:
        super().__init__()
        if pose_prior.num_joints > len(body.parents) - 1:
            raise ValueError(
                f"KeypointBody: the prior moves {pose_prior.num_joints} joints but the body has {len(body.parents) - 1} "
                "after its root; choose a prior made for this body."
            )
        self.body, self.pose_prior, self.layout = body, pose_prior, layout
        self.skeleton = body.reduced(layout)
        self.noise = noise or NormalOrAnywhere()
        self.focal_spread, self.depth = focal_spread, depth

    @property
    def licences(self) -> tuple[str, ...]:
        """What the parts were made from."""
        return (self.body.licence, self.pose_prior.licence)

    def forward(self, observation: Observation) -> Pose:
        """The story; what it returns is the pose it told of."""
        self._check(observation)
        like = self.body.weights
        with pyro.plate("bodies", len(observation)):
            shape = pyro.sample("shape", dist.Normal(like.new_zeros(self.body.num_shape), 1.0).to_event(1))
            code = pyro.sample("pose", self.pose_prior.code())
            orientation = pyro.sample("orientation", UniformRotation(like=like))
            place = pyro.sample("place", self._place_prior(like))
            camera = observation.camera
            if self.focal_spread > 0:
                camera = camera.zoomed(pyro.sample("focal", dist.LogNormal(like.new_zeros(()), self.focal_spread)))
            pose = self.assemble(code, orientation, shape, camera.place(place))
            joints = self.skeleton.keypoints(self.skeleton(pose), self.layout)
            self.noise.observe(camera.project(joints)[..., :2], observation)
        return pose

    def assemble(
        self,
        code: Float[Tensor, "B Z"],
        orientation: Float[Tensor, "B 4"],
        shape: Float[Tensor, "B S"],
        place: Float[Tensor, "B 3"],
    ) -> Pose:
        """The pose that values of the sites stand for, ``place`` in metres."""
        root = quaternion_to_matrix(orientation)[:, None]
        limbs = self.pose_prior.decode(code)
        resting = len(self.body.parents) - 1 - limbs.shape[1]
        ends = torch.eye(3).to(root).expand(len(root), resting, 3, 3)
        return Pose(torch.cat([root, limbs, ends], dim=1), shape, place)

    def _place_prior(self, like: Tensor) -> Density:
        # wide across the picture: (x / z, y / z) = 1 is 45 degrees off the axis
        return dist.Normal(like.new_tensor([0.0, 0.0, math.log(self.depth)]), 1.0).to_event(1)

    def _check(self, observation: Observation) -> None:
        if observation.keypoints is not None and observation.layout != self.layout:
            raise ValueError(
                f"KeypointBody: made for {self.layout} keypoints, but the observation holds {observation.layout}; "
                "convert them, or make the model with that layout."
            )


def _extent_in_its_view(observation: Observation) -> Float[Tensor, "B M"]:
    """The extent of the person in each keypoint's own view."""
    assert observation.keypoints is not None
    return observation.extent().repeat_interleave(observation.keypoints.shape[1] // observation.camera.views, dim=1)
