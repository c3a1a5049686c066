"""Every visit to a picture shows it in another light: colour, sharpness, noise, style, and things in front.

What each picture meets is drawn from one generator on the processor, so that a step is the same on every run.

References: Huang, Belongie (2017), arXiv:1703.06868 (style as channel statistics); Zhong et al. (2017), arXiv:1708.04896
(random erasing).
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .lesson import Lesson


@dataclass(frozen=True)
class Variation:
    """How often and how much; chances are of each picture by itself."""

    grey: float = 0.1
    """Chance of no colour."""
    style: float = 0.3
    """Chance of going part of the way to the mean and contrast of another picture, channel by channel."""
    detail: float = 0.3
    """Chance that what a picture of half the resolution does not show is scaled, by 0 to 1.5."""
    noise: float = 0.08
    """Greatest standard deviation of noise, of which each picture has the square of a random share."""
    patch: float = 0.5
    """Chance of an opaque patch: of one colour, of noise, or a piece of another picture."""
    sides: tuple[int, int] = (16, 80)
    """Pixels of the sides of patches."""

    def __call__(self, lesson: Lesson, generator: torch.Generator) -> Lesson:
        """The same truth under another look; what a patch hides is hidden in the truth too."""
        images = _styled(lesson.images, self.style, generator)
        images = _coloured(images, self.grey, generator)
        images = _detailed(images, self.detail, generator)
        share = self.noise * _uniform(len(images), generator, images).square()
        grain = torch.randn(images.shape[0], 1, *images.shape[2:], generator=generator).to(images)
        images = (images + share * grain).clamp(0, 1)
        return _patched(replace(lesson, images=images), self.patch, self.sides, generator)


def _styled(images: Float[Tensor, "B 3 H W"], chance: float, generator: torch.Generator) -> Float[Tensor, "B 3 H W"]:
    chosen = _uniform(len(images), generator, images) < chance
    share = _uniform(len(images), generator, images) * chosen
    deviation, mean = torch.std_mean(images[:, :, ::4, ::4], dim=(2, 3), keepdim=True)
    gain = 1 + share * (deviation.roll(1, 0) / (deviation + 0.02) - 1).clamp(-0.6, 1.5)
    return images * gain + (mean * (1 - gain) + share * (mean.roll(1, 0) - mean))


def _coloured(images: Float[Tensor, "B 3 H W"], grey: float, generator: torch.Generator) -> Float[Tensor, "B 3 H W"]:
    """Saturation, tint, contrast, brightness, and how the middle tones lie."""
    light, contrast, colour, middle, none = (_uniform(len(images), generator, images) for _ in range(5))
    tint = 1 + 0.2 * (2 * torch.rand(len(images), 3, 1, 1, generator=generator).to(images) - 1)
    colour = torch.where(none < grey, 0.0, 0.4 + colour)
    gain = (0.6 + 0.8 * contrast) * tint
    images = torch.lerp(images.mean(1, keepdim=True), images, colour) * gain + (0.5 - 0.5 * gain + 0.3 * (light - 0.5))
    images = images.clamp(0, 1)
    return images * (1 + 1.2 * (middle - 0.5) * (1 - images))


def _detailed(images: Float[Tensor, "B 3 H W"], chance: float, generator: torch.Generator) -> Float[Tensor, "B 3 H W"]:
    chosen = (_uniform(len(images), generator, images) < chance).flatten().nonzero().squeeze(1)
    keep = 1.5 * _uniform(len(images), generator, images)[chosen]
    if not len(chosen):
        return images
    some = images[chosen]
    coarse = F.interpolate(F.avg_pool2d(some, 2), scale_factor=2, mode="bilinear", align_corners=False)
    return images.index_copy(0, chosen, torch.lerp(coarse, some, keep))


def _patched(lesson: Lesson, chance: float, sides: tuple[int, int], generator: torch.Generator) -> Lesson:
    """Patches of whole places of the map, anywhere on the picture."""
    images, (rows, columns) = lesson.images.clone(), lesson.mask.shape[1:]
    step = images.shape[2] // rows
    hidden = torch.zeros_like(lesson.occluder)
    for picture in range(len(images)):
        happens, kind, *draws = torch.rand(6, generator=generator).tolist()
        colour, other = torch.rand(3, 1, 1, generator=generator), lesson.images[picture - 1]
        if happens >= chance:
            continue
        tall, wide = (int(sides[0] + draw * (sides[1] - sides[0])) // step for draw in draws[:2])
        tall, wide = min(max(tall, 1), rows), min(max(wide, 1), columns)
        top, left = int(draws[2] * (rows - tall + 1)), int(draws[3] * (columns - wide + 1))
        hidden[picture, top : top + tall, left : left + wide] = True
        area = slice(step * top, step * (top + tall)), slice(step * left, step * (left + wide))
        if kind < 0.4:
            images[picture][:, *area] = colour.to(images)
        elif kind < 0.6:
            images[picture][:, *area] = torch.rand(3, step * tall, step * wide, generator=generator).to(images)
        else:
            images[picture][:, *area] = other[:, *area]
    place = (lesson.pixels / step).long()
    place = (place[..., 1].clamp(0, rows - 1) * columns + place[..., 0].clamp(0, columns - 1)).clamp_min(0)
    visible = lesson.visible & ~hidden.flatten(1).gather(1, place)
    return replace(lesson, images=images, occluder=lesson.occluder | hidden, visible=visible)


def _uniform(count: int, generator: torch.Generator, like: Tensor) -> Float[Tensor, "B 1 1 1"]:
    return torch.rand(count, 1, 1, 1, generator=generator).to(like)
