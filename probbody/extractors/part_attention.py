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

_PLACES = 5


@dataclass(frozen=True)
class Impression(Record):
    """What the head tells, before it is known which camera took the picture."""

    parts: Float[Tensor, "B P h w"]
    """Logits of no body, then of the joints' parts; ``P = 1 + J``."""
    six: Float[Tensor, "B J 6"]
    """How joints are turned, less the mean, in six numbers laid out consecutively."""
    shape: Float[Tensor, "B S"]
    """Less the mean."""
    view: Float[Tensor, "B 3"]
    """How large and where the root joint is, less the mean: see ``view.py``."""


class PartAttention(nn.Module):
    """Part maps; for each joint what lies under its part, and where; from these, rotations, shape and view.

    Every joint has a linear map of its own, from what it attends to and from a summary of what all of them do, so that the
    visible tell of the hidden. What is pooled has lost its place, so the summary is told where each part is, how far it
    spreads and how much of it shows: a pose is mostly read from where the limbs are. The last layers begin at zero: the
    means are what an untrained head tells.
    """

    def __init__(self, fine: int, deep: int, joints: int, shape: int, summary: int = 384) -> None:
        super().__init__()
        self.joints = joints
        attended = fine + deep
        self.parts = nn.Conv2d(fine, 1 + joints, 1)
        self.brief = nn.Linear(attended, 24)
        self.summary = nn.Linear((24 + _PLACES) * joints, summary)
        self.further = nn.Linear(summary, summary)
        self.turns = nn.Parameter(torch.zeros(joints, attended + summary, 6))
        self.shape, self.view = nn.Linear(summary, shape), nn.Linear(summary, 3)
        for last in (self.shape, self.view):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, maps: Maps) -> Impression:
        """What the maps tell of the body."""
        parts = self.parts(maps.fine).float()
        attention = parts[:, 1:].flatten(2).softmax(-1).unflatten(-1, parts.shape[2:])
        seen = torch.cat([attended(maps.fine, attention), attended(maps.deep, attention)], dim=-1)
        where = places(attention, parts).to(seen)
        brief = torch.cat([F.relu(self.brief(seen)), where], dim=-1).flatten(1)
        summary = F.relu(self.summary(brief))
        summary = summary + F.relu(self.further(summary))
        told = torch.cat([seen, summary.unsqueeze(1).expand(-1, self.joints, -1).to(seen)], dim=-1)
        six = torch.einsum("bjc,jcd->bjd", told, self.turns.to(told))
        return Impression(parts, six.float(), self.shape(summary).float(), self.view(summary).float())


def places(attention: Float[Tensor, "B J h w"], parts: Float[Tensor, "B P h w"]) -> Float[Tensor, "B J 5"]:
    """Where each part is: its middle (x, y) and spread (x, y) in half pictures, and the root of the share that it fills."""
    height, width = attention.shape[2:]
    x = (torch.arange(width).to(attention) + 0.5) * (2 / width) - 1
    y = (torch.arange(height).to(attention) + 0.5) * (2 / height) - 1
    across, down = attention.sum(2), attention.sum(3)
    middle = torch.stack([across @ x, down @ y], dim=-1)
    square = torch.stack([across @ x.square(), down @ y.square()], dim=-1)
    spread = (square - middle.square()).clamp_min(0).add(1e-4).sqrt()
    share = parts.softmax(1)[:, 1:].mean((2, 3)).add(1e-6).sqrt()
    return torch.cat([middle, spread, 4 * share.unsqueeze(-1)], dim=-1)


def attended(maps: Float[Tensor, "B C k l"], attention: Float[Tensor, "B J h w"]) -> Float[Tensor, "B J C"]:
    """The mean of a map under weights that sum to one over all places; places of the map are squares of the weights'."""
    step = (attention.shape[2] // maps.shape[2], attention.shape[3] // maps.shape[3])
    if step != (1, 1):
        attention = F.avg_pool2d(attention, step) * (step[0] * step[1])
    return attention.flatten(2).to(maps) @ maps.flatten(2).mT
