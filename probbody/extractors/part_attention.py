"""Each joint looks where its part of the body is, and tells how it is turned.

References: Kocabas et al. (2021), PARE: part attention regressor, arXiv:2104.08527.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..quantities import Record
from .trunk import Maps

_PLACES = 9


@dataclass(frozen=True)
class Impression(Record):
    """What the head tells, before it is known which camera took the picture."""

    parts: Float[Tensor, "B P h w"]
    """Logits of no body, then of the joints' parts; ``P = 1 + J``."""
    spots: Float[Tensor, "B J h w"]
    """Logits, over the places of the map, of where each joint is, seen or hidden."""
    six: Float[Tensor, "B J 6"]
    """How joints are turned, less the mean, in six numbers laid out consecutively."""
    shape: Float[Tensor, "B S"]
    """Less the mean."""
    view: Float[Tensor, "B 3"]
    """How large and where the root joint is, less the mean: see ``view.py``."""


class PartAttention(nn.Module):
    """Part maps and joint maps; for each joint what lies under its part, and where both are; from these, the body.

    Every joint has a linear map of its own, from what it attends to and from a summary of what all of them do, so that the
    visible tell of the hidden. What is pooled has lost its place, and a pose is mostly read from where the joints are in the
    picture: told the true places, the same summary learns to lift them to 95 mm from ten thousand bodies; without a map of
    each joint it stayed at 212. The last layers begin at zero: the means are what an untrained head tells.
    """

    def __init__(self, fine: int, deep: int, joints: int, shape: int, summary: int = 512) -> None:
        super().__init__()
        self.joints = joints
        attended = 2 * fine + deep
        self.parts = nn.Conv2d(fine, 1 + joints, 1)
        self.spots = nn.Conv2d(fine, joints, 1)
        self.brief = nn.Linear(attended, 24)
        self.summary = nn.Sequential(
            nn.Linear((24 + _PLACES) * joints, summary), _Further(summary), _Further(summary), nn.LayerNorm(summary)
        )
        self.turns = nn.Parameter(torch.zeros(joints, attended + summary, 6))
        self.shape, self.view = nn.Linear(summary, shape), nn.Linear(summary, 3)
        for last in (self.shape, self.view):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, maps: Maps) -> Impression:
        """What the maps tell of the body."""
        parts, spots = self.parts(maps.fine).float(), self.spots(maps.fine).float()
        attention, spotted = over_places(parts[:, 1:]), over_places(spots)
        looks = (maps.fine, spotted), (maps.fine, attention), (maps.deep, attention)
        seen = torch.cat([attended(found, weights) for found, weights in looks], dim=-1)
        share = parts.softmax(1)[:, 1:].mean((2, 3)).add(1e-6).sqrt()
        where = torch.cat([places(spotted), places(attention), 4 * share.unsqueeze(-1)], dim=-1).to(seen)
        brief = torch.cat([F.relu(self.brief(seen)), where], dim=-1).flatten(1)
        summary = F.relu(self.summary(brief))
        told = torch.cat([seen, summary.unsqueeze(1).expand(-1, self.joints, -1).to(seen)], dim=-1)
        six = torch.einsum("bjc,jcd->bjd", told, self.turns.to(told))
        return Impression(parts, spots, six.float(), self.shape(summary).float(), self.view(summary).float())


class _Further(nn.Module):
    """Two layers whose sum with what came in goes on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        further: Tensor = self.layers(x)
        return x + further


def over_places(logits: Float[Tensor, "B J h w"]) -> Float[Tensor, "B J h w"]:
    """Weights that sum to one over all places."""
    return logits.flatten(2).softmax(-1).unflatten(-1, logits.shape[2:])


def places(attention: Float[Tensor, "B J h w"]) -> Float[Tensor, "B J 4"]:
    """Where weights over places lie: their middle (x, y) and spread (x, y) in half pictures."""
    height, width = attention.shape[2:]
    x = (torch.arange(width).to(attention) + 0.5) * (2 / width) - 1
    y = (torch.arange(height).to(attention) + 0.5) * (2 / height) - 1
    across, down = attention.sum(2), attention.sum(3)
    middle = torch.stack([across @ x, down @ y], dim=-1)
    square = torch.stack([across @ x.square(), down @ y.square()], dim=-1)
    spread = (square - middle.square()).clamp_min(0).add(1e-4).sqrt()
    return torch.cat([middle, spread], dim=-1)


def attended(maps: Float[Tensor, "B C k l"], attention: Float[Tensor, "B J h w"]) -> Float[Tensor, "B J C"]:
    """The mean of a map under weights that sum to one over all places; places of the map are squares of the weights'."""
    step = (attention.shape[2] // maps.shape[2], attention.shape[3] // maps.shape[3])
    if step != (1, 1):
        attention = F.avg_pool2d(attention, step) * (step[0] * step[1])
    return attention.flatten(2).to(maps) @ maps.flatten(2).mT
