"""How far each joint turns: the range of twist and swing that captured people used."""

from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..errors import BadInput
from ..geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle, matrix_to_quaternion
from .weights import expect_shapes, read_weights, write_weights

KIND = "joint limits"
# elbows of SMPL bend about y and knees about x: (joint after the pelvis, axis, sign of bending backwards)
BACKWARDS = ((17, 1, 1.0), (18, 1, -1.0), (3, 0, -1.0), (4, 0, -1.0))


class JointLimits(nn.Module):
    """Bounds on the twist of each joint about its bone and on the two components of its swing, in radians.

    A rotation is swing times twist: the twist turns about ``bone`` (a unit vector in the parent's T-pose), the swing carries
    the bone elsewhere, about an axis across it. ``coordinates`` are (twist, swing, swing), smooth up to half a turn.
    """

    bone: Float[Tensor, "M 3"]
    across: Float[Tensor, "M 2 3"]
    low: Float[Tensor, "M 3"]
    high: Float[Tensor, "M 3"]

    def __init__(
        self,
        bone: Float[Tensor, "M 3"],
        low: Float[Tensor, "M 3"],
        high: Float[Tensor, "M 3"],
        *,
        softness: float = 0.1,
        licence: str = "",
    ) -> None:
        super().__init__()
        if not (low < high).all() or not softness > 0:
            raise BadInput("low: expected every bound below its partner in high and a positive softness.")
        self.register_buffer("bone", bone / bone.norm(dim=-1, keepdim=True))
        self.register_buffer("across", _across(self.bone))
        self.register_buffer("low", low)
        self.register_buffer("high", high)
        self.softness, self.licence, self.num_joints = softness, licence, len(bone)

    @classmethod
    def fitted(
        cls,
        rotations: Float[Tensor, "N M 3 3"],
        bone: Float[Tensor, "M 3"],
        *,
        margin: float = 0.1,
        least: Float[Tensor, "M 3"] | None = None,
        tail: float = 5e-4,
        licence: str = "",
    ) -> "JointLimits":
        """Quantiles of captured poses at ``tail`` and ``1 - tail``, widened by ``margin``, to ``least`` or more each way."""
        blank = cls(bone, -torch.ones_like(bone), torch.ones_like(bone))
        found = blank.coordinates(rotations).sort(dim=0).values
        last = len(found) - 1
        low, high = found[round(tail * last)] - margin, found[round((1 - tail) * last)] + margin
        if least is not None:
            low, high = torch.minimum(low, -least), torch.maximum(high, least)
        return cls(bone, low, high, licence=licence)

    def coordinates(self, rotations: Float[Tensor, "B M 3 3"]) -> Float[Tensor, "B M 3"]:
        """Twist about the bone and the swing's components across it, radians."""
        bone, across = self.bone.to(rotations), self.across.to(rotations)
        quaternion = matrix_to_quaternion(rotations)
        along = (quaternion[..., 1:] * bone).sum(-1)
        twist = 2 * torch.atan2(along, quaternion[..., 0])
        twist = twist - 2 * torch.pi * ((twist + torch.pi) / (2 * torch.pi)).floor()
        swing = rotations @ axis_angle_to_matrix(twist[..., None] * bone).mT
        sideways = torch.einsum("bmd,mad->bma", matrix_to_axis_angle(swing), across)
        return torch.cat([twist[..., None], sideways], dim=-1)

    def inside(self, rotations: Float[Tensor, "B M 3 3"]) -> Bool[Tensor, "B M"]:
        """Which joints are within their limits."""
        return (self.overshoot(rotations) == 0).all(-1)

    def overshoot(self, rotations: Float[Tensor, "B M 3 3"]) -> Float[Tensor, "B M 3"]:
        """How far each coordinate lies beyond its nearer bound, radians; 0 inside."""
        found = self.coordinates(rotations)
        return (self.low.to(found) - found).clamp_min(0) + (found - self.high.to(found)).clamp_min(0)

    def log_factor(self, rotations: Float[Tensor, "B M 3 3"]) -> Float[Tensor, " B"]:
        """Log of a factor that is 1 inside the limits and falls off like a Gaussian of width ``softness`` beyond them."""
        return -0.5 * (self.overshoot(rotations) / self.softness).square().sum((-1, -2))

    def uniform(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count M 3 3"]:
        """Rotations with every coordinate uniform between its bounds."""
        share = torch.rand(count, *self.low.shape, generator=generator).to(self.low)
        chosen = self.low + share * (self.high - self.low)
        swing = torch.einsum("bma,mad->bmd", chosen[..., 1:], self.across)
        return axis_angle_to_matrix(swing) @ axis_angle_to_matrix(chosen[..., :1] * self.bone)

    def save(self, path: str | Path, words: dict[str, str] | None = None) -> None:
        """To a safetensors file."""
        words = {**(words or {}), "softness": str(self.softness), "licence": self.licence}
        write_weights(path, {"bone": self.bone, "low": self.low, "high": self.high}, words, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "JointLimits":
        """From a safetensors file; another kind of file is refused."""
        tensors, words = read_weights(path, KIND)
        count = len(tensors["bone"]) if "bone" in tensors else 21
        expect_shapes(path, tensors, {name: (count, 3) for name in ("bone", "low", "high")})
        try:
            softness = float(words["softness"])
        except (KeyError, ValueError) as error:
            raise BadInput(f"{path}: expected the softness of the limits in its words, found none.") from error
        return cls(
            tensors["bone"], tensors["low"], tensors["high"], softness=softness, licence=words.get("licence", "")
        )


def log_hinges(angles: Float[Tensor, "B M 3"]) -> Float[Tensor, " B"]:
    """SMPLify's factor against elbows and knees bent backwards: minus the sum of ``exp(a)^2`` over the four, a in radians.

    References: Bogo et al. (2016), arXiv:1607.08128.
    """
    return -sum((2 * sign * angles[:, joint, axis]).exp() for joint, axis, sign in BACKWARDS)  # type: ignore[return-value]


def _across(bone: Float[Tensor, "M 3"]) -> Float[Tensor, "M 2 3"]:
    """Two unit vectors across each bone: the first as close to x as may be, or to y for bones along x."""
    unit = torch.eye(3).to(bone)
    start = torch.where(bone[:, :1].abs() > 0.9, unit[1], unit[0])
    first = start - (start * bone).sum(-1, keepdim=True) * bone
    first = first / first.norm(dim=-1, keepdim=True)
    return torch.stack([first, torch.linalg.cross(bone, first)], dim=1)
