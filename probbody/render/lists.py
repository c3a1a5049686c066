"""The kernels along each ray, nearest first, and what each of them adds to the picture."""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from .absorption import Absorption
from .pairs import Pairs

_BLOCK = 60_000
"""What another block costs, in entries of n x n tables."""


_TABLE = 400_000
"""The most entries of a table, unless one ray needs more: what fits into a processor's cache is quick."""


@dataclass(frozen=True)
class Lists:
    """The pairs ray by ray, in columns of blocks: one column a ray, rays with about as many kernels in one block.

    Three places of each pair: in the order kernel by kernel of ``Pairs``; in the lists, ray by ray, nearest first; in the
    blocks, which are filled up to be oblong and follow each other in one row.
    """

    rays: Int[Tensor, " R"]
    """The pixels that see something, in the order of the lists."""
    begins: Int[Tensor, " R"]
    """Where each ray's list begins."""
    ray: Int[Tensor, " N"]
    """The ray of each pair, kernel by kernel: a place in ``rays``."""
    kernel: Int[Tensor, " N"]
    """The kernel of each pair, ray by ray."""
    slot: Int[Tensor, " N"]
    """Where each pair of the lists is in the blocks."""
    slot_by_kernel: Int[Tensor, " N"]
    """Where each pair, kernel by kernel, is in the blocks."""
    source: Int[Tensor, " M"]
    """What is in the blocks: places kernel by kernel. Columns are filled up with their last kernel."""
    filling: Int[Tensor, " L"]
    """Where the fillings are."""
    blocks: tuple[tuple[int, int], ...]
    """How many kernels (rows) and rays (columns) each block has."""


@torch.no_grad()
def lists(pairs: Pairs, depth: Float[Tensor, " N"], pixels: int) -> Lists:
    """The pairs sorted by ray and depth, and the blocks that hold them."""
    counts = torch.bincount(pairs.pixel, minlength=pixels)
    rays = counts.nonzero().squeeze(1)
    length, by_length = counts.index_select(0, rays).sort(stable=True)
    rays = rays.index_select(0, by_length)
    rank = torch.empty_like(counts)
    rank[rays] = torch.arange(len(rays), device=rays.device)
    ray = rank.index_select(0, pairs.pixel)
    order = _nearest_first(ray, depth)
    begins = length.cumsum(0) - length
    blocks = _blocks(length.cpu().numpy())
    # of each ray: where its column begins in the blocks, and how far apart the entries of a column are
    starts, strides, done, filled = [], [], 0, 0
    for rows, columns in blocks:
        starts.append(torch.arange(filled, filled + columns, device=rays.device))
        strides.append(columns)
        done, filled = done + columns, filled + rows * columns
    if not blocks:
        return Lists(rays, begins, ray, order, order, order, order, order, ())
    stride = torch.repeat_interleave(
        torch.tensor(strides, device=rays.device), torch.tensor([columns for _, columns in blocks], device=rays.device)
    )
    listed = ray.index_select(0, order)
    place = torch.arange(len(order), device=rays.device) - begins.index_select(0, listed)
    slot = torch.cat(starts).index_select(0, listed) + place * stride.index_select(0, listed)
    source = torch.full((filled,), -1, device=rays.device).scatter_(0, slot, order)
    filling = (source < 0).nonzero().squeeze(1)
    last = order.index_select(0, begins + length - 1)
    source[filling] = last.index_select(0, _columns(blocks, rays.device).index_select(0, filling))
    slot_by_kernel = torch.empty_like(slot).scatter_(0, order, slot)
    return Lists(rays, begins, ray, pairs.kernel.index_select(0, order), slot, slot_by_kernel, source, filling, blocks)


