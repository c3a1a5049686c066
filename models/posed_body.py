"""A body somewhere before a camera: the part of the story that all models of bodies share."""

import math

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor, nn

from probbody.contracts import ArticulatedBody, Camera, Density, PosePrior
from probbody.densities import UniformRotation
from probbody.geometry.rotations import quaternion_to_matrix
from probbody.quantities import Pose


class PosedBody(nn.Module):
    """shape, pose, orientation, place, and the focal length where it is not known.

    Sites, for use inside a plate ``bodies``: ``shape`` (S,); ``pose`` (Z,), the prior's code; ``orientation`` (4,), a
    quaternion, w first; ``place`` (3,), the body's translation as (x / z, y / z, log z) in the first camera's frame;
    ``focal`` (), a factor on the focal length.

    Args:
        body: any articulated body.
        pose_prior: over the joints that follow the root; joints beyond it rest.
        focal_spread: standard deviation of the logarithm of the focal length around the camera's; 0 where it is known.
        depth: median of the distance to the camera in metres; its logarithm has a standard deviation of 1.
        orientation: the density of the quaternion; all orientations alike unless given.
    """

    def __init__(
        self,
        body: ArticulatedBody,
        pose_prior: PosePrior,
        focal_spread: float = 0.0,
        depth: float = 4.0,
        orientation: Density | None = None,
    ) -> None:
        super().__init__()
        if pose_prior.num_joints > len(body.parents) - 1:
            raise ValueError(
                f"PosedBody: the prior moves {pose_prior.num_joints} joints but the body has {len(body.parents) - 1} "
                "after its root; choose a prior made for this body."
            )
        if not (0 <= focal_spread < math.inf and 0 < depth < math.inf):
            raise ValueError(
                "focal_spread, depth: expected a spread of 0 or more and a depth above 0, both finite, "
                f"found {focal_spread} and {depth}."
            )
        self.body, self.pose_prior = body, pose_prior
        self.focal_spread, self.depth, self.orientation = focal_spread, depth, orientation

    @property
    def licences(self) -> tuple[str, ...]:
        """What the parts were made from."""
        return (self.body.licence, self.pose_prior.licence)

    def forward(self, camera: Camera) -> tuple[Pose, Camera]:
        """The pose that the story tells of, and the camera with its focal length."""
        like = self.body.weights
        shape = pyro.sample("shape", dist.Normal(like.new_zeros(self.body.num_shape), 1.0).to_event(1))
        code = pyro.sample("pose", self.pose_prior.code())
        orientation = pyro.sample("orientation", self.orientation or UniformRotation(like=like))
        place = pyro.sample("place", self._place_prior(like))
        if self.focal_spread > 0:
            camera = camera.zoomed(pyro.sample("focal", dist.LogNormal(like.new_zeros(()), self.focal_spread)))
        return self.assemble(code, orientation, shape, camera.place(place)), camera

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
