"""Backdrops that are drawn and not photographed: walls, floors, windows, furniture, noise."""

import math

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from .backdrops import Backdrops
from .chances import Chances
from .numbers import Numbers

Colour = tuple[int, int, int]


class DrawnBackdrops(Backdrops):
    """Shapes over two grounds that meet at a horizon, under noise of several scales and a gradient of light."""

    def draw(self, chances: Chances, size: tuple[int, int]) -> Float[Tensor, "B 3 H W"]:
        """A drawing for each stream."""
        device, dtype = chances.keys.device, chances.dtype
        drawn = [_drawn(Numbers(row), size) for row in chances.about("shapes").uniform(160).tolist()]
        pictures = torch.from_numpy(np.stack(drawn)).to(device).permute(0, 3, 1, 2).to(dtype) / 255
        noise = torch.zeros(len(chances), 1, *size, dtype=dtype, device=device)
        strength = chances.uniform(4) ** 2 * chances.uniform(1)
        for scale, amount in zip((4, 9, 24, 70), strength.unbind(-1), strict=True):
            grid = chances.uniform(1, scale, scale, low=-1.0, high=1.0)
            noise = noise + amount[:, None, None, None] * _enlarged(grid, size)
        hue = 1 + 0.25 * chances.normal(3)[:, :, None, None]
        light = chances.uniform(1, 2, 2, low=0.65, high=1.3) + 0.12 * chances.normal(3, 2, 2)
        soft = chances.whether(0.35).nonzero().squeeze(-1)
        if len(soft):
            pictures[soft] = _softened(pictures[soft])
        return ((pictures + 0.22 * noise * hue) * _enlarged(light, size)).clamp(0, 1)


def _enlarged(grid: Float[Tensor, "B C h w"], size: tuple[int, int]) -> Float[Tensor, "B C H W"]:
    return torch.nn.functional.interpolate(grid, size, mode="bilinear", align_corners=False)


def _softened(pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Out of focus: made small and large again."""
    small = (max(8, pictures.shape[2] // 7), max(8, pictures.shape[3] // 7))
    coarse = torch.nn.functional.interpolate(pictures, small, mode="bilinear", align_corners=False, antialias=True)
    return _enlarged(coarse, (pictures.shape[2], pictures.shape[3]))


def _drawn(numbers: Numbers, size: tuple[int, int]) -> np.ndarray:
    """Height, width, RGB in 8 bits."""
    height, width = size
    picture = Image.new("RGB", (width, height), numbers.colour())
    draw = ImageDraw.Draw(picture)
    if numbers() < 0.75:
        horizon = numbers(0.25, 0.95) * height
        tip = numbers(-0.08, 0.08) * width
        ground = [(0, horizon - tip), (width, horizon + tip), (width, height), (0, height)]
        draw.polygon(ground, fill=numbers.colour())
    pattern = numbers.of((_nothing, _nothing, _bricks, _boards, _panes))
    pattern(draw, numbers, width, height)
    for _ in range(numbers.whole(0, 7)):
        shape = numbers.of((_box, _box, _box, _stick, _disc, _wedge))
        shape(draw, numbers, width, height)
    return np.asarray(picture)


def _nothing(draw: ImageDraw.ImageDraw, numbers: Numbers, width: int, height: int) -> None:
    del draw, numbers, width, height


def _bricks(draw: ImageDraw.ImageDraw, numbers: Numbers, width: int, height: int) -> None:
    """Courses of a wall, or tiles."""
    colour, rise, run = numbers.colour(), numbers(6, 40), numbers(8, 70)
    shift = numbers.of((0.0, 0.5))
    for course in range(math.ceil(height / rise)):
        level = course * rise
        draw.line([(0, level), (width, level)], fill=colour)
        for joint in range(math.ceil(width / run) + 1):
            u = (joint + shift * (course % 2)) * run
            draw.line([(u, level), (u, level + rise)], fill=colour)


def _boards(draw: ImageDraw.ImageDraw, numbers: Numbers, width: int, height: int) -> None:
    """Stripes side by side, upright or level."""
    colours = [numbers.colour(), numbers.colour()]
    step, upright = numbers(5, 45), numbers() < 0.5
    for number in range(math.ceil((width if upright else height) / step)):
        if number % 2:
            begin, end = number * step, (number + 1) * step
            box = (begin, 0, end, height) if upright else (0, begin, width, end)
            draw.rectangle(box, fill=colours[number // 2 % 2])


def _panes(draw: ImageDraw.ImageDraw, numbers: Numbers, width: int, height: int) -> None:
    """Windows, shelves or pictures on a wall, in rows."""
    columns, rows = numbers.whole(2, 7), numbers.whole(2, 6)
    colours = [numbers.colour() for _ in range(3)]
    gap = numbers(0.05, 0.4)
    for row in range(rows):
        for column in range(columns):
            left, top = (column + gap) * width / columns, (row + gap) * height / rows
            right, bottom = (column + 1) * width / columns, (row + 1) * height / rows
            draw.rectangle((left, top, right, bottom), fill=colours[int(numbers(0, 3))])


def _box(draw: ImageDraw.ImageDraw, numbers: Numbers, width: int, height: int) -> None:
    """An oblong standing somewhere, with or without a border."""
    u, v = numbers(-0.1, 1.1) * width, numbers(-0.1, 1.1) * height
    w, h = numbers(0.02, 0.4) * width, numbers(0.02, 0.5) * height
    border = numbers.colour() if numbers() < 0.4 else None
    draw.rectangle((u - w / 2, v - h / 2, u + w / 2, v + h / 2), fill=numbers.colour(), outline=border, width=2)


def _stick(draw: ImageDraw.ImageDraw, numbers: Numbers, width: int, height: int) -> None:
    """A pole, a branch, a cable."""
    ends = [(numbers(-0.2, 1.2) * width, numbers(-0.2, 1.2) * height) for _ in range(2)]
    draw.line(ends, fill=numbers.colour(), width=numbers.whole(1, 12))


def _disc(draw: ImageDraw.ImageDraw, numbers: Numbers, width: int, height: int) -> None:
    """Something round."""
    u, v = numbers() * width, numbers() * height
    w, h = numbers(0.02, 0.25) * width, numbers(0.02, 0.25) * height
    draw.ellipse((u - w, v - h, u + w, v + h), fill=numbers.colour())


def _wedge(draw: ImageDraw.ImageDraw, numbers: Numbers, width: int, height: int) -> None:
    """A roof, a hill, a rock."""
    u, v = numbers() * width, numbers() * height
    corners = [(u + numbers(-0.3, 0.3) * width, v + numbers(-0.3, 0.3) * height) for _ in range(numbers.whole(3, 6))]
    draw.polygon(corners, fill=numbers.colour())
