"""From maps of chances to places: where each joint is likeliest, and how surely."""

import torch
from jaxtyping import Float
from torch import Tensor

REACH = 2
"""Places to each side of the likeliest that count as the same."""


def likeliest_spots(spots: Float[Tensor, "B J h w"], size: tuple[int, int]) -> Float[Tensor, "B J 3"]:
    """(u, v, confidence), as keypoints are, in pixels of a picture of that size (height, width).

    The place is the mean about the likeliest place of each map, the confidence the chance there, in a window of five by five.
    """
    height, width = spots.shape[2:]
    best = spots.flatten(2).argmax(-1, keepdim=True)
    row, column = torch.div(best, width, rounding_mode="floor"), best % width
    reach = torch.arange(-REACH, REACH + 1, device=spots.device)
    down, across = (axis.flatten() for axis in torch.meshgrid(reach, reach, indexing="ij"))
    rows, columns = row + down, column + across
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    where = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    chance = spots.flatten(2).gather(2, where) * inside
    total = chance.sum(-1).clamp_min(torch.finfo(chance.dtype).tiny)
    place = torch.stack([(chance * (part + 0.5)).sum(-1) / total for part in (columns, rows)], dim=-1)
    scale = place.new_tensor([size[1] / width, size[0] / height])
    return torch.cat([place * scale, total.clamp(0, 1).unsqueeze(-1)], dim=-1)
