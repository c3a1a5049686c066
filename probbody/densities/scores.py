"""What earlier systems sum over the pixels in place of a mixture: scores, whose integral is not one.

They keep the mixture's arguments, so that what each form is worth can be measured: see ``OcclusionDensity``.
"""

import math

import torch
from jaxtyping import Float
from pyro.distributions.torch_distribution import TorchDistributionMixin as Density
from torch import Tensor

from .occlusion import PixelDensity
from .von_mises_fisher import VonMisesFisherMixture


class HardMaxScore(PixelDensity):
    r"""The likelier of the two explanations where the body is, the background elsewhere.

    .. math:: \sum_i \alpha_i \max(\log v + \log p_\text{body},\ \log(1 - v) + \log p_\text{background})
        + (1 - \alpha_i) \log p_\text{background}

    with coverage alpha and chance v of being visible. Where the coverage is one it lies below the mixture by at most log 2;
    blending by the coverage, instead of NeMo's hard mask, lets the silhouette pull.

    References: Wang et al. (2021), NeMo, arXiv:2101.12378.
    """

    def visible_posterior(self, value: Float[Tensor, "*#B D H W"]) -> Float[Tensor, "*B H W"]:
        """One where the body explains the pixel better, zero elsewhere."""
        seen, hidden = self._weighed(*self._explanations(value))
        return (seen > hidden).to(seen.dtype)

    def _of(self, coverage: Tensor, body: Density) -> "HardMaxScore":
        return HardMaxScore(coverage, body, self.background, self.chance, self.temper, validate_args=False)

    def _joined(self, body: Tensor, background: Tensor) -> Tensor:
        return torch.lerp(background, torch.maximum(*self._weighed(body, background)), self.coverage)

    def _weighed(self, body: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
        return _log(self.chance) + body, _log(1 - self.chance) + background


class BlendScore(PixelDensity):
    r"""Nothing hides the body: :math:`\sum_i \alpha_i \log p_\text{body} + (1 - \alpha_i) \log p_\text{background}`.

    What 3DNBF's released code does on all but one of its benchmarks, with a hard mask for the coverage alpha. Every pixel of an
    occluder counts in full against the body behind it.
    """

    def visible_posterior(self, value: Float[Tensor, "*#B D H W"]) -> Float[Tensor, "*B H W"]:
        """One everywhere."""
        return torch.ones_like(self.coverage).expand(*value.shape[:-3], *self.coverage.shape[-2:])

    def _of(self, coverage: Tensor, body: Density) -> "BlendScore":
        return BlendScore(coverage, body, self.background, self.chance, self.temper, validate_args=False)

    def _joined(self, body: Tensor, background: Tensor) -> Tensor:
        return torch.lerp(background, body, self.coverage)


class SoftMaxScore(PixelDensity):
    r"""Minus an energy of cosines, as 3DNBF's released code has it where it lets the body be hidden.

    .. math:: -s\,\operatorname{mean}_i\bigl(1 - \operatorname{smax}_t(o_i, c_i)\bigr),\quad o = (1 + \cos_\text{body})/2,
        \ c = (1 + \max_n \cos(f, b_n))/2

    where smax is the mean of o and c, weighted by softmax((o, c) / t). It does not look at the coverage: where no body is
    rendered its cosine is zero, and o is one half.

    Args:
        temperature: t; as it goes to zero, smax becomes the maximum.
        scale: s, in nats.
    """

    def __init__(
        self,
        coverage: Float[Tensor, "*B H W"],
        body: Density,
        background: Density,
        temperature: float,
        scale: float,
        validate_args: bool | None = None,
    ) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature: expected more than zero, found {temperature}.")
        self.temperature, self.scale = temperature, scale
        pixels = coverage.shape[-1] * coverage.shape[-2]
        super().__init__(coverage, body, background, temper=scale / pixels, validate_args=validate_args)

    def visible_posterior(self, value: Float[Tensor, "*#B D H W"]) -> Float[Tensor, "*B H W"]:
        """The weight of the body in the soft maximum."""
        seen, hidden = self._explanations(value)
        return torch.sigmoid((seen - hidden) / self.temperature)

    def _of(self, coverage: Tensor, body: Density) -> "SoftMaxScore":
        return SoftMaxScore(coverage, body, self.background, self.temperature, self.scale, validate_args=False)

    def _joined(self, body: Tensor, background: Tensor) -> Tensor:
        return soft_max(body, background, self.temperature) - 1

    def _explanations(self, value: Tensor) -> tuple[Tensor, Tensor]:
        features = value.movedim(-3, -1)
        seen = 0.5 + 0.5 * _expected_cosine(self.body, features)
        return seen.clamp(1e-8, 1), 0.5 + 0.5 * _nearest_cosine(self.background, features)


def soft_max(one: Float[Tensor, "*#N"], other: Float[Tensor, "*#N"], temperature: float) -> Float[Tensor, "*N"]:
    """The mean of two numbers, weighted by the softmax of the numbers over the temperature; between mean and maximum."""
    return torch.lerp(other, one, torch.sigmoid((one - other) / temperature))


def _expected_cosine(density: Density, features: Tensor) -> Tensor:
    if isinstance(density, VonMisesFisherMixture):
        return (density.log_weights.exp() * density.cosines(features)).sum(-1)
    return _cosine(density, features)


def _nearest_cosine(density: Density, features: Tensor) -> Tensor:
    if isinstance(density, VonMisesFisherMixture):
        return density.cosines(features).amax(-1)
    return _cosine(density, features)


def _cosine(density: Density, features: Tensor) -> Tensor:
    if not hasattr(density, "cosine"):
        raise ValueError(
            f"SoftMaxScore: needs densities about directions, which know their cosine, but found {type(density).__name__}; "
            "use a von Mises-Fisher field and background."
        )
    return density.cosine(features)


def _log(chance: float) -> float:
    return math.log(chance) if chance > 0 else -math.inf
