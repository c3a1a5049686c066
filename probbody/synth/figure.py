"""Where clothes end: lengths along a body at rest."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import ArticulatedBody
from ..geometry.rest import at_rest

_NAMES = ("left_shoulder", "left_wrist", "left_hip", "left_ankle", "neck", "head")


@dataclass(frozen=True)
class Figure:
    """A body at rest, and how far along its limbs each of its points is.

    For points of the T-pose (coordinates first; y up, facing +z): ``arm`` is 0 at the shoulders and 1 at the wrists,
    ``leg`` 0 at the hips and 1 at the ankles, ``torso`` 0 at the hips and 1 at the neck, ``head`` coordinates that run from
    -1 to 1 over the head.
    """

    points: Float[Tensor, "V 3"]
    human: bool
    """Whether the body has the joints that clothes need; one that has not is covered all over by one cloth."""
    shoulder: float
    wrist: float
    hip: float
    ankle: float
    neck: float
    middle: tuple[float, float, float]
    """Of the box around the head, as ``half`` of its extent."""
    half: tuple[float, float, float]

    @classmethod
    def of(cls, body: ArticulatedBody) -> "Figure":
        """Of a body whose joints have SMPL's names, or of any other."""
        rest = at_rest(body)
        points = rest.vertices[0]
        names = body.joint_names
        if any(name not in names for name in _NAMES):
            return cls(points, False, 0.0, 1.0, 0.0, -1.0, 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        place = dict(zip(names, rest.joints[0].tolist(), strict=True))
        skull = points[body.weights.argmax(-1) == names.index("head")]
        low, high = skull.amin(0), skull.amax(0)
        return cls(
            points, True, abs(place["left_shoulder"][0]), abs(place["left_wrist"][0]), place["left_hip"][1],
            place["left_ankle"][1], place["neck"][1], _three((low + high) / 2), _three((high - low) / 2),
        )  # fmt: skip

    @property
    def long(self) -> float:
        """The longest side of the box around the body at rest, metres."""
        return float((self.points.amax(0) - self.points.amin(0)).amax())

    def arm(self, points: Float[Tensor, "3 *N"]) -> Float[Tensor, "*N"]:
        """How far along an arm."""
        return (points[0].abs() - self.shoulder) / (self.wrist - self.shoulder)

    def leg(self, points: Float[Tensor, "3 *N"]) -> Float[Tensor, "*N"]:
        """How far down a leg."""
        return (self.hip - points[1]) / (self.hip - self.ankle)

    def torso(self, points: Float[Tensor, "3 *N"]) -> Float[Tensor, "*N"]:
        """How far up the trunk."""
        return (points[1] - self.hip) / (self.neck - self.hip)

    def head(self, points: Float[Tensor, "3 *N"]) -> list[Float[Tensor, "*N"]]:
        """Left, up and forwards on the head."""
        return [(part - at) / half for part, at, half in zip(points, self.middle, self.half, strict=True)]


def _three(values: Tensor) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return float(x), float(y), float(z)


def smooth_step(values: Float[Tensor, "*N"], low: float, high: float) -> Float[Tensor, "*N"]:
    """0 below ``low``, 1 above ``high``, and a smooth rise between."""
    part = ((values - low) / (high - low)).clamp(0, 1)
    return part * part * (3 - 2 * part)


def hue(colour: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N 3"]:
    """RGB of (hue, saturation, value), all in [0, 1]."""
    shift = colour.new_tensor([5.0, 3.0, 1.0])
    k = (shift + 6 * colour[..., :1]) % 6
    dip = torch.minimum(k, 4 - k).clamp(0, 1)
    return colour[..., 2:] * (1 - colour[..., 1:2] * dip)


def dot(first: Float[Tensor, "3 *N"], second: Float[Tensor, "3 *N"]) -> Float[Tensor, "*N"]:
    """Scalar products of vectors whose coordinates come first."""
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]