def _blocks(lengths: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Ascending lengths cut into blocks such that the n x n tables of all of them, and the blocks, cost least."""
    if not len(lengths):
        return ()
    longest, counts = np.unique(lengths, return_counts=True)
    upto = np.concatenate([[0], counts.cumsum()])
    best, cut = np.zeros(len(longest) + 1), np.zeros(len(longest) + 1, dtype=int)
    for end in range(1, len(longest) + 1):
        costs = best[:end] + _BLOCK + float(longest[end - 1]) ** 2 * (upto[end] - upto[:end])
        cut[end] = costs.argmin()
        best[end] = costs[cut[end]]
    blocks, end = [], len(longest)
    while end:
        rows, columns = int(longest[end - 1]), int(upto[end] - upto[cut[end]])
        most = max(_TABLE // rows**2, 1)
        blocks += [(rows, columns % most)] * (columns % most > 0) + [(rows, most)] * (columns // most)
        end = cut[end]
    return tuple(reversed(blocks))


def _columns(blocks: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """The ray of each entry of the blocks."""
    parts, done = [], 0
    for rows, columns in blocks:
        parts.append(torch.arange(done, done + columns, device=device).repeat(rows))
        done += columns
    return torch.cat(parts)


def _nearest_first(ray: Tensor, depth: Tensor) -> Tensor:
    """The order by ray and then by depth, which is told apart to 2^-32 of its range."""
    if not len(ray):
        return ray
    least, most = depth.amin().double(), depth.amax().double()
    steps = ((depth.double() - least) * ((2**32 - 1) / (most - least).clamp_min(1e-30))).clamp(0, 2**32 - 1).long()
    if ray.device.type != "cpu" or int(ray.amax()) >= 2**16:
        near = steps.argsort(stable=True)
        return near.index_select(0, ray.index_select(0, near).argsort(stable=True))
    digits = steps.numpy().astype(np.uint32).view(np.uint16).reshape(-1, 2)
    low, high = (0, 1) if sys.byteorder == "little" else (1, 0)
    order = np.argsort(digits[:, low], kind="stable")  # numpy sorts short numbers digit by digit, in linear time
    order = order[np.argsort(digits[order, high], kind="stable")]
    return torch.from_numpy(order[np.argsort(ray.numpy().astype(np.uint16)[order], kind="stable")])


class Share(torch.autograd.Function):
    """Each pair's part of its ray's light, in the order of the lists; each ray's coverage and sum of parts times depths."""

    @staticmethod
    def forward(
        ctx: Any, tau: Tensor, depth: Tensor, spread: Tensor, lists: Lists, absorption: Absorption
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The three."""
        ctx.set_materialize_grads(False)
        columns = [whole.index_select(0, lists.source) for whole in (tau, depth, spread)]
        columns[0].index_fill_(0, lists.filling, 0)
        part, memories, coverage, deep = torch.empty_like(columns[0]), [], [], []
        for place, shape in _each(lists):
            block = [column[place].view(shape) for column in columns]
            found, memory = absorption.weights(*block)
            part[place] = found.flatten()
            coverage.append(found.sum(0))
            deep.append((found * block[1]).sum(0))
            memories.append(memory)
        none = tau.new_zeros(0)
        ctx.lists, ctx.absorption, ctx.memories = lists, absorption, memories
        ctx.save_for_backward(part, columns[1])
        return part.index_select(0, lists.slot), torch.cat([none, *coverage]), torch.cat([none, *deep])

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad: Tensor | None, to_coverage: Tensor | None, to_deep: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """What their gradient makes of tau, depth and spread, in the order by kernel."""
        lists: Lists = ctx.lists
        part, depth = ctx.saved_tensors
        to_part = torch.zeros_like(part)
        if grad is not None:
            to_part.scatter_(0, lists.slot, grad)
        found = [torch.empty_like(part) for _ in range(3)]
        done = 0
        for (place, shape), memory in zip(_each(lists), ctx.memories, strict=True):
            incoming = to_part[place].view(shape)
            rays = slice(done, done + shape[1])
            if to_coverage is not None:
                incoming += to_coverage[rays]
            if to_deep is not None:
                incoming += to_deep[rays] * depth[place].view(shape)
            for whole, result in zip(found, ctx.absorption.gradient(incoming, memory), strict=True):
                whole[place] = result.flatten()
            if to_deep is not None:
                found[1][place] += (to_deep[rays] * part[place].view(shape)).flatten()
            done += shape[1]
        to_tau, to_depth, to_spread = (whole.index_select(0, lists.slot_by_kernel) for whole in found)
        filling = lists.filling  # a cut at the depth of the column's last kernel
        to_depth.index_add_(0, lists.source.index_select(0, filling), found[1].index_select(0, filling))
        return to_tau, to_depth, to_spread, None, None


def _each(lists: Lists) -> list[tuple[slice, tuple[int, int]]]:
    ends = np.cumsum([0, *(rows * columns for rows, columns in lists.blocks)])
    return [(slice(int(a), int(b)), shape) for a, b, shape in zip(ends, ends[1:], lists.blocks, strict=False)]


class Carried(torch.autograd.Function):
    """What rays see of attributes: sums of parts times attributes, ray by ray."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor, attributes: Tensor, pairs: Pairs, lists: Lists) -> Tensor:
        """The sums."""
        ctx.pairs, ctx.lists = pairs, lists
        with torch.enable_grad():  # torch has the gradient of the parts ready, but a slow one of the attributes
            parts = parts.detach().requires_grad_(ctx.needs_input_grad[0])
            found = embedding_bag(lists.kernel, attributes.detach(), lists.begins, mode="sum", per_sample_weights=parts)
        ctx.parts, ctx.found = parts, found
        return found.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Each part is worth its attributes along the gradient; each kernel gathers from the rays that it is on."""
        grad = grad.contiguous()
        to_parts = to_attributes = None
        if ctx.needs_input_grad[0]:
            (to_parts,) = torch.autograd.grad(ctx.found, ctx.parts, grad, retain_graph=True)
        if ctx.needs_input_grad[1]:
            to_attributes = gathered(ctx.parts.detach(), grad, ctx.pairs, ctx.lists)
        return to_parts, to_attributes, None, None


def gathered(
    parts: Float[Tensor, " N"], rows: Float[Tensor, "R C"], pairs: Pairs, lists: Lists
) -> Float[Tensor, "K C"]:
    """The adjoint of ``Carried``: for each kernel the sum of its parts times the rays' rows."""
    blocks = parts.new_empty(len(lists.source)).scatter_(0, lists.slot, parts)
    by_kernel = blocks.index_select(0, lists.slot_by_kernel)
    begins = pairs.counts.cumsum(0) - pairs.counts
    return embedding_bag(lists.ray, rows, begins, mode="sum", per_sample_weights=by_kernel)
