"""Drawn pictures that nothing was learnt from, whole and with opaque patches at random places.

Poses of takes that nothing learns from, bodies, clothes and cameras of a seed of their own, backdrops of three scenes that
no training saw (``venice``, ``hall``, ``forest``). Pictures in which something already hides more than a fiftieth of the
person are passed over.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from probbody.inference.evaluate.on_synthocc import OnSynthOcc
from probbody.inference.learn.pose_data import taught_and_held_out
from probbody.synthocc import Condition, Extent, Scenes, SynthOcc, captured

TEST, SELECTION = 2, 3
"""Seeds: of the pictures that are measured on, and of those that choices are made on."""
HELD_OUT = ("venice", "hall", "forest")
FRAME = 224


def unseen_pictures(data: Path, count: int, seed: int = TEST, folder: Path | None = None) -> OnSynthOcc:
    """The first so many; ``folder`` keeps their numbers, which take a while to find."""
    kept = taught_and_held_out(data / "mocap")[1]
    source = captured(kept.angles, kept.chances, data / "backgrounds", HELD_OUT)
    return OnSynthOcc(SynthOcc(Extent("unseen", count, FRAME), source, seed=seed, folder=folder))


@dataclass(frozen=True)
class RandomPatch(Condition):
    """The clean pictures behind a square each, one colour or noise, its middle on any pixel of the person."""

    side: int
    """Pixels of a 224 px frame."""

    @property
    def name(self) -> str:  # type: ignore[override]
        """As papers call it."""
        return f"@{self.side}"

    def card(self, benchmark: SynthOcc) -> dict[str, object]:
        """The side, and how places are drawn."""
        del benchmark
        return {"side": self.side, "middle": "on any pixel of the person"}

    def scenes(self, benchmark: SynthOcc, part: slice) -> Scenes:
        """Each behind the patch that the seed and its number decide."""
        clean = benchmark.scenes("clean", part)
        pictures = clean.pictures
        height, width = pictures.camera.size
        reach = round(self.side * width / FRAME)
        images, hidden = pictures.images.clone(), pictures.occluder.clone()
        for row, number in enumerate(clean.numbers.tolist()):
            generator = torch.Generator().manual_seed(1_000 * (1_000_003 * benchmark.seed + number) + self.side)
            person = pictures.mask[row].nonzero()
            middle = person[int(torch.randint(len(person), (), generator=generator))]
            top, left = (int(m) - reach // 2 for m in middle)
            area = slice(max(top, 0), min(top + reach, height)), slice(max(left, 0), min(left + reach, width))
            colour = torch.rand(3, 1, 1, generator=generator)
            grain = torch.rand(3, height, width, generator=generator) - 0.5
            rough = float(torch.rand((), generator=generator) < 0.5)
            images[row][:, *area] = (colour + rough * grain).clamp(0, 1)[:, *area]
            hidden[row][area] = True
        keypoints = benchmark.detector(benchmark.source.body, pictures, hidden, benchmark.seed, clean.numbers)
        return clean.seen_as(images, hidden, keypoints)
