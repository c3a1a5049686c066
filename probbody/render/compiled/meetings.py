"""How rays meet kernels, pair by pair: ``Meeting`` of the folder above, compiled, and its gradient."""

from typing import Any

import numpy as np

from .functions import falling
from .jit import EXACT, IN_ANY_ORDER, compiled
from .pairs import Counts, Numbers, Places

MADE_OF = {"functions": "1dd37e12"}
"""What is compiled into the functions here, by hash: a test holds it, and so numba's cache is never out of date."""


@compiled(EXACT)
def meet(
    numbers: Numbers, root: Numbers, begins: Counts, pixel: Places, x: Numbers, y: Numbers, thick: bool, found: Numbers
) -> None:
    """Optical depth, depth and deviation of each pair, into ``found`` (3, N); ``root`` is that of ``slant``.

    Depths are those of ``Meeting`` bit by bit, since they decide the order.
    """
    for kernel in range(numbers.shape[1]):
        here = slice(begins[kernel], begins[kernel + 1])
        _meet(numbers[:, kernel], x[here], y[here], thick, found[0, here], found[1, here], found[2, here])
    if thick:
        tau = found[0]
        for pair in range(len(pixel)):
            tau[pair] *= root[pixel[pair]]


@compiled(EXACT)
def _meet(numbers: Numbers, x: Numbers, y: Numbers, thick: bool, tau: Numbers, depth: Numbers, spread: Numbers) -> None:
    """The pairs of one kernel."""
    real = numbers.dtype.type
    z, k, dd, da, db = numbers[2], numbers[3], numbers[4], numbers[5], numbers[6]
    aa, twice, bb, amplitude = numbers[7], real(2) * numbers[8], numbers[9], numbers[10]
    for pair in range(len(x)):
        line = da * x[pair] + db * y[pair]
        square = aa * (x[pair] * x[pair]) + (twice * x[pair] + bb * y[pair]) * y[pair]
        along = line + k * square
        deep = dd + k * (line + along)
        depth[pair] = z - along / deep
        spread[pair] = real(1) / np.sqrt(deep)
        tau[pair] = (dd * square - line * line) / deep
    for pair in range(len(x)):
        share = amplitude * falling(real(-0.5) * tau[pair])
        tau[pair] = share * spread[pair] if thick else share


@compiled(IN_ANY_ORDER)
def unmeet(
    numbers: Numbers, begins: Counts, x: Numbers, y: Numbers, tau: Numbers, thick: bool, grads: Numbers, found: Numbers
) -> None:
    """What the gradient of optical depth, depth and deviation, (3, N), makes of ``numbers``, into ``found`` (11, K).

    The first of ``grads`` is left as that of the logarithm.
    """
    for kernel in range(numbers.shape[1]):
        here = slice(begins[kernel], begins[kernel + 1])
        own = numbers[:, kernel]
        sums = _sums(own, x[here], y[here], tau[here], thick, grads[0, here], grads[1, here], grads[2, here])
        line, line_x, line_y, sx, sy, xx, xy, yy, to_dd, to_k, to_z, to_log = sums
        to = found[:, kernel]
        to[0] = -(own[5] * line + 2 * (own[7] * sx + own[8] * sy))
        to[1] = -(own[6] * line + 2 * (own[8] * sx + own[9] * sy))
        to[2], to[3], to[4], to[5], to[6] = to_z, to_k, to_dd, line_x, line_y
        to[7], to[8], to[9], to[10] = xx, 2 * xy, yy, to_log / own[10]


@compiled(IN_ANY_ORDER)
def _sums(
    numbers: Numbers, x: Numbers, y: Numbers, tau: Numbers, thick: bool, to_tau: Numbers, to_depth: Numbers,
    to_spread: Numbers,
) -> Any:  # fmt: skip
    """As ``_summed``, of one kernel's pairs."""
    real = numbers.dtype.type
    k, dd, da, db, aa, ab, bb = (
        numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8], numbers[9]
    )  # fmt: skip
    half, one, two, thickness = real(0.5), real(1), real(2), real(1 if thick else 0)
    l0 = lx = ly = sx = sy = xx = xy = yy = to_dd = to_k = to_z = to_log = real(0)
    for pair in range(len(x)):
        px, py = x[pair], y[pair]
        line = da * px + db * py
        square = aa * px * px + (two * ab * px + bb * py) * py
        along = line + k * square
        deep = dd + k * (line + along)
        over = one / deep
        by_log = tau[pair] * to_tau[pair]
        to_tau[pair] = by_log
        to_away = -half * by_log
        away = (dd * square - line * line) * over
        to_deep = along * over * to_depth[pair] - away * to_away - half * np.sqrt(over) * to_spread[pair]
        to_deep = (to_deep + thickness * to_away) * over
        to_above, to_along = to_away * over, -to_depth[pair] * over
        to_line = two * (k * to_deep - line * to_above) + to_along
        to_square = dd * to_above + k * (k * to_deep + to_along)
        l0 += to_line
        lx += to_line * px
        ly += to_line * py
        sx += to_square * px
        sy += to_square * py
        xx += to_square * px * px
        xy += to_square * px * py
        yy += to_square * py * py
        to_dd += square * to_above + to_deep
        to_k += two * along * to_deep + square * to_along
        to_z += to_depth[pair]
        to_log += by_log
    return l0, lx, ly, sx, sy, xx, xy, yy, to_dd, to_k, to_z, to_log
