"""Two vectors that know nothing of each other, written one behind the other."""

import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution, constraints
from pyro.distributions.torch_distribution import TorchDistributionMixin as Density
from torch import Tensor


class JoinedVectors(TorchDistribution):
    """Densities of independent vectors as one of the vector ``(first, second)``: ``p(x, y) = p(x) q(y)``.

    Args:
        first, second: densities of vectors, with the same batch shape.
    """

    arg_constraints: dict = {}  # noqa: RUF012
    support = constraints.real_vector

    def __init__(self, first: Density, second: Density) -> None:
        if first.batch_shape != second.batch_shape or len(first.event_shape) != 1 or len(second.event_shape) != 1:
            found = [(*part.batch_shape, "|", *part.event_shape) for part in (first, second)]
            raise ValueError(f"JoinedVectors: expected two vectors with one batch shape, found {found}.")
        self.first, self.second = first, second
        self.width = first.event_shape[0]
        size = torch.Size((self.width + second.event_shape[0],))
        super().__init__(first.batch_shape, size, validate_args=False)

    @property
    def mean(self) -> Float[Tensor, "*B D"]:
        """The means of both."""
        return torch.cat([self.first.mean, self.second.mean], dim=-1)

    def log_prob(self, value: Float[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
        """The sum of both."""
        return self.first.log_prob(value[..., : self.width]) + self.second.log_prob(value[..., self.width :])

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Float[Tensor, "*B D"]:
        """A draw of each."""
        shape = torch.Size(sample_shape)
        return torch.cat([self.first.sample(shape), self.second.sample(shape)], dim=-1)

    def expand(
        self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: object = None
    ) -> "JoinedVectors":
        """The same densities for a batch."""
        del _instance
        shape = torch.Size(batch_shape)
        return JoinedVectors(self.first.expand(shape), self.second.expand(shape))
