"""Directions that scatter around one, or around a few."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.distributions import register_kl

from .bessel import concentration_of, log_peak, mean_resultant, mean_shortfall
from .cosines import cosines, lengths
from .sphere import log_area


class VonMisesFisher(TorchDistribution):
    r"""Unit vectors of R^D around a direction: ``p(x) = exp(kappa m.x) / (F_D(kappa) area)``. Batch (*B,), event (D,).

    Only the direction of ``direction`` counts, not its length, so that a rendered feature can be handed over as it is, without
    a normalised copy. Where it is shorter than 1e-12 there is no direction, and the density is the uniform one; its gradient
    there is zero. Good for D from 2 to 1,024 and kappa from 0, the uniform, to 1e5; in float32 ``log_prob`` is as precise as
    ``kappa`` times the rounding of ``m.x``.

    Args:
        direction: where the mean points, of any length.
        concentration: kappa, at least 0.

    References: Mardia, Jupp (2000), Directional Statistics; Wood (1994), Simulation of the von Mises Fisher distribution.
    """

    arg_constraints: dict[str, constraints.Constraint] = {  # noqa: RUF012  torch's own class-level convention
        "direction": constraints.real_vector,
        "concentration": constraints.nonnegative,
    }
    support = constraints.sphere
    has_rsample = False

    def __init__(
        self,
        direction: Float[Tensor, "*#B D"],
        concentration: Float[Tensor, "*#B"],
        validate_args: bool | None = None,
    ) -> None:
        batch = torch.broadcast_shapes(direction.shape[:-1], concentration.shape)
        self.direction, self.concentration = direction, concentration
        super().__init__(batch, direction.shape[-1:], validate_args=validate_args)

    @classmethod
    def fit(cls, samples: Float[Tensor, "N D"], weights: Float[Tensor, "*B N"] | None = None) -> "VonMisesFisher":
        """Of greatest likelihood, one for each row of weights (at least 0); where they are all zero, the uniform."""
        weights = samples.new_ones(len(samples)) if weights is None else weights
        mean = weights @ samples / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(samples.dtype).tiny)
        return cls(mean, concentration_of(mean.norm(dim=-1), samples.shape[-1]))

    def expand(self, batch_shape: Sequence[int], _instance: "VonMisesFisher | None" = None) -> "VonMisesFisher":
        """The same density over a larger batch."""
        shape = torch.Size(batch_shape)
        direction = self.direction.expand(*shape, *self.event_shape)
        return VonMisesFisher(direction, self.concentration.expand(shape), validate_args=False)

    @property
    def mode(self) -> Float[Tensor, "*B D"]:
        """The direction, at unit length; zero where there is none."""
        length, known = lengths(self.direction)
        return (self.direction * (known / length)[..., None]).expand(self._extended_shape())

    @property
    def mean(self) -> Float[Tensor, "*B D"]:
        """Along the direction, inside the sphere."""
        return self.mode * mean_resultant(self.concentration, self.event_shape[0])[..., None]

    def cosine(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*N"]:
        """``m.x``; zero where there is no direction."""
        return cosines(value, self.direction[..., None, :])[0][..., 0]

    def log_prob(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*N"]:
        """The log density with respect to area on the sphere, in nats."""
        if self._validate_args:
            self._validate_sample(value)
        cosine, length = cosines(value, self.direction[..., None, :])
        dim = self.event_shape[0]
        relative = self.concentration * (cosine[..., 0] - 1) + log_peak(self.concentration, dim)
        return torch.where(length[..., 0] > 0, relative, 0.0) - log_area(dim)

    def entropy(self) -> Float[Tensor, "*B"]:
        """In nats; at most the log of the sphere's area."""
        dim, kappa = self.event_shape[0], self.known_concentration
        return kappa * mean_shortfall(kappa, dim) - log_peak(kappa, dim) + log_area(dim)

    @property
    def known_concentration(self) -> Float[Tensor, "*B"]:
        """The concentration; zero where there is no direction."""
        return torch.where(lengths(self.direction)[1], self.concentration, 0.0)

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*N D"]:
        """Unit vectors; the angle by Wood's rejection (for D = 3 by inversion), the rest uniform around the direction."""
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            mode = self.mode.expand(shape)
            draw = _shortfall_in_space if shape[-1] == 3 else _shortfall
            short = draw(self.concentration.expand(shape[:-1]), shape[-1])[..., None]  # 1 - m.x
            around = torch.randn(shape, dtype=mode.dtype, device=mode.device)
            around = torch.nn.functional.normalize(around - (around * mode).sum(-1, keepdim=True) * mode, dim=-1)
            return torch.nn.functional.normalize(mode * (1 - short) + around * (short * (2 - short)).sqrt(), dim=-1)


