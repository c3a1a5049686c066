"""What the gradient of each part of a ray's light makes of optical depths, depths and deviations: ``Conservative``, compiled.

The row of the tables of the densest point j gives the gradients of fall and bend there; with those of the row before, of the
interval between; and with that of the interval before, of S and its first moment at the point before. Its row is then used up.
"""

from typing import Any

from .functions import falling
from .intervals import begin, go_on, measure, unmeasure
from .jit import FUSED, compiled
from .lanes import LANES
from .pairs import Counts, Numbers, Places
from .rule import BELL, look, of_interval, sum_up

MADE_OF = {"functions": "1dd37e12", "intervals": "c434cb79", "lanes": "a51ffe0b", "rule": "9432b9e1"}
"""What is compiled into the functions here, by hash: a test holds it, and so numba's cache is never out of date."""


@compiled(FUSED)
def pull_back(
    queue: Places, start: Counts, lit: Counts, rays: Places, below: Counts, met: Numbers, part: Numbers, rows: Any, desk: Any,
    table: Any, pulls: Any, tiny: Any, to_part: Numbers, to_coverage: Numbers, to_deep: Numbers, found: Numbers,
) -> None:  # fmt: skip
    """The gradients of ``met`` into ``found``, (3, N), given those of what ``share_out`` told: zero where no light reaches."""
    for group in range(len(below) - 1):
        own, some = rays[group * LANES : (group + 1) * LANES], rows[below[group] : below[group + 1]]
        pull = pulls[: len(some)]
        _gather(pull, own, queue, start, lit, met[1], to_part, to_coverage, to_deep)
        _prepare(some, pull, desk, tiny, LANES)
        look(some, table, -1, LANES)
        begin(desk, LANES)
        for number in range(len(some) + 1):
            go_on(desk, LANES)
            _go_back(desk, LANES)
            look(some, table, number, LANES)
            _to_interval(some, pull, desk, table, number, LANES)
            measure(some, desk, number, tiny, LANES)
            unmeasure(pull, desk, number, LANES)
            if number:
                _to_kernels(some, pull, desk, table, number - 1, LANES)
        _finish(some, pull, desk, LANES)
        for lane in range(len(own)):
            pairs = queue[start[own[lane]] : start[own[lane]] + lit[own[lane]]]
            _hand_back(pull, lane, pairs, part, to_deep[own[lane]], found)


@compiled(FUSED)
def _gather(
    pulls: Any, rays: Places, queue: Places, start: Counts, lit: Counts, depth: Numbers, to_part: Numbers,
    to_coverage: Numbers, to_deep: Numbers,
) -> None:  # fmt: skip
    """The gradients of a group's parts; zero where there are none."""
    for lane in range(LANES):
        length = lit[rays[lane]] if lane < len(rays) else 0
        for number in range(length):
            ray = rays[lane]
            pair = queue[start[ray] + number]
            pulls[number].grad[lane] = to_part[pair] + to_coverage[ray] + to_deep[ray] * depth[pair]
        for number in range(length, len(pulls)):
            pulls[number].grad[lane] = 0


@compiled(FUSED)
def _prepare(rows: Any, pulls: Any, desk: Any, tiny: Any, lanes: int) -> None:
    """The gradients of the shares; what is used again and again; and zeros."""
    real = desk.step.dtype.type
    sum_up(rows, desk, tiny, lanes)
    for i in range(lanes):
        desk.worth[i] = desk.to_step[i] = desk.to_first[i] = 0
    for number in range(len(rows)):
        row, pull = rows[number], pulls[number]
        for i in range(lanes):
            part = row.tau[i] * row.share[i]
            desk.worth[i] += pull.grad[i] * part if not part <= 0 else part * 0
    for i in range(lanes):
        desk.worth[i] /= desk.total[i]
    for number in range(len(rows)):
        row, pull = rows[number], pulls[number]
        for i in range(lanes):
            lost = row.tau[i] * row.share[i] <= 0
            grad = real(0) if lost else (pull.grad[i] - desk.worth[i]) * desk.ratio[i]
            taken, over = grad * row.tau[i], real(BELL) / row.spread[i]
            pull.grad[i], pull.taken[i], pull.lean[i] = grad, taken, taken * row.spread[i] * real(2 * BELL)
            pull.over[i], pull.over_tau[i] = taken * over, row.tau[i] * over
            pull.weight[i] = pull.moment[i] = pull.tail[i] = pull.by_kernel[i] = pull.wider[i] = 0
            pull.to_u[i] = pull.to_spread[i] = 0


