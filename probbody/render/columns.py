"""Lists of unequal lengths as columns of one grid, so that a step along all lists is a step from row to row."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

_TABLE = 400_000
"""The most entries of a table, unless one column needs more: what fits into a processor's cache is quick."""


@dataclass(frozen=True)
class Columns:
    """``G`` bands of ``n`` rows, one below the other, ``W`` columns wide; a list runs down a column of one band.

    What lies between the entries of a list has a grid of ``M + G`` rows: for each of the ``M`` what lies before it, and then
    for each band what lies behind its last row.
    """

    heights: tuple[int, ...]
    """How many rows each band has."""
    width: int
    band: Int[Tensor, " M"]
    """The band of each row."""

    @classmethod
    def of(cls, heights: tuple[int, ...], width: int, device: torch.device) -> "Columns":
        """Bands of such heights."""
        tall = torch.tensor(heights, dtype=torch.long, device=device)
        return cls(heights, width, torch.arange(len(heights), device=device).repeat_interleave(tall))

    @cached_property
    def ends(self) -> Int[Tensor, " G"]:
        """The last row of each band."""
        return torch.tensor(self.heights, dtype=torch.long, device=self.band.device).cumsum(0) - 1

    @cached_property
    def begins(self) -> Int[Tensor, " G"]:
        """The first row of each band."""
        return torch.cat([self.ends.new_zeros(1), self.ends + 1])[:-1]

    def bands(self) -> Iterator[slice]:
        """The rows of each band."""
        done = 0
        for height in self.heights:
            yield slice(done, done + height)
            done += height

    def tiles(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of parts of bands, such that a table of a column's entries by themselves is not too large."""
        for rows in self.bands():
            most = max(_TABLE // (rows.stop - rows.start) ** 2, 1)
            for first in range(0, self.width, most):
                yield rows, slice(first, min(first + most, self.width))

    def sums(self, values: Float[Tensor, "M W"]) -> Float[Tensor, "G W"]:
        """Of each list."""
        found = values.new_empty(len(self.heights), self.width)
        for band, rows in enumerate(self.bands()):
            torch.sum(values[rows], 0, out=found[band])
        return found

    def everywhere(self, values: Shaped[Tensor, "G W"]) -> Shaped[Tensor, "M W"]:
        """A number of each list at all its entries."""
        return values.index_select(0, self.band)

    def before(self, values: Float[Tensor, "M W"], first: float = 0.0) -> Float[Tensor, "L W"]:
        """Between the entries: what the one before has; ``first`` at the top."""
        count = len(values)
        found = values.new_empty(count + len(self.heights), self.width)
        found[1:count] = values[:-1]
        found[self.begins] = first
        found[count:] = values.index_select(0, self.ends)
        return found

    def undo_before(self, grad: Float[Tensor, "L W"]) -> Float[Tensor, "M W"]:
        """The gradient of ``values``, given that of ``before``."""
        count = len(self.band)
        found = torch.empty_like(grad[:count])
        found[:-1] = grad[1:count]
        found[self.ends] = grad[count:]
        return found

    def falls(self, between: Float[Tensor, "L W"]) -> Float[Tensor, "M W"]:
        """At each entry, how much more lies before it than behind it."""
        return between[: len(self.band)] - self.undo_before(between)

    def undo_falls(self, grad: Float[Tensor, "M W"]) -> Float[Tensor, "L W"]:
        """The gradient of what lies between, given that of ``falls``."""
        found = self.before(grad).neg_()
        found[: len(grad)] += grad
        return found
