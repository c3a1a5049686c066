"""How a limb is turned to the camera, told as bins of its angle to the viewing axis: forms before 3DNBF's."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .directions import Directions


class SigmoidDirections(Directions):
    """Two or three bins of the cosine c to the viewing axis, with soft edges, as in the released code of 3DNBF.

    With s the sigmoid and tau the sharpness, of two bins: away s(tau c), towards s(-tau c). Of three, with a threshold t: in
    the picture's plane s(tau (c + t)) + s(tau (t - c)) - 1, away s(tau (c - t)), towards s(-tau (c + t)). One bin is all.
    """

    def __init__(self, count: int = 3, sharpness: float = 10.0, threshold: float = 0.3) -> None:
        super().__init__()
        if count not in (1, 2, 3):
            raise ValueError(f"count: expected 1, 2 or 3 bins, found {count}; AngleDirections has more.")
        if not (math.isfinite(sharpness) and sharpness > 0 and 0 <= threshold < 1):
            raise ValueError(
                "sharpness, threshold: expected a positive number and one in [0, 1), "
                f"found {sharpness} and {threshold}."
            )
        self.count, self.sharpness, self.threshold = count, sharpness, threshold

    def weights(self, direction: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N O"]:
        """The shares of the bins, whose sum is 1."""
        depth = self.sharpness * direction[..., 2]
        edge = self.sharpness * self.threshold
        if self.count == 1:
            return torch.ones_like(direction[..., :1])
        if self.count == 2:
            return torch.stack([depth.sigmoid(), (-depth).sigmoid()], dim=-1)
        shares = [_between(depth, -edge, edge), (depth - edge).sigmoid(), (-depth - edge).sigmoid()]
        return torch.stack(shares, dim=-1)

    def hard(self, direction: Float[Tensor, "*N 3"]) -> Int[Tensor, "*N"]:
        """The bin by its hard edges."""
        depth = direction[..., 2]
        if self.count == 1:
            return torch.zeros_like(depth, dtype=torch.long)
        if self.count == 2:
            return (depth < 0).long()
        return torch.where(depth > self.threshold, 1, torch.where(depth < -self.threshold, 2, 0))


class AngleDirections(Directions):
    """Even bins of the angle g to the viewing axis, 0 (away) to pi, with soft edges: equation 6 of the NeuralSMPL slides.

    Bin k has s(tau (g - k pi / O)) + s(tau ((k + 1) pi / O - g)) - 1. The sum is s(tau g) - s(tau (g - pi)): 1 but near the
    axis, where it goes down to 1/2.
    """

    def __init__(self, count: int = 4, sharpness: float = 10.0) -> None:
        super().__init__()
        if count < 1 or not (math.isfinite(sharpness) and sharpness > 0):
            raise ValueError(f"count, sharpness: expected both positive, found {count} and {sharpness}.")
        self.count, self.sharpness = count, sharpness

    def weights(self, direction: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N O"]:
        """The shares of the bins."""
        angle = self.sharpness * _polar(direction).unsqueeze(-1)
        edges = torch.arange(self.count + 1).to(angle) * (self.sharpness * math.pi / self.count)
        return _between(angle, edges[:-1], edges[1:])

    def hard(self, direction: Float[Tensor, "*N 3"]) -> Int[Tensor, "*N"]:
        """The bin by its hard edges."""
        return (_polar(direction) * (self.count / math.pi)).long().clamp(0, self.count - 1)


def _between(value: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """s(value - low) + s(high - value) - 1, as a product of positive numbers, so that rounding cannot make it negative."""
    span = torch.as_tensor(low - high, dtype=value.dtype, device=value.device)
    return torch.sigmoid(value - low) * torch.sigmoid(high - value) * -torch.expm1(span)


def _polar(direction: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N"]:
    """The angle to the z axis, radians, whose gradient stays finite on the axis, where that of the arc cosine does not."""
    across = (direction[..., :2].square().sum(-1) + 1e-12).sqrt()
    return torch.atan2(across, direction[..., 2])
