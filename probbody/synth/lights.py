"""Light on people: a lamp, the sky above and the ground below."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..quantities import Record
from .chances import Chances
from .figure import dot


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

    def packed(self) -> Float[Tensor, "P B"]:
        """All of it in one table, a column a picture."""
        return torch.cat([value for _, value in self._items()], -1).mT.contiguous()


@dataclass(frozen=True)
class Falling:
    """The fields of a ``Light``, coordinates first, one column a point."""

    up: Float[Tensor, "3 N"]
    towards: Float[Tensor, "3 N"]
    lamp: Float[Tensor, "3 N"]
    sky: Float[Tensor, "3 N"]
    ground: Float[Tensor, "3 N"]
    rim: Float[Tensor, "3 N"]
    soft: Float[Tensor, "1 N"]

    @classmethod
    def of(cls, table: Float[Tensor, "P B"], body: Int[Tensor, " N"]) -> "Falling":
        """The light of the pictures that many points are in, from the table of these."""
        return cls(*table.index_select(1, body).split([3, 3, 3, 3, 3, 3, 1]))


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
    exposure = 1 + agree * (0.65 + 0.85 * brightness - 1)
    tint = 1 + 0.35 * agree * (surroundings / brightness.clamp_min(0.05) - 1)
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
    colours: Float[Tensor, "3 N"],
    normals: Float[Tensor, "3 N"],
    view: Float[Tensor, "3 N"],
    gloss: Float[Tensor, "1 N"],
    light: Falling,
    dim: Float[Tensor, "2 N"],
) -> Float[Tensor, "3 N"]:
    """What the camera sees of surfaces; ``view`` points from it to them and has unit length, ``normals`` have any.

    ``dim`` is what reaches a point of the lamp's light, and of the light from everywhere.
    """
    normals = normals * dot(normals, normals).clamp_min(1e-12).rsqrt()
    wrapped = (dot(normals, light.towards) + light.soft) / (1 + light.soft)
    above = 0.5 + 0.5 * dot(normals, light.up)
    lamp = light.lamp * dim[0]
    fall = torch.lerp(light.ground, light.sky, above) * dim[1] + lamp * wrapped.clamp_min(0)
    edge = (1 + dot(normals, view)).clamp(0, 1) ** 3
    half = light.towards - view
    shine = (dot(normals, half) * dot(half, half).clamp_min(1e-12).rsqrt()).clamp_min(0) ** 24
    return colours * fall + light.rim * edge * (0.3 + colours) + lamp * (gloss * shine)
