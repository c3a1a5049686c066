"""A method: from pictures, their cameras and perhaps keypoints to bodies."""

import abc
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.quantities import Pose, Record
from probbody.synthocc import JOINTS


@dataclass(frozen=True)
class Seen(Record):
    """What a method is given: crops of one person each, as large as a reader wants them."""

    images: Float[Tensor, "B 3 H W"]
    """RGB in [0, 1]."""
    camera: PinholeCamera
    """The crops' own; the world is its frame."""
    keypoints: Float[Tensor, "B P 3"]
    """``coco17``, (u, v, confidence) in pixels of the crop. A method says in its card whether it looks at them."""
    names: tuple[str, ...]
    """``condition/number``: by these, results that were saved elsewhere are found."""

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | list[int]) -> "Seen":  # type: ignore[override]
        """Some of the pictures."""
        rows = list(range(len(self)))[index] if isinstance(index, slice) else index
        names = tuple(self.names[row] for row in rows)
        return Seen(self.images[rows], self.camera[rows], self.keypoints[rows], names)


@dataclass(frozen=True)
class Answer(Record):
    """What a method says."""

    joints: Float[Tensor, "B J 3"]
    """Metres, in the camera's frame: SMPL's 22 without the hands, or more of which these are the first."""
    pose: Pose | None = None
    """Of the open body, where the method has one."""
    occlusion: Float[Tensor, "B h w"] | None = None
    """The chance that a pixel of the map shows something that hides the body."""

    def __len__(self) -> int:
        return len(self.joints)


class Method(abc.ABC):
    """Whatever finds bodies in pictures. What it says of a picture must not depend on those beside it."""

    name: str
    """As tables say it."""

    @abc.abstractmethod
    def __call__(self, seen: Seen) -> Answer:
        """One body a picture."""

    @abc.abstractmethod
    def card(self) -> dict[str, object]:
        """What the answer depends on, in plain words and numbers: a table says it beside the result."""


@dataclass(frozen=True)
class Elsewhere(Method):
    """A method that computes on some device, whatever pictures are on; its answers come back to the processor."""

    method: Method
    device: torch.device

    @property
    def name(self) -> str:  # type: ignore[override]
        """The method's."""
        return self.method.name

    def __call__(self, seen: Seen) -> Answer:
        """What the method says there."""
        return self.method(seen.to(self.device)).detach().to("cpu")

    def card(self) -> dict[str, object]:
        """The method's."""
        return self.method.card()


def checked(method: Method, seen: Seen) -> Answer:
    """The answer of a method, cut to the joints that are measured; what is no answer is refused in a sentence."""
    answer = method(seen)
    answer = replace(answer.detach(), pose=None if answer.pose is None else answer.pose.detach())
    found = answer.joints
    if len(found) != len(seen) or found.ndim != 3 or found.shape[1] < JOINTS or found.shape[2] != 3:
        raise BadInput(
            f"{method.name}: expected {JOINTS} joints or more for each of {len(seen)} pictures, found {tuple(found.shape)}."
        )
    if found.dtype not in (torch.float32, torch.float64):
        raise BadInput(f"{method.name}: expected joints in float32 or float64, found {found.dtype}.")
    if answer.pose is not None and len(answer.pose) != len(seen):
        raise BadInput(f"{method.name}: expected a pose for each of {len(seen)} pictures, found {len(answer.pose)}.")
    lost = [not bool(row.isfinite().all()) for row in found]
    for part in () if answer.pose is None else fields(answer.pose):
        lost = [
            bad or not bool(row.isfinite().all())
            for bad, row in zip(lost, getattr(answer.pose, part.name), strict=True)
        ]
    if any(lost):
        raise BadInput(
            f"{method.name}: expected finite joints and poses, found NaN or infinity for {seen.names[lost.index(True)]}."
        )
    if answer.occlusion is not None:
        chance = answer.occlusion
        if (
            chance.ndim != 3
            or len(chance) != len(seen)
            or any(whole % part for whole, part in zip(seen.images.shape[2:], chance.shape[1:], strict=True))
        ):
            raise BadInput(
                f"{method.name}: expected occlusion maps that divide {tuple(seen.images.shape[2:])} evenly for each of"
                f" {len(seen)} pictures, found {tuple(chance.shape)}."
            )
        if not bool(((chance >= 0) & (chance <= 1)).all()):  # rounding is let pass, not-a-number is not
            chance = chance.clamp(0, 1)
            if bool(chance.isnan().any()):
                raise BadInput(f"{method.name}: expected an occlusion map of chances, found NaN.")
        answer = Answer(found, answer.pose, chance)
    return Answer(answer.joints[:, :JOINTS], answer.pose, answer.occlusion).to("cpu")
