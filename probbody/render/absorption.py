r"""How kernels along a ray share its light.

A ray meets ``n`` kernels, in the order of their densest points: optical depth tau, densest at the depth t, with the standard
deviation s. P_jm = Phi((t_j - t_m) / s_m) is the share of kernel m before the densest point of kernel j, and S_j = sum_m
P_jm tau_m the optical depth up to there. Rays are ``Columns``; those that are shorter than others of their band are filled up
with copies of their last kernel that have tau = 0.
"""

import abc
import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from .columns import Columns

FARTHEST = 8.0
"""Standard deviations beyond which nothing is left; exponentials of what is beyond are slow, or not numbers."""

Memory = tuple[Any, ...]


class Absorption(abc.ABC):
    """What part of a ray's light each kernel takes."""

    @abc.abstractmethod
    def weights(
        self, tau: Float[Tensor, "M W"], depth: Float[Tensor, "M W"], spread: Float[Tensor, "M W"], columns: Columns
    ) -> tuple[Float[Tensor, "M W"], Memory]:
        """Each kernel's part, and what the gradient will need."""

    @abc.abstractmethod
    def gradient(
        self, grad: Float[Tensor, "M W"], memory: Memory, columns: Columns
    ) -> tuple[Float[Tensor, "M W"], Float[Tensor, "M W"], Float[Tensor, "M W"]]:
        """What the parts' gradient makes of tau, depth and spread."""


@dataclass(frozen=True)
class ClosedForm(Absorption):
    """Light as it is at each kernel's densest point: W_k = gain tau_k exp(-S_k); Wang et al. (2022), arXiv:2205.15401.

    It is quick to write down and loses opacity where kernels overlap: the weights are not a partition. The released code
    has a ``gain`` of exp(1/2), so that one kernel of depth 1 alone, seen through its centre, weighs 1.
    """

    gain: float = 1.0

    def weights(
        self, tau: Float[Tensor, "M W"], depth: Float[Tensor, "M W"], spread: Float[Tensor, "M W"], columns: Columns
    ) -> tuple[Float[Tensor, "M W"], Memory]:
        """Each kernel's part, and what the gradient will need."""
        share, tables = torch.empty_like(tau), []
        for tile in columns.tiles():
            passed = _passed(depth[tile], spread[tile])
            share[tile] = torch.exp(-0.5 * ((passed * tau[tile]).sum(1) + tau[tile].sum(0)))
            tables.append(passed)
        share *= self.gain
        return tau * share, (tables, tau, depth, spread, share)

    def gradient(
        self, grad: Float[Tensor, "M W"], memory: Memory, columns: Columns
    ) -> tuple[Float[Tensor, "M W"], Float[Tensor, "M W"], Float[Tensor, "M W"]]:
        """What the parts' gradient makes of tau, depth and spread."""
        tables, tau, depth, spread, share = memory
        to_before = -grad * share * tau
        to_tau, to_depth, to_spread = grad * share, torch.empty_like(tau), torch.empty_like(tau)
        for tile, passed in zip(columns.tiles(), tables, strict=True):
            own = to_before[tile]
            to_tau[tile] += 0.5 * ((passed * own.unsqueeze(1)).sum(0) + own.sum(0))
            to_depth[tile], to_spread[tile] = _unpassed(own.unsqueeze(1) * tau[tile], depth[tile], spread[tile])
        return to_tau, to_depth, to_spread


@dataclass(frozen=True)
class Composited(Absorption):
    """Each kernel as a thin sheet at its densest point, the nearer before the farther: W_k = (1 - exp(-tau_k)) T.

    As splats are drawn (Kerbl et al. 2023, arXiv:2308.04079): a partition, whose features jump where two change places.
    """

    def weights(
        self, tau: Float[Tensor, "M W"], depth: Float[Tensor, "M W"], spread: Float[Tensor, "M W"], columns: Columns
    ) -> tuple[Float[Tensor, "M W"], Memory]:
        """Each kernel's part, and what the gradient will need."""
        before = torch.empty_like(tau)
        for rows in columns.bands():
            torch.sub(tau[rows].cumsum(0), tau[rows], out=before[rows])
        left, through = before.neg_().exp_(), (-tau).exp()  # transmittance before each, and of each
        part = -torch.expm1(-tau) * left
        return part, (left, through, part)

    def gradient(
        self, grad: Float[Tensor, "M W"], memory: Memory, columns: Columns
    ) -> tuple[Float[Tensor, "M W"], Float[Tensor, "M W"], Float[Tensor, "M W"]]:
        """What the parts' gradient makes of tau; depth and spread only order the sheets."""
        left, through, part = memory
        to_tau, worth = grad * left * through, grad * part
        for rows in columns.bands():
            to_tau[rows] -= worth[rows].sum(0) - worth[rows].cumsum(0)
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
