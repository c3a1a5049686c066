"""Of each two kernels on a ray: how much of the one lies before the densest point of the other."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .absorption import FARTHEST
from .columns import Columns

_MOST = math.sqrt(0.5) * FARTHEST
_BELL = 1 / math.sqrt(2 * math.pi)


class Tables:
    """P = Phi(z), and its derivative by z, with z_jk = (u_j - u_k) / s_k for points j and kernels k of every ray.

    Kept as 2 P and exp(-z^2 / 2), tile by tile: (n, n, columns) each.
    """

    def __init__(self, u: Float[Tensor, "M W"], spread: Float[Tensor, "M W"], columns: Columns) -> None:
        self.columns = columns
        scale = math.sqrt(0.5) / spread
        self.tables = []
        for tile in columns.tiles():
            point = u[tile]
            passed = (point.unsqueeze(1) - point).mul_(scale[tile]).clamp_(-_MOST, _MOST)
            bell = (passed * passed).neg_().exp_()
            self.tables.append((tile, passed.erf_().add_(1), bell))
        self.room = u.new_empty(max((passed.numel() for _, passed, _ in self.tables), default=0))

    def at_points(
        self, passed: Sequence[Float[Tensor, "M W"]], bell: Sequence[Float[Tensor, "M W"]]
    ) -> list[Float[Tensor, "M W"]]:
        """Sums over kernels: of P times each of some numbers, and of its derivative times others."""
        return self._sums(passed, bell, over_points=False)

    def at_kernels(
        self, passed: Sequence[Float[Tensor, "M W"]], bell: Sequence[Float[Tensor, "M W"]]
    ) -> list[Float[Tensor, "M W"]]:
        """Sums over points, likewise."""
        return self._sums(passed, bell, over_points=True)

    def _sums(self, passed: Sequence[Tensor], bell: Sequence[Tensor], over_points: bool) -> list[Tensor]:
        weights = [*(0.5 * each for each in passed), *(_BELL * each for each in bell)]
        found = [torch.empty_like(each) for each in weights]
        for tile, *both in self.tables:
            room = self.room[: both[0].numel()].view_as(both[0])
            for number, (weight, result) in enumerate(zip(weights, found, strict=True)):
                along = weight[tile].unsqueeze(1) if over_points else weight[tile]
                torch.mul(both[number >= len(passed)], along, out=room)
                result[tile] = room.sum(0 if over_points else 1)
        return found

    def moved(
        self,
        first: tuple[Float[Tensor, "M W"], Float[Tensor, "M W"]],
        second: tuple[Float[Tensor, "M W"], Float[Tensor, "M W"]],
        u: Float[Tensor, "M W"],
    ) -> tuple[Float[Tensor, "M W"], Float[Tensor, "M W"], Float[Tensor, "M W"]]:
        """With D_jk the derivative of P times a sum of two products of a number of the point and one of the kernel:

        D summed over kernels; over points; and the latter once more with weights u.
        """
        found = tuple(torch.empty_like(u) for _ in range(3))
        for tile, _, bell in self.tables:
            room = self.room[: bell.numel()].view_as(bell)
            torch.mul(_BELL * first[0][tile].unsqueeze(1), first[1][tile], out=room)
            room.addcmul_(_BELL * second[0][tile].unsqueeze(1), second[1][tile]).mul_(bell)
            found[0][tile], found[1][tile] = room.sum(1), room.sum(0)
            found[2][tile] = room.mul_(u[tile].unsqueeze(1)).sum(0)
        return found[0], found[1], found[2]
