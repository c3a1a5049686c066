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
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..geometry.meshes import Edges
from ..quantities import Record
from .hits import Hits
from .raster import Screen


@dataclass(frozen=True)
class Crossings:
    """Places between two samples where a visible edge separates near from far."""

    near: Int[Tensor, " N"]
    """Which of the hits is near."""
    far: Int[Tensor, " N"]
    """Which of the hits is far; -1 where nothing is."""
    place: Int[Tensor, " N"]
    """The sample that holds the crossing."""
    gain: Float[Tensor, " N"]
    """Samples' worth of area that the near side has won: zero, but its gradient is not."""


def crossings(hits: Hits, hang: Edges) -> Crossings:
    """The visible crossings of the mesh's edges with rows and columns of samples.

    Of edges between the same two samples the outermost counts: beyond it there is nothing but what is far. An edge that is
    deeper than half way to what is far belongs to that.
    """
    with torch.no_grad():
        screen, size = hits.screen, hits.size
        ends, sense = _outlines(screen, hits.faces, hang)
        met = _meetings(screen.points.flatten(0, 1), ends, sense, screen.points.shape[1], size)
        index = ends.new_full((len(screen.points) * size[0] * size[1],), -1)
        index[hits.place] = torch.arange(len(hits.place), device=index.device)
        there = met.first + met.step
        near = index.index_select(0, torch.where(met.rising, there, met.first))
        far = index.index_select(0, torch.where(met.rising, met.first, there))
        deep = torch.cat(
            [hits.depth.detach(), hits.depth.new_full((1,), torch.inf)]
        )  # number -1: nothing, infinitely far
        fits = ((near >= 0) & (deep[near] < deep[far])).nonzero().squeeze(-1)
        met, near, far = met[fits], near.index_select(0, fits), far.index_select(0, fits)
        fits = _level(screen, met) < 0.5 * (deep[near] + deep[far])
        chosen = _outermost(met, fits, len(index))
        met, near, far = met[chosen], near.index_select(0, chosen), far.index_select(0, chosen)
        place = met.first + torch.where(met.beyond >= 0.5, met.step, 0)
    return Crossings(near, far, place, _gain(screen, met))


def _outlines(screen: Screen, faces: Tensor, hang: Edges) -> tuple[Tensor, Tensor]:
    """Edges whose faces all lie on one side on the picture: numbers of their ends among all points, and the side."""
    corner = faces.mT.flatten()
    (u, u1, u2), (v, v1, v2) = (
        screen.points[..., axis].index_select(1, corner).unflatten(1, (3, -1)).unbind(1) for axis in (0, 1)
    )
    area = (u1 - u) * (v2 - v) - (v1 - v) * (u2 - u)
    if not bool(screen.ahead.all()):
        area = torch.where(screen.ahead[:, faces].all(-1), area, 0)
    side = (area.sign().unsqueeze(1) * hang.along).flatten(1)
    none = side.new_zeros(len(side), len(hang))
    balance = none.index_add(1, hang.of.flatten(), side)
    count = none.index_add(1, hang.of.flatten(), side.abs())
    body, edge = ((balance.abs() == count) & (count > 0)).nonzero(as_tuple=True)
    return hang.ends.index_select(1, edge) + body * screen.points.shape[1], balance[body, edge].sign()


@dataclass(frozen=True)
class _Meetings(Record):
    """Places where edges cross the lines through samples: rows, then columns."""

    start: Int[Tensor, " N"]
    """An end of the edge, numbered among all points, and the other."""
    stop: Int[Tensor, " N"]
    share: Float[Tensor, " N"]
    """How far from start to stop on the picture."""
    normal: Float[Tensor, "N 2"]
    """Across the edge, away from its faces, of unit length."""
    first: Int[Tensor, " N"]
    """The sample before the crossing; the one after it is ``step`` further."""
    step: Int[Tensor, " N"]
    column: Bool[Tensor, " N"]
    """Whether a column of samples is crossed, and not a row."""
    beyond: Float[Tensor, " N"]
    """How far the crossing is from the first sample to the one after it, in [0, 1]."""
    rising: Bool[Tensor, " N"]
    """Whether the faces are on the side of the sample after."""


