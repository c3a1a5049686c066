r"""How kernels along a ray share its light.

A ray meets ``n`` kernels, in the order of their densest points: optical depth tau, densest at the depth t, with the standard
deviation s. P_jm = Phi((t_j - t_m) / s_m) is the share of kernel m before the densest point of kernel j, and S_j = sum_m
P_jm tau_m the optical depth up to there. Kernels are rows and rays columns, so that the arithmetic runs along rays; columns
that are shorter than others are filled up with copies of their last kernel that have tau = 0.
"""

import abc
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

FARTHEST = 8.0
"""Standard deviations beyond which nothing is left; exponentials of what is beyond are slow, or not numbers."""

Memory = tuple[Tensor, ...]


class Absorption(abc.ABC):
    """What part of a ray's light each kernel takes."""

    @abc.abstractmethod
    def weights(
        self, tau: Float[Tensor, "n R"], depth: Float[Tensor, "n R"], spread: Float[Tensor, "n R"]
    ) -> tuple[Float[Tensor, "n R"], Memory]:
        """Each kernel's part, and what the gradient will need."""

    @abc.abstractmethod
    def gradient(
        self, grad: Float[Tensor, "n R"], memory: Memory
    ) -> tuple[Float[Tensor, "n R"], Float[Tensor, "n R"], Float[Tensor, "n R"]]:
        """What the parts' gradient makes of tau, depth and spread."""


@dataclass(frozen=True)
class ClosedForm(Absorption):
    """Light as it is at each kernel's densest point: W_k = gain tau_k exp(-S_k); Wang et al. (2022), arXiv:2205.15401.

    It is quick to write down and loses opacity where kernels overlap: the weights are not a partition. The released code
    has a ``gain`` of exp(1/2), so that one kernel of depth 1 alone, seen through its centre, weighs 1.
    """

    gain: float = 1.0

    def weights(
        self, tau: Float[Tensor, "n R"], depth: Float[Tensor, "n R"], spread: Float[Tensor, "n R"]
    ) -> tuple[Float[Tensor, "n R"], Memory]:
        """Each kernel's part, and what the gradient will need."""
        passed = _passed(depth, spread)
        before = 0.5 * ((passed * tau).sum(1) + tau.sum(0))
        share = self.gain * torch.exp(-before)
        return tau * share, (passed, tau, depth, spread, share)

    def gradient(
        self, grad: Float[Tensor, "n R"], memory: Memory
    ) -> tuple[Float[Tensor, "n R"], Float[Tensor, "n R"], Float[Tensor, "n R"]]:
        """What the parts' gradient makes of tau, depth and spread."""
        passed, tau, depth, spread, share = memory
        to_before = -grad * share * tau
        to_tau = grad * share + 0.5 * ((passed * to_before.unsqueeze(1)).sum(0) + to_before.sum(0))
        return (to_tau, *_unpassed(to_before.unsqueeze(1) * tau, depth, spread))


@dataclass(frozen=True)
class Composited(Absorption):
    """Each kernel as a thin sheet at its densest point, the nearer before the farther: W_k = (1 - exp(-tau_k)) T.

    As splats are drawn (Kerbl et al. 2023, arXiv:2308.04079): a partition, whose features jump where two change places.
    """

    def weights(
        self, tau: Float[Tensor, "n R"], depth: Float[Tensor, "n R"], spread: Float[Tensor, "n R"]
    ) -> tuple[Float[Tensor, "n R"], Memory]:
        """Each kernel's part, and what the gradient will need."""
        left = (tau - tau.cumsum(0)).exp()  # transmittance before each
        through = (-tau).exp()
        part = -torch.expm1(-tau) * left
        return part, (left, through, part)

    def gradient(
        self, grad: Float[Tensor, "n R"], memory: Memory
    ) -> tuple[Float[Tensor, "n R"], Float[Tensor, "n R"], Float[Tensor, "n R"]]:
        """What the parts' gradient makes of tau; depth and spread only order the sheets."""
        left, through, part = memory
        behind = grad * part
        to_tau = grad * left * through - (behind.sum(0) - behind.cumsum(0))
        return to_tau, torch.zeros_like(grad), torch.zeros_like(grad)


def _passed(depth: Tensor, spread: Tensor) -> Tensor:
    """e: points, kernels, rays."""
    away = (depth.unsqueeze(1) - depth).mul_(math.sqrt(0.5) / spread)
    return away.clamp_(-FARTHEST, FARTHEST).erf_()


def _unpassed(grad: Tensor, depth: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """What a gradient of P, which is used up, makes of depth and spread."""
    inverse = spread.reciprocal()
    away = (depth.unsqueeze(1) - depth).mul_(inverse).clamp_(-FARTHEST, FARTHEST)
    grad = grad.mul_((away * away).mul_(-0.5).exp_())
    factor = inverse * (1 / math.sqrt(2 * math.pi))
    to_depth = (grad * factor).sum(1) - grad.sum(0) * factor
    return to_depth, -grad.mul_(away).sum(0) * factor
