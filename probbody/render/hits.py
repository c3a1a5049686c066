"""The points of a mesh that the samples of a picture see."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..contracts import Camera
from ..quantities import Surface
from .raster import Screen, rasterise, turns


@dataclass(frozen=True)
class Hits:
    """What is seen at the samples that see something, in the order of the samples: only those ``N`` are kept."""

    screen: Screen
    faces: Int[Tensor, "F 3"]
    size: tuple[int, int]
    """Height and width in samples."""
    samples: int
    """Along each side of a pixel."""
    place: Int[Tensor, " N"]
    """Which of all bodies' samples, row by row."""
    face: Int[Tensor, " N"]
    corner: Int[Tensor, "N 3"]
    """The face's corners, numbered among all bodies' vertices."""
    shares: Float[Tensor, "N 3"]
    """What each corner has of the point: barycentric coordinates in space, at least zero, which sum to 1."""
    depth: Float[Tensor, " N"]
    layers: Int[Tensor, " BHW"]
    """How many faces lie under each sample, seen or not."""

    @property
    def pixels(self) -> tuple[int, int, int]:
        """Bodies, height and width in pixels."""
        return len(self.screen.points), self.size[0] // self.samples, self.size[1] // self.samples

    def pixel(self, place: Int[Tensor, " M"]) -> Int[Tensor, " M"]:
        """Which of all bodies' pixels a sample belongs to."""
        if self.samples == 1:
            return place
        row = place // self.size[1]
        column = place - row * self.size[1]
        return (row // self.samples) * (self.size[1] // self.samples) + column // self.samples

    def carry(self, attributes: Float[Tensor, "BV C"]) -> Float[Tensor, "N C"]:
        """What the points have of attributes of all bodies' vertices."""
        seen = attributes.index_select(0, self.corner.flatten()).unflatten(0, (-1, 3))
        return (seen * self.shares.to(seen.dtype).unsqueeze(-1)).sum(1)


def look(surface: Surface, camera: Camera, samples: int) -> Hits:
    """What ``samples`` by ``samples`` points a pixel see; gradients flow to shares and depth."""
    size = (samples * camera.size[0], samples * camera.size[1])
    screen = Screen.of(surface.vertices, camera, samples)
    faces = surface.faces.to(screen.points.device)
    place, face, layers = rasterise(screen, faces, size)
    area = size[0] * size[1]
    body = place // area
    inside = place - body * area
    corner = faces.index_select(0, face) + (body * screen.points.shape[1]).unsqueeze(-1)
    points = screen.points.flatten(0, 1).index_select(0, corner.flatten()).unflatten(0, (-1, 3))
    row = inside // size[1]
    u = points[..., 0].T - (inside - row * size[1] + 0.5)  # (3, N)
    v = points[..., 1].T - (row + 0.5)
    shares = torch.stack(turns(u, v), -1) * screen.share.flatten().index_select(0, corner.flatten()).view(-1, 3)
    shares = shares / shares.sum(-1, keepdim=True)
    return Hits(screen, faces, size, samples, place, face, corner, shares, (shares * points[..., 2]).sum(-1), layers)
