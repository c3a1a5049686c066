"""Which rays meet which kernels, kernel by kernel: ``pairs_within`` of the folder above, compiled.

What is written there is done here in the same order with the same roundings, so that both find the same pairs.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jit import EXACT, compiled

Numbers = NDArray[Any]
"""float32 or float64."""
Counts = NDArray[np.int64]
Places = NDArray[np.int32]


@compiled(EXACT)
def pairs_of(
    numbers: Numbers, bodies: int, height: int, width: int, cut: float, nearest: float
) -> tuple[Counts, Places, Places, Numbers, Numbers]:
    """Where each kernel's pairs begin, (K + 1); of each pair kernel, pixel, and x and y as in ``Pairs``.

    ``numbers`` are those of ``Sight``, (11, K).
    """
    count, real = numbers.shape[1], numbers.dtype.type
    top, rows = np.zeros(count, np.int32), np.zeros(count, np.int32)
    for kernel in range(count):
        if numbers[2, kernel] > real(nearest):
            top[kernel], rows[kernel] = _rows(_ellipse(numbers, kernel, real(cut)), height)
    left, columns = np.empty(rows.sum(), np.int32), np.empty(rows.sum(), np.int32)
    begins = np.zeros(count + 1, np.int64)
    row = total = 0
    for kernel in range(count):
        ellipse = _ellipse(numbers, kernel, real(cut))
        for line in range(top[kernel], top[kernel] + rows[kernel]):
            left[row], columns[row] = _columns(ellipse, real(line + 0.5), width)
            total += columns[row]
            row += 1
        begins[kernel + 1] = total
    owner, pixel = np.empty(total, np.int32), np.empty(total, np.int32)
    x, y = np.empty(total, numbers.dtype), np.empty(total, numbers.dtype)
    each = max(count // max(bodies, 1), 1)
    row = pair = 0
    for kernel in range(count):
        for line in range(top[kernel], top[kernel] + rows[kernel]):
            first = (kernel // each * height + line) * width
            for column in range(left[row], left[row] + columns[row]):
                owner[pair], pixel[pair] = kernel, first + column
                x[pair] = real(column + 0.5) - numbers[0, kernel]
                y[pair] = real(line + 0.5) - numbers[1, kernel]
                pair += 1
            row += 1
    return begins, owner, pixel, x, y


@compiled(EXACT)
def _ellipse(numbers: Numbers, kernel: int, cut: Any) -> Any:
    """As ``_ellipses``: u, v, p, q, r, f, g, most; whether there is none; and one half, in this precision."""
    real = numbers.dtype.type
    k, dd, da, db = numbers[3, kernel], numbers[4, kernel], numbers[5, kernel], numbers[6, kernel]
    aa, ab, bb = numbers[7, kernel], numbers[8, kernel], numbers[9, kernel]
    held = cut * cut
    room = dd - held * k * k
    p, q, r = room * aa - da * da, room * ab - da * db, room * bb - db * db
    f, g = -held * k * da, -held * k * db
    everywhere = room <= 0 or p <= 0 or p * r - q * q <= real(1e-6) * p * r
    return numbers[0, kernel], numbers[1, kernel], p, q, r, f, g, held * dd, everywhere, real(0.5)


@compiled(EXACT)
def _rows(ellipse: Any, height: int) -> tuple[int, int]:
    """The first row that it reaches, and how many."""
    _, v, p, q, r, f, g, most, everywhere, half = ellipse
    area = p * r - q * q
    middle = (q * f - p * g) / area
    reach = (most + (r * f * f - (q + q) * f * g + p * g * g) / area) * p / area
    reach = np.sqrt(max(reach, half - half))
    return _span(v + middle - reach, v + middle + reach, half, everywhere, height)


@compiled(EXACT)
def _columns(ellipse: Any, line: Any, width: int) -> tuple[int, int]:
    """The first column that it reaches in a row, and how many."""
    u, v, p, q, r, f, g, most, everywhere, half = ellipse
    y = line - v
    lean = q * y + f
    reach = lean * lean - p * (y * (r * y + (g + g)) - most)
    reach = np.sqrt(max(reach, half - half))
    return _span(u - (lean + reach) / p, u - (lean - reach) / p, half, everywhere, width)


@compiled(EXACT)
def _span(low: Any, high: Any, half: Any, everywhere: bool, most: int) -> tuple[int, int]:
    """As there: the first of the pixels whose centres lie between, and how many there are."""
    if everywhere:
        return 0, most
    low, high = math.ceil(_held(low - half, most)), math.floor(_held(high + half, most))
    return low, max(high - low, 0)


@compiled(EXACT)
def _held(value: Any, most: int) -> Any:
    """Between 0 and ``most``; 0 for what is not a number."""
    return min(max(float(value), 0.0), float(most)) if value == value else 0.0
