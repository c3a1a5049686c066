"""What a feature map holds at the visible points of a body, and where the body is not."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from probbody.features.directions import Directions
from probbody.features.limbs import Limbs
from probbody.quantities import Record

from .lesson import Lesson


@dataclass(frozen=True)
class PointFeatures(Record):
    """Features at points of bodies; ``N`` points of all pictures in a row."""

    features: Float[Tensor, "N D"]
    """Of unit length."""
    vertex: Int[Tensor, " N"]
    shares: Float[Tensor, "N O"]
    """p(o | limb direction) of the point's limb."""

    def __len__(self) -> int:
        return len(self.features)


Features = Callable[[Float[Tensor, "B N 2"], tuple[int, int]], Float[Tensor, "B N D"]]
"""Unit features at pixels of pictures of a size (height, width), such as ``of_map`` or ``PersonReader.features_at``."""


def of_map(features: Float[Tensor, "B D h w"]) -> Features:
    """Those of a whole map."""
    return functools.partial(at_pixels, features)


@dataclass(frozen=True)
class Marking:
    """The limbs of a body, and the directions that they are told apart by."""

    limbs: Limbs
    directions: Directions

    def shares(self, lesson: Lesson) -> Float[Tensor, "B V O"]:
        """What share of each direction the limb of each vertex has."""
        found: Tensor = self.directions.weights(self.limbs.direction(lesson.surface, lesson.camera))
        return found[:, self.limbs.vertex]

    def points(self, features: Features, lesson: Lesson, count: int, generator: torch.Generator) -> PointFeatures:
        """Features at ``count`` visible vertices of each picture, drawn with replacement; a body that is hidden has none."""
        with torch.no_grad():
            drawn = _draw(_even(lesson.visible), count, generator)
            chosen = lesson.pixels.gather(1, drawn.unsqueeze(-1).expand(-1, -1, 2))
            shares = self.shares(lesson)
            shares = shares.gather(1, drawn.unsqueeze(-1).expand(-1, -1, shares.shape[-1]))
            seen = lesson.visible.any(1)
        found = features(chosen, lesson.camera.size)
        return PointFeatures(found[seen].flatten(0, 1), drawn[seen].flatten(), shares[seen].flatten(0, 1))


def at_all_visible(features: Float[Tensor, "B D h w"], lesson: Lesson, marking: Marking) -> PointFeatures:
    """Features at every visible vertex of every picture."""
    where = lesson.visible.nonzero(as_tuple=True)
    found = at_pixels(features, lesson.pixels, lesson.camera.size)
    return PointFeatures(found[where], where[1], marking.shares(lesson)[where])


def at_pixels(
    features: Float[Tensor, "B D h w"], pixels: Float[Tensor, "B N 2"], size: tuple[int, int]
) -> Float[Tensor, "B N D"]:
    """Unit features at pixels of a picture of that size, between places of the map bilinear."""
    grid = 2 * pixels / pixels.new_tensor([size[1], size[0]]) - 1
    found = F.grid_sample(features, grid.to(features).unsqueeze(1), padding_mode="border", align_corners=False)
    return F.normalize(found.squeeze(2).mT, dim=-1)


def elsewhere(features: Features, lesson: Lesson, count: int, generator: torch.Generator) -> Float[Tensor, "N D"]:
    """Features of ``count`` places of each picture where no body is seen, nor beside them; of none where there are none.

    Places are those of the lesson's maps. Half of them are where something hides the body, in pictures where something does:
    such places are few, a network that knows what a hidden limb would look like says so there, and how they look is what
    tells hidden pixels from seen ones.
    """
    shown = F.max_pool2d(lesson.shown.unsqueeze(1).float(), 3, 1, 1).squeeze(1) > 0
    free = (~shown).flatten(1)
    hidden = free & (lesson.mask & lesson.occluder).flatten(1)
    drawn = _draw(_even(free) + _even(hidden), count, generator)
    (height, width), columns = lesson.camera.size, shown.shape[2]
    middles = torch.stack([drawn % columns, drawn // columns], dim=-1) + 0.5
    found = features(middles * (width / columns), (height, width))
    return found[free.any(1)].flatten(0, 1)


def _even(allowed: Bool[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """The same chance for all that are allowed; zero where none is."""
    return allowed / allowed.sum(1, keepdim=True).clamp_min(1)


def _draw(chances: Float[Tensor, "B N"], count: int, generator: torch.Generator) -> Int[Tensor, "B K"]:
    """So many of each row, with replacement; any where none has a chance."""
    here = torch.where(chances.sum(1, keepdim=True) > 0, chances, 1.0).cpu()
    return torch.multinomial(here, count, replacement=True, generator=generator).to(chances.device)
