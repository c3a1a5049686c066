"""Patterns like those of cloth, stone, walls and fur: a brightness for each point of the unit square.

Each is a function of coordinates (u, v) in [0, 1], v down, and of a generator of random numbers, from which it draws its
own frequencies, angles and places; it returns numbers in [0, 1]. The kinds follow the classes of the Describable Textures
Dataset (Cimpoi et al. (2014), arXiv:1311.3618), which published occluders were cut from.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Plane = Float[np.ndarray, "S S"]
Pattern = Callable[[Plane, Plane, np.random.Generator], Plane]


def stripes(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """Bands at an angle, hard or soft, straight or wavy."""
    along, across = _turned(u, v, chance)
    bend = chance.choice([0.0, 0.3]) * np.sin(2 * math.pi * chance.uniform(0.5, 2.0) * along)
    return _wave(chance.uniform(2, 9) * across + bend, chance)


def checks(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """A board of squares."""
    along, across = _turned(u, v, chance)
    fields = np.floor(chance.uniform(3, 9) * np.stack([along, across]) + chance.random((2, 1, 1)))
    return np.mod(fields.sum(0), 2)


def plaid(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """Two sets of bands, woven."""
    along, across = _turned(u, v, chance)
    first, second = (_wave(chance.uniform(2, 6) * axis, chance) for axis in (along, across))
    return 0.5 * (first + second)


def dots(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """Spots in staggered rows."""
    along, across = _turned(u, v, chance)
    count, radius = chance.uniform(3, 8), chance.uniform(0.2, 0.45)
    row = np.floor(count * across)
    within = np.stack([np.mod(count * along + 0.5 * row, 1) - 0.5, np.mod(count * across, 1) - 0.5])
    return np.clip((radius - np.sqrt((within**2).sum(0))) / 0.1 + 0.5, 0, 1)


def bricks(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """A wall: each brick of its own tone, the joints between them dark."""
    rows, wide, joint = chance.integers(4, 9), chance.uniform(1.5, 3.0), chance.uniform(0.05, 0.15)
    row = np.floor(rows * v)
    place = rows / wide * u + 0.5 * row
    tones = chance.uniform(0.45, 1.0, (16, 64))[row.astype(int) % 16, np.floor(place).astype(int) % 64]
    edge = (np.mod(rows * v, 1) < joint) | (np.mod(place, 1) < joint / wide)
    return np.where(edge, 0.1, tones)


def rings(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """Circles about a point, or a spiral, or rays."""
    x, y = u - chance.uniform(-0.2, 1.2), v - chance.uniform(-0.2, 1.2)
    radius, angle = np.sqrt(x**2 + y**2), np.arctan2(y, x) / (2 * math.pi)
    arms = chance.integers(-3, 4)
    return _wave(chance.choice([0.0, 5.0, 9.0]) * radius + (arms or 6) * angle, chance)


def cells(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """Patches about scattered points, each of its own tone."""
    distance, nearest = _scattered(u, v, chance)
    del distance
    return chance.random(64)[nearest]


def cracks(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """Dry earth, bubbles, scales: what lies between scattered points."""
    distance, _ = _scattered(u, v, chance)
    gap = distance[1] - distance[0]
    return np.clip(gap / max(float(np.quantile(gap, 0.7)), 1e-9), 0, 1)


def clouds(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """Noise of several scales: plaster, rust, leaves, fur where it is stretched."""
    stretch = chance.choice([1.0, 1.0, 5.0])
    along, across = _turned(u, v, chance)
    noise = _noise(along, stretch * across, chance)
    low, high = np.quantile(noise, [0.02, 0.98])
    return np.clip((noise - low) / max(high - low, 1e-9), 0, 1)


def marble(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """Veins: bands bent by noise."""
    along, across = _turned(u, v, chance)
    return _wave(chance.uniform(1, 4) * across + chance.uniform(1, 4) * _noise(along, across, chance), chance)


PATTERNS: tuple[Pattern, ...] = (stripes, checks, plaid, dots, bricks, rings, cells, cracks, clouds, marble)


def _turned(u: Plane, v: Plane, chance: np.random.Generator) -> tuple[Plane, Plane]:
    angle = chance.uniform(0, math.pi)
    return math.cos(angle) * u + math.sin(angle) * v, math.cos(angle) * v - math.sin(angle) * u


def _wave(phase: Plane, chance: np.random.Generator) -> Plane:
    """A wave of period 1, between soft and square."""
    soft = np.sin(2 * math.pi * (phase + chance.random()))
    return np.clip(0.5 + 0.5 * chance.uniform(1, 8) * soft, 0, 1)


def _scattered(u: Plane, v: Plane, chance: np.random.Generator) -> tuple[Float[np.ndarray, "2 S S"], np.ndarray]:
    """Distances to the two nearest of random points, and which is the nearest."""
    points = chance.uniform(-0.1, 1.1, (2, chance.integers(6, 40), 1, 1))
    away = np.sqrt((points[0] - u) ** 2 + (points[1] - v) ** 2)
    return np.partition(away, 1, axis=0)[:2], away.argmin(0)


def _noise(u: Plane, v: Plane, chance: np.random.Generator) -> Plane:
    """Value noise: random heights on lattices of four scales, each half as high as the one before."""
    start = chance.uniform(2, 5)
    total = np.zeros_like(u)
    for octave in range(4):
        x, y = (start * 2**octave * (axis + 1) for axis in (u, v))  # turned coordinates may lie below zero
        heights = chance.random((64, 64))
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        right, down = (fade * fade * (3 - 2 * fade) for fade in (x - left, y - top))
        upper = (1 - right) * heights[left % 64, top % 64] + right * heights[(left + 1) % 64, top % 64]
        lower = (1 - right) * heights[left % 64, (top + 1) % 64] + right * heights[(left + 1) % 64, (top + 1) % 64]
        total = total + ((1 - down) * upper + down * lower) / 2**octave
    return total / 1.875
