"""Directions of which none is preferred."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor


def log_area(dim: int) -> float:
    """The log of the area of the unit sphere of R^dim: ``2 pi^(dim/2) / Gamma(dim/2)``."""
    return math.log(2) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)


class UniformSphere(TorchDistribution):
    """Unit vectors of R^dim, each as likely as the next. Batch shape as given, event shape (dim,).

    Args:
        dim: length of the vectors, at least 2.
        like: a tensor whose dtype and device the density takes.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  torch's own class-level convention
    support = constraints.sphere
    has_rsample = False

    def __init__(
        self,
        dim: int,
        batch_shape: Sequence[int] = (),
        like: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if dim < 2:
            raise ValueError(f"dim: expected at least 2 dimensions, found {dim}.")
        self._like = torch.zeros(()) if like is None else like.new_zeros(())
        super().__init__(torch.Size(batch_shape), torch.Size((dim,)), validate_args=validate_args)

    @property
    def mean(self) -> Float[Tensor, "*B D"]:
        """The middle of the sphere."""
        return self._like.expand(self._extended_shape())

    def expand(self, batch_shape: Sequence[int], _instance: "UniformSphere | None" = None) -> "UniformSphere":
        """The same density over a larger batch."""
        return UniformSphere(self.event_shape[0], torch.Size(batch_shape), self._like, validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*N D"]:
        """Unit vectors."""
        shape = self._extended_shape(torch.Size(sample_shape))
        drawn = torch.randn(shape, dtype=self._like.dtype, device=self._like.device)
        return torch.nn.functional.normalize(drawn, dim=-1)

    def log_prob(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*N"]:
        """Minus the log of the sphere's area."""
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return self._like.expand(shape) - log_area(self.event_shape[0])

    def cosine(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*#N"]:
        """Zero: there is no direction for a value to agree with."""
        return self._like.expand(torch.broadcast_shapes(value.shape[:-1], self.batch_shape))

    def entropy(self) -> Float[Tensor, "*B"]:
        """The log of the sphere's area, in nats."""
        return self._like.expand(self.batch_shape) + log_area(self.event_shape[0])
