"""Skin that follows several bones at once."""

from jaxtyping import Float
from torch import Tensor


def linear_blend_skinning(
    vertices: Float[Tensor, "B V 3"], frames: Float[Tensor, "B J 4 4"], weights: Float[Tensor, "V J"]
) -> Float[Tensor, "B V 3"]:
    """Each vertex moved by the mean of the rest-to-posed ``frames``, weighted by its row of ``weights``.

    The frames are blended as matrices and not as rotations, as SMPL does: skin near a sharply bent joint loses volume.
    Lewis et al. (2000), doi:10.1145/344779.344862.
    """
    planes = frames[:, :, :3].permute(2, 3, 1, 0)
    return skinned_planes(vertices.permute(2, 0, 1), planes, weights).permute(1, 2, 0).contiguous()


def skinned_planes(
    vertices: Float[Tensor, "3 B V"], frames: Float[Tensor, "3 4 J B"], weights: Float[Tensor, "V J"]
) -> Float[Tensor, "3 B V"]:
    """The same with coordinates first, where the arithmetic runs along contiguous vertices."""
    blended = frames.mT.flatten(0, 2) @ weights.mT  # (12 B, V): one large product
    turn, shift = blended.unflatten(0, (3, 4, -1)).split([3, 1], dim=1)
    return (turn * vertices).sum(1) + shift.squeeze(1)
