"""Three things that do not bend, of different symmetry: a car, a block, a mug.

Each fits into a sphere of half a metre's radius about its origin, with y up. No rotation but the whole turn maps the car onto
itself; half a turn about any axis the block; any turn about its vertical all of the mug but its handle.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probbody.bodies.rigid import rigid
from probbody.bodies.skinned import SkinnedBody

RADIUS = 0.5


def car() -> SkinnedBody:
    """A block whose top follows the outline of bonnet, windscreen, roof and tail, and whose cabin is narrower above."""
    points, faces = _block((0.42, 1.0, 1.0), (7, 7, 20))
    x, height, z = points.unbind(-1)
    along = torch.tensor([-0.5, -0.45, -0.25, 0.05, 0.25, 0.45, 0.5])  # from the tail to the nose
    top = torch.tensor([0.14, 0.34, 0.38, 0.37, 0.2, 0.16, 0.1])
    y = (height + 0.5) * _between(z, along, top)
    narrower = 1 - 1.2 * (y - 0.18).clamp_min(0)
    return _thing(torch.stack([x * narrower, y, z], -1), faces)


def block() -> SkinnedBody:
    """A cuboid with three different sides."""
    return _thing(*_block((0.45, 0.6, 1.0), (8, 10, 17)))


def mug() -> SkinnedBody:
    """A cup, open above, with one handle at +x."""
    out, inside = 0.3, 0.26
    profile = [(0.0, 0.0), (0.15, 0.0), (out, 0.0), *((out, 0.08 * step) for step in range(1, 9)), (inside, 0.64)]
    profile += [*((inside, 0.64 - 0.12 * step) for step in range(1, 5)), (inside, 0.06), (0.13, 0.06), (0.0, 0.06)]
    radius, height = torch.tensor(profile).unbind(-1)

    def cup(turn: Tensor, at: Tensor) -> Tensor:
        return torch.stack([radius[at] * turn.cos(), height[at], radius[at] * turn.sin()], -1)

    def handle(turn: Tensor, at: Tensor) -> Tensor:
        bend = math.pi * (at / 12 - 0.5)
        away, thick = 0.17 + 0.04 * turn.cos(), 0.045 * turn.sin()
        return torch.stack([0.28 + away * bend.cos(), 0.32 + 1.2 * away * bend.sin(), thick], -1)

    walls, wall_faces = _tube(cup, 32, len(profile))
    ring, ring_faces = _tube(handle, 8, 13)
    return _thing(torch.cat([walls, ring]), torch.cat([wall_faces, ring_faces + len(walls)]))


MESHES: dict[str, Callable[[], SkinnedBody]] = {"car": car, "block": block, "mug": mug}


def _thing(points: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> SkinnedBody:
    """The mesh about the middle of its box, as large as the sphere."""
    points = points - 0.5 * (points.amin(0) + points.amax(0))
    return rigid(points * (RADIUS / points.norm(dim=-1).max()), faces, licence="CC0-1.0")


def _block(
    sides: tuple[float, float, float], cells: tuple[int, int, int]
) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """The six sides of a cuboid about the origin, each a grid of triangles; corners run counter-clockwise from outside."""
    points, faces, count = [], [], 0
    for axis in range(3):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        for side in (-0.5, 0.5):
            rows, columns = cells[one] + 1, cells[other] + 1
            grid = torch.zeros(rows, columns, 3)
            grid[..., axis] = side
            grid[..., one] = torch.linspace(-0.5, 0.5, rows)[:, None]
            grid[..., other] = torch.linspace(-0.5, 0.5, columns)
            number = count + torch.arange(rows * columns).view(rows, columns)
            points.append(grid.view(-1, 3) * torch.tensor(sides))
            faces.append(_triangles(number, side < 0))
            count += rows * columns
    return _joined(torch.cat(points), torch.cat(faces))


def _tube(
    place: Callable[[Tensor, Tensor], Tensor], around: int, along: int
) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """A grid that closes on itself the one way: ``place`` says where it is by angle and step."""
    number = torch.arange(along * around).view(along, around)
    faces = _triangles(torch.cat([number, number[:, :1]], 1), False)
    at, step = number.flatten() // around, number.flatten() % around
    return _joined(place(2 * math.pi * step / around, at), faces)


def _triangles(number: Int[Tensor, "R C"], turned: bool) -> Int[Tensor, "F 3"]:
    """Two for each cell of a grid of numbered points."""
    a, b, c, d = (part.flatten() for part in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    faces = torch.cat([torch.stack([a, b, c], -1), torch.stack([a, c, d], -1)])
    return faces.flip(-1) if turned else faces


def _joined(points: Float[Tensor, "N 3"], faces: Int[Tensor, "F 3"]) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "G 3"]]:
    """Points that lie upon each other made one, and faces that thereby lost their area left out."""
    places, name = torch.unique((1e5 * points).round(), dim=0, return_inverse=True)
    faces = name[faces]
    whole = (faces != faces.roll(1, -1)).all(-1)
    return places / 1e5, faces[whole]


def _between(value: Tensor, knots: Tensor, heights: Tensor) -> Tensor:
    """Straight lines through knots."""
    right = torch.searchsorted(knots, value.contiguous()).clamp(1, len(knots) - 1)
    share = (value - knots[right - 1]) / (knots[right] - knots[right - 1])
    return torch.lerp(heights[right - 1], heights[right], share)
