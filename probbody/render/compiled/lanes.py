"""Rays side by side, so that one instruction of the processor treats many.

A group of rays is a list of rows, one for each kernel along them, the nearest first; each field of a row has a number for each
ray. Shorter queues go on with copies of their last kernel that have no optical depth. What is known of the interval at hand
lies on a desk, and what of each pair of a densest point and a kernel in a table, of which two rows are kept.
"""

from typing import Any

import numpy as np

from .jit import FUSED, compiled
from .pairs import Counts, Numbers, Places

LANES = 32
"""As many as fit into an instruction or two, and so few that a group of rays stays near the processor."""

_ROW = ("u", "spread", "scale", "tau", "lean", "step", "moment", "share", "slope", "drift")
_ENTRY = ("passed", "bell")
_DESK = (
    *(
        "before",
        "step",
        "moment",
        "middle",
        "bright",
        "light",
        "drop",
        "mean",
        "length",
        "apart",
        "width",
        "slope",
        "level",
    ),
    *("earlier_slope", "earlier_level", "all_before", "total", "ratio", "fall", "bend"),
    *("worth", "to_level", "to_slope", "to_middle", "to_drop", "to_width", "to_step", "to_left", "to_first"),
    *("earlier_step", "earlier_lever", "point", "by_point", "one", "other", "at", "lever"),
)
_PULL = (
    "grad",
    "taken",
    "lean",
    "over",
    "over_tau",
    "weight",
    "moment",
    "tail",
    "by_kernel",
    "wider",
    "to_u",
    "to_spread",
)


def _of(real: Any, names: tuple[str, ...], count: int) -> Any:
    return np.empty(count, np.dtype([(name, real, LANES) for name in names]))


def rows(real: Any, count: int) -> Any:
    """Rows of groups of rays: densest point, from that of the ray's first kernel, and deviation; sqrt(1/2) / deviation;

    optical depth; that times the deviation and 2 / sqrt(2 pi); optical depth and first moment of the interval before the
    densest point; and what of ``conservative.py`` has the same names.
    """
    return _of(real, _ROW, count)


def tables(real: Any, count: int) -> Any:
    """Two rows of tables of points and ``count`` kernels: 2 P, and exp(-z^2 / 2)."""
    return _of(real, _ENTRY, 2 * count)


def desk(real: Any) -> Any:
    """Room for an interval of each ray."""
    return _of(real, _DESK, 1)[0]


def pulls(real: Any, count: int) -> Any:
    """Rows of gradients."""
    return _of(real, _PULL, count)


@compiled(FUSED)
def fill(rows: Any, rays: Places, queue: Places, start: Counts, lit: Counts, met: Numbers) -> None:
    """The numbers of a group's kernels; lanes without a ray hold a kernel without optical depth."""
    for lane in range(LANES):
        length, first, depth = 0, 0, met[1, 0]
        if lane < len(rays):
            length, first = lit[rays[lane]], start[rays[lane]]
            depth = met[1, queue[first]]
        pair = 0
        for number in range(len(rows)):
            row = rows[number]
            if number < length:
                pair = queue[first + number]
            row.u[lane] = met[1, pair] - depth if length else 0
            row.spread[lane] = met[2, pair]
            row.tau[lane] = met[0, pair] if number < length else 0
