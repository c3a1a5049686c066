"""Triangles that share corners and edges: which way they face, how they hang together."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


def face_normals(vertices: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "B F 3"]:
    """Across each face, as long as twice its area; outwards where corners run counter-clockwise as seen from outside."""
    first, second, third = (vertices.index_select(1, corner) for corner in faces.unbind(-1))
    return torch.linalg.cross(second - first, third - first)


def vertex_normals(vertices: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "B V 3"]:
    """Unit normals, the faces' means weighted by area; zero at a vertex whose faces have no area or cancel."""
    across = face_normals(vertices, faces)
    total = torch.zeros_like(vertices)
    for corner in faces.unbind(-1):
        total = total.index_add(1, corner, across)
    return torch.nn.functional.normalize(total, dim=-1, eps=torch.finfo(total.dtype).tiny ** 0.5)


@dataclass(frozen=True)
class Edges:
    """The edges of a mesh, each once, and which side of them its faces are on.

    Side ``i`` of a face joins its corners ``i + 1`` and ``i + 2``; ``along`` is +1 where it runs as the edge does.
    """

    ends: Int[Tensor, "2 E"]
    """Two vertices, the lower number first."""
    of: Int[Tensor, "3 F"]
    """The edge that each side of a face is."""
    along: Int[Tensor, "3 F"]

    def __len__(self) -> int:
        return self.ends.shape[1]


def edges(faces: Int[Tensor, "F 3"]) -> Edges:
    """How faces hang together; an edge may have one face, two, or more."""
    start, end = faces.mT.roll(-1, 0).flatten(), faces.mT.roll(-2, 0).flatten()
    low, high = torch.minimum(start, end).long(), torch.maximum(start, end).long()
    count = int(high.amax()) + 1 if len(high) else 1
    names, of = torch.unique(low * count + high, return_inverse=True)
    along = torch.where(start < end, 1, -1)
    return Edges(torch.stack([names // count, names % count]), of.view(3, -1), along.view(3, -1))
