r"""How sharply directions agree: the Bessel functions behind the von Mises-Fisher density.

With :math:`\nu = D/2 - 1` and m any unit vector of R^D, the mean of :math:`e^{\kappa m\cdot x}` over the unit sphere is

.. math:: F_D(\kappa) = \Gamma(\nu + 1)\,(2/\kappa)^\nu I_\nu(\kappa), \qquad
    \frac{d \log F_D}{d\kappa} = A_D(\kappa) = I_{\nu+1}(\kappa) / I_\nu(\kappa).

Both start from the uniform (Debye) expansion in a high order, which holds for every argument, and come down to the order
asked for by the recurrence of the ratio, in which all terms are positive. The constants of the expansion and of the Gamma
function cancel by hand, so that :math:`\log F` keeps its relative precision down to :math:`\kappa^2/2D`.

Numbers are worked out in float64, whatever comes in, and handed back in the dtype that came; on a device without float64
they are worked out in float32, to 1e-6 (``log_peak`` to 2e-5).

References:
    Olver, NIST Digital Library of Mathematical Functions, sections 10.29 (recurrences) and 10.41 (uniform expansions).
    Banerjee et al. (2005), Clustering on the unit hypersphere using von Mises-Fisher distributions: the inverse's start.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from .debye import log_series

LARGEST = 1e5
"""The largest concentration that these functions answer for."""

_HIGH_ORDER = 16  # from here on the expansion's error is below 1e-10


def log_partition(kappa: Float[Tensor, "*B"], dim: int) -> Float[Tensor, "*B"]:
    r"""``log F``: the log of the mean of exp(kappa m.x) over the unit sphere of R^dim; zero at kappa = 0."""
    return _Normaliser.apply(kappa, _checked(dim))[0]


def log_peak(kappa: Float[Tensor, "*B"], dim: int) -> Float[Tensor, "*B"]:
    """``kappa - log F``: the log density at the mean direction, relative to the uniform; no cancellation at large kappa."""
    return _Normaliser.apply(kappa, _checked(dim))[1]


def log_bessel(kappa: Float[Tensor, "*B"], dim: int) -> Float[Tensor, "*B"]:
    r"""The log of the exponentially scaled Bessel function, :math:`\log(e^{-\kappa} I_{dim/2-1}(\kappa))`."""
    order = _checked(dim) / 2 - 1
    wide = _wide(kappa)
    scaled = -log_peak(wide, dim)
    return (scaled + order * (wide / 2).log() - math.lgamma(order + 1) if order else scaled).to(kappa.dtype)


def mean_resultant(kappa: Float[Tensor, "*B"], dim: int) -> Float[Tensor, "*B"]:
    """``A``: the length of the mean of a von Mises-Fisher density, in [0, 1)."""
    return _Resultant.apply(kappa, _checked(dim))[0]


def mean_shortfall(kappa: Float[Tensor, "*B"], dim: int) -> Float[Tensor, "*B"]:
    """``1 - A``, precise where A is close to 1."""
    return _Resultant.apply(kappa, _checked(dim))[1]


def concentration_of(resultant: Float[Tensor, "*B"], dim: int) -> Float[Tensor, "*B"]:
    """The concentration whose mean has that length: the inverse of ``mean_resultant``, never above ``LARGEST``.

    It is the maximum-likelihood concentration where ``resultant`` is the length of the samples' mean.
    """
    length = _wide(resultant).clamp(0, 1)
    with torch.no_grad():
        kappa = (length * (dim - length**2) / (1 - length**2).clamp_min(1e-12)).clamp_max(LARGEST)
        for _ in range(6):
            ratio, slope = mean_resultant(kappa, dim), _slope(kappa, dim)
            kappa = (kappa + (length - ratio) / slope).clamp(0, LARGEST)
        ratio, slope = mean_resultant(kappa, dim), _slope(kappa, dim)
    # a last step of Newton's, which also carries the derivative of the inverse
    return (kappa + (length - ratio) / slope).clamp(0, LARGEST).to(resultant.dtype)


class _Normaliser(torch.autograd.Function):
    """``log F`` and ``kappa - log F``, whose derivatives are A and 1 - A."""

    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        _, log_mean, peak = _evaluate(_wide(kappa), dim)
        return log_mean.to(kappa.dtype), peak.to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, *along: Tensor) -> tuple[Tensor, None]:
        (kappa,) = ctx.saved_tensors
        ratio, shortfall = _Resultant.apply(kappa, ctx.dim)
        return along[0] * ratio + along[1] * shortfall, None


class _Resultant(torch.autograd.Function):
    """A and 1 - A."""

    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        wide = _wide(kappa)
        ratio = wide * _evaluate(wide, dim)[0]
        return ratio.to(kappa.dtype), (1 - ratio).to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, *along: Tensor) -> tuple[Tensor, None]:
        (kappa,) = ctx.saved_tensors
        slope = _slope(_wide(kappa), ctx.dim).to(kappa.dtype)
        return (along[0] - along[1]) * slope, None


def _evaluate(kappa: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """``A / kappa``, ``log F`` and ``kappa - log F``."""
    low = dim / 2 - 1
    steps = max(0, math.ceil(_HIGH_ORDER - low))
    order = low + steps
    quotient, slope = log_series(order)
    squared = kappa * kappa
    far = (squared + order**2).sqrt()
    beyond = squared / (order * (far + order))  # (far - order) / order
    share = order / far
    drop = 0.5 * beyond.log1p() + order * (0.5 * beyond).log1p() + order * beyond / far * _horner(quotient, share)
    log_mean = order * beyond - drop
    peak = kappa * (order + order**2 / (far + kappa)) / (far + order) + drop
    ratio = 1 / (far + order) - 0.5 / far**2 - order / far**3 * _horner(slope, share)
    for step in range(steps):
        twice = 2 * (order - step)
        rise = (squared * ratio / twice).log1p()
        log_mean, peak = log_mean + rise, peak - rise
        ratio = 1 / (twice + squared * ratio)
    return ratio, log_mean, peak


def _slope(kappa: Tensor, dim: int) -> Tensor:
    """The derivative of A: the variance of m.x; kept off zero, where float64 cannot tell it from none."""
    ratio = _evaluate(kappa, dim)[0]
    return (1 - (dim - 1) * ratio - (kappa * ratio) ** 2).clamp_min(1e-15)


def _horner(series: list[float], at: Tensor) -> Tensor:
    total = torch.full_like(at, series[-1])
    for coefficient in reversed(series[:-1]):
        total = total * at + coefficient
    return total


def _wide(kappa: Tensor) -> Tensor:
    return kappa if kappa.device.type == "mps" else kappa.double()


def _checked(dim: int) -> int:
    if dim < 2:
        raise ValueError(f"dim: expected at least 2 dimensions, found {dim}.")
    return dim
