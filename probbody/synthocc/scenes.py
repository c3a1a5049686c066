"""Pictures of a benchmark: what a method is given of them, and the truth that it is judged by."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..quantities import Record
from ..synth.labels import LabelledPictures

JOINTS = 22
"""SMPL's without the hands: those that are measured, the root first."""


@dataclass(frozen=True)
class Scenes(Record):
    """Pictures, the truth about each, which joints one sees, and the keypoints that a detector would find."""

    pictures: LabelledPictures
    """``occluder`` tells of patches too."""
    shown: Bool[Tensor, "B J"]
    """Joints that are in the picture with nothing before them but the person; the first ``JOINTS``."""
    keypoints: Float[Tensor, "B P 3"]
    """``coco17``: pixels and confidence, zero where nothing was found."""
    numbers: Int[Tensor, " B"]
    """Of the pictures, by which they were drawn."""

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def joints(self) -> Float[Tensor, "B J 3"]:
        """The true joints that are measured, metres, in the camera's frame."""
        return self.pictures.joints[:, :JOINTS]

    def names(self) -> tuple[str, ...]:
        """One for each picture, from its number."""
        return tuple(f"{number:06d}" for number in self.numbers.tolist())

    def witness(self) -> Float[Tensor, " B"]:
        """The mean brightness of each picture without what was pasted on, by which pictures drawn otherwise are told."""
        open_, images = ~self.pictures.occluder, self.pictures.images.double().mean(1)
        return (images * open_).sum((1, 2)) / open_.sum((1, 2)).clamp_min(1)

    def seen_as(
        self,
        images: Float[Tensor, "B 3 H W"],
        hidden: Bool[Tensor, "B H W"],
        keypoints: Float[Tensor, "B P 3"],
    ) -> "Scenes":
        """The same people with something more before them."""
        pictures = replace(self.pictures, images=images, occluder=hidden)
        return Scenes(pictures, shown_joints(pictures, hidden), keypoints, self.numbers)


def shown_joints(pictures: LabelledPictures, hidden: Bool[Tensor, "B H W"]) -> Bool[Tensor, "B J"]:
    """Joints in the picture with nothing before them but the person."""
    return in_the_open(pictures.camera.project(pictures.joints[:, :JOINTS])[..., :2], hidden)


def in_the_open(places: Float[Tensor, "B P 2"], hidden: Bool[Tensor, "B H W"]) -> Bool[Tensor, "B P"]:
    """Which pixels (u, v) are inside of a picture and not hidden."""
    u, v = places.floor().long().unbind(-1)
    height, width = hidden.shape[1:]
    inside = (u >= 0) & (v >= 0) & (u < width) & (v < height)
    row = torch.arange(len(hidden), device=hidden.device)[:, None]
    return inside & ~hidden[row, v.clamp(0, height - 1), u.clamp(0, width - 1)]
