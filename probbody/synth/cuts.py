"""How clothes are cut: where they begin and end, what covers each point of a body, how loosely."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..quantities import Record
from .chances import Chances
from .figure import Figure, smooth_step

SKIN, BOTTOM, TOP, SOCKS, SHOES, HAIR, HAT, GLOVES, LIPS, EYES = range(10)
SLOTS = 10


@dataclass(frozen=True)
class Cut(Record):
    """Where clothes begin and end: lengths along limbs as ``Figure`` measures them; beyond any limb where there are none."""

    sleeve: Float[Tensor, " B"]
    glove: Float[Tensor, " B"]
    top_end: Float[Tensor, " B"]
    neckline: Float[Tensor, " B"]
    vee: Float[Tensor, " B"]
    """How much lower the neckline is in front."""
    waist: Float[Tensor, " B"]
    bottom_end: Float[Tensor, " B"]
    shoe: Float[Tensor, " B"]
    sock: Float[Tensor, " B"]
    hairline: Float[Tensor, " B"]
    hair_end: Float[Tensor, " B"]
    beard: Float[Tensor, " B"]
    hat: Float[Tensor, " B"]
    skirt: Float[Tensor, " B"]
    """How far a skirt or a long coat stands off at its hem, metres; 0 where legs are dressed one by one."""

    def __len__(self) -> int:
        return len(self.sleeve)

    def packed(self) -> Float[Tensor, "P B"]:
        """All of it in one table, a column a person."""
        return torch.stack([value for _, value in self._items()])

    @classmethod
    def of(cls, table: Float[Tensor, "P B"], body: Int[Tensor, " N"]) -> "Cut":
        """The cuts of many points, whose bodies are told, from the table of their bodies."""
        return cls(*table.index_select(1, body).unbind(0))


def tailored(chances: Chances) -> Cut:
    """A cut for each person."""
    kind = chances.one_of([0.13, 0.42, 0.45])
    sleeve = _chosen(kind, chances, [(-0.12, 0.05), (0.2, 0.6), (0.8, 1.03)])
    long = chances.one_of([0.25, 0.6, 0.15])
    top_end = _chosen(long, chances, [(-0.22, -0.05), (-0.05, 0.16), (0.2, 0.75)])
    kind = chances.one_of([0.56, 0.1, 0.17, 0.17])
    bottom_end = _chosen(kind, chances, [(0.88, 1.02), (0.55, 0.8), (0.1, 0.5), (0.15, 0.9)])
    shod = chances.one_of([0.7, 0.2, 0.1])
    shoe = _chosen(shod, chances, [(0.92, 1.01), (0.55, 0.9), (3.0, 3.1)])
    shaved = chances.one_of([0.1, 0.6, 0.3])
    end = _chosen(shaved, chances, [(0.9, 1.0), (-0.9, 0.1), (-3.5, -1.0)])
    none, some = torch.full_like(sleeve, 9.0), chances.uniform(4)
    return Cut(
        sleeve=sleeve,
        glove=torch.where(chances.whether(0.06), 0.85 + 0.15 * some[:, 0], none),
        top_end=top_end,
        neckline=chances.uniform(low=0.9, high=1.12),
        vee=torch.where(chances.whether(0.4), chances.uniform(low=0.05, high=0.35), 0 * none),
        waist=chances.uniform(low=-0.02, high=0.25),
        bottom_end=bottom_end,
        shoe=shoe,
        sock=torch.where(chances.whether(0.5), chances.uniform(low=0.55, high=0.98), none),
        hairline=torch.where(shaved == 0, none, chances.uniform(low=-0.25, high=0.3)),
        hair_end=end,
        beard=torch.where(chances.whether(0.15), -0.75 + 0.6 * some[:, 1], -none),
        hat=torch.where(chances.whether(0.13), 0.25 + 0.35 * some[:, 2], none),
        skirt=torch.where((kind == 3) | (long == 2), 0.005 + 0.16 * some[:, 3] ** 2, 0 * none),
    )


def hanging(cut: Cut) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"], Bool[Tensor, " B"]]:
    """How far down the legs cloth hangs around both at once, how wide, and who wears such a thing.

    The longer of what is worn above and below, if it ends above the ankles.
    """
    hem = torch.where(cut.bottom_end < cut.top_end, cut.top_end, cut.bottom_end)
    coat = cut.top_end > 0.18
    hem = torch.where(coat, cut.top_end, hem).clamp(0.1, 0.95)
    return hem, cut.skirt, cut.skirt > 0


def worn(figure: Figure, points: Float[Tensor, "3 N"], cut: Cut) -> Int[Tensor, " N"]:
    """The slot that covers each point of the body at rest; one row of the cut a point."""
    if not figure.human:
        return torch.full_like(points[0], TOP, dtype=torch.long)
    arm, leg, torso = figure.arm(points), figure.leg(points), figure.torso(points)
    side, up, front = figure.head(points)
    aside = side.abs()
    wave = 0.02 * torch.sin(70 * points[0] + 40 * points[2])
    neck = cut.neckline - cut.vee * smooth_step(front, 0.0, 0.8) * (1 - 3 * aside * cut.vee).clamp_min(0)
    bald = cut.hairline > 5
    cap = (0.75 * up - 0.65 * front > cut.hairline + wave) & (up > cut.hair_end.clamp_min(-1.0))
    behind = (front < -0.1) & (up > cut.hair_end) & (up < 0.6) & ~bald & (aside < 1.5)
    chin = (up < cut.beard + wave) & (front > 0.1) & (up > -1.05) & (aside < 1.1)
    eye = ((aside - 0.42) / 0.17).square() + ((up - 0.03) / 0.085).square() < 1
    brow = ((aside - 0.43) / 0.25).square() + ((up - 0.24) / 0.05).square() < 1
    lips = (side / 0.32).square() + ((up + 0.5) / 0.07).square() < 1
    ahead = front > 0.45
    slot = torch.full_like(points[0], SKIN, dtype=torch.long)
    for number, where in (
        (BOTTOM, (torso < cut.waist) & (leg < cut.bottom_end)),
        (SOCKS, (leg > cut.sock) & (leg > cut.bottom_end)),
        (SHOES, leg > cut.shoe),
        (TOP, ((arm < cut.sleeve + wave) | (torso < 0.64)) & (torso < neck) & (leg < cut.top_end)),
        (GLOVES, arm > cut.glove),
        (HAIR, chin | (ahead & brow)),
        (LIPS, ahead & lips),
        (EYES, ahead & eye),
        (HAIR, (cap | behind) & (arm < 0)),
        (HAT, (up > cut.hat) & (up > -1)),
    ):
        slot.masked_fill_(where, number)
    return slot


def loosened(figure: Figure, cut: Cut, chances: Chances) -> Float[Tensor, "B V"]:
    """How far the cloth stands off at each vertex, metres, along the normal."""
    people, count = len(cut), len(figure.points)
    points = figure.points.mT.to(chances.dtype)
    every = points.repeat(1, people)
    row = torch.arange(people, device=every.device).repeat_interleave(count)
    slot = worn(figure, every, Cut.of(cut.packed(), row))
    amount = chances.uniform(SLOTS)
    coat = chances.whether(0.25)
    off = 0.012 * amount
    off[:, TOP] = torch.where(coat, 0.02 + 0.03 * amount[:, TOP], 0.022 * amount[:, TOP])
    off[:, BOTTOM] = torch.where(cut.skirt > 0, 0.004, 0.028 * amount[:, BOTTOM] ** 1.5)
    off[:, HAIR] = 0.006 + 0.03 * amount[:, HAIR]
    off[:, HAT] = 0.01 + 0.025 * amount[:, HAT]
    off[:, SHOES] = 0.003 + 0.01 * amount[:, SHOES]
    off[:, [SKIN, LIPS, EYES]] = 0
    away = off.flatten()[slot + row * SLOTS].view(people, count)
    waves = chances.normal(2, 3) * 14
    bumps = torch.sin((waves.unsqueeze(-1) * points).sum(2) + 6 * chances.uniform(2, 1)).mean(1)
    return away * (1 + 0.6 * bumps)


def _chosen(kind: Tensor, chances: Chances, ranges: list[tuple[float, float]]) -> Float[Tensor, " B"]:
    """Uniform in the range of the kind."""
    ends = torch.tensor(ranges, dtype=chances.dtype, device=kind.device)[kind]
    return ends[:, 0] + (ends[:, 1] - ends[:, 0]) * chances.uniform()
