"""Light on people: a lamp, the sky above and the ground below."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..quantities import Record
from .chances import Chances


@dataclass(frozen=True)
class Light(Record):
    """One lamp far away, and light from everywhere; in the camera's frame, colours as factors of a surface's own."""

    up: Float[Tensor, "B 3"]
    towards: Float[Tensor, "B 3"]
    """The lamp."""
    lamp: Float[Tensor, "B 3"]
    sky: Float[Tensor, "B 3"]
    ground: Float[Tensor, "B 3"]
    rim: Float[Tensor, "B 3"]
    """Of light from behind, on what turns away from the camera."""
    soft: Float[Tensor, "B 1"]
    """How far round a surface the lamp reaches: 0 for a point, towards 1 for a window."""

    def __len__(self) -> int:
        return len(self.up)


def lit(chances: Chances, up: Float[Tensor, "B 3"], surroundings: Float[Tensor, "B 3"]) -> Light:
    """Light that may or may not agree with the mean colour of the surroundings."""
    turn = chances.uniform(1) * 6.2832
    rise = chances.uniform(1, low=-0.15, high=1.35)
    level = torch.nn.functional.normalize(
        torch.linalg.cross(up, up.new_tensor([[0.0, 0.0, 1.0]]).expand_as(up)), dim=-1
    )
    other = torch.linalg.cross(level, up)
    towards = rise.cos() * (turn.cos() * level + turn.sin() * other) + rise.sin() * up
    agree = chances.uniform(1)
    brightness = surroundings.mean(-1, keepdim=True)
    exposure = 1 + agree * (0.55 + 1.0 * brightness - 1)
    tint = 1 + 0.5 * agree * (surroundings / brightness.clamp_min(0.05) - 1)
    warm = chances.normal(1) * 0.08
    warmth = torch.cat([1 + warm, torch.ones_like(warm), 1 - warm], -1)
    ambient = chances.uniform(1, low=0.35, high=0.85)
    strength = chances.uniform(1, low=0.3, high=1.1) * (1.15 - 0.6 * ambient)
    below = chances.uniform(1, low=0.45, high=0.95)
    rim = torch.where(chances.whether(0.25, 1), chances.uniform(1, high=0.6), 0 * rise)
    common = exposure * tint
    return Light(
        up, towards, common * warmth * strength, common * ambient, common * ambient * below, common * rim,
        chances.uniform(1, high=0.6),
    )  # fmt: skip


def shaded(
    colours: Float[Tensor, "N 3"],
    normals: Float[Tensor, "N 3"],
    view: Float[Tensor, "N 3"],
    gloss: Float[Tensor, "N 1"],
    light: Light,
) -> Float[Tensor, "N 3"]:
    """What the camera sees of surfaces; ``view`` points from it to them, all of unit length, one row of light a point."""
    wrapped = ((normals * light.towards).sum(-1, keepdim=True) + light.soft) / (1 + light.soft)
    above = 0.5 + 0.5 * (normals * light.up).sum(-1, keepdim=True)
    fall = light.ground + (light.sky - light.ground) * above + light.lamp * wrapped.clamp_min(0)
    facing = -(normals * view).sum(-1, keepdim=True)
    edge = (1 - facing.clamp(0, 1)) ** 3
    half = torch.nn.functional.normalize(light.towards - view, dim=-1)
    shine = gloss * (normals * half).sum(-1, keepdim=True).clamp_min(0) ** 24
    return colours * fall + light.rim * edge * (0.3 + colours) + light.lamp * shine
