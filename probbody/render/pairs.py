"""Which rays meet which kernels, and how: what is drawn is a list of such pairs, and nothing else is computed."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from .sight import Sight


@dataclass(frozen=True)
class Pairs:
    """Kernels and the pixels that they reach, kernel by kernel."""

    counts: Int[Tensor, " K"]
    """How many pixels each kernel reaches."""
    kernel: Int[Tensor, " N"]
    pixel: Int[Tensor, " N"]
    """The pixels of all bodies in one row."""
    x: Float[Tensor, " N"]
    """From where the kernel's mean is on the picture to the pixel's centre, to the right."""
    y: Float[Tensor, " N"]


@torch.no_grad()
def pairs_within(sight: Sight, size: tuple[int, int], bodies: int, cut: float) -> Pairs:
    """The pairs whose ray passes the mean within ``cut`` standard deviations: the pixels of an ellipse, row by row.

    Of a kernel that reaches around the camera, all pixels.
    """
    height, width = size
    ellipse, everywhere = _ellipses(sight, cut)
    u, v, p, q, r, f, g, most = ellipse
    area = p * r - q * q
    middle = (q * f - p * g) / area
    reach = ((most + (r * f * f - 2 * q * f * g + p * g * g) / area) * p / area).clamp_min(0).sqrt()
    top, rows = _span(v + middle - reach, v + middle + reach, everywhere, height)
    rows = torch.where(sight.numbers[2] > sight.nearest, rows, 0)
    owner = torch.repeat_interleave(rows)  # every row of every kernel
    first = top - (rows.cumsum(0) - rows)
    line = torch.arange(len(owner), device=owner.device) + first.index_select(0, owner)
    u, v, p, q, r, f, g, most = ellipse.index_select(1, owner)
    y = line + 0.5 - v
    half = q * y + f
    reach = (half * half - p * (y * (r * y + 2 * g) - most)).clamp_min(0).sqrt()
    left, columns = _span(u - (half + reach) / p, u - (half - reach) / p, everywhere.index_select(0, owner), width)
    row = torch.repeat_interleave(columns)  # every pixel of every row
    body = torch.div(owner, max(len(rows) // max(bodies, 1), 1), rounding_mode="floor")
    skip = left - (columns.cumsum(0) - columns)
    column = torch.arange(len(row), device=row.device) + skip.index_select(0, row)
    pixel = column + ((body * height + line) * width).index_select(0, row)
    counts = torch.zeros_like(rows).index_add_(0, owner, columns)
    x, y = column + 0.5 - u.index_select(0, row), y.index_select(0, row)
    return Pairs(counts, owner.index_select(0, row), pixel, x, y)


def _ellipses(sight: Sight, cut: float) -> tuple[Tensor, Tensor]:
    """u, v, p, q, r, f, g, most of p x^2 + 2 q x y + r y^2 + 2 (f x + g y) <= most; where there is no ellipse."""
    u, v, _, k, dd, da, db, aa, ab, bb, _ = sight.numbers
    held = cut * cut
    room = dd - held * k * k
    p, q, r = room * aa - da * da, room * ab - da * db, room * bb - db * db
    f, g = -held * k * da, -held * k * db
    everywhere = (room <= 0) | (p <= 0) | (p * r - q * q <= 1e-6 * p * r)
    return torch.stack([u, v, p, q, r, f, g, held * dd]), everywhere


def _span(low: Tensor, high: Tensor, everywhere: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The first of the pixels whose centres lie between, and how many there are."""
    first = (low - 0.5).nan_to_num().ceil().clamp(0, most)
    last = (high + 0.5).nan_to_num().floor().clamp(0, most)
    first = torch.where(everywhere, 0, first)
    count = torch.where(everywhere, most, (last - first).clamp_min(0))
    return first.long(), count.long()


class Meeting(torch.autograd.Function):
    """Optical depth, depth of the densest point and standard deviation in depth of each pair: see ``sight.py``."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, slant: Tensor, pairs: Pairs, thick: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The three, pair by pair."""
        z, k, dd, da, db, aa, ab, bb, amplitude = numbers[2:].index_select(1, pairs.kernel)
        x, y = pairs.x, pairs.y
        line = da * x + db * y
        square = aa * (x * x) + (2 * ab * x + bb * y) * y
        along = line + k * square
        deep = dd + k * (line + along)
        away = (dd * square - line * line) / deep
        spread = deep.rsqrt()
        tau = amplitude * torch.exp(-0.5 * away)
        if thick:
            tau = tau * spread * slant.index_select(0, pairs.pixel).sqrt()
        ctx.pairs, ctx.thick = pairs, thick
        ctx.save_for_backward(numbers, slant, tau, away, line, square, deep, k, dd)
        return tau, z - along / deep, spread

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_tau: Tensor, to_depth: Tensor, to_spread: Tensor) -> tuple[Tensor | None, ...]:
        """What their gradient makes of ``numbers`` and ``slant``, by sums over each kernel's pairs."""
        numbers, slant, tau, away, line, square, deep, k, dd = ctx.saved_tensors
        pairs: Pairs = ctx.pairs
        along = line + k * square
        by_log = tau * to_tau
        to_away = -0.5 * by_log
        to_deep = along / deep * to_depth - away * to_away - 0.5 * deep.rsqrt() * to_spread
        if ctx.thick:
            to_deep = to_deep + to_away
        to_deep = to_deep / deep
        to_above, to_along = to_away / deep, -to_depth / deep
        to_line = 2 * (k * to_deep - line * to_above) + to_along
        to_square = dd * to_above + k * (k * to_deep + to_along)
        to_dd = square * to_above + to_deep
        to_k = 2 * along * to_deep + square * to_along
        sums = _summed(pairs, to_line, to_square, [to_dd, to_k, to_depth, by_log])
        line, line_x, line_y, sx, sy, xx, xy, yy, to_dd, to_k, to_z, to_log = sums
        da, db, aa, ab, bb, amplitude = numbers[5:]
        to_u = -(da * line + 2 * (aa * sx + ab * sy))
        to_v = -(db * line + 2 * (ab * sx + bb * sy))
        rest = [to_z, to_k, to_dd, line_x, line_y, xx, 2 * xy, yy, to_log / amplitude]
        to_slant = None
        if ctx.thick and ctx.needs_input_grad[1]:
            to_slant = torch.zeros_like(slant).index_add_(0, pairs.pixel, by_log) / (2 * slant)
        return torch.stack([to_u, to_v, *rest]), to_slant, None, None


def _summed(pairs: Pairs, to_line: Tensor, to_square: Tensor, rest: list[Tensor]) -> Tensor:
    """Sums over each kernel's pairs: line, line x, line y, square x, square y, square xx, xy, yy, and the rest; (12, K)."""
    x, y = pairs.x, pairs.y
    by_x, by_y = to_square * x, to_square * y
    terms = [to_line, to_line * x, to_line * y, by_x, by_y, by_x * x, by_x * y, by_y * y, *rest]
    begins = pairs.counts.cumsum(0) - pairs.counts
    every = torch.arange(len(x), device=x.device)
    return torch.nn.functional.embedding_bag(every, torch.stack(terms, dim=1), begins, mode="sum").mT.contiguous()
