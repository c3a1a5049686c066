"""Skirts, dresses and long coats: cloth that hangs around both legs at once."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..contracts import ArticulatedBody
from .figure import Figure

_LEVELS, _AROUND = 7, 24
_THICK = 0.06  # of the leg's length: how far from a level the points are that hold the cloth there


@dataclass(frozen=True)
class Skirt:
    """Rings of points from the waist down to a hem, each held by the outermost point of the legs in its direction.

    A ring is the hull of what it goes around, so that cloth spans the gap between the legs, however they are bent. The rings
    are more vertices of the body's mesh; where nobody wears a skirt they all lie on one point, and are not seen.
    """

    figure: Figure
    lower: Int[Tensor, " L"]
    """The vertices of the pelvis and the legs."""
    faces: Int[Tensor, "F 3"]
    """Of the body, then of the rings."""

    @classmethod
    def around(cls, body: ArticulatedBody, figure: Figure) -> "Skirt":
        """The skirts of a body."""
        leg = figure.leg(figure.points.mT)
        arm = figure.arm(figure.points.mT)
        lower = ((leg > -0.25) & (leg < 1.02) & (arm < 0.1)).nonzero().squeeze(-1)
        faces = body.faces
        if figure.human:
            faces = torch.cat([faces, _tube(faces.device) + len(figure.points)])
        return cls(figure, lower, faces)

    def vertices(
        self,
        surface: Float[Tensor, "B V 3"],
        side: Float[Tensor, "B 3"],
        front: Float[Tensor, "B 3"],
        hem: Float[Tensor, " B"],
        flare: Float[Tensor, " B"],
        worn: Bool[Tensor, " B"],
    ) -> tuple[Float[Tensor, "B W 3"], Int[Tensor, "B W"], Float[Tensor, "B W 3"]]:
        """The body's vertices and the rings'; the body's vertex that each stands for; where each is on the body at rest.

        ``side`` and ``front`` are the pelvis's directions to its left and ahead; ``hem`` is measured along the leg and
        ``flare`` in metres, at the hem.
        """
        own = torch.arange(surface.shape[1], device=surface.device).expand(len(surface), -1)
        rest = self.figure.points.to(surface).expand(len(surface), -1, 3)
        if not self.figure.human:
            return surface, own, rest
        turn = torch.arange(_AROUND, device=surface.device) * (2 * torch.pi / _AROUND)
        outwards = turn.sin()[:, None] * side.unsqueeze(1) + turn.cos()[:, None] * front.unsqueeze(1)  # (B, A, 3)
        down = torch.linspace(0, 1, _LEVELS, device=surface.device).to(surface)
        level = -0.12 + down * (hem.unsqueeze(-1) + 0.12)
        holds = torch.zeros(len(surface), _LEVELS, _AROUND, dtype=torch.long, device=surface.device)
        rows = worn.nonzero().squeeze(-1)
        if len(rows):
            holds[rows] = self._held(surface[rows], outwards[rows], level[rows])
        holds = holds.flatten(1)
        rings = _evened(surface.gather(1, holds.unsqueeze(-1).expand(-1, -1, 3)))
        pleats = 1 + 0.5 * torch.sin((4 + 8 * hem).floor().unsqueeze(-1) * turn)
        off = (0.012 + down[:, None] * (flare.unsqueeze(-1) * pleats).unsqueeze(1)).flatten(1)
        away = outwards.unsqueeze(1).expand(-1, _LEVELS, -1, -1).flatten(1, 2)
        rings = torch.where(worn[:, None, None], rings + off.unsqueeze(-1) * away, surface[:, :1])
        height = self.figure.hip - level * (self.figure.hip - self.figure.ankle)
        flat = 0.17 * torch.stack([turn.sin(), torch.zeros_like(turn), turn.cos()], -1).to(surface)
        place = flat.expand(len(surface), _LEVELS, _AROUND, 3).clone()
        place[..., 1] = height.unsqueeze(-1)
        return torch.cat([surface, rings], 1), torch.cat([own, holds], 1), torch.cat([rest, place.flatten(1, 2)], 1)

    def _held(
        self, surface: Float[Tensor, "B V 3"], outwards: Float[Tensor, "B A 3"], level: Float[Tensor, "B R"]
    ) -> Int[Tensor, "B R A"]:
        """The outermost vertex in each direction, of those at each level."""
        lower = surface[:, self.lower]
        reach = (lower.unsqueeze(1) * outwards.unsqueeze(2)).sum(-1).unsqueeze(1)  # (B, 1, A, L)
        leg = self.figure.leg(self.figure.points[self.lower].mT.to(surface))
        far = (leg - level.unsqueeze(-1)).abs().unsqueeze(2)  # (B, R, 1, L)
        return self.lower[(reach - 100 * (far - _THICK).clamp_min(0)).argmax(-1)]


def _evened(rings: Float[Tensor, "B W 3"]) -> Float[Tensor, "B W 3"]:
    """Points moved towards their neighbours around and along: cloth has no corners."""
    held = rings.unflatten(1, (_LEVELS, _AROUND))
    for _ in range(2):
        held = (held.roll(1, 2) + 2 * held + held.roll(-1, 2)) / 4
    inner = (held[:, :-2] + 2 * held[:, 1:-1] + held[:, 2:]) / 4
    return torch.cat([held[:, :1], inner, held[:, -1:]], 1).flatten(1, 2)


def _tube(device: torch.device) -> Int[Tensor, "F 3"]:
    """The faces between rings."""
    ring = torch.arange(_LEVELS - 1, device=device)[:, None] * _AROUND
    here = torch.arange(_AROUND, device=device)
    after = (here + 1) % _AROUND
    a, b, c, d = (part.flatten() for part in (ring + here, ring + after, ring + _AROUND + here, ring + _AROUND + after))
    return torch.cat([torch.stack([a, c, b], -1), torch.stack([b, c, d], -1)])
