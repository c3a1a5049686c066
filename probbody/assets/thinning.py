"""A fine mesh made coarse by letting vertices go, one at a time, where they are missed least.

Edge collapse onto one of the edge's own ends, so that the vertices that stay are vertices of the fine mesh and keep its weights
and its shapes. The price is the quadric error of Garland and Heckbert, "Surface simplification using quadric error metrics"
(SIGGRAPH 1997), with two more terms: long edges, and vertices that follow different bones, cost extra.
"""

import heapq
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

_LENGTH = 4e-2  # square metres of surface error that a square metre of edge is worth
_SKINNING = 4e-6  # the same for weights that differ by one
_TURN = 0.2  # a face may not turn by more than the angle with this cosine


def thinned(
    points: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    weights: Float[np.ndarray, "V J"],
    keep: int,
    protected: Iterable[int] = (),
) -> Int[np.ndarray, "G 3"]:
    """Faces on about ``keep`` of the vertices that the faces use; an open border stays where it is, thinned along itself."""
    return _Thinning(points, faces, weights, set(protected)).run(keep)


class _Thinning:
    def __init__(
        self,
        points: Float[np.ndarray, "V 3"],
        faces: Int[np.ndarray, "F 3"],
        weights: Float[np.ndarray, "V J"],
        protected: set[int],
    ) -> None:
        self.points, self.weights, self.protected = points, weights, protected
        self.faces = {number: tuple(int(v) for v in face) for number, face in enumerate(faces)}
        self.around: dict[int, set[int]] = {}
        for number, face in self.faces.items():
            for vertex in face:
                self.around.setdefault(vertex, set()).add(number)
        corners = points[faces]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        size = np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-15)
        plane = np.concatenate([normal / size, -(normal / size * corners[:, 0]).sum(1, keepdims=True)], axis=1)
        area = size[:, 0] / 2
        self.quadric = np.zeros((len(points), 4, 4))
        self.area = np.zeros(len(points))
        for corner in range(3):
            np.add.at(self.quadric, faces[:, corner], area[:, None, None] / 3 * plane[:, :, None] * plane[:, None, :])
            np.add.at(self.area, faces[:, corner], area / 3)
        self.age = dict.fromkeys(self.around, 0)
        self.heap: list[tuple[float, int, int, int, int]] = []

    def run(self, keep: int) -> Int[np.ndarray, "G 3"]:
        for vertex in list(self.around):
            self._offer(vertex)
        while len(self.around) > keep and self.heap:
            _, gone, stays, age_gone, age_stays = heapq.heappop(self.heap)
            if self.age.get(gone) == age_gone and self.age.get(stays) == age_stays and self._allowed(gone, stays):
                self._collapse(gone, stays)
        return np.array(sorted(self.faces.values()))

    def _neighbours(self, vertex: int) -> dict[int, int]:
        """The vertices around one, each with how many faces the edge between has."""
        found: dict[int, int] = {}
        for number in self.around[vertex]:
            for other in self.faces[number]:
                if other != vertex:
                    found[other] = found.get(other, 0) + 1
        return found

    def _offer(self, vertex: int) -> None:
        for other in self._neighbours(vertex):
            for gone, stays in ((vertex, other), (other, vertex)):
                if gone not in self.protected:
                    heapq.heappush(self.heap, (self._price(gone, stays), gone, stays, self.age[gone], self.age[stays]))

    def _price(self, gone: int, stays: int) -> float:
        place = np.append(self.points[stays], 1.0)
        edge = self.points[stays] - self.points[gone]
        bones = self.weights[stays] - self.weights[gone]
        price = place @ (self.quadric[gone] + self.quadric[stays]) @ place
        crowd = self.area[gone] * (_LENGTH * edge @ edge + _SKINNING * bones @ bones)
        return float(price + crowd)

    def _allowed(self, gone: int, stays: int) -> bool:
        """The surface keeps its kind: no hole, no pinch, no fold, and no border vertex leaves the border."""
        mine, theirs = self._neighbours(gone), self._neighbours(stays)
        faces_between = mine[stays]
        if len(mine.keys() & theirs.keys()) != faces_between or len(mine) + len(theirs) < 8:
            return False
        if min(mine.values()) == 1 and faces_between != 1:
            return False
        for number in self.around[gone]:
            face = self.faces[number]
            if stays in face:
                continue
            before = self._normal(face)
            after = self._normal(tuple(stays if vertex == gone else vertex for vertex in face))
            if before @ after < _TURN * np.sqrt((before @ before) * (after @ after)) or after @ after < 1e-16:
                return False
        return True

    def _normal(self, face: tuple[int, ...]) -> Float[np.ndarray, "3"]:
        a, b, c = self.points[list(face)]
        (p, q, r), (s, t, u) = b - a, c - a
        return np.array([q * u - r * t, r * s - p * u, p * t - q * s])

    def _collapse(self, gone: int, stays: int) -> None:
        for number in self.around.pop(gone):
            face = self.faces[number]
            if stays in face:
                for vertex in face:
                    if vertex != gone:
                        self.around[vertex].discard(number)
                del self.faces[number]
            else:
                self.faces[number] = tuple(stays if vertex == gone else vertex for vertex in face)
                self.around[stays].add(number)
        self.quadric[stays] += self.quadric[gone]
        self.area[stays] += self.area[gone]
        del self.age[gone]
        touched = self._neighbours(stays)
        self.age[stays] += 1
        self._offer(stays)
        for vertex in touched:
            self.age[vertex] += 1
        for vertex in touched:
            self._offer(vertex)
