"""The kernels along each ray, nearest first, and what each of them adds to the picture."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from .absorption import Absorption
from .columns import Columns
from .pairs import Pairs

_WIDE, _BANDS = 256, 8
"""The most lists side by side, and the bands that there should be at least: lists in one are about as long."""


@dataclass(frozen=True)
class Lists:
    """The pairs ray by ray, and in columns: one a ray.

    Three places of each pair: in the order kernel by kernel of ``Pairs``; in the lists, ray by ray, nearest first; in the
    grid of the columns, which are filled up, row by row.
    """

    rays: Int[Tensor, " R"]
    """The pixels that see something, ascending."""
    begins: Int[Tensor, " R"]
    """Where each ray's list begins."""
    column: Int[Tensor, " R"]
    """The column of each ray, counted through the bands."""
    ray: Int[Tensor, " N"]
    """The ray of each pair, kernel by kernel: a place in ``rays``."""
    kernel: Int[Tensor, " N"]
    """The kernel of each pair, ray by ray."""
    slot: Int[Tensor, " N"]
    """Where each pair of the lists is in the grid."""
    slot_by_kernel: Int[Tensor, " N"]
    """Where each pair, kernel by kernel, is in the grid."""
    source: Int[Tensor, " S"]
    """What is in the grid: places kernel by kernel. Columns are filled up with their last kernel."""
    filling: Int[Tensor, " L"]
    """Where the fillings are."""
    columns: Columns

    def everywhere(self, values: Float[Tensor, " R"]) -> Float[Tensor, "M W"]:
        """A number of each ray at all places of its column; zero in spare columns."""
        room = values.new_zeros(len(self.columns.heights) * self.columns.width)
        return self.columns.everywhere(room.index_copy_(0, self.column, values).view(-1, self.columns.width))


@torch.no_grad()
def lists(pairs: Pairs, order: Int[Tensor, " N"], pixels: int) -> Lists:
    """The columns that hold the pairs, which ``order`` sorts by pixel and depth."""
    counts = torch.bincount(pairs.pixel, minlength=pixels)
    rays = counts.nonzero().squeeze(1)
    every = torch.arange(max(len(rays), len(order)), device=rays.device)
    rank = torch.empty_like(counts).index_copy_(0, rays, every[: len(rays)])
    ray, length = rank.index_select(0, pairs.pixel), counts.index_select(0, rays)
    begins = length.cumsum(0) - length
    ascending, shortest = length.sort(stable=True)
    width = min(_WIDE, max(len(rays) // _BANDS, 1))
    spare = -len(rays) % width  # columns before the shortest
    columns = Columns.of(tuple(ascending[width - 1 - spare :: width].tolist()), width, rays.device)
    column = torch.empty_like(length).index_copy_(0, shortest, every[: len(rays)] + spare)
    top = columns.begins.index_select(0, torch.div(column, width, rounding_mode="floor"))
    start = (top - begins) * width + column % width
    slot = (every[: len(order)] * width).add_(start.repeat_interleave(length))
    source = torch.full((len(columns.band) * width,), -1, device=rays.device).index_copy_(0, slot, order)
    filling = (source < 0).nonzero().squeeze(1)
    if len(filling):
        last = order.index_select(0, (begins + length - 1).index_select(0, shortest))
        last = torch.cat([last[:1].expand(spare), last]).view(-1, width)
        source[filling] = columns.everywhere(last).flatten().index_select(0, filling)
    slot_by_kernel = torch.empty_like(slot).index_copy_(0, order, slot)
    kernel = pairs.kernel.index_select(0, order)
    return Lists(rays, begins, column, ray, kernel, slot, slot_by_kernel, source, filling, columns)


class Share(torch.autograd.Function):
    """Each pair's part of its ray's light, in the order of the lists; each ray's coverage and sum of parts times depths."""

    @staticmethod
    def forward(
        ctx: Any, tau: Tensor, depth: Tensor, spread: Tensor, lists: Lists, absorption: Absorption
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The three."""
        ctx.set_materialize_grads(False)
        columns = lists.columns
        tau, depth, spread = (
            whole.index_select(0, lists.source).view(-1, columns.width) for whole in (tau, depth, spread)
        )
        tau.view(-1).index_fill_(0, lists.filling, 0)
        part, memory = absorption.weights(tau, depth, spread, columns)
        ctx.lists, ctx.absorption, ctx.memory = lists, absorption, memory
        ctx.save_for_backward(part, depth)
        coverage, deep = (columns.sums(whole).view(-1).index_select(0, lists.column) for whole in (part, part * depth))
        return part.view(-1).index_select(0, lists.slot), coverage, deep

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad: Tensor | None, to_coverage: Tensor | None, to_deep: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """What their gradient makes of tau, depth and spread, in the order by kernel."""
        lists: Lists = ctx.lists
        columns = lists.columns
        part, depth = ctx.saved_tensors
        to_part = torch.zeros_like(part)
        if grad is not None:
            to_part.view(-1).index_copy_(0, lists.slot, grad)
        if to_coverage is not None:
            to_part += lists.everywhere(to_coverage)
        along = None if to_deep is None else lists.everywhere(to_deep)
        if along is not None:
            to_part.addcmul_(along, depth)
        found = ctx.absorption.gradient(to_part, ctx.memory, columns)
        if along is not None:
            found[1].addcmul_(along, part)
        to_tau, to_depth, to_spread = (whole.view(-1).index_select(0, lists.slot_by_kernel) for whole in found)
        filling = lists.filling  # a cut at the depth of the column's last kernel
        fill = found[1].view(-1).index_select(0, filling)
        to_depth.index_add_(0, lists.source.index_select(0, filling), fill)
        return to_tau, to_depth, to_spread, None, None


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
    blocks = parts.new_empty(len(lists.source)).index_copy_(0, lists.slot, parts)
    by_kernel = blocks.index_select(0, lists.slot_by_kernel)
    begins = pairs.counts.cumsum(0) - pairs.counts
    return embedding_bag(lists.ray, rows, begins, mode="sum", per_sample_weights=by_kernel)
