"""Light that people keep from themselves: an arm's shadow on the chest, the dark of an armpit."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..contracts import ArticulatedBody
from .figure import Figure

_SLICES = 3  # of each part, along its bone


@dataclass(frozen=True)
class Bulk:
    """A body as a heap of balls, one for each slice of each of its parts."""

    ball: Int[Tensor, " V"]
    """The one that each vertex belongs to."""
    count: int

    @classmethod
    def of(cls, body: ArticulatedBody, figure: Figure) -> "Bulk":
        """Parts that are much longer than wide have several slices."""
        part = body.weights.argmax(-1)
        ball, count = torch.zeros_like(part), 0
        for joint in part.unique().tolist():
            inside = (part == joint).nonzero().squeeze(-1)
            extent = figure.points[inside].amax(0) - figure.points[inside].amin(0)
            long, wide = extent.sort(descending=True).values.tolist()[:2]
            slices = min(_SLICES, max(1, round(long / max(wide, 1e-6))))
            along = figure.points[inside, int(extent.argmax())]
            step = (along - along.amin()) / (along.amax() - along.amin()).clamp_min(1e-6) * slices
            ball[inside] = count + step.long().clamp_max(slices - 1)
            count += slices
        return cls(ball, count)

    def balls(self, vertices: Float[Tensor, "B V 3"]) -> tuple[Float[Tensor, "B N 3"], Float[Tensor, "B N"]]:
        """Middles and radii (metres) of posed bodies."""
        share = 1 / torch.bincount(self.ball, minlength=self.count).to(vertices).clamp_min(1)
        total = vertices.new_zeros(len(vertices), self.count, 3).index_add_(1, self.ball, vertices)
        middle = total * share.unsqueeze(-1)
        far = (vertices - middle.index_select(1, self.ball)).norm(dim=-1)
        reach = far.new_zeros(len(vertices), self.count).index_add_(1, self.ball, far) * share
        return middle, reach

    def dimmed(
        self, points: Float[Tensor, "B V 3"], normals: Float[Tensor, "B V 3"], towards: Float[Tensor, "B 3"],
        balls: tuple[Float[Tensor, "B N 3"], Float[Tensor, "B N"]],
    ) -> tuple[Float[Tensor, "B V"], Float[Tensor, "B V"]]:  # fmt: skip
        """The shares of the lamp's light and of the light from everywhere that reach each point, in [0, 1].

        A ball takes what it covers of a soft cone towards the lamp, and of the sky its solid angle times the cosine; balls
        that a point lies in or touches take nothing.
        """
        middle, radius = balls
        away = [middle[:, None, :, axis] - points[:, :, None, axis] for axis in range(3)]
        ahead = sum(part * towards[:, axis, None, None] for axis, part in enumerate(away))
        above = sum(part * normals[:, :, axis, None] for axis, part in enumerate(away))
        square = away[0] * away[0] + away[1] * away[1] + away[2] * away[2]
        wide = radius.unsqueeze(1)
        assert isinstance(ahead, Tensor)
        assert isinstance(above, Tensor)
        off = (square - ahead * ahead).clamp_min_(0).sqrt_()
        blocked = ((wide * 1.15 - off) / (wide * 0.6)).clamp_(0, 1).mul_(((ahead - wide) * 20).clamp_(0, 1))
        lamp = (1 - blocked).prod(-1)
        near = (above / square.clamp_min(1e-6).sqrt()).clamp_(0, 1) * (wide * wide / square.clamp_min(1e-6)).clamp_max_(
            1
        )
        near = near * (square > (1.3 * wide) ** 2)
        return lamp, (1 - 0.8 * near.sum(-1)).clamp_min(0.25)
