"""The pictures that methods did best and worst on, with what each of them took the body for."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from PIL import Image

from probbody.contracts import ArticulatedBody
from probbody.maps import captioned, on_top_of_each_other
from probbody.pictures import as_picture, beside_each_other, draw_mesh, from_the_side
from probbody.synthocc import Condition

from ..measured import Measured
from ..trial import Look, Trial

_SIDE, _WIDE = 180, 3
"""Pixels of a tile; how many bodies there are beside each other."""


@dataclass(frozen=True)
class Shown:
    """A row of tiles, and what to say of it."""

    words: str
    sheet: Image.Image


def best_and_worst(
    trial: Trial,
    condition: Condition,
    answers: Mapping[str, Measured],
    judged: str,
    count: int = 3,
) -> list[Shown]:
    """The pictures that the method ``judged`` did best and worst on: the truth, and every method's body, also from the side.

    ``answers`` are those of all methods under this condition, by name; the error is the mean over all joints, the root at the
    origin, or where no joints are known in metres over keypoints in the picture.
    """
    errors, unit = answers[judged].rooted().of_images(), "mm"
    if bool(errors.isnan().all()):
        errors, unit = 100 * answers[judged].near.nanmean(1), "% of the box"
    order = [row for row in errors.argsort().tolist() if not bool(errors[row].isnan())]
    count = min(count, len(order) // 2 or 1)
    rows = []
    for place, row in [*(("best", n) for n in order[:count]), *(("worst", n) for n in order[-count:])]:
        look = trial.cases(condition, slice(row, row + 1)).look(0)
        words = f"{condition.name}, {look.name}, {place} of {judged}: {float(errors[row]):.0f} {unit}"
        rows.append(Shown(words, _row(look, row, answers, trial.body)))
    return rows


def _row(look: Look, row: int, answers: Mapping[str, Measured], body: ArticulatedBody) -> Image.Image:
    picture = as_picture(look.image).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    tiles: list[Image.Image] = []
    if look.truth is not None:
        tiles.append(_pair(picture, look, look.truth, "truth", body))
    for name, held in answers.items():
        pose = held.pose[row]
        if bool(pose.rotations.isfinite().all()):
            tiles.append(_pair(picture, look, body(pose).vertices[0].detach(), name, body))
    blank = Image.new("RGB", picture.size, (255, 255, 255))
    rows = [tiles[first : first + _WIDE] for first in range(0, max(len(tiles), 1), _WIDE)]
    leads = [picture, *[blank] * (len(rows) - 1)]  # so that bodies stand below each other
    return on_top_of_each_other([beside_each_other([lead, *some]) for lead, some in zip(leads, rows, strict=True)])


def _pair(picture: Image.Image, look: Look, vertices: torch.Tensor, name: str, body: ArticulatedBody) -> Image.Image:
    """A body over the picture, and from the side."""
    camera = look.camera.resized((_SIDE, _SIDE))
    over, beside = picture.copy(), Image.new("RGB", (_SIDE, _SIDE), (255, 255, 255))
    mesh = draw_mesh((_SIDE, _SIDE), vertices, camera.project(vertices[None])[0], body.faces)
    mesh.putalpha(mesh.getchannel("A").point(lambda alpha: int(0.75 * alpha)))
    over.paste(mesh, (0, 0), mesh)
    side = from_the_side(vertices)
    turned = draw_mesh((_SIDE, _SIDE), side, camera.project(side[None])[0], body.faces)
    beside.paste(turned, (0, 0), turned)
    return beside_each_other([captioned(over, name), beside], gap=0)
