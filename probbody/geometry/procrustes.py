"""The similarity that brings one set of points closest to another."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..quantities import Record
from .rotations import project_to_rotation


@dataclass(frozen=True)
class Similarity(Record):
    """x goes to ``scale * rotation x + translation``; never a reflection."""

    scale: Float[Tensor, " B"]
    rotation: Float[Tensor, "B 3 3"]
    translation: Float[Tensor, "B 3"]

    def __call__(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """The points moved."""
        return self.scale[:, None, None] * points @ self.rotation.mT + self.translation.unsqueeze(1)


def similarity(
    source: Float[Tensor, "B N 3"],
    target: Float[Tensor, "B N 3"],
    weights: Float[Tensor, "B N"] | None = None,
    scaled: bool = True,
) -> Similarity:
    """The similarity with the least (weighted) sum of squared distances from the moved source to the target.

    Without ``scaled`` the scale is 1. The gradient is finite. Fewer than three points of positive weight, points of the
    source or target that all lie in one place, and points that are not finite are refused with a ValueError.
    Umeyama (1991), doi:10.1109/34.88573.
    """
    weights = source.new_ones(source.shape[:2]) if weights is None else weights
    if bool(((weights > 0).sum(1) < 3).any()):
        raise ValueError("similarity needs at least three points of positive weight in every set.")
    share = (weights / weights.sum(1, keepdim=True)).unsqueeze(-1)
    source_mean, target_mean = (share * source).sum(1, keepdim=True), (share * target).sum(1, keepdim=True)
    centred, aim = source - source_mean, target - target_mean
    spread = (share * centred.square()).sum((1, 2))
    for name, points, variance in (("source", source, spread), ("target", target, (share * aim.square()).sum((1, 2)))):
        if not bool(variance.isfinite().all()):
            raise ValueError(f"similarity: the {name} points must be finite.")
        extent = points.detach().abs().amax((1, 2)) * torch.finfo(points.dtype).eps * 4
        if bool((variance <= extent.square()).any()):
            raise ValueError(f"similarity: the {name} points of one set all lie in one place.")
    covariance = (share * aim).mT @ centred
    rotation = project_to_rotation(covariance)
    scale = (rotation * covariance).sum((1, 2)) / spread if scaled else torch.ones_like(spread)
    moved = scale[:, None] * (rotation @ source_mean.mT).squeeze(-1)
    return Similarity(scale, rotation, target_mean.squeeze(1) - moved)
