r"""Where a picture jumps: the edges at which a mesh ends before what is behind it.

The mean of a picture over a pixel changes with the mesh in two ways: inside, where attributes move under the samples, and at
visible edges, where what is near takes the place of what is far. Of the second, samples that hit or miss know nothing. By
Reynolds' transport theorem it is

.. math:: \frac{d}{d\theta} \int F\,dx \;\supset\; \int_{\text{edges}} (F_{near} - F_{far})\; n \cdot \frac{dx}{d\theta}\; dl

with n the normal of the edge on the picture, pointing to the far side. The integral is a sum over the places where edges cross
the lines through the samples: a crossing of a row stands for the length ``|n_u| / |n_u|^2`` of edge, so with the weights
``n_u^2`` for rows and ``n_v^2`` for columns, which sum to one, each crossing counts ``|n_u|`` or ``|n_v|``, and nothing is ever
divided by a small number. A crossing lies between two samples, which say what is near and far.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..geometry.meshes import Edges
from .raster import Fragments, Screen


@dataclass(frozen=True)
class Crossings:
    """Places between two samples where a visible edge separates near from far."""

    near: Int[Tensor, " N"]
    """Which of the fragments is near."""
    far: Int[Tensor, " N"]
    """Which of the fragments is far; -1 where nothing is."""
    place: Int[Tensor, " N"]
    """The sample that holds the crossing."""
    gain: Float[Tensor, " N"]
    """Samples' worth of area that the near side has won: zero, but its gradient is not."""


def crossings(
    screen: Screen,
    faces: Int[Tensor, "F 3"],
    hang: Edges,
    size: tuple[int, int],
    fragments: Fragments,
    depth: Float[Tensor, " N"],
) -> Crossings:
    """The visible crossings of edges with rows and columns of samples; ``depth`` is that of the fragments."""
    ends, sense = _outlines(screen, faces, hang)
    parts = [_along(ends, sense, screen, size, fragments, depth.detach(), axis) for axis in (0, 1)]
    return Crossings(*(torch.cat(both) for both in zip(*parts, strict=True)))


def _outlines(screen: Screen, faces: Tensor, hang: Edges) -> tuple[Tensor, Tensor]:
    """Edges whose faces all lie on one side on the picture: numbers of their ends among all points, and the side."""
    with torch.no_grad():
        u, v = (screen.points[..., axis].index_select(1, faces.mT.flatten()).unflatten(1, (3, -1)) for axis in (0, 1))
        area = (u[:, 1] - u[:, 0]) * (v[:, 2] - v[:, 0]) - (v[:, 1] - v[:, 0]) * (u[:, 2] - u[:, 0])
        shown = screen.ahead[:, faces].all(-1)
        side = (torch.where(shown, area, 0).sign().unsqueeze(1) * hang.along).flatten(1)
        both = side.new_zeros(2, len(side), len(hang))
        balance = both[0].index_add_(1, hang.of.flatten(), side)
        count = both[1].index_add_(1, hang.of.flatten(), side.abs())
        body, edge = ((balance.abs() == count) & (count > 0)).nonzero(as_tuple=True)
        ends = hang.ends[:, edge] + body * screen.points.shape[1]
        return ends, balance[body, edge].sign()


def _along(
    ends: Tensor,
    sense: Tensor,
    screen: Screen,
    size: tuple[int, int],
    fragments: Fragments,
    depth: Tensor,
    axis: int,
) -> tuple[Tensor, ...]:
    """Crossings of rows (axis 0: the crossing's place is its u) or of columns (axis 1)."""
    points = screen.points.flatten(0, 1)
    with torch.no_grad():
        start, stop = points[ends[0]], points[ends[1]]
        edge, line = _lines(start[:, 1 - axis], stop[:, 1 - axis], size[axis])
        start, stop, sense = start[edge], stop[edge], sense[edge]
        run = stop - start
        across = run[:, 1 - axis]
        share = (line + 0.5 - start[:, 1 - axis]) / across
        at = start[:, axis] + share * run[:, axis]
        # the faces are towards larger u of an edge that runs to smaller v, if they are on its left, and so on
        inwards = -(sense * across.sign()) * (1 if axis == 0 else -1)
        first = (at - 0.5).floor()
        kept = ((first >= 0) & (first < size[1 - axis] - 1)).nonzero().squeeze(-1)
        edge, line, share, at, inwards, run, first = (
            part[kept] for part in (edge, line, share, at, inwards, run, first.long())
        )
        step = (size[1], 1)[1 - axis]
        body = ends[0][edge] // screen.points.shape[1]
        base = body * (size[0] * size[1]) + line * (size[1], 1)[axis]
        here = base + first * step
        near, far = torch.where(inwards > 0, here + step, here), torch.where(inwards > 0, here, here + step)
        index = ends.new_full((len(screen.points) * size[0] * size[1],), -1)
        index[fragments.place] = torch.arange(len(depth), device=depth.device)
        near, far = index[near], index[far]
        deep = torch.cat([depth, depth.new_full((1,), torch.inf)])  # -1: nothing, infinitely far
        weights = screen.share.flatten()[ends[:, edge]] * torch.stack([1 - share, share])
        level = (weights * points[ends[:, edge]][..., 2]).sum(0) / weights.sum(0)
        fits = (near >= 0) & (deep[near] < deep[far]) & (level < 0.5 * (deep[near] + deep[far]))
        chosen = _outermost(here, fits, -inwards * at)
        edge, share, near, far, run = (part[chosen] for part in (edge, share, near, far, run))
        length = run[:, :2].norm(dim=-1)
        normal = torch.stack([run[:, 1], -run[:, 0]], -1) / length.unsqueeze(-1)
        outwards = -inwards[chosen] * normal[:, axis].sign()
        normal = normal * outwards.unsqueeze(-1)
        place = (base + at.floor().long().clamp(0, size[1 - axis] - 1) * step)[chosen]
    moving = points[ends[:, edge]][..., :2]
    shift = ((1 - share) * (moving[0] * normal).sum(-1) + share * (moving[1] * normal).sum(-1)) * normal[:, axis].abs()
    return near, far, place, shift - shift.detach()


def _lines(start: Tensor, stop: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """The lines through samples that edges cross: the edge's number, and the line's; a line through an end counts once."""
    low, high = torch.minimum(start, stop), torch.maximum(start, stop)
    first = (low - 0.5).ceil().clamp(0, number).long()
    count = ((high - 0.5).ceil().clamp(0, number).long() - first).clamp_min(0)
    edge = torch.repeat_interleave(count)
    line = torch.arange(len(edge), device=edge.device) - (count.cumsum(0) - count)[edge] + first[edge]
    return edge, line


def _outermost(pair: Tensor, fits: Tensor, out: Tensor) -> Tensor:
    """Of the crossings between the same two samples that fit, the one that is furthest out; the first of equals."""
    kept = fits.nonzero().squeeze(-1)
    order = kept[out[kept].argsort(descending=True, stable=True)]
    order = order[pair[order].argsort(stable=True)]
    pair = pair[order]
    first = torch.ones_like(pair, dtype=torch.bool)
    first[1:] = pair[1:] != pair[:-1]
    return order[first]
