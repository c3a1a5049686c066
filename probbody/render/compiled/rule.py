"""Light shared out such that nothing is lost: ``Conservative``, compiled; a row of the tables is used while it is warm.

The row of a densest point gives S and its first moment there, and with those of the row before the interval between them. That
interval is all that the row before has waited for to be summed over points: no more than two rows are ever kept.
"""

import math
from typing import Any

from .functions import lost, passed
from .intervals import begin, go_on, measure
from .jit import FUSED, compiled
from .lanes import LANES, fill
from .pairs import Counts, Numbers, Places

MADE_OF = {"functions": "1dd37e12", "intervals": "c434cb79", "lanes": "a51ffe0b"}
"""What is compiled into the functions here, by hash: a test holds it, and so numba's cache is never out of date."""

BELL = 1 / math.sqrt(2 * math.pi)


@compiled(FUSED)
def share_out(
    queue: Places, start: Counts, lit: Counts, rays: Places, below: Counts, met: Numbers, rows: Any, desk: Any, table: Any,
    tiny: Any, part: Numbers, coverage: Numbers, deep: Numbers,
) -> None:  # fmt: skip
    """Each pair's part of its ray's light; each ray's coverage, and sum of parts times depths.

    Args:
        queue, start, lit: of ``queues_of``.
        rays, below: of ``side_by_side``.
        met: optical depth, depth and deviation of the pairs, kernel by kernel, (3, N).
        rows, desk, table: room; what the gradient will need stays in ``rows``.
        tiny: the least positive number.
        part, coverage, deep: the results.
    """
    for group in range(len(below) - 1):
        own, some = rays[group * LANES : (group + 1) * LANES], rows[below[group] : below[group + 1]]
        fill(some, own, queue, start, lit, met)
        _prepare(some, desk, LANES)
        look(some, table, -1, LANES)
        begin(desk, LANES)
        for number in range(len(some) + 1):
            go_on(desk, LANES)
            look(some, table, number, LANES)
            of_interval(some, desk, table, number, LANES)
            measure(some, desk, number, tiny, LANES)
            if number:
                _to_kernels(some, desk, table, number - 1, LANES)
        _finish(some, desk, LANES)
        sum_up(some, desk, tiny, LANES)
        for lane in range(len(own)):
            pairs = queue[start[own[lane]] : start[own[lane]] + lit[own[lane]]]
            _hand_out(some, desk, lane, pairs, met[1], part, coverage[own[lane] :], deep[own[lane] :])


@compiled(FUSED)
def _prepare(rows: Any, desk: Any, lanes: int) -> None:
    """What is used again and again, and zeros."""
    real = desk.step.dtype.type
    for row in rows:
        for i in range(lanes):
            row.scale[i] = real(math.sqrt(0.5)) / row.spread[i]
            row.lean[i] = row.tau[i] * row.spread[i] * real(2 * BELL)
            row.share[i] = row.slope[i] = row.drift[i] = 0


@compiled(FUSED)
def look(rows: Any, table: Any, number: int, lanes: int) -> None:
    """The tables' row of a densest point; before the first nothing has passed, behind the last all has."""
    here = number % 2 * len(rows)
    for kernel in range(len(rows)):
        row, entry = rows[kernel], table[here + kernel]
        if 0 <= number < len(rows):
            for i in range(lanes):
                entry.passed[i], entry.bell[i] = passed((rows[number].u[i] - row.u[i]) * row.scale[i])
        else:
            for i in range(lanes):
                entry.passed[i], entry.bell[i] = 0 if number < 0 else 2, 0


@compiled(FUSED)
def of_interval(rows: Any, desk: Any, table: Any, number: int, lanes: int) -> None:
    """Optical depth and first moment of the interval before a densest point: of each kernel what has passed since the last."""
    real = desk.step.dtype.type
    here, there = number % 2 * len(rows), (number + 1) % 2 * len(rows)
    for i in range(lanes):
        desk.step[i] = desk.moment[i] = 0
    for kernel in range(len(rows)):
        row, entry, earlier = rows[kernel], table[here + kernel], table[there + kernel]
        for i in range(lanes):
            step = (entry.passed[i] - earlier.passed[i]) * row.tau[i]
            desk.step[i] += step
            desk.moment[i] += step * row.u[i] - (entry.bell[i] - earlier.bell[i]) * row.lean[i]
    for i in range(lanes):
        desk.step[i] *= real(0.5)
        desk.moment[i] *= real(0.5)
    if number < len(rows):
        for i in range(lanes):
            rows[number].step[i], rows[number].moment[i] = desk.step[i], desk.moment[i]


@compiled(FUSED)
def _to_kernels(rows: Any, desk: Any, table: Any, number: int, lanes: int) -> None:
    """What two intervals and the point between them add to each kernel's share."""
    real = desk.step.dtype.type
    for i in range(lanes):
        desk.fall[i] = real(0.5) * (desk.earlier_level[i] - desk.level[i])
        desk.bend[i] = real(0.5) * (desk.earlier_slope[i] - desk.slope[i])
    for kernel in range(len(rows)):
        row, entry = rows[kernel], table[number % 2 * len(rows) + kernel]
        for i in range(lanes):
            row.share[i] += entry.passed[i] * desk.fall[i]
            row.slope[i] += entry.passed[i] * desk.bend[i]
            row.drift[i] += entry.bell[i] * desk.bend[i]


@compiled(FUSED)
def _finish(rows: Any, desk: Any, lanes: int) -> None:
    """Shares, with what the last interval gives."""
    real = desk.step.dtype.type
    for row in rows:
        for i in range(lanes):
            row.slope[i] += desk.slope[i]
            row.drift[i] *= real(2 * BELL)
            row.share[i] += desk.level[i] + row.u[i] * row.slope[i] - row.spread[i] * row.drift[i]


@compiled(FUSED)
def sum_up(rows: Any, desk: Any, tiny: Any, lanes: int) -> None:
    """How much all parts together are to be stretched: 1, but for what was less than nothing, and for rounding."""
    for i in range(lanes):
        desk.total[i] = desk.all_before[i] = 0
    for row in rows:
        for i in range(lanes):
            desk.all_before[i] += row.tau[i]
            part = row.tau[i] * row.share[i]
            desk.total[i] += part if not part < 0 else part * 0
    for i in range(lanes):
        desk.total[i] = tiny if desk.total[i] < tiny else desk.total[i]
        desk.ratio[i] = -lost(-desk.all_before[i]) / desk.total[i]


@compiled(FUSED)
def _hand_out(
    rows: Any, desk: Any, lane: int, pairs: Places, depth: Numbers, part: Numbers, coverage: Numbers, deep: Numbers
) -> None:
    """The parts of one ray; its sums go to the first place of the last two."""
    coverage[0] = deep[0] = 0
    for number in range(len(pairs)):
        share, pair = rows[number].tau[lane] * rows[number].share[lane], pairs[number]
        part[pair] = share * desk.ratio[lane] if not share < 0 else share * 0
        coverage[0] += part[pair]
        deep[0] += part[pair] * depth[pair]
