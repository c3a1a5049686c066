"""The skin that one sees: the mesh of a body without the inside of its mouth and eyes, closed again."""

import numpy as np
from jaxtyping import Bool, Float, Int

from .makehuman import MakeHuman

_PIXEL, _SLACK = 1.5e-3, 2.5e-3  # metres
_SMALLEST = 16  # fewer hidden faces than that are a fold of the skin, not a cavity
_MIDDLE = 1e-5


def left_half(
    source: MakeHuman, points: Float[np.ndarray, "A 3"], head_above: float, eye: int
) -> Int[np.ndarray, "F 3"]:
    """Triangles of the left half, its cavities cut off; the hole of the eye is closed over ``eye``, a vertex of the eyeball."""
    quads = source.quads[(points[source.quads, 0] > -_MIDDLE).all(axis=1)]
    faces = _split(points, quads)
    on_head = points[faces, 1].min(axis=1) > head_above
    everything = np.concatenate([_split(points, source.quads), _split(points, source.eyeballs)])
    everything = everything[points[everything, 1].min(axis=1) > head_above]
    hidden = np.zeros(len(faces), bool)
    hidden[on_head] = ~_seen(points[faces[on_head]], points[everything])
    kept = faces[~_cavities(faces, hidden)]
    return np.concatenate([kept, *(_cap(points, hole, eye) for hole in _holes(points, kept))])


def _split(points: Float[np.ndarray, "A 3"], quads: Int[np.ndarray, "Q 4"]) -> Int[np.ndarray, "F 3"]:
    """Two triangles a quad, along its shorter diagonal."""
    a, b, c, d = (points[quads[:, corner]] for corner in range(4))
    first = np.linalg.norm(a - c, axis=1) <= np.linalg.norm(b - d, axis=1)
    ways = np.where(first[:, None, None], quads[:, [[0, 1, 2], [0, 2, 3]]], quads[:, [[1, 2, 3], [1, 3, 0]]])
    return ways.reshape(-1, 3)


def _seen(
    triangles: Float[np.ndarray, "F 3 3"], scene: Float[np.ndarray, "S 3 3"], directions: int = 90
) -> Bool[np.ndarray, " F"]:
    """Which triangles can be seen from somewhere outside: depth images from all around, points for triangles."""
    steps = [(i, j) for i in range(13) for j in range(13 - i)]
    shares = np.array([[i, j, 12 - i - j] for i, j in steps]) / 12
    cloud = np.einsum("pc,fcd->fpd", shares, scene).reshape(-1, 3)
    mine = np.einsum("pc,fcd->fpd", shares[[len(steps) // 2, 20, 60]], triangles)
    seen = np.zeros(len(triangles), bool)
    for number in range(directions):
        height, turn = 1 - 2 * (number + 0.5) / directions, number * np.pi * (3 - np.sqrt(5))
        ring = np.sqrt(1 - height**2)
        towards = np.array([ring * np.cos(turn), height, ring * np.sin(turn)])
        across = np.cross(towards, [0.3, 0.5, 0.81])
        axes = np.stack([across / np.linalg.norm(across), np.cross(towards, across / np.linalg.norm(across)), towards])
        there, here = cloud @ axes.T, mine @ axes.T
        low = np.minimum(there.min(axis=0), here.min(axis=(0, 1)))[:2]
        cell, own = (((place[..., :2] - low) / _PIXEL).astype(int) for place in (there, here))
        width = int(cell.max()) + 2
        nearest = np.full(width * width, -np.inf)
        np.maximum.at(nearest, cell[:, 0] * width + cell[:, 1], there[:, 2])
        facing = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]) @ towards > 0
        visible = here[..., 2] > nearest[own[..., 0] * width + own[..., 1]] - _SLACK
        seen |= facing & visible.all(axis=1)
    return seen


def _cavities(faces: Int[np.ndarray, "F 3"], hidden: Bool[np.ndarray, " F"]) -> Bool[np.ndarray, " F"]:
    """Hidden faces in connected groups that are large enough, with what only hangs on them."""
    beside = _beside(faces)
    cut = np.zeros(len(faces), bool)
    waiting = set(np.flatnonzero(hidden).tolist())
    while waiting:
        group, front = set(), [waiting.pop()]
        while front:
            face = front.pop()
            group.add(face)
            fresh = beside[face] & waiting
            waiting -= fresh
            front += fresh
        if len(group) >= _SMALLEST:
            cut[list(group)] = True
    for _ in range(4):  # a face with two cut neighbours hangs by one edge
        cut |= np.array([len(near) > 1 and sum(cut[list(near)]) >= 2 for near in beside])
    return cut


def _beside(faces: Int[np.ndarray, "F 3"]) -> list[set[int]]:
    at: dict[tuple[int, int], list[int]] = {}
    for number, face in enumerate(faces.tolist()):
        for one, other in zip(face, face[1:] + face[:1], strict=True):
            at.setdefault((min(one, other), max(one, other)), []).append(number)
    beside: list[set[int]] = [set() for _ in faces]
    for pair in at.values():
        if len(pair) == 2:
            beside[pair[0]].add(pair[1])
            beside[pair[1]].add(pair[0])
    return beside


def _holes(points: Float[np.ndarray, "A 3"], faces: Int[np.ndarray, "F 3"]) -> list[list[int]]:
    """The rims of the holes, in the order in which a closing face must go; those at the middle line are half rims."""
    edges = {(one, other) for face in faces.tolist() for one, other in zip(face, face[1:] + face[:1], strict=True)}
    rim = {one: other for other, one in edges if (one, other) not in edges}
    rim = {one: other for one, other in rim.items() if max(points[one, 0], points[other, 0]) > _MIDDLE}
    holes = []
    starts = [one for one in rim if one not in rim.values()]
    while rim:
        vertex = starts.pop() if starts else next(iter(rim))
        chain = [vertex]
        while vertex in rim:
            vertex = rim.pop(vertex)
            chain.append(vertex)
        holes.append(chain[:-1] if chain[0] == chain[-1] else chain)
    return holes


def _cap(points: Float[np.ndarray, "A 3"], rim: list[int], eye: int) -> Int[np.ndarray, "F 3"]:
    """Faces over one hole: a fan where the eyeball looks out, otherwise the triangles with the least area."""
    if np.linalg.norm(points[rim].mean(axis=0) - points[eye]) < 0.02:
        return np.array([[one, other, eye] for one, other in zip(rim, rim[1:] + rim[:1], strict=True)])
    size = len(rim)
    cost, middle = np.zeros((size, size)), np.zeros((size, size), int)
    place = points[rim]
    for gap in range(2, size):
        for a in range(size - gap):
            c = a + gap
            area = np.linalg.norm(np.cross(place[a + 1 : c] - place[a], place[c] - place[a]), axis=1)
            total = cost[a, a + 1 : c] + cost[a + 1 : c, c] + area
            cost[a, c], middle[a, c] = total.min(), a + 1 + total.argmin()
    faces, waiting = [], [(0, size - 1)]
    while waiting:
        a, c = waiting.pop()
        if c - a > 1:
            b = int(middle[a, c])
            faces.append([rim[a], rim[b], rim[c]])
            waiting += [(a, b), (b, c)]
    return np.array(faces).reshape(-1, 3)
