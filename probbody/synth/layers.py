"""People as layers of a picture: rendered, dressed and lit."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..geometry.cameras import PinholeCamera
from ..geometry.meshes import vertex_normals
from ..quantities import Record, Surface
from ..render.hits import Hits, look
from .figure import Figure, dot
from .lights import Light, shaded
from .outfits import Cloth, Cut, worn


@dataclass(frozen=True)
class Layers(Record):
    """One person a picture, cut out."""

    colours: Float[Tensor, "B 3 H W"]
    alpha: Float[Tensor, "B H W"]
    """Soft at the outline."""
    mask: Bool[Tensor, "B H W"]
    depth: Float[Tensor, "B H W"]
    vertex: Int[Tensor, "B H W"]
    """The one with the largest share of what is seen; -1 where nothing is."""

    def __len__(self) -> int:
        return len(self.alpha)


@dataclass(frozen=True)
class Dress(Record):
    """What people have on, to the last thread."""

    cut: Cut
    cloth: Cloth
    texture: Float[Tensor, "B 3 T T"]

    def __len__(self) -> int:
        return len(self.texture)


class Studio:
    """Renders people, one sample a pixel; only the pixels that they cover are shaded, and outlines are smoothed after.

    ``figure`` tells where clothes end on the body whose surfaces are given.
    """

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._folds = _folds(256)

    def layers(self, surface: Surface, camera: PinholeCamera, dress: Dress, light: Light) -> Layers:
        """The people of ``surface``, in the clothes of ``dress``."""
        hits = look(surface, camera, 1)
        bodies, height, width = hits.pixels
        colours = self._paint(hits, surface, dress, light, camera)
        largest = hits.corner.gather(1, hits.shares.argmax(-1, keepdim=True)).squeeze(-1) % surface.vertices.shape[1]
        mask = _dense(hits, torch.ones_like(hits.place, dtype=torch.bool), 0)
        plain = colours.new_zeros(3, bodies * height * width).index_copy_(1, hits.place, colours)
        carried, alpha = _smoothed(plain, mask)
        carried = carried.unflatten(1, (bodies, height, width)).transpose(0, 1)
        return Layers(carried, alpha, mask, _dense(hits, hits.depth, 0), _dense(hits, largest, -1))

    def _paint(
        self, hits: Hits, surface: Surface, dress: Dress, light: Light, camera: PinholeCamera
    ) -> Float[Tensor, "3 N"]:
        """The colours of the samples. Coordinates come first here: arithmetic runs along the samples."""
        body = hits.place // (hits.size[0] * hits.size[1])
        points = self._figure.points.to(hits.shares)
        normals = vertex_normals(surface.vertices, surface.faces).flatten(0, 1)
        carried = hits.carry(torch.cat([points.repeat(len(surface.vertices), 1), normals], -1))
        place, normal = carried.mT.contiguous().split(3)
        slot = worn(self._figure, place, dress.cut.of(body))
        cloth = dress.cloth.of(body, slot)
        one = torch.sigmoid(cloth.sharpness * torch.sin(2 * math.pi * (dot(place, cloth.along) + cloth.phase[0])))
        two = torch.sigmoid(cloth.sharpness * torch.sin(2 * math.pi * (dot(place, cloth.across) + cloth.phase[1])))
        share = cloth.mixture[0] * 0.5 + cloth.mixture[1] * one + cloth.mixture[2] * two + cloth.mixture[3] * one * two
        colour = torch.lerp(cloth.first, cloth.second, share.clamp(0, 1))
        flat = torch.stack([place[0] + 0.7 * place[2], 0.3 * place[2] - place[1]])
        colour = torch.lerp(colour, _looked_up(dress.texture, flat * cloth.spread + cloth.phase, body), cloth.texture)
        bump = _looked_up(self._folds.to(place).unsqueeze(0), flat * 1.6 + cloth.phase, torch.zeros_like(body))
        return shaded(colour, normal + cloth.folds * bump, self._views(hits, camera, body), cloth.gloss, light.of(body))

    def _views(self, hits: Hits, camera: PinholeCamera, body: Tensor) -> Float[Tensor, "3 N"]:
        """Unit directions of the rays of the samples; the world is the camera's frame."""
        inside = hits.place - body * (hits.size[0] * hits.size[1])
        row = inside // hits.size[1]
        held = torch.cat([camera.centre, camera.focal], -1).mT.index_select(1, body)
        u, v = (inside - row * hits.size[1] + 0.5 - held[0]) / held[2], (row + 0.5 - held[1]) / held[3]
        return torch.stack([u, v, torch.ones_like(u)]) * (u * u + v * v + 1).rsqrt()


