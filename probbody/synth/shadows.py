"""The shadow that a person casts on the ground."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..geometry.cameras import NEAREST, PinholeCamera
from .chances import Chances
from .lights import Light

_COARSE = 32  # cells along a side of the map that shadows are gathered on


def cast(
    vertices: Float[Tensor, "B V 3"], camera: PinholeCamera, light: Light, chances: Chances
) -> Float[Tensor, "B H W"]:
    """How much light the ground loses at each pixel, in [0, 1): soft, and dark where somebody touches the ground.

    Vertices are moved along the light to a plane through the lowest of them; each darkens the cells around its pixel.
    """
    height = (vertices * light.up.unsqueeze(1)).sum(-1)
    above = height - height.amin(1, keepdim=True)
    steep = (light.towards * light.up).sum(-1, keepdim=True).clamp_min(0.35)
    ground = vertices - (above / steep).unsqueeze(-1) * light.towards.unsqueeze(1)
    seen = camera.project(ground)
    place = seen[..., :2] * (_COARSE / seen.new_tensor([camera.size[1], camera.size[0]])) - 0.5
    near = torch.exp(-above / chances.uniform(1, low=0.15, high=1.2))
    near = near * (seen[..., 2] > NEAREST)
    total = _splat(place, near)
    dark = chances.uniform(1, 1, high=0.75) * (1 - torch.exp(-0.25 * total))
    return torch.nn.functional.interpolate(dark.unsqueeze(1), camera.size, mode="bilinear", align_corners=False)[:, 0]


def _splat(place: Float[Tensor, "B V 2"], weight: Float[Tensor, "B V"]) -> Float[Tensor, "B C C"]:
    """Weights spread over the nearest cells, then blurred once."""
    bodies, side = len(place), _COARSE
    corner = place.floor()
    part = place - corner
    total = weight.new_zeros(bodies * (side + 4) ** 2)
    start = torch.arange(bodies, device=place.device).unsqueeze(-1) * (side + 4) ** 2
    column, row = (corner.clamp(-2, side) + 2).long().unbind(-1)
    for right in (0, 1):
        for down in (0, 1):
            share = (part[..., 0] if right else 1 - part[..., 0]) * (part[..., 1] if down else 1 - part[..., 1])
            cell = start + (row + down) * (side + 4) + column + right
            total.index_add_(0, cell.flatten(), (share * weight).flatten())
    wide = total.view(bodies, side + 4, side + 4)
    wide = (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4
    wide = (wide[:, :, :-2] + 2 * wide[:, :, 1:-1] + wide[:, :, 2:]) / 4
    return wide[:, 1:-1, 1:-1]