class VonMisesFisherMixture(TorchDistribution):
    """Unit vectors around one of O directions. Batch shape (*B,), event shape (D,).

    What ``MixtureSameFamily`` of ``VonMisesFisher`` says, but without a tensor of all values times all directions.

    Args:
        log_weights: logits of the chance of each direction; they need not sum to one.
        directions: where the parts point, of any length.
        concentrations: kappa of each.
    """

    arg_constraints: dict[str, constraints.Constraint] = {  # noqa: RUF012
        "directions": constraints.independent(constraints.real_vector, 1),
        "concentrations": constraints.independent(constraints.nonnegative, 1),
    }
    support = constraints.sphere
    has_rsample = False

    def __init__(
        self,
        log_weights: Float[Tensor, "*#B O"],
        directions: Float[Tensor, "*#B O D"],
        concentrations: Float[Tensor, "*#B O"],
        validate_args: bool | None = None,
    ) -> None:
        batch = torch.broadcast_shapes(log_weights.shape[:-1], directions.shape[:-2], concentrations.shape[:-1])
        self.log_weights = log_weights.log_softmax(-1)
        self.directions, self.concentrations = directions, concentrations
        super().__init__(batch, directions.shape[-1:], validate_args=validate_args)

    def expand(
        self, batch_shape: Sequence[int], _instance: "VonMisesFisherMixture | None" = None
    ) -> "VonMisesFisherMixture":
        """The same density over a larger batch."""
        shape, count = torch.Size(batch_shape), self.directions.shape[-2]
        weights, kappa = (part.expand(*shape, count) for part in (self.log_weights, self.concentrations))
        directions = self.directions.expand(*shape, count, *self.event_shape)
        return VonMisesFisherMixture(weights, directions, kappa, validate_args=False)

    @property
    def parts(self) -> VonMisesFisher:
        """The densities that are mixed; batch shape (*B, O)."""
        return VonMisesFisher(self.directions, self.concentrations, validate_args=False)

    @property
    def mean(self) -> Float[Tensor, "*B D"]:
        """The parts' means, weighted."""
        return (self.log_weights.exp()[..., None] * self.parts.mean).sum(-2).expand(self._extended_shape())

    def cosines(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*N O"]:
        """``m_o.x`` for every direction."""
        return cosines(value, self.directions)[0]

    def log_prob(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*N"]:
        """The log density with respect to area on the sphere, in nats."""
        return self._weighted(value).logsumexp(-1) - log_area(self.event_shape[0])

    def responsibilities(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*N O"]:
        """The posterior chance of each direction."""
        return self._weighted(value).softmax(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*N D"]:
        """Unit vectors."""
        shape, count = self._extended_shape(torch.Size(sample_shape)), self.directions.shape[-2]
        chances = self.log_weights.exp().expand(*shape[:-1], count)
        which = torch.distributions.Categorical(chances, validate_args=False).sample()[..., None]
        kappa = self.concentrations.expand(*shape[:-1], count).gather(-1, which)[..., 0]
        directions = self.directions.expand(*shape[:-1], count, shape[-1])
        chosen = directions.gather(-2, which[..., None].expand(*shape[:-1], 1, shape[-1]))[..., 0, :]
        return VonMisesFisher(chosen, kappa, validate_args=False).sample()

    def _weighted(self, value: Tensor) -> Tensor:
        """The weighted log densities of the parts, relative to the uniform."""
        cosine, length = cosines(value, self.directions)
        known = length > 0
        at_zero = log_peak(self.concentrations, self.event_shape[0]) - self.concentrations
        # one pass over what may be pixels times hundreds of directions
        return torch.addcmul(
            self.log_weights + torch.where(known, at_zero, 0.0), cosine, torch.where(known, self.concentrations, 0.0)
        )


def _shortfall(kappa: Tensor, dim: int) -> Tensor:
    """Draws of ``1 - m.x``, by rejection from a transformed beta; written in what x falls short of m, where it is small."""
    wide = (kappa if kappa.device.type == "mps" else kappa.double()).flatten()
    half = torch.full_like(wide, 0.5 * (dim - 1))
    b = 2 * half / (2 * wide + (4 * wide**2 + 4 * half**2).sqrt())
    drawn, pending = torch.zeros_like(wide), torch.arange(len(wide), device=wide.device)
    while len(pending):
        near, far = torch._standard_gamma(half[pending]), torch._standard_gamma(half[pending])
        rate, scaled = wide[pending], b[pending] * near
        short = 2 * scaled / (far + scaled)
        centre = 2 * b[pending] / (1 + b[pending])  # 1 - x0
        log_ratio = ((centre + (1 - centre) * short) / (centre * (2 - centre))).log()
        taken = rate * (centre - short) + (dim - 1) * log_ratio >= torch.rand_like(rate).log()
        drawn[pending[taken]] = short[taken]
        pending = pending[~taken]
    return drawn.view(kappa.shape).to(kappa.dtype)


def _shortfall_in_space(kappa: Tensor, dim: int) -> Tensor:
    """Draws of ``1 - m.x`` for D = 3, where the distribution function can be inverted."""
    wide = (kappa if kappa.device.type == "mps" else kappa.double()).clamp_min(1e-30)
    return (-(torch.rand_like(wide) * (-2 * wide).expm1()).log1p() / wide).clamp(0, 2).to(kappa.dtype)


@register_kl(VonMisesFisher, VonMisesFisher)
def _kl_von_mises_fisher(p: VonMisesFisher, q: VonMisesFisher) -> Tensor:
    dim, kappa, other = p.event_shape[0], p.known_concentration, q.known_concentration
    shortfall = mean_shortfall(kappa, dim)
    apart = 0.5 * (p.mode - q.mode).square().sum(-1)  # 1 - cosine
    # written in what falls short of one, which is small where concentrations are large
    seen = shortfall + (1 - shortfall) * apart
    return other * seen - kappa * shortfall + log_peak(kappa, dim) - log_peak(other, dim)
