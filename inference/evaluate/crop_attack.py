"""Patches on crops of a data set, where they harm a method most: 3DPW-AdvOcc, and the same on other sets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.adversary import Attack, Targets, WorstPatches, read_patches
from probbody.adversary.sensitivity import ErrorMap
from probbody.errors import BadInput

from .method import Method, Seen
from .set_crops import Crops


@dataclass(frozen=True)
class CropAttack:
    """A search whose finds are kept in a folder, a file a person."""

    attack: Attack
    victim: Method
    folder: Path | None = None
    at_once: int = 64
    known: WorstPatches | None = None
    """Found elsewhere, and not searched for."""

    def __call__(self, crops: Crops, condition: str) -> Crops:
        """The crops behind their worst patches; a set without joints in metres, placed in its pictures, is refused."""
        targets = self._targets(crops)
        images, boxes = [], []
        for row, name in enumerate(targets.names):
            one, path = _only(targets, row), self._place(name)
            victim = self._method(crops, row)
            found = self.attack.search(victim, one, at_once=self.at_once, path=path, known=self.known)
            images.append(self.attack.replayed(found, one).images)
            boxes.append(found.patches[0].box)
        return replace(crops, images=torch.cat(images), condition=condition, patches=torch.tensor(boxes))

    def map(self, crops: Crops) -> ErrorMap:
        """The error at every place of the first of the crops."""
        (found,) = self.attack.maps(self._method(crops, 0), _only(self._targets(crops), 0), self.at_once)
        return found

    def patches(self, size: tuple[int, int], count: int) -> WorstPatches:
        """Those kept of the set's first so many people, as one record; ``size``: of the crops."""
        own = self.attack.protocol(size)
        paths = [self._place(_name(number)) for number in range(count)]
        held = [read_patches(path) for path in paths if path is not None]
        for each in held:
            each.check(own)
        return WorstPatches(own, tuple(patch for each in held for patch in each.patches))

    def _place(self, name: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{name}.json"

    def _method(self, crops: Crops, row: int) -> Callable[[Float[Tensor, "N 3 H W"]], Float[Tensor, "N J 3"]]:
        """The victim, shown versions of one crop."""
        return lambda shown: self._joints(crops, row, shown)

    def _targets(self, crops: Crops) -> Targets:
        (truth, known), places = crops.truth(), crops.places()
        placed = known & places.isfinite().all(-1)
        if not bool(placed.any(1).all()):
            raise BadInput(
                f"--condition: expected joints in metres that are placed in the pictures, as patches are to hide some,"
                f" found none in {crops.people.source}."
            )
        names = tuple(_name(crops.first + row) for row in range(len(crops)))
        return Targets(crops.images, truth, places, names, placed)

    def _joints(self, crops: Crops, row: int, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N J 3"]:
        """What the victim says of versions of one crop."""
        one = crops.seen()[[row] * len(images)]
        nothing = torch.zeros_like(one.keypoints)
        answer = self.victim(Seen(images, one.camera, nothing, one.names))
        return crops.judged.said(crops.body, answer, self.victim.name)


def _name(number: int) -> str:
    """Of a person, by the number in the set."""
    return f"{number:06d}"


def _only(targets: Targets, row: int) -> Targets:
    one = slice(row, row + 1)
    counted = None if targets.counted is None else targets.counted[one]
    return Targets(targets.images[one], targets.joints[one], targets.pixels[one], targets.names[one], counted)
