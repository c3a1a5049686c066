"""Skin that follows several bones at once."""

from jaxtyping import Float
from torch import Tensor


def linear_blend_skinning(
    vertices: Float[Tensor, "B V 3"], frames: Float[Tensor, "B J 4 4"], weights: Float[Tensor, "V J"]
) -> Float[Tensor, "B V 3"]:
    """Each vertex moved by the mean of the rest-to-posed ``frames``, weighted by its row of ``weights`` (Lewis et al. 2000)."""
    blended = (weights @ frames[:, :, :3].flatten(2)).unflatten(-1, (3, 4))  # (B, V, 3, 4)
    return (blended[..., :3] @ vertices.unsqueeze(-1)).squeeze(-1) + blended[..., 3]
