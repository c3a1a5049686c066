"""Patches on crops of a data set, where they harm a method most: 3DPW-AdvOcc, and the same on other sets."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.adversary import Attack, Targets
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

    def __call__(self, crops: Crops, condition: str) -> Crops:
        """The crops behind their worst patches; a set without joints in metres, placed in its pictures, is refused."""
        targets = self._targets(crops)
        images, boxes = [], []
        for row, name in enumerate(targets.names):
            one = _only(targets, row)
            path = None if self.folder is None else self.folder / f"{name}.json"
            found = self.attack.search(
                lambda shown, row=row: self._joints(crops, row, shown),  # type: ignore[misc]
                one,
                at_once=self.at_once,
                path=path,
            )
            images.append(self.attack.replayed(found, one).images)
            boxes.append(found.patches[0].box)
        return replace(crops, images=torch.cat(images), condition=condition, patches=torch.tensor(boxes))

    def _targets(self, crops: Crops) -> Targets:
        (truth, known), places = crops.truth(), crops.places()
        placed = known & places.isfinite().all(-1)
        if not bool(placed.any(1).all()):
            raise BadInput(
                f"--condition: expected joints in metres that are placed in the pictures, as patches are to hide some,"
                f" found none in {crops.people.source}."
            )
        names = tuple(f"{crops.first + row:06d}" for row in range(len(crops)))
        return Targets(crops.images, truth, places, names, placed)

    def _joints(self, crops: Crops, row: int, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N J 3"]:
        """What the victim says of versions of one crop."""
        one = crops.seen()[[row] * len(images)]
        nothing = torch.zeros_like(one.keypoints)
        answer = self.victim(Seen(images, one.camera, nothing, one.names))
        return crops.judged.said(crops.body, answer, self.victim.name)


def _only(targets: Targets, row: int) -> Targets:
    one = slice(row, row + 1)
    counted = None if targets.counted is None else targets.counted[one]
    return Targets(targets.images[one], targets.joints[one], targets.pixels[one], targets.names[one], counted)
