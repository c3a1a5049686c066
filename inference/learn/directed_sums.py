"""The features of greatest likelihood of each point of a body and each direction of its limb, from any number of sights."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from .feature_sampling import Marking, PointFeatures

BORROWED = 2.0
"""So many sights of a vertex are taken to be as from any direction: they stand for directions that were hardly seen."""


@dataclass(frozen=True)
class DirectedSums:
    """Sums of unit features, each weighted by p(o | limb direction).

    At unit length they are the rows phi_vo that make exp(kappa f . sum_o p(o) phi_vo) greatest for all sights together: of
    greatest likelihood under von Mises-Fisher densities, but for what the length of sum_o p(o) phi_vo does to their normaliser.
    """

    total: Float[Tensor, "V O D"]

    @staticmethod
    def of(marking: Marking, channels: int, dtype: torch.dtype = torch.float32) -> "DirectedSums":
        """Of nothing seen yet."""
        limbs = marking.limbs.vertex
        return DirectedSums(limbs.new_zeros(len(limbs), marking.directions.count, channels, dtype=dtype))

    def add(self, points: PointFeatures) -> None:
        """See these points, too."""
        shares = points.shares.unsqueeze(-1).to(self.total)
        self.total.index_add_(0, points.vertex, shares * points.features.unsqueeze(1).to(self.total))

    def rows(self, borrowed: float = BORROWED) -> Float[Tensor, "V O D"]:
        """Unit features; zero where a vertex was never seen."""
        whole = normalize(self.total.sum(1, keepdim=True), dim=-1)
        return normalize(self.total + borrowed / self.total.shape[1] * whole, dim=-1)
