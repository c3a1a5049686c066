r"""How kernels along a ray share its light.

A ray meets ``n`` kernels, in the order of their densest points: optical depth tau, densest at the depth t, with the standard
deviation s. P_jm = Phi((t_j - t_m) / s_m) is the share of kernel m before the densest point of kernel j, and S_j = sum_m
P_jm tau_m the optical depth up to there. Rows that are shorter than others are filled up with tau = 0 at a large depth.
"""

import abc
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_FARTHEST = 12.0
"""Standard deviations beyond which nothing is left; exponentials of what is beyond are slow, or not numbers."""

Memory = tuple[Tensor, ...]


class Absorption(abc.ABC):
    """What part of a ray's light each kernel takes."""

    @abc.abstractmethod
    def weights(
        self, tau: Float[Tensor, "R n"], depth: Float[Tensor, "R n"], spread: Float[Tensor, "R n"]
    ) -> tuple[Float[Tensor, "R n"], Memory]:
        """Each kernel's part, and what the gradient will need."""

    @abc.abstractmethod
    def gradient(
        self, grad: Float[Tensor, "R n"], memory: Memory
    ) -> tuple[Float[Tensor, "R n"], Float[Tensor, "R n"], Float[Tensor, "R n"]]:
        """What the parts' gradient makes of tau, depth and spread."""


@dataclass(frozen=True)
class Conservative(Absorption):
    r"""Light is shared between neighbouring densest points in proportion to what each kernel has there: a true partition.

    With S_0 = 0 and S_{n+1} the whole, r_j is the mean transmittance between S_j and S_{j+1}:

    .. math::
        r_j = e^{-S_j}\,\frac{1 - e^{-(S_{j+1} - S_j)}}{S_{j+1} - S_j}, \qquad
        W_k = \tau_k \sum_{j=0}^{n} (P_{j+1,k} - P_{jk})\, r_j

    It sums to 1 - exp(-sum tau) identically and is exact for one kernel and for kernels apart from each other.
    """

    def weights(
        self, tau: Float[Tensor, "R n"], depth: Float[Tensor, "R n"], spread: Float[Tensor, "R n"]
    ) -> tuple[Float[Tensor, "R n"], Memory]:
        """Each kernel's part, and what the gradient will need."""
        passed = _passed(depth, spread)
        before = _before(passed, tau)
        start, step = before[:, :-1].neg().exp_(), before.diff(dim=1).clamp_(min=torch.finfo(tau.dtype).tiny)
        mean = start * (torch.expm1(-step) / -step)  # (R, n + 1)
        fall = mean[:, :-1] - mean[:, 1:]
        share = torch.bmm(fall.unsqueeze(1), passed).squeeze(1) + mean[:, -1:]
        return tau * share, (passed, tau, depth, spread, start, step, share, fall)

    def gradient(
        self, grad: Float[Tensor, "R n"], memory: Memory
    ) -> tuple[Float[Tensor, "R n"], Float[Tensor, "R n"], Float[Tensor, "R n"]]:
        """What the parts' gradient makes of tau, depth and spread."""
        passed, tau, depth, spread, start, step, share, fall = memory
        taken = grad * tau
        to_fall = torch.bmm(passed, taken.unsqueeze(-1)).squeeze(-1)
        to_mean = torch.cat([to_fall, taken.sum(1, keepdim=True)], dim=1)
        to_mean[:, 1:] -= to_fall
        to_mean *= start
        bend = _bend(step)
        ends = to_mean * bend
        starts = -to_mean * (torch.expm1(-step) / -step + bend)
        to_before = starts[:, 1:] + ends[:, :-1]
        to_tau = grad * share + torch.bmm(to_before.unsqueeze(1), passed).squeeze(1) + ends[:, -1:]
        # tau_m (fall_j grad_m + to_before_j) goes to P_jm
        to_passed = torch.baddbmm((to_before.unsqueeze(-1) * tau.unsqueeze(1)), fall.unsqueeze(-1), taken.unsqueeze(1))
        return (to_tau, *_unpassed(to_passed, depth, spread))


