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
        if not bool(points.isfinite().all()):
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


@dataclass(frozen=True)
class Fragments:
    """What is seen at the samples that see something, in the order of the picture's samples."""

    place: Int[Tensor, " N"]
    """Which of the ``B H W`` samples."""
    face: Int[Tensor, " N"]

    def dense(self, bodies: int, size: tuple[int, int]) -> Int[Tensor, "B H W"]:
        """The face at every sample, -1 where there is none."""
        faces = self.face.new_full((bodies * size[0] * size[1],), -1)
        return faces.index_copy(0, self.place, self.face).view(bodies, *size)


def rasterise(screen: Screen, faces: Int[Tensor, "F 3"], size: tuple[int, int]) -> Fragments:
    """The nearest face at the centre of each of ``size`` (height, width) samples.

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
        for part in _parts(box.count):
            _draw(box[part], size, nearest, seen)
        place = (seen < len(faces)).nonzero().squeeze(-1)
        return Fragments(place, seen.index_select(0, place))


def cut_off(screen: Screen, faces: Int[Tensor, "F 3"]) -> Int[Tensor, " B"]:
    """How many faces of each body are not drawn because a corner is behind the camera or too near to it."""
    return (~_all(screen.ahead, faces)).sum(-1)


def _all(truth: Tensor, faces: Tensor) -> Tensor:
    first, second, third = (truth.index_select(1, corner) for corner in faces.unbind(-1))
    return first & second & third


@dataclass(frozen=True)
class _Boxes(Record):
    """Faces that have samples in the box around them."""

    corners: Float[Tensor, "M 9"]
    """u of three corners, v, nearness."""
    face: Int[Tensor, " M"]
    begin: Int[Tensor, " M"]
    """The first sample of the box, among those of all pictures."""
    left: Int[Tensor, " M"]
    top: Int[Tensor, " M"]
    width: Int[Tensor, " M"]
    count: Int[Tensor, " M"]


def _boxes(screen: Screen, faces: Tensor, size: tuple[int, int]) -> _Boxes:
    bodies, number = len(screen.points), len(faces)
    corner = faces.mT.flatten()
    gathered = [
        part.index_select(1, corner).view(bodies, 3, number)
        for part in (screen.points[..., 0], screen.points[..., 1], screen.nearness)
    ]
    shown = _all(screen.ahead, faces)
    (left, width), (top, height) = (
        _span(part, end) for part, end in zip(gathered[:2], (size[1], size[0]), strict=True)
    )
    count = torch.where(shown, width * height, 0).flatten()
    kept = count.nonzero().squeeze(-1)
    body = kept // number
    face = kept - body * number
    left, top, width, count = (part.flatten().index_select(0, kept) for part in (left, top, width, count))
    table = torch.stack(gathered).permute(1, 3, 0, 2).reshape(bodies * number, 9).index_select(0, kept)
    return _Boxes(table, face, body * (size[0] * size[1]) + top * size[1] + left, left, top, width, count)


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


def _draw(box: _Boxes, size: tuple[int, int], nearest: Tensor, seen: Tensor) -> None:
    """Every face in its box: what is nearer than before takes its samples."""
    row = torch.repeat_interleave(box.count)
    step = torch.arange(len(row), device=row.device) - (box.count.cumsum(0) - box.count).index_select(0, row)
    width = box.width.index_select(0, row)
    down = step // width
    right = step - down * width
    corners = box.corners.index_select(0, row).T  # (9, pairs)
    u = corners[:3] - (box.left.index_select(0, row) + right + 0.5)
    v = corners[3:6] - (box.top.index_select(0, row) + down + 0.5)
    turns = _turns(u, v)
    low, high = turns.amin(0), turns.amax(0)
    inside = ((low >= 0) | (high <= 0)).nonzero().squeeze(-1)
    u, v, turns = (part.index_select(1, inside) for part in (u, v, turns))
    sense = torch.where(turns == 0, torch.where(v.roll(-1, 0) == v.roll(-2, 0), *_nudged(u, v)), turns)
    hit = ((sense > 0).all(0) | (sense < 0).all(0)).nonzero().squeeze(-1)
    inside = inside.index_select(0, hit)
    turns = turns.index_select(1, hit)
    near = (turns * corners[6:].index_select(1, inside)).sum(0) / turns.sum(0)
    row = row.index_select(0, inside)
    place = box.begin.index_select(0, row) + down.index_select(0, inside) * size[1] + right.index_select(0, inside)
    before = nearest.clone()
    nearest.scatter_reduce_(0, place, near, "amax")
    seen.masked_fill_(nearest > before, torch.iinfo(torch.long).max)
    wins = (near == nearest.index_select(0, place)).nonzero().squeeze(-1)
    place, face = place.index_select(0, wins), box.face.index_select(0, row.index_select(0, wins))
    seen.scatter_reduce_(0, place, face, "amin")


def _turns(u: Tensor, v: Tensor) -> Tensor:
    """For each side of a triangle, twice the area that it spans with the origin, signed.

    A product of differences, one operation after another: two faces that share a side find the same number but for its sign.
    """
    after, last = (1, 2, 0), (2, 0, 1)
    return u[after, :] * v[last, :] - v[after, :] * u[last, :]


def _nudged(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """The sign of a side through the sample itself, had the sample moved down, or right, a little."""
    return u.roll(-2, 0) - u.roll(-1, 0), v.roll(-1, 0) - v.roll(-2, 0)
