"""Where it hurts to be hidden: errors by the place of a patch, over the picture and on the body.

Zhang et al. (ICCV 2023) show both for their methods; the first goes back to Zeiler and Fergus (2014), arXiv:1311.2901.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..errors import BadInput
from .patches import covered

ALIKE = 0.01
"""Damages (millimetres) that differ by less count as the same."""


@dataclass(frozen=True)
class ErrorMap:
    """The damage that a patch does at each place of a picture (rows down, columns across), and without any patch."""

    number: int
    """Which of the pictures."""
    name: str
    errors: Float[Tensor, "R C"]
    """NaN where nothing can be said."""
    clean: float

    def worst(self) -> int:
        """The number of the worst place; of those within ``ALIKE`` of it the first, so that rounding decides nothing."""
        if bool(self.errors.isnan().all()):
            raise BadInput(f"{self.name}: expected a place where the damage can be told, found none.")
        errors = self.errors.flatten().nan_to_num(nan=-torch.inf)
        return int((errors >= errors.max() - ALIKE).nonzero()[0])


def pixel_errors(
    errors: Float[Tensor, "R C"], boxes: Int[Tensor, "N 4"], size: tuple[int, int]
) -> Float[Tensor, "H W"]:
    """For each pixel, the mean error over the patches that cover it; NaN where none does."""
    sums, counts = torch.zeros(size, dtype=errors.dtype), torch.zeros(size, dtype=errors.dtype)
    for error, (left, top, right, bottom) in zip(errors.flatten(), boxes.tolist(), strict=True):
        if not bool(error.isnan()):
            sums[top:bottom, left:right] += error
            counts[top:bottom, left:right] += 1
    return sums / counts


def vertex_errors(
    maps: Sequence[ErrorMap],
    boxes: Int[Tensor, "N 4"],
    pixels: Float[Tensor, "B V 2"],
    visible: Bool[Tensor, "B V"] | None = None,
) -> Float[Tensor, " V"]:
    """For each vertex, the mean error over all pictures and patches that hide it; NaN where none ever did.

    ``pixels`` say where the vertices are in the picture of each map (``ErrorMap.number``); with ``visible`` only those count
    that are seen without the patch: what the body itself hides has nothing to lose.
    """
    sums, counts = torch.zeros(pixels.shape[1], dtype=torch.float64), torch.zeros(pixels.shape[1], dtype=torch.float64)
    for found in maps:
        hidden = covered(boxes, pixels[found.number])
        if visible is not None:
            hidden = hidden & visible[found.number]
        errors = found.errors.flatten().double()
        hidden = (hidden & ~errors.isnan().unsqueeze(1)).double()
        sums += errors.nan_to_num(nan=0.0) @ hidden
        counts += hidden.sum(0)
    return sums / counts
