"""The kernels that each ray meets, nearest first, as far as light reaches; and rays that meet about as many, side by side."""

from typing import Any

import numpy as np

from .jit import EXACT, compiled
from .pairs import Counts, Numbers, Places

_RUN = 32
"""Shorter lists are sorted by insertion: they are nearly in order already."""


@compiled(EXACT)
def queues_of(
    begins: Counts, order: Counts, pixel: Places, tau: Numbers, depth: Numbers, pixels: int, darkest: float
) -> tuple[Places, Counts, Counts]:
    """Pairs ray by ray and nearest first; where each pixel's begin; how many of them light reaches.

    Args:
        begins, pixel, tau, depth: the pairs, kernel by kernel.
        order: of the kernels, such that the nearer come first, more or less.
        pixels: how many there are.
        darkest: the optical depth behind which nothing is drawn.
    """
    start = np.zeros(pixels + 1, np.int64)
    for pair in range(len(pixel)):
        start[pixel[pair] + 1] += 1
    most = 0
    for place in range(pixels):
        most = max(most, start[place + 1])
        start[place + 1] += start[place]
    end = start[:-1].copy()
    queue, room = np.empty(len(pixel), np.int32), np.empty(most, np.int32)
    for kernel in order:
        for pair in range(begins[kernel], begins[kernel + 1]):
            place = pixel[pair]
            queue[end[place]] = pair
            end[place] += 1
    for place in range(pixels):
        own = queue[start[place] : end[place]]
        sort(own, depth, room)
        end[place] = _lit(own, tau, darkest)
    return queue, start, end


@compiled(EXACT)
def _lit(queue: Places, tau: Numbers, darkest: float) -> int:
    """How many of a ray's kernels its light reaches."""
    before = 0.0
    for place in range(len(queue)):
        if before >= darkest:
            return place
        before += tau[queue[place]]
    return len(queue)


@compiled(EXACT)
def _nearer(depth: Numbers, one: Any, other: Any) -> bool:
    """At the same depth, the first of two."""
    return depth[one] < depth[other] or (depth[one] == depth[other] and one < other)


@compiled(EXACT)
def sort(queue: Places, depth: Numbers, room: Places) -> None:
    """Short runs by insertion, then two and two merged."""
    count = len(queue)
    for begin in range(0, count, _RUN):
        for place in range(begin + 1, min(begin + _RUN, count)):
            one, hole = queue[place], place
            while hole > begin and _nearer(depth, one, queue[hole - 1]):
                queue[hole] = queue[hole - 1]
                hole -= 1
            queue[hole] = one
    width = _RUN
    while width < count:
        for begin in range(0, count - width, 2 * width):
            _merge(queue[begin : min(begin + 2 * width, count)], width, depth, room)
        width *= 2


@compiled(EXACT)
def _merge(queue: Places, middle: int, depth: Numbers, room: Places) -> None:
    """Two halves, each in order, into one."""
    room[:middle] = queue[:middle]
    first, second, place = 0, middle, 0
    while first < middle:
        if second < len(queue) and _nearer(depth, queue[second], room[first]):
            queue[place] = queue[second]
            second += 1
        else:
            queue[place] = room[first]
            first += 1
        place += 1


@compiled(EXACT)
def side_by_side(lit: Counts, width: int) -> tuple[Places, Counts]:
    """The pixels that see something, those that see more later; and where each group of ``width`` begins in rows.

    A group is as high as the longest of its queues.
    """
    most = lit.max() if len(lit) else 0
    first = np.zeros(most + 2, np.int64)
    for place in range(len(lit)):
        first[lit[place] + 1] += 1
    seeing = len(lit) - first[1]
    first[1] = 0
    for length in range(1, most + 2):
        first[length] += first[length - 1]
    rays = np.empty(seeing, np.int32)
    for place in range(len(lit)):
        if lit[place]:
            rays[first[lit[place]]] = place
            first[lit[place]] += 1
    groups = (seeing + width - 1) // width
    rows = np.zeros(groups + 1, np.int64)
    for group in range(groups):
        rows[group + 1] = rows[group] + lit[rays[min((group + 1) * width, seeing) - 1]]
    return rays, rows