@dataclass(frozen=True)
class ClosedForm(Absorption):
    """Light as it is at each kernel's densest point: W_k = gain tau_k exp(-S_k); Wang et al. (2022), arXiv:2205.15401.

    It is quick to write down and loses opacity where kernels overlap: the weights are not a partition. The released code
    has a ``gain`` of exp(1/2), so that one kernel of depth 1 alone, seen through its centre, weighs 1.
    """

    gain: float = 1.0

    def weights(
        self, tau: Float[Tensor, "R n"], depth: Float[Tensor, "R n"], spread: Float[Tensor, "R n"]
    ) -> tuple[Float[Tensor, "R n"], Memory]:
        """Each kernel's part, and what the gradient will need."""
        passed = _passed(depth, spread)
        share = self.gain * torch.bmm(passed, tau.unsqueeze(-1)).squeeze(-1).neg().exp()
        return tau * share, (passed, tau, depth, spread, share)

    def gradient(
        self, grad: Float[Tensor, "R n"], memory: Memory
    ) -> tuple[Float[Tensor, "R n"], Float[Tensor, "R n"], Float[Tensor, "R n"]]:
        """What the parts' gradient makes of tau, depth and spread."""
        passed, tau, depth, spread, share = memory
        to_before = -grad * share * tau
        to_tau = grad * share + torch.bmm(to_before.unsqueeze(1), passed).squeeze(1)
        return (to_tau, *_unpassed(to_before.unsqueeze(-1) * tau.unsqueeze(1), depth, spread))


@dataclass(frozen=True)
class Composited(Absorption):
    """Each kernel as a thin sheet at its densest point, the nearer before the farther: W_k = (1 - exp(-tau_k)) T.

    As splats are drawn (Kerbl et al. 2023, arXiv:2308.04079): a partition, whose features jump where two change places.
    """

    def weights(
        self, tau: Float[Tensor, "R n"], depth: Float[Tensor, "R n"], spread: Float[Tensor, "R n"]
    ) -> tuple[Float[Tensor, "R n"], Memory]:
        """Each kernel's part, and what the gradient will need."""
        left = (tau - tau.cumsum(1)).exp()  # transmittance before each
        through = (-tau).exp()
        part = -torch.expm1(-tau) * left
        return part, (left, through, part)

    def gradient(
        self, grad: Float[Tensor, "R n"], memory: Memory
    ) -> tuple[Float[Tensor, "R n"], Float[Tensor, "R n"], Float[Tensor, "R n"]]:
        """What the parts' gradient makes of tau; depth and spread only order the sheets."""
        left, through, part = memory
        behind = grad * part
        to_tau = grad * left * through - (behind.sum(1, keepdim=True) - behind.cumsum(1))
        return to_tau, torch.zeros_like(grad), torch.zeros_like(grad)


def _passed(depth: Tensor, spread: Tensor) -> Tensor:
    """P: (R, n, n), rows the points, columns the kernels."""
    away = (depth.unsqueeze(2) - depth.unsqueeze(1)).mul_((math.sqrt(0.5) / spread).unsqueeze(1))
    return away.clamp_(-_FARTHEST, _FARTHEST).erf_().add_(1).mul_(0.5)


def _unpassed(grad: Tensor, depth: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """What a gradient of P, which is used up, makes of depth and spread."""
    inverse = spread.reciprocal().unsqueeze(1)
    away = (depth.unsqueeze(2) - depth.unsqueeze(1)).mul_(inverse).clamp_(-_FARTHEST, _FARTHEST)
    grad = grad.mul_(inverse * (1 / math.sqrt(2 * math.pi))).mul_((away * away).mul_(-0.5).exp_())
    to_depth = grad.sum(2) - grad.sum(1)
    return to_depth, -grad.mul_(away).sum(1)


def _before(passed: Tensor, tau: Tensor) -> Tensor:
    """Optical depth before the first, at each densest point, and after the last: (R, n + 2), ascending."""
    whole = tau.sum(1, keepdim=True)
    return torch.cat([torch.zeros_like(whole), torch.bmm(passed, tau.unsqueeze(-1)).squeeze(-1), whole], dim=1)


def _bend(step: Tensor) -> Tensor:
    """The derivative of (1 - exp(-x)) / x."""
    series = torch.full_like(step, -1 / 5760)
    for term in (1 / 840, -1 / 144, 1 / 30, -1 / 8, 1 / 3, -1 / 2):
        series = series.mul_(step).add_(term)
    falling = (-step).exp()
    exact = (falling + torch.expm1(-step) / step) / step
    return torch.where(step < 0.05, series, exact)
