"""People in photographs with a square pasted over them, at places that a seed decides."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool
from marked_people import Marked
from PIL import Image
from torch import Tensor

from probbody.adversary import ProceduralTextures
from probbody.data.keypoints import People
from probbody.inference.cli.crops import MARGIN

SIDE, FRAME = 80, 224
"""Pixels of the patch, in a crop around the person that is so many pixels wide."""


@dataclass(frozen=True)
class Patched:
    """One person behind a patch: everything else of the photograph is as it was."""

    marked: Marked
    box: tuple[int, int, int, int]
    """Of the patch: left, top, right, bottom."""

    def hidden(self) -> Bool[Tensor, " P"]:
        """Which keypoints are behind the patch."""
        left, top, right, bottom = self.box
        u, v = self.marked.people.keypoints[0, :, :2].unbind(-1)
        return (u > left) & (u < right) & (v > top) & (v < bottom)


def patched(marked: Marked, places: int, seed: int) -> Iterator[Patched]:
    """Each person of a photograph behind some patches: textures and places are known by the seed and the person's name."""
    textures = ProceduralTextures(seed)
    for person, name in enumerate(marked.people.names):
        chance = np.random.default_rng([seed, *name.encode()])
        for _ in range(places):
            one = replace(marked, people=marked.people[[person]])
            side = max(1, math.floor(SIDE / FRAME * MARGIN * float(one.sides[0]) + 0.5))
            left, top = (round(middle - side / 2) for middle in _on_the_body(one.people, chance))
            texture = textures(int(chance.integers(textures.count)), side)
            photograph = marked.photograph.convert("RGB").copy()
            photograph.paste(Image.fromarray(texture.permute(1, 2, 0).numpy()), (left, top))
            yield Patched(replace(one, photograph=photograph), (left, top, left + side, top + side))


def _on_the_body(person: People, chance: np.random.Generator) -> tuple[float, float]:
    """A point somewhere between two of the keypoints that are marked."""
    marked = person.keypoints[0][person.keypoints[0, :, 2] > 0][:, :2]
    first, second = marked[torch.from_numpy(chance.choice(len(marked), 2, replace=False))].tolist()
    share = chance.random()
    return first[0] + share * (second[0] - first[0]), first[1] + share * (second[1] - first[1])
