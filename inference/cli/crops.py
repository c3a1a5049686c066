"""People cut out of pictures, and what a network reads in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.reading import PictureReader, Reading
from probbody.extractors.spots import likeliest_spots
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.crops import Crop
from probbody.pictures import as_array
from probbody.quantities import Record, joined

MARGIN = 1.2
"""How much larger than a person's box a crop is: so were those that shipped networks learnt from."""
AT_ONCE = 16
"""Crops that are read together."""
SEARCHES = 2
"""How often a person is looked for, where only the picture was given: each time nearer."""


@dataclass(frozen=True)
class ReadCrops(Record):
    """Crops around people, their cameras (the world is the picture's camera frame), and what was read in them."""

    crop: Crop
    camera: PinholeCamera
    images: Float[Tensor, "B 3 H W"]
    reading: Reading

    def __len__(self) -> int:
        return len(self.crop)

    def surely(self) -> Float[Tensor, " B"] | None:
        """How sure the reader is of where joints are, the mean over them; None for one that does not tell."""
        if self.reading.spots is None:
            return None
        return likeliest_spots(self.reading.spots, self.crop.resolution)[..., 2].mean(1)

    def boxes(self) -> Float[Tensor, "B 4"]:
        """Where the crops are in their pictures: left, top, right, bottom in pixels."""
        height, width = self.crop.resolution
        corners = self.crop.centre.new_tensor([[0.0, 0.0], [width, height]])
        return self.crop.back(corners.expand(len(self), 2, 2)).flatten(1)


@dataclass(frozen=True)
class Sought:
    """Where to look in one picture, in pixels of it, and by which camera it was taken: the same once for each box."""

    photograph: Image.Image
    boxes: Float[Tensor, "B 4"]
    """Left, top, right, bottom."""
    camera: PinholeCamera
    begun: bool = False
    """Whether the boxes are only where the search begins: then the part map says where to look more closely."""


@torch.no_grad()
def read_crops(sought: Sequence[Sought], learnt: LearntFeatures) -> list[ReadCrops]:
    """What the network reads around the people of some pictures: all crops together, a picture at a time handed back."""
    placed, once = list(sought), replace(learnt, looks=None)  # whom one looks for, a single look finds
    searched = [n for n, each in enumerate(placed) if each.begun]
    for _ in range(SEARCHES):
        found = _read([placed[n] for n in searched], once) if searched else []
        nearer = {n: _nearer(placed[n], each) for n, each in zip(searched, found, strict=True)}
        searched = [n for n, each in nearer.items() if each is not None]
        placed = [nearer.get(n) or each for n, each in enumerate(placed)]
    return _read(placed, learnt)


def _nearer(sought: Sought, found: ReadCrops) -> Sought | None:
    """Boxes around what the part maps show; None where one of them shows hardly anything."""
    boxes = [box_of_parts(parts) for parts in found.reading.parts]
    known = [box for box in boxes if box is not None]
    if len(known) < len(boxes):
        return None
    height, width = found.crop.resolution
    corners = torch.stack(known).unflatten(1, (2, 2)) * found.images.new_tensor([width, height])
    return replace(sought, boxes=found.crop.back(corners).flatten(1))


def box_of_parts(parts: Float[Tensor, "P h w"], least: float = 0.5) -> Float[Tensor, " 4"] | None:
    """The box around the pixels that show a body, in shares of the map; None where there are hardly any.

    The outermost hundredth of them on each side does not count, so that single pixels that are wrong do not widen it.
    """
    body = 1 - parts[0]
    rows, columns = (body > least).nonzero(as_tuple=True)
    if len(rows) < 0.005 * body.numel():
        return None
    ends = torch.tensor([0.01, 0.99], device=body.device)
    height, width = body.shape
    (left, right), (top, bottom) = (axis.float().quantile(ends) for axis in (columns, rows))
    edges = torch.stack([left / width, top / height, (right + 1) / width, (bottom + 1) / height])
    return edges.to(parts)


def _read(sought: Sequence[Sought], learnt: LearntFeatures) -> list[ReadCrops]:
    cut = [_cut(each, learnt.reader) for each in sought]
    images, cameras = torch.cat([images for _, images, _ in cut]), joined([camera for _, _, camera in cut])
    some = torch.arange(len(images)).split(AT_ONCE)
    reading = joined([learnt.read(images[part], cameras[part]) for part in some])
    ends = torch.tensor([len(crop) for crop, _, _ in cut]).cumsum(0).tolist()
    return [
        ReadCrops(crop, camera, own, reading[torch.arange(end - len(crop), end)])
        for (crop, own, camera), end in zip(cut, ends, strict=True)
    ]


def _cut(sought: Sought, reader: PictureReader) -> tuple[Crop, Float[Tensor, "B 3 H W"], PinholeCamera]:
    crop = Crop.around(sought.boxes.to(sought.camera.focal), reader.size, MARGIN)
    picture = as_array(sought.photograph).to(sought.camera.focal)
    images = crop.warp(picture.expand(len(crop), -1, -1, -1)).clamp(0, 1)
    return crop, images, crop.camera(sought.camera)
