"""SynthOcc: drawn people behind things and patches, in sets of three sizes, the same for everybody who has the seed."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from ..adversary.record import hashed
from ..data.files import written_whole
from ..data.json_files import read_json
from ..errors import BadInput
from .detector import Detector
from .scenes import JOINTS, Scenes, shown_joints
from .selection import CLEAN, HIDDEN, clean, numbers_of, occluded
from .sources import Source

DRAWING = 1
"""Counts up whenever the same seed comes to give other pictures."""


@dataclass(frozen=True)
class Extent:
    """How many pictures of each kind, and how closely the places of patches follow each other."""

    name: str
    pictures: int
    stride: int
    """Of adversarial patches, pixels of a 224 px frame."""
    first: int = 0
    """So many pictures of each kind come before, and are left out."""

    def part(self, first: int, last: int) -> "Extent":
        """The pictures from the first to before the last one; less than all say in their protocol that they are a part."""
        if not 0 <= first < last <= self.pictures:
            raise BadInput(
                f"SynthOcc-{self.name}: expected some of its {self.pictures} pictures, found {first}:{last}."
            )
        if last - first == self.pictures:
            return self
        name = f"first {last}" if first == 0 else f"{first} to {last}"
        return replace(self, name=f"{self.name}, {name}", pictures=last - first, first=first)


SMALL, STANDARD, LARGE = Extent("small", 64, 20), Extent("standard", 1_000, 10), Extent("large", 10_000, 10)
EXTENTS = {extent.name: extent for extent in (SMALL, STANDARD, LARGE)}


class SynthOcc:
    """A benchmark of one extent and source.

    Args:
        extent: see there.
        source: where pictures come from.
        seed: of everything; tests use 2, choices are made on others.
        detector: of the keypoints that methods may use.
        folder: where the numbers of the pictures are kept once they are found; searched anew each time without it.
    """

    def __init__(
        self,
        extent: Extent,
        source: Source,
        *,
        seed: int = 2,
        detector: Detector | None = None,
        folder: Path | None = None,
    ) -> None:
        self.extent, self.source, self.seed = extent, source, seed
        self.detector = detector or Detector()
        self._kept = None if folder is None else folder / "numbers.json"
        self._numbers: dict[str, Int[Tensor, " N"]] = {}

    def __len__(self) -> int:
        return self.extent.pictures

    def card(self) -> dict[str, object]:
        """The protocol: all that pictures, truth and keypoints depend on, with a hash of it that every result carries."""
        card: dict[str, object] = {
            "benchmark": "SynthOcc", "drawing": DRAWING, "set": self.extent.name, "pictures": self.extent.pictures,
            "stride": self.extent.stride, "seed": self.seed, "size": list(self.source.studio.size), "joints": JOINTS,
            "clean": CLEAN, "natural": list(HIDDEN), "keypoints": self.detector.card(), **self.source.card,
        }  # fmt: skip
        if self.extent.first:
            card["first"] = self.extent.first
        return card | {"hash": hashed(card)}

    def numbers(self, kind: str, progress: Callable[[int, int], None] | None = None) -> Int[Tensor, " N"]:
        """Of the pictures that are ``clean`` or ``natural``; the first question draws them all once."""
        if not self._numbers:
            self._numbers = self._found(progress)
        return self._numbers[kind]

    def scenes(self, kind: str, part: slice) -> Scenes:
        """Some of the pictures of a kind, in the order of their numbers, whatever part is asked for."""
        numbers = self.numbers(kind)[part]
        pictures = self.source.studio.draw(self.seed, numbers)
        keypoints = self.detector(self.source.body, pictures, pictures.occluder, self.seed, numbers)
        return Scenes(pictures, shown_joints(pictures, pictures.occluder), keypoints, numbers)

    def _found(self, progress: Callable[[int, int], None] | None) -> dict[str, Int[Tensor, " N"]]:
        protocol = str(self.card()["hash"])
        if self._kept is not None and self._kept.exists():
            held = read_json(self._kept)
            if isinstance(held, dict) and held.pop("protocol", None) == protocol and set(held) == {"clean", "natural"}:
                return {kind: torch.tensor(own) for kind, own in held.items()}
        first = self.extent.first
        both = numbers_of(self.source.studio, self.seed, first + len(self), (clean, occluded), progress)
        found = {kind: own[first:] for kind, own in zip(("clean", "natural"), both, strict=True)}
        if self._kept is not None:
            with written_whole(self._kept) as path:
                plain = {kind: own.tolist() for kind, own in found.items()}
                path.write_text(json.dumps({"protocol": protocol, **plain}) + "\n", encoding="utf-8")
        return found
