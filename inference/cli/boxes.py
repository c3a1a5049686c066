"""Where in a picture a person is: told, painted, around keypoints, or anywhere."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from probbody.data.keypoints import People
from probbody.errors import BadInput
from probbody.pictures import read_picture

from .crops import MARGIN
from .people import CONFIDENT

BEYOND = 0.08
"""How far a person reaches beyond their keypoints to each side, as a share of the longer side of the box around these."""

FARTHEST = 1e6
"""Pixels from a picture's corner that a box may reach."""


def told_box(words: str, size: tuple[int, int]) -> Float[Tensor, "1 4"]:
    """The box that ``left,top,right,bottom`` stands for, in pixels of a picture of that height and width."""
    try:
        left, top, right, bottom = (float(number) for number in words.split(","))
    except ValueError as error:
        raise BadInput(f"--box: expected left,top,right,bottom in pixels, found {words!r}.") from error
    if not all(abs(number) <= FARTHEST for number in (left, top, right, bottom)):
        raise BadInput(f"--box: expected four numbers of at most {FARTHEST:g}, found {words!r}.")
    if not (right - left >= 1 and bottom - top >= 1):
        raise BadInput(f"--box: expected a right and a bottom a pixel or more beyond left and top, found {words!r}.")
    height, width = size
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        raise BadInput(f"--box: expected a box in the picture, of {width} x {height} pixels, found {words!r}.")
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


def keypoint_boxes(people: People) -> Float[Tensor, "B 4"]:
    """The boxes that the file has, or boxes around the keypoints seen, as much larger as people are."""
    if people.boxes is not None and bool((people.boxes[:, 2:] > 1).all()):
        return torch.cat([people.boxes[:, :2], people.boxes[:, :2] + people.boxes[:, 2:]], dim=1)
    unseen = people.keypoints[..., 2:] < CONFIDENT
    points = people.keypoints[..., :2]
    low, high = points.masked_fill(unseen, torch.inf).amin(1), points.masked_fill(unseen, -torch.inf).amax(1)
    more = BEYOND * (high - low).amax(-1, keepdim=True).clamp_min(1.0)
    return torch.cat([low - more, high + more], dim=1)


def whole_picture(size: tuple[int, int]) -> Float[Tensor, "1 4"]:
    """A box whose crop just holds the picture."""
    height, width = size
    middle, half = torch.tensor([width, height]) / 2, torch.tensor([width, height]) / (2 * MARGIN)
    return torch.cat([middle - half, middle + half])[None]
