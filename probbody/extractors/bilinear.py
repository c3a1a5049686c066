"""Between the places of a map: which four are around a point, and what each counts."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def around(
    points: Float[Tensor, "B N 2"], size: tuple[int, int]
) -> tuple[Int[Tensor, "B N 4"], Float[Tensor, "B N 4"]]:
    """The four places of a flattened map around each point, and their weights, whose sum is 1.

    Args:
        points: (x, y) in shares of the picture, whose places lie in the middles of their cells; those further out than the
            outermost places count as on them.
        size: (height, width) of the map, 2 or more each.
    """
    height, width = size
    place = (points * points.new_tensor([width, height]) - 0.5).clamp_min(0)
    place = place.minimum(points.new_tensor([width - 1.0, height - 1.0]))
    corner = place.floor().minimum(points.new_tensor([width - 2.0, height - 2.0]))
    right, down = (place - corner).unbind(-1)
    first = (corner[..., 1] * width + corner[..., 0]).long()
    weight = torch.stack([(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down], dim=-1)
    return torch.stack([first, first + 1, first + width, first + width + 1], dim=-1), weight
