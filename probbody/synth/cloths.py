"""What clothes, skin and hair look like."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..quantities import Record
from .chances import Chances
from .cuts import BOTTOM, EYES, HAIR, LIPS, SHOES, SKIN, SLOTS, TOP
from .figure import hue

_TONES = (  # of skin, from dark to light, RGB
    (0.20, 0.13, 0.10), (0.33, 0.21, 0.15), (0.48, 0.31, 0.22), (0.63, 0.43, 0.31), (0.76, 0.56, 0.43),
    (0.86, 0.67, 0.54), (0.93, 0.77, 0.66), (0.96, 0.84, 0.75),
)  # fmt: skip
_MANES = (  # hair
    (0.05, 0.04, 0.04), (0.11, 0.08, 0.06), (0.22, 0.14, 0.09), (0.36, 0.23, 0.13), (0.55, 0.38, 0.20),
    (0.76, 0.60, 0.36), (0.55, 0.54, 0.53), (0.85, 0.84, 0.82), (0.45, 0.17, 0.08),
)  # fmt: skip


@dataclass(frozen=True)
class Cloth(Record):
    """What a cloth looks like; ``G`` slots a person. Places on it are lengths along two directions of the body at rest."""

    first: Float[Tensor, "B G 3"]
    second: Float[Tensor, "B G 3"]
    along: Float[Tensor, "B G 3"]
    """Waves a metre."""
    across: Float[Tensor, "B G 3"]
    phase: Float[Tensor, "B G 2"]
    sharpness: Float[Tensor, "B G 1"]
    mixture: Float[Tensor, "B G 4"]
    """What makes the second colour: a constant, waves along, waves across, both together."""
    texture: Float[Tensor, "B G 1"]
    """How much of a texture picture there is."""
    spread: Float[Tensor, "B G 1"]
    """Texture pictures a metre."""
    folds: Float[Tensor, "B G 1"]
    gloss: Float[Tensor, "B G 1"]

    def __len__(self) -> int:
        return len(self.first)

    def seen_at(self, pixel: Float[Tensor, " B"]) -> "Cloth":
        """The same cloth where a pixel is so many metres wide: waves that are finer than pixels become their mean."""

        def kept(direction: Tensor) -> Tensor:
            return torch.exp(-(1.6 * direction.norm(dim=-1) * pixel.unsqueeze(-1)).square())

        plain, along, across, both = self.mixture.unbind(-1)
        one, two = kept(self.along), kept(self.across)
        lost = along * (1 - one) / 2 + across * (1 - two) / 2 + both * (1 - one * two) / 4
        mixture = torch.stack([plain + 2 * lost, along * one, across * two, both * one * two], -1)
        return replace(self, mixture=mixture)

    def packed(self) -> Float[Tensor, "P BG"]:
        """All of it in one table, a column a slot."""
        return torch.cat([value.flatten(0, 1) for _, value in self._items()], -1).mT.contiguous()


@dataclass(frozen=True)
class Worn:
    """The fields of a ``Cloth``, coordinates first, one column a point."""

    first: Float[Tensor, "3 N"]
    second: Float[Tensor, "3 N"]
    along: Float[Tensor, "3 N"]
    across: Float[Tensor, "3 N"]
    phase: Float[Tensor, "2 N"]
    sharpness: Float[Tensor, "1 N"]
    mixture: Float[Tensor, "4 N"]
    texture: Float[Tensor, "1 N"]
    spread: Float[Tensor, "1 N"]
    folds: Float[Tensor, "1 N"]
    gloss: Float[Tensor, "1 N"]

    @classmethod
    def of(cls, table: Float[Tensor, "P BG"], where: Int[Tensor, " N"]) -> "Worn":
        """What many points are covered with, from the table of their cloths; ``where`` are columns."""
        return cls(*table.index_select(1, where).split([3, 3, 3, 3, 2, 1, 4, 1, 1, 1, 1]))


def dyed(chances: Chances) -> Cloth:
    """What each of the slots looks like, for each person."""
    kind, along_across = chances.uniform(SLOTS, 1), _directions(chances)
    mixture = chances.uniform(SLOTS, 4) * (chances.uniform(SLOTS, 4) < 0.55)
    waves = 4 * 2.0 ** (chances.uniform(SLOTS, 1) * 4)  # 4 to 64 a metre
    cloth = Cloth(
        first=_dyes(chances, SLOTS),
        second=_dyes(chances, SLOTS),
        along=along_across[0] * waves,
        across=along_across[1] * waves,
        phase=chances.uniform(SLOTS, 2),
        sharpness=2.0 ** chances.uniform(SLOTS, 1, low=0, high=5),
        mixture=torch.where(kind < 0.4, torch.zeros_like(mixture), mixture),
        texture=torch.where(
            kind > 0.72, chances.uniform(SLOTS, 1, low=0.3, high=1.0), 0.12 * chances.uniform(SLOTS, 1)
        ),
        spread=2.0 ** chances.uniform(SLOTS, 1, low=-0.5, high=2.5),
        folds=0.04 + 0.3 * chances.uniform(SLOTS, 1) ** 1.5,
        gloss=0.35 * chances.uniform(SLOTS, 1) ** 4,
    )
    _bare(cloth, chances.about("bare"))
    shod = chances.uniform(3, low=0.03, high=0.2) + chances.whether(0.3, 1) * chances.uniform(1, high=0.7)
    cloth.first[:, SHOES] = torch.where(chances.whether(0.75, 1), shod, cloth.first[:, SHOES])
    suit = chances.whether(0.15).nonzero().squeeze(-1)  # one cloth above and below
    for part in (cloth.first, cloth.second, cloth.along, cloth.across, cloth.phase, cloth.mixture, cloth.texture):
        part[suit, BOTTOM] = part[suit, TOP]
    return cloth


def _bare(cloth: Cloth, chances: Chances) -> None:
    """Writes the slots of skin, hair and face: one skin and one hair a person."""
    tone = _along(_TONES, chances.uniform()) * chances.uniform(3, low=0.94, high=1.06)
    mane = _along(_MANES, chances.uniform()) * chances.uniform(3, low=0.85, high=1.15)
    for slot, colour, other in (
        (SKIN, tone, tone * tone.new_tensor([0.95, 0.8, 0.75])),
        (HAIR, mane, 0.6 * mane),
        (LIPS, tone * tone.new_tensor([0.85, 0.6, 0.6]), tone),
        (EYES, 0.15 * chances.uniform(3) + 0.25 * tone, tone),
    ):
        cloth.first[:, slot], cloth.second[:, slot] = colour.clamp(0, 1), other.clamp(0, 1)
        cloth.mixture[:, slot] = 0
        cloth.texture[:, slot] = cloth.folds[:, slot] = 0.05
    cloth.mixture[:, HAIR] = cloth.mixture.new_tensor([0.0, 0.4, 0.3, 0.0])
    cloth.folds[:, HAIR] = 0.35
    cloth.gloss[:, SKIN] = 0.25 * chances.uniform(1)


def _directions(chances: Chances) -> tuple[Tensor, Tensor]:
    """Two unit directions a slot, at right angles; mostly up the body and around it, some askew."""
    turn = chances.uniform(SLOTS, 1) * 6.2832
    askew = torch.where(chances.whether(0.3, SLOTS, 1), chances.uniform(SLOTS, 1) * 1.57, torch.zeros_like(turn))
    level = torch.cat([turn.cos(), torch.zeros_like(turn), turn.sin()], -1)
    up = torch.cat([torch.zeros_like(turn), torch.ones_like(turn), torch.zeros_like(turn)], -1)
    return askew.cos() * up + askew.sin() * level, askew.cos() * level - askew.sin() * up


def _dyes(chances: Chances, count: int) -> Float[Tensor, "B count 3"]:
    """Colours of cloth: many greys and dark blues, some of any colour."""
    given = chances.uniform(count, 3)
    grey = chances.whether(0.35, count, 1)
    dull = torch.stack([0.55 + 0.15 * given[..., 0], 0.35 * given[..., 1] ** 2, given[..., 2]], -1)
    bright = torch.stack([given[..., 0], 0.15 + 0.8 * given[..., 1], 0.1 + 0.85 * given[..., 2]], -1)
    return hue(torch.where(grey, dull, bright))


def _along(colours: tuple[tuple[float, float, float], ...], where: Tensor) -> Float[Tensor, "B 3"]:
    """Between the colours of a row of them."""
    row = torch.tensor(colours, dtype=where.dtype, device=where.device)
    place = where * (len(row) - 1)
    lower = place.floor().long().clamp_max(len(row) - 2)
    part = (place - lower).unsqueeze(-1)
    return row[lower] * (1 - part) + row[lower + 1] * part