@compiled(FUSED)
def _go_back(desk: Any, lanes: int) -> None:
    """What the interval before leaves for the next."""
    for i in range(lanes):
        desk.earlier_step[i], desk.earlier_lever[i] = desk.to_step[i], desk.to_first[i]


@compiled(FUSED)
def _to_interval(rows: Any, pulls: Any, desk: Any, table: Any, number: int, lanes: int) -> None:
    """The gradients of level and slope of the interval before a densest point; its optical depth and first moment."""
    real = desk.step.dtype.type
    here, there = number % 2 * len(rows), (number + 1) % 2 * len(rows)
    for i in range(lanes):
        desk.to_level[i] = desk.to_slope[i] = 0
    for kernel in range(len(rows)):
        row, pull, entry, earlier = rows[kernel], pulls[kernel], table[here + kernel], table[there + kernel]
        for i in range(lanes):
            taken = (entry.passed[i] - earlier.passed[i]) * pull.taken[i]
            desk.to_level[i] += taken
            desk.to_slope[i] += taken * row.u[i] - (entry.bell[i] - earlier.bell[i]) * pull.lean[i]
    for i in range(lanes):
        desk.to_level[i] *= real(0.5)
        desk.to_slope[i] *= real(0.5)
    if number < len(rows):
        for i in range(lanes):
            desk.step[i], desk.moment[i] = rows[number].step[i], rows[number].moment[i]
    else:
        of_interval(rows, desk, table, number, lanes)


@compiled(FUSED)
def _to_kernels(rows: Any, pulls: Any, desk: Any, table: Any, number: int, lanes: int) -> None:
    """What a densest point adds to each kernel's gradients, once the intervals before and behind it are known."""
    real = desk.step.dtype.type
    for i in range(lanes):
        fall = desk.earlier_level[i] - desk.level[i]
        bend = desk.earlier_slope[i] - desk.slope[i]
        at, lever = desk.earlier_step[i] - desk.to_left[i], desk.earlier_lever[i] - desk.to_first[i]
        point = rows[number].u[i]
        desk.one[i], desk.other[i], desk.point[i] = fall + point * bend, at + point * lever, point
        desk.at[i], desk.lever[i], desk.by_point[i] = real(0.5) * at, real(0.5) * lever, 0
    for kernel in range(len(rows)):
        pull, entry = pulls[kernel], table[number % 2 * len(rows) + kernel]
        for i in range(lanes):
            whole, bell = entry.passed[i], entry.bell[i]
            moved = bell * (desk.one[i] * pull.over[i] + desk.other[i] * pull.over_tau[i])
            desk.by_point[i] += moved
            pull.by_kernel[i] += moved
            pull.wider[i] += moved * desk.point[i]
            pull.weight[i] += whole * desk.at[i]
            pull.moment[i] += whole * desk.lever[i]
            pull.tail[i] += bell * desk.lever[i]
    for i in range(lanes):
        pulls[number].to_u[i] += desk.by_point[i]


@compiled(FUSED)
def _finish(rows: Any, pulls: Any, desk: Any, lanes: int) -> None:
    """The gradients of tau, u and deviation: into ``weight``, ``to_u`` and ``to_spread``."""
    real = desk.step.dtype.type
    for i in range(lanes):
        desk.at[i] = desk.to_step[i] + desk.worth[i] * falling(-desk.all_before[i])
        desk.lever[i] = desk.to_first[i]
    for number in range(len(rows)):
        row, pull = rows[number], pulls[number]
        for i in range(lanes):
            u, spread, moment = row.u[i], row.spread[i], pull.moment[i] + desk.lever[i]
            tail = pull.tail[i] * real(2 * BELL)
            pull.weight[i] += desk.at[i] + pull.grad[i] * row.share[i] + u * moment - spread * tail
            pull.to_u[i] += pull.taken[i] * row.slope[i] + row.tau[i] * moment - pull.by_kernel[i]
            wider = (pull.wider[i] - u * pull.by_kernel[i]) / spread
            pull.to_spread[i] -= wider + pull.taken[i] * row.drift[i] + row.tau[i] * tail


@compiled(FUSED)
def _hand_back(pulls: Any, lane: int, pairs: Places, part: Numbers, to_deep: Any, found: Numbers) -> None:
    """The gradients of one ray's pairs; what copies of the last have of the depth is its own."""
    for number in range(len(pairs)):
        pull, pair = pulls[number], pairs[number]
        found[0, pair], found[2, pair] = pull.weight[lane], pull.to_spread[lane]
        found[1, pair] = pull.to_u[lane] + to_deep * part[pair]
    for number in range(len(pairs), len(pulls)):
        found[1, pairs[-1]] += pulls[number].to_u[lane]