def _meetings(points: Tensor, ends: Tensor, sense: Tensor, vertices: int, size: tuple[int, int]) -> _Meetings:
    number = ends.shape[1]
    start, stop = points.index_select(0, ends[0])[:, :2], points.index_select(0, ends[1])[:, :2]
    low, high = torch.minimum(start, stop), torch.maximum(start, stop)
    lines = start.new_tensor([size[1], size[0]])
    begin = (low - 0.5).ceil().clamp_min(0).minimum(lines)
    count = ((high - 0.5).ceil().clamp_min(0).minimum(lines) - begin).clamp_min(0)
    count = torch.cat([count[:, 1], count[:, 0]]).long()  # rows are met along v, columns along u
    row = torch.repeat_interleave(count)
    line = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count).index_select(0, row)
    column = row >= number
    edge = torch.where(column, row - number, row)
    table = torch.cat([start, stop - start, begin, sense.unsqueeze(-1)], -1).index_select(0, edge)
    here, run, begin = (
        part.gather(1, torch.stack([column, ~column], -1).long()) for part in table[:, :6].split(2, dim=-1)
    )
    line = line + begin[:, 1].long()
    share = (line + 0.5 - here[:, 1]) / run[:, 1]
    at = here[:, 0] + share * run[:, 0] - 0.5
    before = at.floor()
    # the faces' side, seen along the line: that of an edge turned by a right angle
    rising = (table[:, 6] * run[:, 1] > 0) == column
    normal = torch.nn.functional.normalize(table[:, 2:4].flip(-1) * table.new_tensor([1.0, -1.0]), dim=-1)
    normal = normal * table[:, 6:]
    width = torch.where(column, size[0], size[1])
    kept = ((before >= 0) & (before < width - 1)).nonzero().squeeze(-1)
    stride = torch.where(column, size[1], 1)
    first = (ends[0] // vertices).index_select(0, edge) * (size[0] * size[1])
    first = first + before.long() * stride + line * torch.where(column, 1, size[1])
    ends = ends.index_select(1, edge)
    return _Meetings(ends[0], ends[1], share, normal, first, stride, column, at - before, rising)[kept]


def _level(screen: Screen, met: _Meetings) -> Tensor:
    """The depth of the edge where it is crossed."""
    ends = torch.stack([met.start, met.stop])
    weights = torch.stack([1 - met.share, met.share]) * screen.share.flatten()[ends]
    return (weights * screen.points[..., 2].flatten()[ends]).sum(0) / weights.sum(0)


def _outermost(met: _Meetings, fits: Tensor, samples: int) -> Tensor:
    """Of the crossings between the same two samples that fit, the one that is furthest out; the first of equals."""
    kept = fits.nonzero().squeeze(-1)
    pair = met.first.index_select(0, kept) + torch.where(met.column.index_select(0, kept), samples, 0)
    beyond = met.beyond.index_select(0, kept)
    inwards = torch.where(met.rising.index_select(0, kept), beyond, 1 - beyond)
    order = (pair + 0.5 * inwards.double()).argsort(stable=True)
    kept, pair = kept.index_select(0, order), pair.index_select(0, order)
    first = torch.ones_like(pair, dtype=torch.bool)
    first[1:] = pair[1:] != pair[:-1]
    return kept[first]


def _gain(screen: Screen, met: _Meetings) -> Tensor:
    """What moving the edge along its normal wins, in samples; zero as long as it does not move."""
    with torch.no_grad():
        share = torch.stack([1 - met.share, met.share], -1)
        along = torch.where(met.column, met.normal[:, 1], met.normal[:, 0]).abs()
        pull = share.unsqueeze(-1) * (met.normal * along.unsqueeze(-1)).unsqueeze(1)  # (N, ends, 2)
    ends = torch.stack([met.start, met.stop], -1).flatten()
    moved = (screen.points.flatten(0, 1).index_select(0, ends)[:, :2].unflatten(0, (-1, 2)) * pull).sum((1, 2))
    return moved - moved.detach()
