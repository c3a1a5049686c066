"""Where the joints of a body are at rest, for each shape: as much of a body as a reader of pictures has to know."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..contracts import ArticulatedBody
from ..geometry.trees import forward_kinematics
from ..quantities import Pose


class RestJoints(nn.Module):
    """Joints at rest, linear in the shape, and the tree that they form."""

    mean: Float[Tensor, "J 3"]
    directions: Float[Tensor, "J 3 S"]

    def __init__(
        self, mean: Float[Tensor, "J 3"], directions: Float[Tensor, "J 3 S"], parents: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.parents = parents
        across = mean * mean.new_tensor([-1.0, 1.0, 1.0])
        self._other_side: list[int] = torch.cdist(across, mean).argmin(1).tolist()
        self.register_buffer("mean", mean)
        self.register_buffer("directions", directions)

    @classmethod
    def of(cls, body: ArticulatedBody) -> "RestJoints":
        """Those of a body, from how it stands at rest with each shape coefficient at one."""
        count, like = body.num_shape, body.weights
        shape = torch.cat([like.new_zeros(1, count), torch.eye(count).to(like)])
        still = torch.eye(3).to(like).expand(1 + count, len(body.parents), 3, 3)
        with torch.no_grad():
            joints = body(Pose(still, shape, like.new_zeros(1 + count, 3))).joints
        return cls(joints[0].clone(), (joints[1:] - joints[0]).permute(1, 2, 0).contiguous(), tuple(body.parents))

    def forward(self, shape: Float[Tensor, "B S"]) -> Float[Tensor, "B J 3"]:
        """Places at rest, metres."""
        return self.mean + torch.einsum("jcs,bs->bjc", self.directions, shape)

    def posed(self, pose: Pose) -> Float[Tensor, "B J 3"]:
        """Places in a pose, metres."""
        moved = forward_kinematics(pose.rotations, self(pose.shape), self.parents)[..., :3, 3]
        return moved + pose.translation.unsqueeze(1)

    def mirrored(self, pose: Pose) -> Pose:
        """The bodies in a mirror at x = 0 of the world, left and right exchanged; shapes are taken to have even sides.

        Raises:
            ValueError: the joints at rest are no mirror image of themselves, to a twentieth of the body.
        """
        order, flip = self._other_side, self.mean.new_tensor([-1.0, 1.0, 1.0])
        uneven = (self.mean * flip - self.mean[order]).norm(dim=-1).max()
        if bool(uneven > 0.05 * (self.mean.amax(0) - self.mean.amin(0)).max()):
            raise ValueError(
                f"mirrored: expected joints at rest that mirror each other, found one {float(uneven):.3f} m from the nearest."
            )
        rotations = flip[:, None] * pose.rotations[:, order] * flip
        rest = self(pose.shape)[:, 0]
        return Pose(rotations, pose.shape, (pose.translation + rest) * flip - rest)
