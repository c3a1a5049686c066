"""People as layers of a picture: rendered, dressed and lit."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..contracts import ArticulatedBody
from ..geometry.cameras import PinholeCamera
from ..geometry.meshes import vertex_normals
from ..quantities import Record
from ..render.hits import Hits
from .cloths import Worn
from .cuts import SLOTS, Cut, worn
from .dimness import Bulk
from .figure import Figure, dot
from .lights import Falling, Light, shaded
from .people import People
from .scanlines import is_closed, scanned

_AT_ONCE = 1 << 15  # samples
_FOLDS = 256  # pixels along a side of a picture of creased cloth


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


class Studio:
    """Renders people, one sample a pixel; only the pixels that they cover are shaded, and outlines are smoothed after."""

    def __init__(self, body: ArticulatedBody, figure: Figure) -> None:
        self._figure, self._bulk = figure, Bulk.of(body, figure)
        self._closed = len(body.faces) if is_closed(body.faces) else 0
        self._folds = _folds(_FOLDS).flatten(1)

    def layers(self, people: People, camera: PinholeCamera, textures: Float[Tensor, "B 3 T T"], light: Light) -> Layers:
        """People in their clothes, of which some are printed with textures."""
        hits = scanned(people.dressed, camera, self._closed)
        bodies, height, width = hits.pixels
        colours = self._paint(hits, people, textures, light, camera)
        corner = hits.corner.gather(1, hits.shares.argmax(-1, keepdim=True)).squeeze(-1)
        largest = people.holder.flatten().index_select(0, corner)
        mask = _dense(hits, torch.ones_like(hits.place, dtype=torch.bool), 0)
        plain = colours.new_zeros(3, bodies * height * width).index_copy_(1, hits.place, colours)
        carried, alpha = _smoothed(plain, mask)
        carried = carried.unflatten(1, (bodies, height, width)).transpose(0, 1)
        return Layers(carried, alpha, mask, _dense(hits, hits.depth, 0), _dense(hits, largest, -1))

    def _paint(
        self, hits: Hits, people: People, textures: Tensor, light: Light, camera: PinholeCamera
    ) -> Float[Tensor, "3 N"]:
        """The colours of the samples, some at a time: as many as the processor's cache holds."""
        wide = people.bare.joints[:, 0, 2].clamp_min(0.1) / camera.focal[:, 0]
        tables = _Tables(
            self._carried(people, light).flatten(0, 1), people.cut.packed(), people.cloth.seen_at(wide).packed(),
            textures.transpose(0, 1).flatten(1), textures.shape[-1], light.packed(),
            torch.cat([camera.centre, camera.focal], -1).mT.contiguous(),
        )  # fmt: skip
        names = ("place", "face", "corner", "shares", "depth")
        parts = zip(*(getattr(hits, name).split(_AT_ONCE) for name in names), strict=True)
        colours = [self._painted(replace(hits, **dict(zip(names, part, strict=True))), tables) for part in parts]
        return torch.cat(colours, 1) if colours else hits.shares.new_zeros(3, 0)

    def _painted(self, hits: Hits, tables: "_Tables") -> Float[Tensor, "3 N"]:
        """Coordinates come first here: arithmetic runs along the samples."""
        body = hits.place // (hits.size[0] * hits.size[1])
        place, normal, dim = hits.carry(tables.vertices).mT.contiguous().split([3, 3, 2])
        slot = worn(self._figure, place, Cut.of(tables.cuts, body))
        cloth = Worn.of(tables.cloths, body * SLOTS + slot)
        one = torch.sigmoid(cloth.sharpness * torch.sin(2 * math.pi * (dot(place, cloth.along) + cloth.phase[0])))
        two = torch.sigmoid(cloth.sharpness * torch.sin(2 * math.pi * (dot(place, cloth.across) + cloth.phase[1])))
        share = cloth.mixture[0] * 0.5 + cloth.mixture[1] * one + cloth.mixture[2] * two + cloth.mixture[3] * one * two
        colour = torch.lerp(cloth.first, cloth.second, share.clamp(0, 1))
        flat = torch.stack([place[0] + 0.7 * place[2], 0.3 * place[2] - place[1]])
        printed = _looked_up(tables.textures, tables.side, flat * cloth.spread + cloth.phase, body)
        colour = torch.lerp(colour, printed, cloth.texture)
        bump = _looked_up(self._folds.to(place), _FOLDS, flat * 1.6 + cloth.phase, 0)
        view = _views(hits, tables.cameras, body)
        normal = normal * torch.where(dot(normal, view) > 0, -1, 1) + cloth.folds * bump  # cloth has two sides
        return shaded(colour, normal, view, cloth.gloss, Falling.of(tables.lights, body), dim)

    def _carried(self, people: People, light: Light) -> Float[Tensor, "B W 8"]:
        """What pixels have of vertices: the place at rest, the normal, how much of the lamp and of all light there is."""
        normals = vertex_normals(people.dressed.vertices, people.dressed.faces)
        count = people.bare.vertices.shape[1]
        balls = self._bulk.balls(people.bare.vertices)
        lamp, around = self._bulk.dimmed(people.dressed.vertices[:, :count], normals[:, :count], light.towards, balls)
        dim = torch.stack([lamp, around], -1).gather(1, people.holder.unsqueeze(-1).expand(-1, -1, 2))
        return torch.cat([people.rest, normals, dim], -1)


@dataclass(frozen=True)
class _Tables:
    """What the colours of all samples are looked up in; a column, or a row of vertices, for each of many."""

    vertices: Float[Tensor, "BW 8"]
    cuts: Float[Tensor, "P B"]
    cloths: Float[Tensor, "Q BG"]
    textures: Float[Tensor, "3 BTT"]
    side: int
    """``T``"""
    lights: Float[Tensor, "R B"]
    cameras: Float[Tensor, "4 B"]


def _views(hits: Hits, cameras: Float[Tensor, "4 B"], body: Int[Tensor, " N"]) -> Float[Tensor, "3 N"]:
    """Unit directions of the rays of the samples; the world is the camera's frame."""
    inside = hits.place - body * (hits.size[0] * hits.size[1])
    row = inside // hits.size[1]
    held = cameras.index_select(1, body)
    u, v = (inside - row * hits.size[1] + 0.5 - held[0]) / held[2], (row + 0.5 - held[1]) / held[3]
    return torch.stack([u, v, torch.ones_like(u)]) * (u * u + v * v + 1).rsqrt()


def _looked_up(
    pictures: Float[Tensor, "C BTT"], side: int, where: Float[Tensor, "2 N"], row: Int[Tensor, " N"] | int
) -> Float[Tensor, "C N"]:
    """What tiled square pictures have at places of which one unit is a picture, to the nearest pixel."""
    u, v = ((where.frac() * side + side).long() % side).unbind(0)
    return pictures.index_select(1, (row * side + v) * side + u)


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
