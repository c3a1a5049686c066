"""Light that people keep from themselves: an arm's shadow on the chest, the dark of an armpit."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..contracts import ArticulatedBody
from .figure import Figure

_SLICES = 2  # of each part, along its bone
_AT_ONCE = 4  # bodies, whose pairs of points and balls fit into the processor's cache


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
        parts = [
            _dimmed(*part)
            for part in zip(*(held.split(_AT_ONCE) for held in (points, normals, towards, *balls)), strict=True)
        ]
        return torch.cat([lamp for lamp, _ in parts]), torch.cat([around for _, around in parts])


def _dimmed(
    points: Float[Tensor, "B V 3"], normals: Float[Tensor, "B V 3"], towards: Float[Tensor, "B 3"],
    middle: Float[Tensor, "B N 3"], radius: Float[Tensor, "B N"],
) -> tuple[Float[Tensor, "B V"], Float[Tensor, "B V"]]:  # fmt: skip
    centre = middle[:, :1]
    points, middle, wide = points - centre, middle - centre, radius.unsqueeze(1)
    square = _products(points, -2 * middle).add_(_squares(points).unsqueeze(2)).add_(_squares(middle).unsqueeze(1))
    square.clamp_(min=1e-6)
    ahead = _along(middle, towards).unsqueeze(1) - _along(points, towards).unsqueeze(2)
    above = _products(normals, middle).sub_((normals * points).sum(-1, keepdim=True))
    off = torch.addcmul(square, ahead, ahead, value=-1).clamp_(min=0).sqrt_()
    blocked = ((wide * 1.15 - off) / (wide * 0.6)).clamp_(0, 1).mul_(ahead.sub_(wide).mul_(20).clamp_(0, 1))
    near = (
        (wide * wide / square)
        .clamp_(max=1)
        .mul_(above.mul_(square.rsqrt()).clamp_(0, 1))
        .mul_(square > (1.3 * wide) ** 2)
    )
    return (1 - blocked).prod(-1), (1 - 0.8 * near.sum(-1)).clamp_min_(0.25)


def _products(first: Float[Tensor, "B V 3"], second: Float[Tensor, "B N 3"]) -> Float[Tensor, "B V N"]:
    """Scalar products of all with all, summed in one order whatever the number of bodies, as a matrix product is not."""
    total = first[:, :, None, 0] * second[:, None, :, 0]
    return total.addcmul_(first[:, :, None, 1], second[:, None, :, 1]).addcmul_(
        first[:, :, None, 2], second[:, None, :, 2]
    )


def _along(vectors: Float[Tensor, "B V 3"], direction: Float[Tensor, "B 3"]) -> Float[Tensor, "B V"]:
    return (vectors * direction.unsqueeze(1)).sum(-1)


def _squares(vectors: Float[Tensor, "B V 3"]) -> Float[Tensor, "B V"]:
    return (vectors * vectors).sum(-1)
