"""How far a body is from the truth."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .geometry.procrustes import similarity


def mpjpe(
    found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], seen: Bool[Tensor, "B P"] | None = None, root: int = 0
) -> Float[Tensor, " B"]:
    """Mean distance of joints in millimetres, after the joint ``root`` of both was moved to the origin.

    Points are metres; ``seen`` chooses the joints that count (all without it).

    References: Ionescu et al. (2014), Human3.6M, protocol 1.
    """
    away = (found - found[:, root : root + 1]) - (truth - truth[:, root : root + 1])
    return _mean(away.norm(dim=-1), seen)


def pa_mpjpe(
    found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], seen: Bool[Tensor, "B P"] | None = None
) -> Float[Tensor, " B"]:
    """Mean distance of joints in millimetres, after the best similarity (scale, rotation, place) of found onto truth.

    Fewer than four joints fit by a similarity whatever they are, so they are refused.

    Raises:
        ValueError: a body with fewer than four joints that count.
    """
    weights = torch.ones_like(found[..., 0]) if seen is None else seen.to(found)
    fewest = int((weights > 0).sum(1).min())
    if fewest < 4:
        raise ValueError(f"pa_mpjpe: a similarity needs at least 4 joints to say anything, a body has {fewest}.")
    laid = similarity(found, truth, weights)(found)
    return _mean((laid - truth).norm(dim=-1), seen)


def reprojection_error(
    found: Float[Tensor, "B P 2"], keypoints: Float[Tensor, "B P 3"], extent: Float[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """Mean distance of the keypoints seen (confidence above zero) as a share of ``extent``, a length in pixels."""
    away = (found - keypoints[..., :2]).norm(dim=-1)
    return _mean(away, keypoints[..., 2] > 0) / 1000 / extent


def _mean(metres: Float[Tensor, "B P"], seen: Bool[Tensor, "B P"] | None) -> Float[Tensor, " B"]:
    if seen is None:
        return 1000 * metres.mean(1)
    return 1000 * torch.where(seen, metres, 0.0).sum(1) / seen.sum(1)
