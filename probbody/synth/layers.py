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
from .figure import Figure
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
        body = hits.place // (hits.size[0] * hits.size[1])
        colours = self._paint(hits, surface, dress, light, camera, body)
        largest = hits.corner.gather(1, hits.shares.argmax(-1, keepdim=True)).squeeze(-1) % surface.vertices.shape[1]
        mask = _dense(hits, torch.ones_like(hits.place, dtype=torch.bool), 0)
        plain = _dense(hits, colours, 0)
        spread, alpha = _smoothed(plain, mask)
        return Layers(spread.permute(0, 3, 1, 2), alpha, mask, _dense(hits, hits.depth, 0), _dense(hits, largest, -1))

    def _paint(
        self, hits: Hits, surface: Surface, dress: Dress, light: Light, camera: PinholeCamera, body: Tensor
    ) -> Float[Tensor, "N 3"]:
        points = self._figure.points.to(hits.shares)
        normals = vertex_normals(surface.vertices, surface.faces).flatten(0, 1)
        rest = points.repeat(len(surface.vertices), 1)
        place, normal = hits.carry(torch.cat([rest, normals], -1)).split(3, -1)
        slot = worn(self._figure, place, dress.cut[body])
        packed = dress.cloth.packed().flatten(0, 1)
        sizes = [3, 3, 3, 3, 2, 1, 4, 1, 1, 1, 1]
        row = packed.index_select(0, body * dress.cloth.first.shape[1] + slot)
        first, second, along, across, phase, sharp, mixture, amount, spread, folds, gloss = row.split(sizes, -1)
        waves = torch.stack([(place * along).sum(-1), (place * across).sum(-1)], -1) + phase
        one, two = torch.sigmoid(sharp * torch.sin(2 * math.pi * waves)).unbind(-1)
        share = mixture[:, 0] * 0.5 + mixture[:, 1] * one + mixture[:, 2] * two + mixture[:, 3] * one * two
        colour = first + (second - first) * share.clamp(0, 1).unsqueeze(-1)
        flat = torch.stack([place[:, 0] + 0.7 * place[:, 2], 0.3 * place[:, 2] - place[:, 1]], -1)
        colour = colour + amount * (_looked_up(dress.texture, flat * spread + phase, body) - colour)
        bump = _looked_up(self._folds.to(place).unsqueeze(0), flat * 1.6 + phase, torch.zeros_like(body))
        normal = torch.nn.functional.normalize(normal + folds * bump, dim=-1)
        view = self._views(hits, camera, body)
        return shaded(colour, normal, view, gloss, light[body])

    def _views(self, hits: Hits, camera: PinholeCamera, body: Tensor) -> Float[Tensor, "N 3"]:
        """Unit directions of the rays of the samples; the world is the camera's frame."""
        inside = hits.place - body * (hits.size[0] * hits.size[1])
        row = inside // hits.size[1]
        pixel = torch.stack([inside - row * hits.size[1], row], -1) + 0.5
        ahead = (pixel - camera.centre[body]) / camera.focal[body]
        return torch.nn.functional.normalize(torch.cat([ahead, torch.ones_like(ahead[:, :1])], -1), dim=-1)


def _looked_up(pictures: Float[Tensor, "B C T S"], where: Float[Tensor, "N 2"], row: Int[Tensor, " N"]) -> Tensor:
    """What tiled pictures have at places of which one unit is a picture; bilinear, (N, C)."""
    flat = pictures.permute(0, 2, 3, 1).flatten(0, 2)
    height, width = pictures.shape[2:]
    place = where.remainder(1) * where.new_tensor([width, height]) - 0.5
    corner = place.floor()
    part = place - corner
    u, v = corner.long().unbind(-1)
    start = row * (height * width)

    def at(right: int, down: int) -> Tensor:
        return flat.index_select(0, start + (v + down) % height * width + (u + right) % width)

    across, down = part[:, :1], part[:, 1:]
    upper = at(0, 0) * (1 - across) + at(1, 0) * across
    return upper * (1 - down) + (at(0, 1) * (1 - across) + at(1, 1) * across) * down


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


def _smoothed(colours: Float[Tensor, "B H W 3"], mask: Bool[Tensor, "B H W"]) -> tuple[Tensor, Tensor]:
    """Colours carried one pixel across the outline, and a share of coverage that falls over two pixels.

    Only the pixels along outlines are touched: those whose neighbours are not all alike.
    """
    bodies, height, width = mask.shape
    wide = torch.nn.functional.pad(mask, (1, 1, 1, 1))
    wide[:, 0], wide[:, -1], wide[:, :, 0], wide[:, :, -1] = wide[:, 1], wide[:, -2], wide[:, :, 1], wide[:, :, -2]
    rows = [wide[:, i : i + height] for i in range(3)]
    some, every = rows[0] | rows[1] | rows[2], rows[0] & rows[1] & rows[2]
    some = some[:, :, :-2] | some[:, :, 1:-1] | some[:, :, 2:]
    every = every[:, :, :-2] & every[:, :, 1:-1] & every[:, :, 2:]
    edge = (some & ~every).flatten().nonzero().squeeze(-1)
    body, inside = edge // (height * width), edge % (height * width)
    v, u = inside // width, inside % width
    step = torch.tensor([-1, 0, 1], device=mask.device)
    weight = torch.tensor([1.0, 2, 1, 2, 4, 2, 1, 2, 1], dtype=colours.dtype, device=mask.device) / 16
    near_v = (v[:, None] + step.repeat_interleave(3)).clamp(0, height - 1)
    near_u = (u[:, None] + step.repeat(3)).clamp(0, width - 1)
    near = (body[:, None] * height + near_v) * width + near_u  # (M, 9)
    covered = mask.flatten()[near] * weight
    share = covered.sum(-1)
    flat = colours.flatten(0, 2)
    mean = (flat[near.flatten()].unflatten(0, (-1, 9)) * covered.unsqueeze(-1)).sum(1) / share.clamp_min(1e-6)[:, None]
    own = mask.flatten()[edge].unsqueeze(-1)
    flat = flat.index_copy(0, edge, torch.where(own, flat[edge], mean))
    alpha = mask.to(colours.dtype).flatten().index_copy(0, edge, share)
    return flat.unflatten(0, (bodies, height, width)), alpha.unflatten(0, (bodies, height, width))
