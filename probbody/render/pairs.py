"""Which rays meet which kernels, and how: everything that is drawn is a list of such pairs, and nothing else is computed.

Two orders of the same pairs: by kernel, in which they are found, and by ray and depth, in which light is absorbed. Rays with
about as many kernels stand together, so that a few blocks with little filling hold them all.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from .absorption import Absorption
from .sight import Sight

_FILLING = 1e10  # metres: the depth of what fills up a row
_LENGTHS = (2, 4, 7, 11, 16, 22, 29, 38, 50)
"""Rays with up to so many kernels make a block; beyond the last, each block is 1.4 times longer."""


@dataclass(frozen=True)
class Window:
    """The pairs by kernel: ``counts`` of each kernel, the pixel of each pair, and how it lies to the kernel's own pixel."""

    counts: Int[Tensor, " K"]
    kernel: Int[Tensor, " N"]
    pixel: Int[Tensor, " N"]
    x: Float[Tensor, " N"]
    y: Float[Tensor, " N"]


@dataclass(frozen=True)
class Lists:
    """The pairs by ray: ``order`` leads from there to the order by kernel."""

    order: Int[Tensor, " N"]
    rays: Int[Tensor, " R"]
    """Pixels that see something, in the order of the lists; rows of pixels, of all bodies in one row."""
    begins: Int[Tensor, " R"]
    blocks: tuple[tuple[Tensor, Tensor], ...]
    """Positions in the lists (r, n), and which of them are none (a filling)."""
    sizes: tuple[int, ...]
    """How many pairs each block holds; blocks follow each other in the lists."""


@torch.no_grad()
def window(sight: Sight, size: tuple[int, int], bodies: int, cut: float) -> Window:
    """The pairs whose ray passes within ``cut`` standard deviations of the mean: pixels of an ellipse, row by row."""
    height, width = size
    u, v, z, k, dd, da, db, aa, ab, bb, _ = sight.numbers
    held = cut * cut
    # the ellipse is p x^2 + 2 q x y + r y^2 + 2 (f x + g y) <= held dd
    room = dd - held * k * k
    p, q, r = room * aa - da * da, room * ab - da * db, room * bb - db * db
    f, g = -held * k * da, -held * k * db
    area = p * r - q * q
    inside = (room <= 0) | (p <= 0) | (area <= 1e-6 * p * r)  # the camera is in the kernel, which may be anywhere
    middle = (q * f - p * g) / area
    reach = (held * dd + (r * f * f - 2 * q * f * g + p * g * g) / area) * p / area
    reach = reach.clamp_min(0).sqrt()
    top = torch.where(inside, 0, (v + middle - reach - 0.501).ceil().clamp(0, height))
    bottom = torch.where(inside, height, (v + middle + reach + 0.501).floor().clamp(0, height))
    rows = (bottom - top).clamp_min(0) * (z > sight.nearest)
    rows = torch.where(rows.isfinite(), rows, 0).long()
    # every row of every kernel
    owner = torch.repeat_interleave(rows)
    y = torch.arange(len(owner), device=u.device) - (rows.cumsum(0) - rows)[owner] + top.long()[owner]
    numbers = torch.stack([u, v, p, q, r, f, g, held * dd, inside.to(u.dtype)])[:, owner]
    u, v, p, q, r, f, g, most, inside_row = numbers
    dy = y + 0.5 - v
    half = q * dy + f
    left = (half * half - p * (dy * (r * dy + 2 * g) - most)).clamp_min(0).sqrt()
    whole = inside_row > 0
    first = torch.where(whole, 0, (u + (-half - left) / p - 0.501).ceil().clamp(0, width)).long()
    last = torch.where(whole, width, (u + (-half + left) / p + 0.501).floor().clamp(0, width)).long()
    columns = (last - first).clamp_min(0)
    # every pixel of every row
    row = torch.repeat_interleave(columns)
    x = torch.arange(len(row), device=u.device) - (columns.cumsum(0) - columns - first)[row]
    kernel = owner[row]
    body = torch.arange(bodies, device=u.device).repeat_interleave(len(sight.numbers[0]) // bodies)
    base = (body[owner] * height + y) * width
    counts = torch.zeros_like(rows).index_add_(0, owner, columns)
    return Window(counts, kernel, base[row] + x, x + 0.5 - u[row], dy[row])


@torch.no_grad()
def lists(pixel: Int[Tensor, " N"], depth: Float[Tensor, " N"], pixels: int) -> Lists:
    """The pairs sorted by ray and depth, rays with equally many kernels side by side."""
    counts = torch.bincount(pixel, minlength=pixels)
    rays = counts.nonzero().squeeze(1)
    length, by_length = counts[rays].sort(stable=True)
    rays = rays[by_length]
    rank = torch.empty_like(counts)
    rank[rays] = torch.arange(len(rays), device=rays.device)
    order = _sorted(rank[pixel], depth, len(rays))
    begins = length.cumsum(0) - length
    blocks, sizes, done = [], [], 0
    lengths = length.cpu().numpy()
    for longest in _lengths(int(lengths[-1]) if len(lengths) else 0):
        stop = int(np.searchsorted(lengths, longest, side="right"))
        if stop > done:
            n = int(lengths[stop - 1])
            steps = torch.arange(n, device=rays.device)
            none = steps >= length[done:stop, None]
            blocks.append(((begins[done:stop, None] + steps).masked_fill_(none, 0), none))
            sizes.append(int(lengths[done:stop].sum()))
        done = stop
    return Lists(order, rays, begins, tuple(blocks), tuple(sizes))


def _lengths(longest: int) -> list[int]:
    lengths = list(_LENGTHS)
    while lengths[-1] < longest:
        lengths.append(math.ceil(1.4 * lengths[-1]))
    return lengths


def _sorted(rank: Tensor, depth: Tensor, rays: int) -> Tensor:
    """By rank and then by depth, with one sort of whole numbers: rank, depth in as many steps as fit, and place."""
    count = len(rank)
    if count == 0:
        return rank
    places = max(count - 1, 1).bit_length()
    steps = 63 - places - max(rays, 1).bit_length()
    least, most = depth.min().double(), depth.max().double()
    scale = (2.0 ** min(steps, 40) - 1) / (most - least).clamp_min(1e-30)
    key = (rank << min(steps, 40)) + ((depth.double() - least) * scale).long()
    key = (key << places) + torch.arange(count, device=rank.device)
    if key.device.type == "cpu":
        found = torch.from_numpy(np.sort(key.numpy()))
    else:
        found = key.sort().values
    return found & ((1 << places) - 1)


class Meeting(torch.autograd.Function):
    """Optical depth, depth of the densest point and standard deviation in depth of each pair: see ``sight.py``."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, slant: Tensor, window: Window, thick: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The three, pair by pair."""
        z, k, dd, da, db, aa, ab, bb, amplitude = numbers[2:].index_select(1, window.kernel)
        x, y = window.x, window.y
        line = da * x + db * y
        square = x * (aa * x + 2 * ab * y) + bb * y * y
        along = line + k * square
        deep = dd + k * (line + along)
        away = (dd * square - line * line) / deep
        spread = deep.rsqrt()
        tau = amplitude * torch.exp(-0.5 * away)
        if thick:
            tau = tau * spread * slant[window.pixel].sqrt()
        depth = z - along / deep
        ctx.window, ctx.thick = window, thick
        ctx.save_for_backward(numbers, slant, tau, away, line, square, deep, spread)
        return tau, depth, spread

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_tau: Tensor, to_depth: Tensor, to_spread: Tensor) -> tuple[Tensor | None, ...]:
        """What their gradient makes of ``numbers`` and ``slant``, by sums over each kernel's pairs."""
        numbers, slant, tau, away, line, square, deep, spread = ctx.saved_tensors
        window = ctx.window
        x, y = window.x, window.y
        k, dd = numbers[3:5].index_select(1, window.kernel)
        along = line + k * square
        by_log = tau * to_tau
        to_away = -0.5 * by_log
        to_deep = along / deep * to_depth - away * to_away - 0.5 * spread * to_spread
        if ctx.thick:
            to_deep = to_deep - 0.5 * by_log
        to_deep = to_deep / deep
        to_above, to_along = to_away / deep, -to_depth / deep
        to_line = 2 * (k * to_deep - line * to_above) + to_along
        to_square = dd * to_above + k * (k * to_deep + to_along)
        by_x, by_y = to_square * x, to_square * y
        terms = torch.stack(
            [
                to_line, to_line * x, to_line * y, by_x, by_y, by_x * x, by_x * y, by_y * y,
                square * to_above + to_deep, 2 * along * to_deep + square * to_along, to_depth, by_log,
            ],
            dim=1,
        )  # fmt: skip
        sums = terms.new_zeros(numbers.shape[1], 12).index_add_(0, window.kernel, terms)
        line, line_x, line_y, sx, sy, xx, xy, yy, to_dd, to_k, to_z, to_log = sums.unbind(1)
        _, _, _, _, _, da, db, aa, ab, bb, amplitude = numbers
        to_u = -(da * line + 2 * (aa * sx + ab * sy))
        to_v = -(db * line + 2 * (ab * sx + bb * sy))
        to_numbers = torch.stack([to_u, to_v, to_z, to_k, to_dd, line_x, line_y, xx, 2 * xy, yy, to_log / amplitude])
        to_slant = None
        if ctx.thick and ctx.needs_input_grad[1]:
            to_slant = torch.zeros_like(slant).index_add_(0, window.pixel, 0.5 * by_log / slant[window.pixel])
        return to_numbers, to_slant, None, None


