"""Keypoints as weighted sums of a body's joints and vertices."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..quantities import Surface


@dataclass(frozen=True)
class KeypointRegressor:
    """Affine combinations of joints and vertices: row ``p`` of ``weights`` says where keypoint ``p`` is.

    ``columns`` index the posed joints followed by the posed vertices (0 .. J+V-1), so that a keypoint may sit on a joint,
    on the skin or between; rows sum to 1, so that keypoints move with the body.
    """

    columns: Int[Tensor, " Q"]
    weights: Float[Tensor, "P Q"]

    def __call__(self, surface: Surface) -> Float[Tensor, "B P 3"]:
        """The keypoints of posed bodies, in metres."""
        points = torch.cat([surface.joints, surface.vertices], dim=1)[:, self.columns.to(surface.joints.device)]
        return torch.einsum("pq,bqd->bpd", self.weights.to(points), points)
