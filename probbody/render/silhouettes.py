r"""Where a picture jumps: the edges at which a mesh ends before what is behind it.

The mean of a picture over a pixel changes with the mesh in two ways: inside, where attributes move under the samples, and at
visible edges, where what is near takes the place of what is far. Of the second, samples that hit or miss know nothing. By
Reynolds' transport theorem it is

.. math:: \frac{d}{d\theta} \int F\,dx \;\supset\; \int_{\text{edges}} (F_{near} - F_{far})\; n \cdot \frac{dx}{d\theta}\; dl

with n the normal of the edge on the picture, pointing to the far side. The integral is a sum over the places where edges cross
the lines through the samples: a crossing of a row stands for the length ``1 / |n_u|`` of edge, so with the weights ``n_u^2``
for rows and ``n_v^2`` for columns, which sum to one, each crossing counts ``|n_u|`` or ``|n_v|``, and nothing is ever divided
by a small number.

Which crossings are visible is counted. An edge with as many faces on either side changes nothing; any other changes the number
of faces that cover a point of the picture. Between two samples that number is known at the first, so it is known at every
crossing: where it comes to zero or leaves it, the mesh ends before nothing, be the gap or the finger ever so thin. Where both
samples hit, the outermost edge of the nearer side is taken for the place where that side ends.
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

    ends: Int[Tensor, "N 2"]
    """The edge's, numbered among all bodies' vertices."""
    shares: Float[Tensor, "N 2"]
    """What each end has of the point of the edge."""
    depth: Float[Tensor, " N"]
    far: Int[Tensor, " N"]
    """Which of the hits is beyond the edge; -1 where nothing is."""
    place: Int[Tensor, " N"]
    """The sample that holds the crossing."""
    gain: Float[Tensor, " N"]
    """Samples' worth of area that the near side has won: zero, but its gradient is not."""


def crossings(hits: Hits, hang: Edges) -> Crossings:
    """The visible crossings of the mesh's edges with rows and columns of samples."""
    with torch.no_grad():
        met = _meetings(hits.screen, *_outlines(hits.screen, hits.faces, hang), hits.size)
        met, last = _ordered(met, hits.layers.numel())
        shares, depth = _on_edge(hits.screen, met)
        after = hits.layers.index_select(0, met.first) + met.change.cumsum(0)
        after = after - torch.cat([met.change.new_zeros(1), met.change.cumsum(0)]).index_select(0, last)
        open_ = (after <= 0) != (after - met.change <= 0)
        far = _beyond(hits, met, depth, open_)
        seen = (open_ | (far >= 0)).nonzero().squeeze(-1)
        met, far = met[seen], far.index_select(0, seen)
        place = met.first + torch.where(met.beyond >= 0.5, met.step, 0)
    return Crossings(met.ends, shares[seen], depth[seen], far, place, _gain(hits.screen, met))


def _outlines(screen: Screen, faces: Tensor, hang: Edges) -> tuple[Tensor, Tensor]:
    """Edges with more faces on one side on the picture than on the other: their ends among all points, and how many."""
    corner = faces.mT.flatten()
    (u, u1, u2), (v, v1, v2) = (
        screen.points[..., axis].index_select(1, corner).unflatten(1, (3, -1)).unbind(1) for axis in (0, 1)
    )
    area = (u1 - u) * (v2 - v) - (v1 - v) * (u2 - u)
    if not bool(screen.ahead.all()):
        area = torch.where(screen.ahead[:, faces].all(-1), area, 0)
    side = (area.sign().unsqueeze(1) * hang.along).flatten(1)
    balance = side.new_zeros(len(side), len(hang)).index_add(1, hang.of.flatten(), side)
    body, edge = balance.nonzero(as_tuple=True)
    return hang.ends.index_select(1, edge) + body * screen.points.shape[1], balance[body, edge]


@dataclass(frozen=True)
class _Meetings(Record):
    """Places where edges cross the lines through samples: rows, then columns."""

    ends: Int[Tensor, "N 2"]
    shares: Float[Tensor, "N 2"]
    """Of the ends, on the picture."""
    normal: Float[Tensor, "N 2"]
    """Across the edge, away from its faces, of unit length."""
    first: Int[Tensor, " N"]
    """The sample before the crossing; the one after it is ``step`` further."""
    step: Int[Tensor, " N"]
    column: Bool[Tensor, " N"]
    """Whether a column of samples is crossed, and not a row."""
    beyond: Float[Tensor, " N"]
    """How far the crossing is from the first sample to the one after it, in [0, 1]."""
    worth: Float[Tensor, " N"]
    """The lines' distances of edge that the crossing stands for, across the line."""
    change: Int[Tensor, " N"]
    """How many faces more there are on the side of the sample after."""