def _looked_up(
    pictures: Float[Tensor, "B C T S"], where: Float[Tensor, "2 N"], row: Int[Tensor, " N"]
) -> Float[Tensor, "C N"]:
    """What tiled pictures have at places of which one unit is a picture, to the nearest pixel."""
    height, width = pictures.shape[2:]
    u = (where[0].frac() * width + width).long() % width
    v = (where[1].frac() * height + height).long() % height
    place = (row * height + v) * width + u
    return torch.stack([plane.reshape(-1).index_select(0, place) for plane in pictures.unbind(1)])


def _folds(size: int) -> Float[Tensor, "3 size size"]:
    """How far creased cloth leans, tiled without seams: random waves, the larger the longer."""
    generator = torch.Generator().manual_seed(0)
    waves = torch.randint(-14, 15, (60, 2), generator=generator)
    phase = 6.2832 * torch.rand(60, 1, 1, generator=generator)
    axis = torch.arange(size) * (2 * math.pi / size)
    height = waves[:, :1, None] * axis[:, None] + waves[:, 1:, None] * axis + phase
    strength = 1 / (1 + waves.square().sum(-1)).sqrt()
    lean = (height.sin().abs() - 0.6) * strength[:, None, None]
    vectors = torch.randn(3, 60, generator=generator)
    bump = torch.einsum("cn,nhw->chw", vectors, lean)
    return bump / bump.std()


def _dense(hits: Hits, values: Tensor, empty: float) -> Tensor:
    """Values of the samples that see something, over all pixels."""
    full = values.new_full((math.prod(hits.pixels), *values.shape[1:]), empty)
    return full.index_copy(0, hits.place, values).unflatten(0, hits.pixels)


def _smoothed(colours: Float[Tensor, "3 N"], mask: Bool[Tensor, "B H W"]) -> tuple[Tensor, Tensor]:
    """Colours carried one pixel across the outline, and a share of coverage that falls over two pixels.

    Only the pixels along outlines are touched: those whose neighbours are not all alike.
    """
    bodies, height, width = mask.shape
    wide = mask.new_zeros(bodies, height + 2, width + 2)
    wide[:, 1:-1, 1:-1] = mask
    wide[:, 0], wide[:, -1], wide[:, :, 0], wide[:, :, -1] = wide[:, 1], wide[:, -2], wide[:, :, 1], wide[:, :, -2]
    some = wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
    every = wide[:, :-2] & wide[:, 1:-1] & wide[:, 2:]
    some = some[:, :, :-2] | some[:, :, 1:-1] | some[:, :, 2:]
    every = every[:, :, :-2] & every[:, :, 1:-1] & every[:, :, 2:]
    edge = (some ^ every).flatten().nonzero().squeeze(-1)
    body, inside = edge // (height * width), edge % (height * width)
    v, u = inside // width, inside % width
    own = mask.flatten().index_select(0, edge)
    share, mean = colours.new_zeros(len(edge)), colours.new_zeros(3, len(edge))
    for down in (-1, 0, 1):
        row = (body * height + (v + down).clamp(0, height - 1)) * width
        for right in (-1, 0, 1):
            near = row + (u + right).clamp(0, width - 1)
            weight = mask.flatten().index_select(0, near) * ((2 - abs(down)) * (2 - abs(right)) / 16)
            share += weight
            mean += weight * colours.index_select(1, near)  # nothing where it is not covered
    edged = torch.where(own, colours.index_select(1, edge), mean / share.clamp_min(1e-6))
    alpha = mask.to(colours.dtype).flatten().index_copy_(0, edge, share)
    return colours.index_copy(1, edge, edged), alpha.unflatten(0, (bodies, height, width))
