"""Rays followed through kernels from their meeting to the picture, and back: one function of torch around compiled ones."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..tracing import Passage
from .carried import carry, gather, worth
from .lanes import LANES, desk, pulls, rows, tables
from .meetings import meet, unmeet
from .pairs import Counts, Numbers, Places, pairs_of
from .pulls import pull_back
from .queues import queues_of, side_by_side
from .rule import share_out


@dataclass(frozen=True)
class Queues:
    """Pairs, kernel by kernel, and in which order rays meet them."""

    begins: Counts
    """Where the pairs of each kernel begin, and end: (K + 1)."""
    kernel: Places
    pixel: Places
    x: Numbers
    y: Numbers
    met: Numbers
    """Optical depth, depth, deviation: (3, N)."""
    queue: Places
    """Pairs, pixel by pixel, nearest first."""
    start: Counts
    """Where the queue of each pixel begins: (P + 1)."""
    lit: Counts
    """How many of its kernels light reaches, (P)."""
    rays: Places
    """The pixels that see something, those with short queues first."""
    below: Counts
    """Where the rows of each group of them begin."""

    @classmethod
    def of(cls, numbers: Numbers, root: Numbers, passage: Passage) -> "Queues":
        """Of all kernels."""
        nearest = passage.seen.nearest
        begins, kernel, pixel, x, y = pairs_of(numbers, passage.bodies, *passage.size, passage.cut, nearest)
        met = np.empty((3, len(pixel)), numbers.dtype)
        meet(numbers, root, begins, pixel, x, y, passage.thick, met)
        darkest = -math.log(passage.faint) if passage.faint > 0 else math.inf
        order = np.argsort(numbers[2])
        queue, start, lit = queues_of(begins, order, pixel, met[0], met[1], passage.pixels, darkest)
        return cls(begins, kernel, pixel, x, y, met, queue, start, lit, *side_by_side(lit, LANES))

    @property
    def line(self) -> tuple[Places, Counts, Counts]:
        """Who stands where."""
        return self.queue, self.start, self.lit


class Followed(torch.autograd.Function):
    """What pixels see of attributes, their coverage, and depth times coverage, from the numbers of ``Sight``."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, slant: Tensor, attributes: Tensor, passage: Passage) -> tuple[Tensor, ...]:
        """The three."""
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(numbers, slant, attributes)
        given, carried = numbers.detach().contiguous().numpy(), attributes.detach().contiguous().numpy()
        found = Queues.of(given, slant.detach().sqrt().numpy(), passage)
        real, most = given.dtype, int(found.lit.max(initial=0))
        kept, part = rows(real, int(found.below[-1])), np.zeros(len(found.queue), real)
        features = numbers.new_zeros(passage.pixels, attributes.shape[1])
        coverage, deep = numbers.new_zeros(passage.pixels), numbers.new_zeros(passage.pixels)
        share_out(*found.line, found.rays, found.below, found.met, kept, desk(real), tables(real, most), _tiny(real),
                  part, coverage.numpy(), deep.numpy())  # fmt: skip
        carry(*found.line, found.kernel, part, carried, features.numpy())
        ctx.found, ctx.kept, ctx.part, ctx.thick = found, kept, part, passage.thick
        return features, coverage, deep

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad: Tensor | None, to_coverage: Tensor | None, to_deep: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """What their gradient makes of ``numbers``, ``slant`` and attributes."""
        numbers, slant, attributes = ctx.saved_tensors
        found: Queues = ctx.found
        given, carried = numbers.detach().contiguous().numpy(), attributes.detach().contiguous().numpy()
        real, most = given.dtype, int(found.lit.max(initial=0))
        to_part, to_attributes = np.zeros_like(ctx.part), None
        if grad is not None:
            seen = grad.contiguous().numpy()
            worth(*found.line, found.kernel, carried, seen, to_part)
            if ctx.needs_input_grad[2]:
                to_attributes = torch.zeros_like(attributes)
                gather(found.begins, found.pixel, ctx.part, seen, to_attributes.numpy())
        light, deep = (
            np.zeros(len(found.lit), real) if some is None else some.contiguous().numpy()
            for some in (to_coverage, to_deep)
        )
        to_met = np.zeros_like(found.met)
        pull_back(*found.line, found.rays, found.below, found.met, ctx.part, ctx.kept, desk(real), tables(real, most),
                  pulls(real, most), _tiny(real), to_part, light, deep, to_met)  # fmt: skip
        to_numbers, to_slant = torch.empty_like(numbers), None
        unmeet(given, found.begins, found.x, found.y, found.met[0], ctx.thick, to_met, to_numbers.numpy())
        if ctx.thick and ctx.needs_input_grad[1]:
            by_pixel = np.bincount(found.pixel, to_met[0], len(found.lit))
            to_slant = torch.from_numpy(by_pixel).to(slant) / (2 * slant)
        return to_numbers, to_slant, to_attributes, None


def _tiny(real: Any) -> Any:
    return real.type(np.finfo(real).tiny)