def _meetings(screen: Screen, ends: Tensor, balance: Tensor, size: tuple[int, int]) -> _Meetings:
    """Every crossing that lies between two samples of the picture."""
    points, number = screen.points.flatten(0, 1), ends.shape[1]
    start, stop = points.index_select(0, ends[0])[:, :2], points.index_select(0, ends[1])[:, :2]
    lines = start.new_tensor([size[1], size[0]])
    low, high = (bound(start, stop).clamp_min(0).minimum(lines) for bound in (torch.minimum, torch.maximum))
    begin = (low - 0.5).ceil()
    count = (high - 0.5).ceil() - begin
    # an edge as long as k lines are apart is met k times on average: where it is met once at least, that is made exact
    worth = torch.where(high - low >= 1, (high - low) / count.clamp_min(1), 1)
    worth, count = (torch.cat([part[:, 1], part[:, 0]]) for part in (worth, count))  # rows are met along v
    count = count.long()
    row = torch.repeat_interleave(count)
    line = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count).index_select(0, row)
    column = row >= number
    edge = torch.where(column, row - number, row)
    table = torch.cat([start, stop - start, begin, balance.unsqueeze(-1)], -1).index_select(0, edge)
    here, run, begin = (
        part.gather(1, torch.stack([column, ~column], -1).long()) for part in table[:, :6].split(2, dim=-1)
    )
    line = line + begin[:, 1].long()
    share = (line + 0.5 - here[:, 1]) / run[:, 1]
    at = here[:, 0] + share * run[:, 0] - 0.5
    before = at.floor()
    change = torch.where(column, 1, -1) * table[:, 6] * run[:, 1].sign()  # of an edge turned by a right angle
    normal = torch.nn.functional.normalize(table[:, 2:4].flip(-1) * table.new_tensor([1.0, -1.0]), dim=-1)
    normal = normal * table[:, 6:].sign()
    width = torch.where(column, size[0], size[1])
    kept = ((before >= 0) & (before < width - 1)).nonzero().squeeze(-1)
    stride = torch.where(column, size[1], 1)
    first = (ends[0] // screen.points.shape[1]).index_select(0, edge) * (size[0] * size[1])
    first = first + before.long() * stride + line * torch.where(column, 1, size[1])
    ends, shares = ends.T.index_select(0, edge), torch.stack([1 - share, share], -1)
    return _Meetings(
        ends, shares, normal, first, stride, column, at - before, worth.index_select(0, row), change.long()
    )[kept]


def _ordered(met: _Meetings, samples: int) -> tuple[_Meetings, Tensor]:
    """Pair of samples by pair, from the first to the one after it; and for each crossing where its pair begins."""
    pair = met.first + torch.where(met.column, samples, 0)
    order = (pair + 0.5 * met.beyond.double()).argsort(stable=True)
    pair = pair.index_select(0, order)
    begins = torch.ones_like(pair, dtype=torch.bool)
    begins[1:] = pair[1:] != pair[:-1]
    return met[order], torch.where(begins, torch.arange(len(pair), device=pair.device), 0).cummax(0).values


def _on_edge(screen: Screen, met: _Meetings) -> tuple[Tensor, Tensor]:
    """The shares in space of an edge's ends in the point that is crossed, and its depth."""
    shares = met.shares * screen.share.flatten()[met.ends]
    shares = shares / shares.sum(-1, keepdim=True)
    return shares, (shares * screen.points[..., 2].flatten()[met.ends]).sum(-1)


def _beyond(hits: Hits, met: _Meetings, depth: Tensor, open_: Tensor) -> Tensor:
    """The hit on the far side of edges between two hits; -1 for those that are not the outermost of the near side.

    An edge that is deeper than half way to what is far belongs to that.
    """
    index = met.first.new_full(hits.layers.shape, -1)
    index[hits.place] = torch.arange(len(hits.place), device=index.device)
    rising, there = met.change > 0, met.first + met.step
    near = index.index_select(0, torch.where(rising, there, met.first))
    far = index.index_select(0, torch.where(rising, met.first, there))
    kept = ((near >= 0) & (far >= 0) & ~open_).nonzero().squeeze(-1)
    near_depth, far_depth = (hits.depth.detach().index_select(0, side[kept]) for side in (near, far))
    kept = kept[(near_depth < far_depth) & (depth[kept] < 0.5 * (near_depth + far_depth))]
    # all that fit in a pair have the same near side; in order, the first of them is the outermost if that comes after
    near, rising = near[kept], rising[kept]
    edge = torch.ones_like(rising)
    same = (near[1:] == near[:-1]) & (far[kept][1:] == far[kept][:-1])
    edge[1:] = torch.where(rising[1:], ~same, True)
    edge[:-1] &= torch.where(rising[:-1], True, ~same)
    return torch.full_like(far, -1).index_copy(0, kept[edge], far[kept[edge]])


def _gain(screen: Screen, met: _Meetings) -> Tensor:
    """What moving the edge along its normal wins, in samples; zero as long as it does not move."""
    with torch.no_grad():
        along = torch.where(met.column, met.normal[:, 1], met.normal[:, 0]).abs() * met.worth
        pull = met.shares.unsqueeze(-1) * (met.normal * along.unsqueeze(-1)).unsqueeze(1)  # (N, ends, 2)
    points = screen.points.flatten(0, 1).index_select(0, met.ends.flatten())[:, :2].unflatten(0, (-1, 2))
    moved = (points * pull).sum((1, 2))
    return moved - moved.detach()
