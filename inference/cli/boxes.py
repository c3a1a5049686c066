"""Where in a picture a person is: told, painted, around keypoints, or anywhere."""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probbody.data.keypoints import People
from probbody.errors import BadInput
from probbody.pictures import read_picture

from .crops import MARGIN
from .people import CONFIDENT

BEYOND = 0.08
"""How far a person reaches beyond their keypoints to each side, as a share of the longer side of the box around these."""

REACH = 3.0
"""How far beyond the picture boxes may reach, and keypoints that a box is drawn around: times its longer side."""


def told_box(words: str, size: tuple[int, int]) -> Float[Tensor, "1 4"]:
    """The box that ``left,top,right,bottom`` stands for, in pixels of a picture of that height and width."""
    try:
        left, top, right, bottom = (float(number) for number in words.split(","))
    except ValueError as error:
        raise BadInput(f"--box: expected left,top,right,bottom in pixels, found {words!r}.") from error
    if not (right - left >= 1 and bottom - top >= 1):
        raise BadInput(f"--box: expected a right and a bottom a pixel or more beyond left and top, found {words!r}.")
    height, width = size
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        raise BadInput(f"--box: expected a box in the picture, of {width} x {height} pixels, found {words!r}.")
    far = REACH * max(size)
    if min(left, top) < -far or right > width + far or bottom > height + far:
        raise BadInput(
            f"--box: expected a box that reaches at most {far:g} pixels beyond the picture, of {width} x {height} pixels, "
            f"found {words!r}."
        )
    return torch.tensor([[left, top, right, bottom]])


def painted_box(path: Path, size: tuple[int, int]) -> Float[Tensor, "1 4"]:
    """The box around what a mask shows bright: a picture of the same height and width, dark or clear where no person is."""
    mask = np.asarray(read_picture(path, over=(0, 0, 0))).max(-1)
    if mask.shape != size:
        raise BadInput(
            f"{path}: expected a mask of {size[1]} x {size[0]} pixels, as the picture has, found one of "
            f"{mask.shape[1]} x {mask.shape[0]}."
        )
    if not mask.any():
        raise BadInput(f"{path}: expected a mask with a person in it, found it empty.")
    rows, columns = np.nonzero(2 * mask.astype(int) > mask.max())
    edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return torch.tensor([edges], dtype=torch.float32)


def mask_for(image: Path, masks: Path) -> Path:
    """The mask of a picture: the file itself, or that of a folder which is named after the picture."""
    if not masks.is_dir():
        return masks
    names = dict.fromkeys((image.name, f"{image.name}.png", f"{image.stem}.png"))
    found = next((masks / name for name in names if (masks / name).exists()), None)
    if found is None:
        raise BadInput(f"{masks}: expected a mask named {', '.join(names)}, found none.")
    return found


def keypoint_boxes(people: People, size: tuple[float, float] = (math.inf, math.inf)) -> Float[Tensor, "B 4"]:
    """The boxes that the file has, or boxes around the keypoints seen, as much larger as people are.

    A box of the file is not believed where it lies beside the picture (``size``: height and width), reaches absurdly far
    beyond it, or holds no more than half of the person's keypoints.
    """
    points, confidence = people.keypoints[..., :2], people.keypoints[..., 2]
    picture = points.new_tensor([0.0, 0.0, size[1], size[0]])
    reach = picture + REACH * max(size) * points.new_tensor([-1.0, -1.0, 1.0, 1.0])
    near = _inside(points, reach) & people.seen()
    sure = near & (confidence >= CONFIDENT)
    counted = torch.where(sure.any(-1, keepdim=True), sure, near)  # there is one near the picture, however unsure
    low = points.masked_fill(~counted[..., None], torch.inf).amin(1)
    high = points.masked_fill(~counted[..., None], -torch.inf).amax(1)
    more = BEYOND * (high - low).amax(-1, keepdim=True).clamp_min(1.0)
    around = torch.cat([low - more, high + more], dim=1)
    if people.boxes is None:
        return around
    corner, sides = people.boxes.split(2, dim=1)
    boxes = torch.cat([corner, corner + sides], dim=1)
    held = _inside(points, boxes[:, None]) & counted
    believed = (
        (sides > 1).all(-1)
        & (boxes[:, :2] < picture[2:]).all(-1) & (boxes[:, 2:] > 0).all(-1)
        & _inside(boxes.unflatten(1, (2, 2)), reach).all(-1)
        & (2 * held.sum(-1) > counted.sum(-1))
    )  # fmt: skip
    return torch.where(believed[:, None], boxes, around)


def _inside(points: Float[Tensor, "B P 2"], box: Float[Tensor, "*B 4"]) -> Bool[Tensor, "B P"]:
    return ((points >= box[..., :2]) & (points <= box[..., 2:])).all(-1)


def whole_picture(size: tuple[int, int]) -> Float[Tensor, "1 4"]:
    """A box whose crop just holds the picture."""
    height, width = size
    middle, half = torch.tensor([width, height]) / 2, torch.tensor([width, height]) / (2 * MARGIN)
    return torch.cat([middle - half, middle + half])[None]
