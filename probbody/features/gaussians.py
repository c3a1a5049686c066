"""Gaussians about one or several directions, for features that are compared by their squared distance."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from ..densities.von_mises_fisher import VonMisesFisherMixture


class GaussianDirections(TorchDistribution):
    """Vectors of R^D about one of ``O`` unit vectors, with one standard deviation. Batch shape (*B,), event shape (D,).

    A mixture of ``N(m_o, scale^2 I)``, where m_o has unit length along ``directions``, or is zero where they are. What
    ``MixtureSameFamily`` of ``Normal`` says, but |f - m_o|^2 is written as |f|^2 + |m_o|^2 - 2 f . m_o, so that there is no
    tensor of all values times all directions.

    Args:
        log_weights: logits of the chance of each direction.
        directions: of any length.
        scale: the standard deviation along each axis.
    """

    arg_constraints: dict[str, constraints.Constraint] = {  # noqa: RUF012  torch's own class-level convention
        "scale": constraints.positive
    }
    support = constraints.real_vector
    has_rsample = False

    def __init__(
        self,
        log_weights: Float[Tensor, "*#B O"],
        directions: Float[Tensor, "*#B O D"],
        scale: Float[Tensor, ""],
        validate_args: bool | None = None,
    ) -> None:
        one = torch.ones_like(scale).to(directions).expand(directions.shape[-2])
        self._around = VonMisesFisherMixture(log_weights, directions, one, validate_args=False)
        self.scale = scale
        super().__init__(self._around.batch_shape, directions.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: "GaussianDirections | None" = None) -> "GaussianDirections":
        """The same density over a larger batch."""
        wide = self._around.expand(torch.Size(batch_shape))
        return GaussianDirections(wide.log_weights, wide.directions, self.scale, validate_args=False)

    def log_prob(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*#N"]:
        """The log density in R^D, in nats."""
        if self._validate_args:
            self._validate_sample(value)
        apart = value.square().sum(-1, keepdim=True) + self._known() - 2 * self._around.cosines(value)
        exponent = self._around.log_weights - 0.5 * apart / self.scale.square()
        return exponent.logsumexp(-1) - self.event_shape[0] * (self.scale.log() + 0.5 * math.log(2 * math.pi))

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*N D"]:
        """Vectors of any length."""
        shape = self._extended_shape(torch.Size(sample_shape))
        with torch.no_grad():
            count = self._around.directions.shape[-2]
            chances = self._around.log_weights.exp().expand(*shape[:-1], count)
            which = torch.distributions.Categorical(chances, validate_args=False).sample()[..., None, None]
            modes = self._around.parts.mode.expand(*shape[:-1], count, shape[-1])
            chosen = modes.gather(-2, which.expand(*shape[:-1], 1, shape[-1])).squeeze(-2)
            return chosen + self.scale * torch.randn_like(chosen)

    def _known(self) -> Float[Tensor, "*B O"]:
        """The squared lengths of the means: 1, or 0 where there is no direction."""
        with torch.no_grad():
            return self._around.parts.known_concentration
