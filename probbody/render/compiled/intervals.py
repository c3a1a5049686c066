"""The intervals between densest points, of rays side by side: ``_Intervals`` of ``conservative.py``, compiled."""

import math
from typing import Any

from .functions import falling, lost
from .jit import FUSED, compiled

MADE_OF = {"functions": "1dd37e12"}
"""What is compiled into the functions here, by hash: a test holds it, and so numba's cache is never out of date."""

_BETWEEN, _MORE, _LONG = 1.2, 0.8, 3.0
_BEYOND = math.sqrt(12 * (math.pi / 2 - 1))
_LEAST = 1e-6


@compiled(FUSED)
def begin(desk: Any, lanes: int) -> None:
    """Nothing lies before the first interval."""
    for i in range(lanes):
        desk.before[i] = 0
        desk.light[i] = 1
        desk.level[i] = desk.slope[i] = 0


@compiled(FUSED)
def go_on(desk: Any, lanes: int) -> None:
    """The end of one interval is the beginning of the next."""
    for i in range(lanes):
        desk.earlier_level[i], desk.earlier_slope[i] = desk.level[i], desk.slope[i]


@compiled(FUSED)
def measure(rows: Any, desk: Any, number: int, tiny: Any, lanes: int) -> None:
    """Level and slope of an interval, and on the way all else, once ``step`` and ``moment`` are known."""
    real = desk.step.dtype.type
    for i in range(lanes):
        desk.before[i] += desk.step[i]
        step = tiny if desk.step[i] == 0 else desk.step[i]
        desk.step[i] = step
        desk.middle[i] = desk.moment[i] / step
        desk.bright[i] = desk.light[i]
        desk.light[i] = falling(-desk.before[i])
        drop = lost(-step) * desk.bright[i]
        desk.drop[i] = drop
        desk.mean[i] = -drop / step
    # a step that rounding has swallowed still has its mean inside the interval
    if number < len(rows):
        for i in range(lanes):
            desk.middle[i] = rows[number].u[i] if desk.middle[i] > rows[number].u[i] else desk.middle[i]
    if number:
        for i in range(lanes):
            desk.middle[i] = rows[number - 1].u[i] if desk.middle[i] < rows[number - 1].u[i] else desk.middle[i]
    if number == 0:
        for i in range(lanes):
            desk.width[i] = real(-_BEYOND) * desk.middle[i]  # u is 0 there
    elif number == len(rows):
        for i in range(lanes):
            desk.width[i] = real(_BEYOND) * (desk.middle[i] - rows[number - 1].u[i])
    else:
        _between(rows[number - 1], rows[number], desk, lanes)
    for i in range(lanes):
        slope = desk.drop[i] / (real(_LEAST) if desk.width[i] < real(_LEAST) else desk.width[i])
        desk.slope[i] = slope
        desk.level[i] = desk.mean[i] - slope * desk.middle[i]


@compiled(FUSED)
def _between(above: Any, below: Any, desk: Any, lanes: int) -> None:
    """The width between two densest points."""
    real = desk.step.dtype.type
    for i in range(lanes):
        gap = below.u[i] - above.u[i]
        length = gap / (below.spread[i] + above.spread[i])
        square = length * real(1 / _LONG)
        square = square * square
        fourth = square * square
        apart = fourth / (fourth + real(1))
        desk.length[i], desk.apart[i] = length, apart
        desk.width[i] = gap * (apart * real(_MORE) + real(_BETWEEN))


@compiled(FUSED)
def unmeasure(pull: Any, desk: Any, number: int, lanes: int) -> None:
    """What the gradient of level and slope makes of the optical depth in the interval and before, of the first moment

    in it, and, in ``pull``, of densest points and deviations.
    """
    real = desk.step.dtype.type
    for i in range(lanes):
        narrow = desk.width[i] < real(_LEAST)
        desk.to_middle[i] = -desk.slope[i] * desk.to_level[i]
        to_drop = (desk.to_slope[i] - desk.middle[i] * desk.to_level[i]) / (real(_LEAST) if narrow else desk.width[i])
        desk.to_drop[i] = to_drop
        desk.to_width[i] = real(0) if narrow else -to_drop * desk.slope[i]
    if number == 0:
        _beyond(pull[0], desk, real(-_BEYOND), lanes)
    elif number == len(pull):
        _beyond(pull[number - 1], desk, real(_BEYOND), lanes)
    else:
        _unbetween(pull[number - 1], pull[number], desk, lanes)
    for i in range(lanes):
        step, bright, light, mean, drop = desk.step[i], desk.bright[i], desk.light[i], desk.mean[i], desk.drop[i]
        to_first = desk.to_middle[i] / step
        slight = (((step * real(1 / 30) - real(1 / 8)) * step + real(1 / 3)) * step - real(1 / 2)) * bright
        bent = slight if step < real(0.01) else (light - mean) / step
        to_step = bent * desk.to_level[i] - light * desk.to_drop[i] - to_first * desk.middle[i]
        desk.to_first[i] = to_first
        desk.to_step[i] = to_step
        desk.to_left[i] = desk.to_drop[i] * drop + desk.to_level[i] * mean + to_step


@compiled(FUSED)
def _beyond(pull: Any, desk: Any, times: Any, lanes: int) -> None:
    """Of the width before the first and behind the last densest point."""
    for i in range(lanes):
        pulled = times * desk.to_width[i]
        desk.to_middle[i] += pulled
        pull.to_u[i] -= pulled


@compiled(FUSED)
def _unbetween(above: Any, below: Any, desk: Any, lanes: int) -> None:
    """Of the width between two."""
    real = desk.step.dtype.type
    for i in range(lanes):
        more, rest, to_width = desk.apart[i] * real(_MORE), real(1) - desk.apart[i], desk.to_width[i]
        to_gap = to_width * (more * (real(4) * rest + real(1)) + real(_BETWEEN))
        to_sum = real(-4) * desk.length[i] * more * rest * to_width
        below.to_u[i] += to_gap
        above.to_u[i] -= to_gap
        below.to_spread[i] += to_sum
        above.to_spread[i] += to_sum