class Share(torch.autograd.Function):
    """Each pair's part of its ray's light, and the depth of its densest point, in the order of the lists."""

    @staticmethod
    def forward(
        ctx: Any, tau: Tensor, depth: Tensor, spread: Tensor, lists: Lists, absorption: Absorption
    ) -> tuple[Tensor, Tensor]:
        """The two, pair by pair."""
        memories, parts = [], []
        tau, depth, spread = (whole[lists.order] for whole in (tau, depth, spread))
        for places, none in lists.blocks:
            block = (
                tau[places].masked_fill_(none, 0),
                depth[places].masked_fill_(none, _FILLING),
                spread[places].masked_fill_(none, 1),
            )
            part, memory = absorption.weights(*block)
            memories.append(memory)
            parts.append(part[~none])
        ctx.lists, ctx.absorption, ctx.memories = lists, absorption, memories
        return torch.cat(parts) if parts else tau, depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, to_depth: Tensor) -> tuple[Tensor | None, ...]:
        """What their gradient makes of tau, depth and spread, in the order by kernel."""
        lists = ctx.lists
        found: list[list[Tensor]] = [[], [], []]
        for (places, none), memory in zip(lists.blocks, ctx.memories, strict=True):
            block = ctx.absorption.gradient(grad[places].masked_fill_(none, 0), memory)
            for whole, part in zip(found, block, strict=True):
                whole.append(part[~none])
        results = []
        for whole, extra in zip(found, (None, to_depth, None), strict=True):
            joined = torch.cat(whole) if whole else grad.new_zeros(0)
            result = torch.empty_like(joined)
            result[lists.order] = joined if extra is None else joined + extra
            results.append(result)
        return *results, None, None
