"""Things that stand before people: boxes, plants, furniture, poles, hands, plain patches, the picture's own edge."""

import math

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from .chances import Chances
from .numbers import Numbers

_FINE = 2  # shapes are drawn larger and shrunk, for smooth edges


def drawn_things(
    chances: Chances, boxes: Float[Tensor, "B 4"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B H W"]]:
    """Colours and opacity of one to three things over each person, whose ``boxes`` are (left, top, right, bottom), pixels."""
    layers = [
        _drawn(Numbers(row), box, size) for row, box in zip(chances.uniform(400).tolist(), boxes.tolist(), strict=True)
    ]
    every = torch.from_numpy(np.stack(layers)).to(chances.keys.device).permute(0, 3, 1, 2).to(chances.dtype) / 255
    return every[:, :3], every[:, 3]


def _drawn(numbers: Numbers, box: list[float], size: tuple[int, int]) -> np.ndarray:
    """Height, width, RGBA in 8 bits."""
    sheet = _Sheet(numbers, box, size)
    for _ in range(numbers.of((1, 1, 1, 2, 2, 3))):
        kind = numbers.of(
            (sheet.patch, sheet.box, sheet.box, sheet.plant, sheet.furniture, sheet.pole, sheet.hand, sheet.edge)
        )
        kind()
    return np.asarray(sheet.finished())


class _Sheet:
    """A transparent sheet before one person; lengths are shares of the person's larger side."""

    def __init__(self, numbers: Numbers, box: list[float], size: tuple[int, int]) -> None:
        left, top, right, bottom = (_FINE * value for value in box)
        self._numbers, self._size = numbers, size
        self._left, self._top, self._wide, self._high = left, top, right - left, bottom - top
        self._side = max(right - left, bottom - top, 8.0)
        self._picture = Image.new("RGBA", (_FINE * size[1], _FINE * size[0]), (*numbers.colour(), 0))
        self._draw = ImageDraw.Draw(self._picture)

    def finished(self) -> Image.Image:
        """At the size of the picture."""
        return self._picture.reduce(_FINE)

    def _place(self, spread: float = 0.5) -> tuple[float, float]:
        """A point on the person or near."""
        across, down = self._numbers(0.5 - spread, 0.5 + spread), self._numbers(0.5 - spread, 0.5 + spread)
        return self._left + across * self._wide, self._top + down * self._high

    def _fill(self, points: list[tuple[float, float]], colour: tuple[int, int, int]) -> None:
        self._draw.polygon(points, fill=(*colour, 255))

    def patch(self) -> None:
        """A plain shape of one colour."""
        numbers, (u, v) = self._numbers, self._place(0.4)
        w, h = numbers(0.08, 0.3) * self._side, numbers(0.08, 0.3) * self._side
        if numbers() < 0.5:
            h = w
        turn = numbers(-0.5, 0.5) * numbers.of((0, 1))
        if numbers() < 0.3:
            self._draw.ellipse((u - w, v - h, u + w, v + h), fill=(*numbers.colour(), 255))
        else:
            self._fill(_turned([(-w, -h), (w, -h), (w, h), (-w, h)], turn, u, v), numbers.colour())

    def box(self) -> None:
        """Two or three sides of a box or a table, from a little above."""
        numbers, colour, (u, v) = self._numbers, self._numbers.colour(), self._place()
        w, h, deep = numbers(0.1, 0.45) * self._side, numbers(0.08, 0.5) * self._side, numbers(0.02, 0.15) * self._side
        aside = numbers(-0.6, 0.6) * deep
        low = v + 2 * h if numbers() < 0.7 else self._picture.height
        front = [(u - w, v), (u + w, v), (u + w, low), (u - w, low)]
        top = [(u - w, v), (u + w, v), (u + w + aside, v - deep), (u - w + aside, v - deep)]
        self._fill(front, _darker(colour, 0.75))
        self._fill(top, colour)
        if numbers() < 0.5:
            for number in range(1, numbers.whole(2, 4)):
                level = v + (low - v) * number / 4
                self._draw.line([(u - w, level), (u + w, level)], fill=(*_darker(colour, 0.5), 255), width=3)

    def plant(self) -> None:
        """Many leaves about a few twigs."""
        numbers, (u, v) = self._numbers, self._place(0.6)
        reach, leaf = numbers(0.12, 0.35) * self._side, numbers(0.02, 0.06) * self._side
        base = (numbers(20, 120), numbers(70, 170), numbers(10, 90)) if numbers() < 0.8 else numbers.colour()
        for _ in range(numbers.whole(2, 5)):
            end = (u + numbers(-1, 1) * reach, v - numbers(0, 1) * reach)
            self._draw.line([(u, v + reach), end], fill=(70, 55, 40, 255), width=numbers.whole(2, 6))
        for _ in range(numbers.whole(25, 70)):
            far, around = reach * math.sqrt(numbers()), numbers(0, 2 * math.pi)
            a, b = u + far * math.cos(around), v + far * math.sin(around)
            shade = numbers(0.5, 1.25)
            tone = tuple(min(255, round(part * shade)) for part in base)
            long, slim = leaf * numbers(0.6, 1.6), leaf * numbers(0.25, 0.6)
            points = [
                (-long, 0.0),
                (-0.3 * long, -slim),
                (0.5 * long, -0.8 * slim),
                (long, 0.0),
                (0.5 * long, 0.8 * slim),
                (-0.3 * long, slim),
            ]
            self._fill(_turned(points, numbers(0, 6.3), a, b), (tone[0], tone[1], tone[2]))

    def furniture(self) -> None:
        """Boards and legs: chairs, shelves, railings."""
        numbers, colour, (u, v) = self._numbers, self._numbers.colour(), self._place()
        w, h, thick = (
            numbers(0.12, 0.4) * self._side,
            numbers(0.12, 0.45) * self._side,
            numbers(0.015, 0.05) * self._side,
        )
        posts, boards = numbers.whole(2, 6), numbers.whole(1, 4)
        for number in range(posts):
            middle = u - w + 2 * w * number / (posts - 1)
            self._fill(
                _turned([(-thick, -h), (thick, -h), (thick, h), (-thick, h)], 0.0, middle, v),
                _darker(colour, numbers(0.6, 0.9)),
            )
        for number in range(boards):
            level = v - h + 2 * h * (number + 0.5 * numbers()) / boards
            tall = thick * numbers(0.8, 5)
            self._fill(
                _turned([(-w, -tall), (w, -tall), (w, tall), (-w, tall)], 0.0, u, level),
                _darker(colour, numbers(0.8, 1.1)),
            )

    def pole(self) -> None:
        """A post or a branch across the whole picture."""
        numbers, (u, v) = self._numbers, self._place()
        thick, colour = numbers(0.015, 0.07) * self._side, numbers.colour()
        turn = numbers(-0.15, 0.15) + (numbers.of((0, 0, 1)) * math.pi / 2)
        for part, shade in ((1.0, 0.7), (0.5, 1.0)):
            long = 3.0 * max(self._picture.size)
            points = [(-thick * part, -long), (thick * part, -long), (thick * part, long), (-thick * part, long)]
            self._fill(_turned(points, turn, u, v), _darker(colour, shade))

    def hand(self) -> None:
        """A forearm with fingers, skin or glove, that reaches in from somewhere."""
        numbers, (u, v) = self._numbers, self._place(0.35)
        light = numbers(0.3, 1.0)
        colour = (round(245 * light), round(200 * light), round(170 * light)) if numbers() < 0.8 else numbers.colour()
        size, turn = numbers(0.04, 0.09) * self._side, numbers(0, 6.3)
        ahead, aside = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
        far = (u - 8 * size * ahead[0], v - 8 * size * ahead[1])
        self._draw.line([far, (u, v)], fill=(*_darker(colour, 0.9), 255), width=max(2, round(1.5 * size)))
        self._draw.ellipse((u - size, v - size, u + size, v + size), fill=(*colour, 255))
        for finger in range(5):
            shift = (finger - 2) * 0.45 * size
            begin = (u + shift * aside[0], v + shift * aside[1])
            reach = numbers(1.2, 2.2) * size
            end = (
                begin[0] + reach * ahead[0] + 0.5 * shift * aside[0],
                begin[1] + reach * ahead[1] + 0.5 * shift * aside[1],
            )
            self._draw.line(
                [begin, end], fill=(*_darker(colour, numbers(0.85, 1.05)), 255), width=max(2, round(0.5 * size))
            )

    def edge(self) -> None:
        """The end of the picture: nothing but black, white or grey beyond."""
        numbers, (u, v) = self._numbers, self._place(0.35)
        tone = numbers.of((0, 0, 255, 128))
        wide, high = self._picture.size
        box = numbers.of(((0, 0, u, high), (u, 0, wide, high), (0, v, wide, high), (0, v, wide, high)))
        self._draw.rectangle(box, fill=(tone, tone, tone, 255))


def _turned(points: list[tuple[float, float]], turn: float, u: float, v: float) -> list[tuple[float, float]]:
    """Points about the origin turned and moved to (u, v)."""
    cosine, sine = math.cos(turn), math.sin(turn)
    return [(u + cosine * a - sine * b, v + sine * a + cosine * b) for a, b in points]


def _darker(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    first, second, third = (min(255, round(part * share)) for part in colour)
    return first, second, third
