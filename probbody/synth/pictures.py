"""Endless pictures of people in clothes, drawn from a seed, with the truth about each."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..contracts import ArticulatedBody
from ..geometry.cameras import PinholeCamera
from ..geometry.meshes import vertex_normals
from ..quantities import joined
from .backdrops import Backdrops
from .chances import Chances
from .figure import Figure
from .labels import LabelledPictures
from .layers import Layers, Studio
from .lens import taken
from .lights import lit
from .occluders import drawn_things
from .people import Crowd, People
from .poses import Poses
from .shadows import cast
from .views import View, beside, framed, viewed

_AT_ONCE = 32  # pictures
_TOLERANCE = 0.025  # metres between a vertex and the depth seen at its pixel
_BESIDE = 0.1  # metres on the body at rest
_TOO_MUCH = 0.65  # of a person hidden: then nothing stands before them
_CLOTH = (96, 96)  # pixels of a texture
_BEHIND, _BEFORE, _THINGS = 0.16, 0.1, 0.5  # how often


class Pictures:
    """Square crops of photographs that nobody took: people, clothes, light, surroundings, what hides them, the camera.

    ``draw`` is a function of the seed and of a picture's number alone: a picture is the same whatever others are drawn
    with it. It runs on the body's device, but shapes and the effects of lenses are drawn on the CPU.

    Of the coarse open body, 12 ms of one processor's time a picture of 192 x 192 pixels, on one that others were using
    as well: 4 for people, clothes and light, 1 for the raster, 2 for backdrops, 1 for what stands before, 2 for the lens.

    Args:
        body: whose skeleton and skin are drawn; a body without SMPL's joint names is covered by one cloth.
        poses: where poses come from.
        backdrops: what is behind, and what things and clothes are printed with.
        size: height and width, pixels.
    """

    def __init__(
        self, body: ArticulatedBody, poses: Poses, backdrops: Backdrops, size: tuple[int, int] = (192, 192)
    ) -> None:
        if min(size) < 16:
            raise ValueError(f"Pictures: expected a size of at least 16 x 16 pixels, found {size}.")
        self.body, self.size = body, size
        self._backdrops = backdrops
        figure = Figure.of(body)
        self._long, self._rest = figure.long, figure.points
        self._crowd, self._studio = Crowd(body, poses, figure), Studio(body, figure)
        self._part = body.weights.argmax(-1) + 1

    def draw(self, seed: int, indices: Int[Tensor, " B"]) -> LabelledPictures:
        """The pictures of these numbers, with their labels; numbers may repeat and come in any order."""
        if len(indices) == 0:
            raise ValueError("Pictures.draw: expected at least one number of a picture, found none.")
        where, dtype = indices.to(self.body.weights.device), self.body.weights.dtype
        with torch.no_grad():
            return joined([self._drawn(Chances.of(seed, part, dtype)) for part in where.split(_AT_ONCE)])

    def _drawn(self, chances: Chances) -> LabelledPictures:
        count, view = len(chances), viewed(chances.about("view"), self._long)
        behind = chances.about("behind?").whether(_BEHIND).nonzero().squeeze(-1)
        before = chances.about("before?").whether(_BEFORE).nonzero().squeeze(-1)
        streams = [chances.about("person"), chances.about("behind")[behind], chances.about("before")[before]]
        who = torch.cat([torch.arange(count, device=behind.device), behind, before])
        people = self._people(streams, view, who, behind, before)
        own = people[:count]
        camera = framed(chances.about("crop"), view, own.dressed.vertices, self.size)
        scene = self._backdrops.draw(chances.about("backdrop"), self.size)
        light = lit(chances.about("light"), view.up, scene.mean((2, 3)))
        textures = self._backdrops.draw(_together(streams).about("texture"), _CLOTH)
        layers = self._studio.layers(people, camera[who], textures, light[who])
        images = scene * (1 - cast(own.bare.vertices, camera, light, chances.about("shadow"))).unsqueeze(1)
        far = layers[count : count + len(behind)]
        images[behind] = _over(images[behind], far.colours, far.alpha)
        seen = layers[:count]
        images = _over(images, seen.colours, seen.alpha)
        images, hidden = self._hide(images, chances, own, camera, seen, layers[count + len(behind) :], before)
        return self._labelled(taken(images.clamp(0, 1), chances.about("lens")), own, camera, seen, hidden)

    def _people(self, streams: list[Chances], view: View, who: Tensor, behind: Tensor, before: Tensor) -> People:
        """The persons of the pictures, then those behind some of them, then those before."""
        places = [
            view.place,
            beside(streams[1].about("place"), view.place[behind], before=False, long=self._long),
            beside(streams[2].about("place"), view.place[before], before=True, long=self._long),
        ]
        return self._crowd.draw(_together(streams), view.turn[who]).at(torch.cat(places))

    def _hide(
        self,
        images: Tensor,
        chances: Chances,
        own: People,
        camera: PinholeCamera,
        seen: Layers,
        near: Layers,
        before: Tensor,
    ) -> tuple[Float[Tensor, "B 3 H W"], Bool[Tensor, "B H W"]]:
        """Things and people before the persons, unless too little would be left; the pictures, and where they are hidden."""
        rows = chances.about("things?").whether(_THINGS).nonzero().squeeze(-1)
        hidden = torch.zeros_like(seen.mask)
        colours, opacity = self._things(chances.about("things")[rows], own[rows], camera[rows])
        hidden[rows] = opacity > 0.5
        hidden[before] |= near.mask
        covered = (hidden & seen.mask).sum((1, 2)) / seen.mask.sum((1, 2)).clamp_min(1)
        left = (covered < _TOO_MUCH).to(images.dtype)[:, None, None]
        images[before] = _over(images[before], near.colours, near.alpha * left[before])
        images[rows] = _over(images[rows], colours, opacity * left[rows])
        return images, hidden & (left > 0)

    def _things(
        self, chances: Chances, people: People, camera: PinholeCamera
    ) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B H W"]]:
        """Occluders, some of them printed with a piece of a backdrop."""
        if not len(chances):
            nothing = people.loose.new_zeros(0, 3, *self.size)
            return nothing, nothing[:, 0]
        points = camera.project(people.bare.vertices)[..., :2]
        end = points.new_tensor([self.size[1], self.size[0]])
        low, high = points.amin(1).clamp_min(0), torch.minimum(points.amax(1), end)
        colours, opacity = drawn_things(chances.about("shapes"), torch.cat([low, high], -1), self.size)
        printed = chances.about("printed?").whether(0.4).nonzero().squeeze(-1)
        if len(printed):
            share = chances.about("print share").uniform(1, 1, 1, low=0.3, high=1.0)[printed]
            prints = self._backdrops.draw(chances.about("print")[printed], self.size)
            colours[printed] = colours[printed] + share * (prints - colours[printed])
        return colours, opacity

    def _labelled(
        self, images: Tensor, people: People, camera: PinholeCamera, seen: Layers, hidden: Tensor
    ) -> LabelledPictures:
        parts = torch.where(seen.mask, self._part[seen.vertex.clamp_min(0)], 0)
        visible = _visible(people, camera, seen, hidden, self._rest)
        return LabelledPictures(
            images, camera, people.pose, people.bare.joints, parts, seen.depth, seen.mask, hidden, visible
        )


def _visible(
    people: People, camera: PinholeCamera, seen: Layers, hidden: Bool[Tensor, "B H W"], rest: Float[Tensor, "V 3"]
) -> Bool[Tensor, "B V"]:
    """Which vertices of the bare body one sees: what is at their pixel is they, or the cloth over them.

    Cloth stands off by what is told, or shows a point of the body that is close by ``rest``, as skirts do.
    """
    height, width = camera.size
    points = camera.project(people.bare.vertices)
    pixel = points[..., :2].clamp(-1, max(height, width)).floor().long()
    inside = (pixel[..., 0] >= 0) & (pixel[..., 0] < width) & (pixel[..., 1] >= 0) & (pixel[..., 1] < height)
    place = (pixel[..., 1].clamp(0, height - 1) * width + pixel[..., 0].clamp(0, width - 1)).flatten(1)
    shown = (seen.mask & ~hidden).flatten(1).gather(1, place)
    deep = points[..., 2] - seen.depth.flatten(1).gather(1, place)
    there = rest.to(deep)[seen.vertex.flatten(1).gather(1, place).clamp_min(0)]
    beside = (there - rest.to(deep)).square().sum(-1) < _BESIDE**2
    near = (deep <= _TOLERANCE + people.loose) | (beside & (deep < 2 * _BESIDE))
    normals = vertex_normals(people.bare.vertices, people.bare.faces)
    towards = torch.nn.functional.normalize(people.bare.vertices, dim=-1)
    return inside & shown & near & ((normals * towards).sum(-1) < 0)


def _over(
    images: Float[Tensor, "B 3 H W"], colours: Float[Tensor, "B 3 H W"], alpha: Float[Tensor, "B H W"]
) -> Float[Tensor, "B 3 H W"]:
    """Something before something else."""
    return torch.lerp(images, colours, alpha.unsqueeze(1))


def _together(streams: list[Chances]) -> Chances:
    return Chances(torch.cat([stream.keys for stream in streams]), streams[0].dtype)
