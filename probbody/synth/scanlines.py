"""The nearest face at the centre of every pixel, found line by line."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..geometry.cameras import PinholeCamera
from ..geometry.meshes import edges
from ..quantities import Surface
from ..render.hits import Hits
from ..render.raster import Screen, turns

_LAST = (1 << 31) - 1


def scanned(surface: Surface, camera: PinholeCamera, closed: int) -> Hits:
    """What ``render.hits.look`` sees with one sample a pixel; of the first ``closed`` faces, closed surfaces, the fronts alone.

    Each face is cut into the runs of samples that it covers on each line: no sample is looked at that a face does not cover,
    where boxes around faces hold three times as many, and twice that with the faces that look away. A sample on a shared
    edge belongs to one face. Faces with a corner behind the camera are not seen. ``layers`` are not counted.
    """
    screen, size = Screen.of(surface.vertices, camera, 1), camera.size
    faces = surface.faces.to(screen.points.device)
    key = torch.zeros(len(screen.points) * size[0] * size[1], dtype=torch.long, device=faces.device)
    _draw(screen, faces, size, closed, key)
    place = key.nonzero().squeeze(-1)
    face = _LAST - (key.index_select(0, place) & _LAST)
    body = place // (size[0] * size[1])
    inside = place - body * (size[0] * size[1])
    corner = faces.index_select(0, face) + (body * screen.points.shape[1]).unsqueeze(-1)
    points = screen.points.flatten(0, 1).index_select(0, corner.flatten()).unflatten(0, (-1, 3))
    row = inside // size[1]
    sides = turns(points[..., 0].T - (inside - row * size[1] + 0.5), points[..., 1].T - (row + 0.5))
    shares = torch.stack(sides, -1) * screen.share.flatten().index_select(0, corner.flatten()).view(-1, 3)
    shares = shares / shares.sum(-1, keepdim=True)
    depth = (shares * points[..., 2]).sum(-1)
    return Hits(screen, faces, size, 1, place, face, corner, shares, depth, torch.zeros_like(place[:0]))


def _draw(
    screen: Screen, faces: Int[Tensor, "F 3"], size: tuple[int, int], closed: int, key: Int[Tensor, " N"]
) -> None:
    """Into each sample's key the nearness of the nearest face, above what the face's number lacks to the last number."""
    height, width = size
    corner = faces.mT.flatten()
    u, v, near = (
        part.index_select(1, corner).unflatten(1, (3, -1)) for part in (*screen.points.unbind(-1)[:2], screen.nearness)
    )
    ahead = screen.ahead.index_select(1, corner).unflatten(1, (3, -1)).all(1)
    area = (u[:, 1] - u[:, 0]) * (v[:, 2] - v[:, 0]) - (v[:, 1] - v[:, 0]) * (u[:, 2] - u[:, 0])
    front = area < 0
    front[:, closed:] = area[:, closed:] != 0
    top, bottom = _first(v.amin(1), height), _first(v.amax(1), height)
    body, face = (front & ahead & (bottom > top)).nonzero().unbind(-1)
    u, v, near = (part[body, :, face].mT for part in (u, v, near))  # (3, M)
    top, bottom, area = (part[body, face] for part in (top, bottom, area))
    across = ((near[1] - near[0]) * (v[2] - v[0]) - (v[1] - v[0]) * (near[2] - near[0])) / area
    down = ((u[1] - u[0]) * (near[2] - near[0]) - (near[1] - near[0]) * (u[2] - u[0])) / area
    row, step = _spread(bottom - top)
    line = top.index_select(0, row) + step
    begin, end = _run(u, v, row, line + 0.5, width)
    start = (body.index_select(0, row) * height + line) * width + begin
    u, v, near, across, down = (part.index_select(0, row) for part in (u[0], v[0], near[0], across, down))
    first = near + across * (begin + 0.5 - u) + down * (line + 0.5 - v)
    run, step = _spread((end - begin).clamp_min(0))
    nearness = first.index_select(0, run) + across.index_select(0, run) * step
    bits = nearness.to(torch.float32).clamp_min(torch.finfo(torch.float32).tiny).view(torch.int32).long()
    number = _LAST - face.index_select(0, row).index_select(0, run)
    key.scatter_reduce_(0, start.index_select(0, run) + step, (bits << 31) | number, "amax")


def _run(
    u: Float[Tensor, "3 M"], v: Float[Tensor, "3 M"], row: Int[Tensor, " R"], level: Float[Tensor, " R"], width: int
) -> tuple[Int[Tensor, " R"], Int[Tensor, " R"]]:
    """From which column a face covers a line, and before which: between the two edges that cross it.

    An edge is followed from its upper end, so that both faces that share it find the same number.
    """
    left, right = torch.full_like(level, torch.inf), torch.full_like(level, -torch.inf)
    for one, two in ((0, 1), (1, 2), (2, 0)):
        turned = v[one] > v[two]
        upper_u, lower_u = torch.where(turned, u[two], u[one]), torch.where(turned, u[one], u[two])
        upper, lower = torch.minimum(v[one], v[two]), torch.maximum(v[one], v[two])
        slope = (lower_u - upper_u) / torch.where(upper < lower, lower - upper, 1)
        begin = upper.index_select(0, row)
        crossed = (begin <= level) & (level < lower.index_select(0, row))
        at = upper_u.index_select(0, row) + (level - begin) * slope.index_select(0, row)
        left = torch.where(crossed, torch.minimum(left, at), left)
        right = torch.where(crossed, torch.maximum(right, at), right)
    return _first(left, width), _first(right, width)


def _first(place: Float[Tensor, "*N"], end: int) -> Int[Tensor, "*N"]:
    """The first sample whose centre is at or after a place."""
    return (place - 0.5).ceil().clamp(0, end).long()


def _spread(count: Int[Tensor, " N"]) -> tuple[Int[Tensor, " M"], Int[Tensor, " M"]]:
    """Each number as often as its count says, and how many of it came before."""
    which = torch.repeat_interleave(count)
    before = count.cumsum(0) - count
    return which, torch.arange(len(which), device=count.device) - before.index_select(0, which)


def is_closed(faces: Int[Tensor, "F 3"]) -> bool:
    """Whether every edge has as many faces on one side as on the other, so that a surface has an inside."""
    held = edges(faces)
    balance = torch.zeros(len(held), dtype=torch.long, device=faces.device)
    return not bool(balance.index_add_(0, held.of.flatten(), held.along.flatten().long()).any())
