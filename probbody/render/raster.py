"""The face that each point of a picture shows."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..contracts import Camera
from ..geometry.cameras import NEAREST
from ..quantities import Record

_AT_ONCE = 1 << 21  # pairs of a face and a sample that are held at a time


@dataclass(frozen=True)
class Screen(Record):
    """Vertices as a camera sees them, on a picture of ``samples`` by ``samples`` points a pixel."""

    points: Float[Tensor, "B V 3"]
    """(u, v) in samples, and depth in metres."""
    share: Float[Tensor, "B V"]
    """What turns shares of a triangle on the picture into shares in space: 1 / depth, or 1 where rays are parallel."""
    nearness: Float[Tensor, "B V"]
    """What is linear over the picture along a plane in space, and grows towards the camera: 1 / depth, or -depth."""
    ahead: Bool[Tensor, "B V"]
    """Not nearer than ``NEAREST``; parallel rays have no behind."""

    @classmethod
    def of(cls, vertices: Float[Tensor, "B V 3"], camera: Camera, samples: int) -> "Screen":
        """Vertices of the world; those that are not finite are a ValueError, as is a camera that is not one a body."""
        if camera.views != 1 or len(camera) != len(vertices):
            raise ValueError(
                f"camera: expected one view for each of {len(vertices)} bodies, found {len(camera)} of {camera.views}."
            )
        points = camera.project(vertices)
        if not bool(points.detach().sum().isfinite()):  # quicker than all of them
            raise ValueError("surface: expected finite vertices within the camera's reach, found some that are not.")
        depth = points[..., 2]
        behind = _parallel(camera, points).unsqueeze(-1)
        near = depth.clamp_min(NEAREST).reciprocal()
        return cls(
            torch.cat([points[..., :2] * samples, points[..., 2:]], dim=-1),
            torch.where(behind, torch.ones_like(near), near),
            torch.where(behind, -depth, near),
            behind | (depth >= NEAREST),
        )


def _parallel(camera: Camera, like: Tensor) -> Bool[Tensor, " B"]:
    """Whether rays from two corners of the picture run alike."""
    corners = like.new_tensor([[0.0, 0.0], [camera.size[1], camera.size[0]]]).expand(len(like), 2, 2)
    _, directions = camera.rays(corners)
    return (directions[:, 0] == directions[:, 1]).all(-1)


def rasterise(
    screen: Screen, faces: Int[Tensor, "F 3"], size: tuple[int, int]
) -> tuple[Int[Tensor, " N"], Int[Tensor, " N"], Int[Tensor, " BHW"]]:
    """The samples of ``size`` (height, width) whose centres see something, and the nearest face; faces under every sample.

    A sample on a shared edge belongs to one face, as if it were a little further right and, less than that, down: a closed
    mesh has no holes, and no sample counts twice. Of faces at the same depth the one with the lowest number is seen, on
    whatever device. Faces without area are never seen; nor are those with a corner behind the camera or nearer than
    ``NEAREST`` (``cut_off`` counts them). Both sides of a face are seen.

    Every face is compared with the samples of the box around it, all at once, and the nearest kept by scattering maxima.
    """
    with torch.no_grad():
        box = _boxes(screen, faces, size)
        area = size[0] * size[1]
        nearest = screen.points.new_full((len(screen.points) * area,), -torch.inf)
        seen = torch.full_like(nearest, len(faces), dtype=torch.long)
        layers = torch.zeros_like(seen)
        for part in _parts(box.count):
            _draw(box[part], size, nearest, seen, layers)
        place = (seen < len(faces)).nonzero().squeeze(-1)
        return place, seen.index_select(0, place), layers


def cut_off(screen: Screen, faces: Int[Tensor, "F 3"]) -> Int[Tensor, " B"]:
    """How many faces of each body are not drawn because a corner is behind the camera or too near to it."""
    return (~_all(screen.ahead, faces)).sum(-1)


def _all(truth: Tensor, faces: Tensor) -> Tensor:
    first, second, third = (truth.index_select(1, corner) for corner in faces.unbind(-1))
    return first & second & third


@dataclass(frozen=True)
class _Boxes(Record):
    """Faces that have samples in the box around them."""

    face: Int[Tensor, " M"]
    begin: Int[Tensor, " M"]
    """The first sample of the box, among those of all pictures."""
    left: Int[Tensor, " M"]
    top: Int[Tensor, " M"]
    width: Int[Tensor, " M"]
    count: Int[Tensor, " M"]
    u: Float[Tensor, "M 3"]
    """Of the corners, as ``v`` and ``nearness``."""
    v: Float[Tensor, "M 3"]
    nearness: Float[Tensor, "M 3"]


def _boxes(screen: Screen, faces: Tensor, size: tuple[int, int]) -> _Boxes:
    bodies, number = len(screen.points), len(faces)
    corner = faces.mT.flatten()
    u, v = (screen.points[..., axis].index_select(1, corner).view(bodies, 3, number) for axis in (0, 1))
    (left, width), (top, height) = _span(u, size[1]), _span(v, size[0])
    count = width * height
    if not bool(screen.ahead.all()):
        count *= _all(screen.ahead, faces)
    kept = count.flatten().nonzero().squeeze(-1)
    body = kept // number
    face = kept - body * number
    left, top, width, count = (part.flatten().index_select(0, kept) for part in (left, top, width, count))
    begin = body * (size[0] * size[1]) + top * size[1] + left
    corner = faces.index_select(0, face) + (body * screen.points.shape[1]).unsqueeze(-1)
    u, v, nearness = (
        part.flatten().index_select(0, corner.flatten()).view(-1, 3)
        for part in (screen.points[..., 0], screen.points[..., 1], screen.nearness)
    )
    return _Boxes(face, begin, left, top, width, count, u, v, nearness)


def _span(places: Tensor, end: int) -> tuple[Tensor, Tensor]:
    """The first sample at or after the least of three coordinates, and how many until the largest."""
    first, second, third = places.unbind(1)
    least = torch.minimum(torch.minimum(first, second), third)
    most = torch.maximum(torch.maximum(first, second), third)
    begin = (least - 0.5).ceil_().clamp_(0, end)
    stop = (most + 0.5).floor_().clamp_(0, end)
    return begin.long(), (stop - begin).clamp_min_(0).long()


def _parts(count: Tensor) -> list[slice]:
    """Runs of faces whose boxes together hold not too many samples."""
    if not len(count):
        return []
    ends = count.cumsum(0)
    if int(ends[-1]) <= _AT_ONCE:
        return [slice(0, len(count))]
    _, sizes = torch.unique_consecutive(ends // _AT_ONCE, return_counts=True)
    stops = sizes.cumsum(0).tolist()
    return [slice(begin, stop) for begin, stop in zip([0, *stops[:-1]], stops, strict=True)]


def _draw(box: _Boxes, size: tuple[int, int], nearest: Tensor, seen: Tensor, layers: Tensor) -> None:
    """Every face in its box: what is nearer than before takes its samples."""
    row = torch.repeat_interleave(box.count)
    before = box.count.cumsum(0) - box.count
    step = torch.arange(len(row), device=row.device) - before.index_select(0, row)
    down = step // box.width.index_select(0, row)
    right = step - down * box.width.index_select(0, row)
    u = box.u.index_select(0, row).T - (box.left.index_select(0, row) + right + 0.5)  # (3, pairs)
    v = box.v.index_select(0, row).T - (box.top.index_select(0, row) + down + 0.5)
    sides = turns(u, v)
    least, most = (bound(bound(sides[0], sides[1]), sides[2]) for bound in (torch.minimum, torch.maximum))
    hit = ((least >= 0) | (most <= 0)).nonzero().squeeze(-1)
    shares = torch.stack([side.index_select(0, hit) for side in sides], -1)
    inside = _within(shares, u, v, hit).nonzero().squeeze(-1)
    hit, shares = hit.index_select(0, inside), shares.index_select(0, inside)
    row = row.index_select(0, hit)
    near = (shares * box.nearness.index_select(0, row)).sum(-1) / shares.sum(-1)
    place = box.begin.index_select(0, row) + down.index_select(0, hit) * size[1] + right.index_select(0, hit)
    layers.index_add_(0, place, torch.ones_like(place))
    _take(place, near, box.face.index_select(0, row), nearest, seen)


def _take(place: Tensor, near: Tensor, face: Tensor, nearest: Tensor, seen: Tensor) -> None:
    """The nearest takes the sample, of equals the lowest face, whatever the order in which they come."""
    before = nearest.clone()
    nearest.scatter_reduce_(0, place, near, "amax")
    seen.masked_fill_(nearest > before, torch.iinfo(seen.dtype).max)
    wins = (near == nearest.index_select(0, place)).nonzero().squeeze(-1)
    seen.scatter_reduce_(0, place.index_select(0, wins), face.index_select(0, wins), "amin")


def turns(u: Float[Tensor, "3 N"], v: Float[Tensor, "3 N"]) -> list[Float[Tensor, " N"]]:
    """For each side of triangles, twice the area that it spans with the origin, signed.

    Products and their difference, one operation after another: faces that share a side find the same number but for its sign.
    """
    return [u[after] * v[last] - v[after] * u[last] for after, last in ((1, 2), (2, 0), (0, 1))]


def _within(sides: Tensor, u: Tensor, v: Tensor, hit: Tensor) -> Tensor:
    """Whether samples at the origin lie on the same hand of all sides; on a side, whether they would a little further."""
    touching = (sides == 0).any(-1).nonzero().squeeze(-1)
    if len(touching):
        u, v = (part.index_select(1, hit.index_select(0, touching)).T for part in (u, v))
        right, down = v.roll(-1, -1) - v.roll(-2, -1), u.roll(-2, -1) - u.roll(-1, -1)
        old = sides.index_select(0, touching)
        new = torch.where(old == 0, torch.where(right == 0, down, right), old)
        sides = sides.index_copy(0, touching, new)
    return (sides > 0).all(-1) | (sides < 0).all(-1)
