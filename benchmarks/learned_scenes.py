"""Drawn pictures that nothing was learnt from, whole and with opaque patches, and what is known of each.

Poses of takes that nothing learns from, bodies, clothes and cameras of a seed of their own, backdrops of three scenes that
no training saw (``venice``, ``hall``, ``forest``). Pictures in which something already hides more than a fiftieth of the
person are passed over. A patch is a square of 40 or 80 px of a 224 px frame, its middle on a random pixel
of the person, one colour or noise.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool

from probbody.inference.learn.pose_data import taught_and_held_out
from probbody.synth import LabelledPictures
from probbody.synthocc import captured, clean, gathered, shown_joints

TEST, SELECTION = 2, 3
"""Seeds: of the pictures that are measured on, and of those that choices are made on."""
HELD_OUT = ("venice", "hall", "forest")
FRAME = 224


@dataclass(frozen=True)
class UnseenPictures:
    """Pictures, the truth, and which joints one sees."""

    pictures: LabelledPictures
    shown: Bool[torch.Tensor, "B J"]
    hidden: Bool[torch.Tensor, "B H W"]
    """Pixels where something is before the person, or would be."""

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, part: slice) -> "UnseenPictures":
        """Some of them."""
        return UnseenPictures(self.pictures[part], self.shown[part], self.hidden[part])


def unseen_pictures(data: Path, count: int, seed: int = TEST) -> UnseenPictures:
    """Clean ones, in the order of their numbers."""
    kept = taught_and_held_out(data / "mocap")[1]
    studio = captured(kept.angles, kept.chances, data / "backgrounds", HELD_OUT).studio
    found = gathered(studio, seed, count, clean)
    return UnseenPictures(found, shown_joints(found, found.occluder), found.occluder)


def behind_patches(scenes: UnseenPictures, side: int, seed: int = 0) -> UnseenPictures:
    """The same behind one patch each; ``side`` in pixels of the 224 px frame."""
    pictures = scenes.pictures
    height, width = pictures.camera.size
    reach = round(side * width / FRAME)
    generator = torch.Generator().manual_seed(1_000 * seed + side)
    images, hidden = pictures.images.clone(), scenes.hidden.clone()
    for row in range(len(pictures)):
        person = pictures.mask[row].nonzero()
        middle = person[int(torch.randint(len(person), (), generator=generator))]
        top, left = (int(m) - reach // 2 for m in middle)
        area = slice(max(top, 0), min(top + reach, height)), slice(max(left, 0), min(left + reach, width))
        colour = torch.rand(3, 1, 1, generator=generator)
        grain = torch.rand(3, height, width, generator=generator) - 0.5
        rough = float(torch.rand((), generator=generator) < 0.5)
        images[row][:, *area] = (colour + rough * grain).clamp(0, 1)[:, *area]
        hidden[row][area] = True
    return UnseenPictures(replace(pictures, images=images, occluder=hidden), shown_joints(pictures, hidden), hidden)
