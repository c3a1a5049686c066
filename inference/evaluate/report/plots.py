"""Plots as SVG text: lines with bands, and bars, in a few colours that differ in lightness too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = (
    "#1b3a6b", "#d1495b", "#2a9d8f", "#e9a03b", "#7b5ea7", "#5c677d", "#8ab17d", "#b5651d", "#0096c7", "#ad2e8f",
    "#111111", "#f4a6b5", "#9bd4e4", "#6b8e00", "#c9b8e8", "#ffd166", "#4a1c40", "#b0b0b0", "#00573f", "#ff6b35",
)  # fmt: skip
_WIDE, _HIGH, _LEFT, _TOP, _BELOW = 720, 320, 56, 14, 46


@dataclass(frozen=True)
class Line:
    """A name and points (x, y); a y that is NaN is left out."""

    name: str
    points: tuple[tuple[float, float], ...]


def lines(several: Sequence[Line], across: str, up: str) -> str:
    """Lines over a common ground that begins at zero."""
    known = [(x, y) for line in several for x, y in line.points if math.isfinite(y)]
    if not known:
        return ""
    right, top = _round_up(max(x for x, _ in known)), _round_up(max(y for _, y in known))
    parts = [_ground(top, up), _label(_LEFT + (_WIDE - _LEFT) / 2, _HIGH + _BELOW - 10, across)]
    for step in range(5):
        x = right * step / 4
        parts.append(_label(_place(x / right), _HIGH + 18, f"{x:g}"))
    for number, line in enumerate(several):
        colour = COLOURS[number % len(COLOURS)]
        held = [(_place(x / right), _height(y / top)) for x, y in line.points if math.isfinite(y)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in held)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>' for x, y in held]
    return _svg(parts, [line.name for line in several])


def bars(groups: Sequence[str], several: Sequence[Line], up: str) -> str:
    """For each group a bar of each line, whose points' y are taken in order."""
    known = [y for line in several for _, y in line.points if math.isfinite(y)]
    if not known:
        return ""
    top = _round_up(max(known))
    parts, step = [_ground(top, up)], (_WIDE - _LEFT) / len(groups)
    width = 0.8 * step / len(several)
    for place, group in enumerate(groups):
        left = _LEFT + place * step + 0.1 * step
        x, y = left + 0.4 * step, _HIGH + 12
        turn = f'transform="rotate(-40 {x:.1f} {y})"'
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="end" {turn}>{escape(group)}</text>')
        for number, line in enumerate(several):
            value = line.points[place][1]
            if math.isfinite(value):
                high, colour = _height(value / top), COLOURS[number % len(COLOURS)]
                box = f'x="{left + number * width:.1f}" y="{high:.1f}" width="{width:.1f}" height="{_HIGH - high:.1f}"'
                parts.append(f'<rect {box} fill="{colour}"/>')
    return _svg(parts, [line.name for line in several], below=84)


def _svg(parts: list[str], names: list[str], below: int = _BELOW) -> str:
    """The plot with its legend underneath."""
    legend, left, top = [], float(_LEFT), _HIGH + below + 8
    for number, name in enumerate(names):
        wide = 34 + 7 * len(name)
        if left + wide > _WIDE:
            left, top = float(_LEFT), top + 20
        legend.append(
            f'<rect x="{left}" y="{top - 10}" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>'
        )
        legend.append(f'<text x="{left + 17}" y="{top}">{escape(name)}</text>')
        left += wide
    content = "".join(parts + legend)
    return (
        f'<svg viewBox="0 0 {_WIDE + 16} {top + 14}" role="img" font-size="12" font-family="sans-serif">{content}</svg>'
    )


def _ground(top: float, up: str) -> str:
    parts = []
    for step in range(5):
        y = _height(step / 4)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDE}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{top * step / 4:g}</text>')
    middle = (_TOP + _HIGH) / 2
    parts.append(
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{escape(up)}</text>'
    )
    return "".join(parts)


def _label(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{escape(words)}</text>'


def _place(share: float) -> float:
    return _LEFT + 8 + share * (_WIDE - _LEFT - 16)


def _height(share: float) -> float:
    return _HIGH - share * (_HIGH - _TOP)


def _round_up(value: float) -> float:
    """The next of 1, 2, 3, 4, 6, 8 and 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(power * step for step in (1, 2, 3, 4, 6, 8, 10) if power * step >= value * (1 - 1e-9))
