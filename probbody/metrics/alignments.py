"""How two bodies are laid upon each other before their joints are compared."""

import abc
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..geometry.procrustes import similarity

FEWEST = 4
"""Joints that a similarity needs before it says anything: it has seven degrees of freedom, three joints nine numbers."""


@dataclass(frozen=True)
class Laid:
    """Both bodies after the alignment, and whether it could be done at all."""

    found: Float[Tensor, "B P 3"]
    truth: Float[Tensor, "B P 3"]
    done: Bool[Tensor, " B"]


class Alignment(abc.ABC):
    """What is forgiven before distances are taken."""

    name: str
    """As tables say it, the root with it."""

    @abc.abstractmethod
    def __call__(
        self, found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], fitted: Bool[Tensor, "B P"]
    ) -> Laid:
        """The bodies laid upon each other by the joints ``fitted``; metres in, metres out."""


@dataclass(frozen=True)
class AsTheyAre(Alignment):
    """Nothing is forgiven: errors in the camera's frame, the place included."""

    name = "in the camera's frame"

    def __call__(
        self, found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], fitted: Bool[Tensor, "B P"]
    ) -> Laid:
        """Both as they came."""
        del fitted
        return Laid(found, truth, _everybody(found))


@dataclass(frozen=True)
class Rooted(Alignment):
    """The root of both goes to the origin: the mean of the ``joints`` of that number, seen or not.

    The same root for both; where a joint set has the two hips but no pelvis, theirs is the middle.
    """

    joints: tuple[int, ...] = (0,)

    @property
    def name(self) -> str:  # type: ignore[override]
        """Which joints are the root."""
        return f"root {'+'.join(map(str, self.joints))}"

    def __call__(
        self, found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], fitted: Bool[Tensor, "B P"]
    ) -> Laid:
        """Both with their root at the origin."""
        del fitted
        root = list(self.joints)
        return Laid(found - found[:, root].mean(1, True), truth - truth[:, root].mean(1, True), _everybody(found))


@dataclass(frozen=True)
class RootedApart(Alignment):
    """Different roots for the two, as the evaluation released with 3DNBF has them: only to repeat its numbers.

    There the found body is centred between its hips and the truth at its pelvis, so that a perfect answer is not without error.
    """

    found_joints: tuple[int, ...]
    truth_joints: tuple[int, ...]

    @property
    def name(self) -> str:  # type: ignore[override]
        """Which joints are the roots."""
        mine, theirs = ("+".join(map(str, joints)) for joints in (self.found_joints, self.truth_joints))
        return f"root {mine} of what was found, {theirs} of the truth"

    def __call__(
        self, found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], fitted: Bool[Tensor, "B P"]
    ) -> Laid:
        """Each with its own root at the origin."""
        mine, theirs = Rooted(self.found_joints), Rooted(self.truth_joints)
        return Laid(mine(found, found, fitted).found, theirs(truth, truth, fitted).found, _everybody(found))


@dataclass(frozen=True)
class Procrustes(Alignment):
    """The best similarity (scale, rotation, place) of what was found onto the truth is forgiven.

    With fewer than ``fewest`` joints to fit by, or a truth that all lies in one place, it is not done: one or two joints
    would always fit without error. An answer that all lies in one place is moved to the middle of the truth, which is the
    best that a similarity can make of it. Umeyama (1991), doi:10.1109/34.88573.
    """

    fewest: int = FEWEST

    name = "after a similarity"

    def __call__(
        self, found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], fitted: Bool[Tensor, "B P"]
    ) -> Laid:
        """What was found, moved onto the truth."""
        enough = fitted.sum(1) >= max(self.fewest, 3)
        done = enough & _spread(truth, fitted)
        target = torch.where(fitted.unsqueeze(-1), truth, 0.0)  # what is not fitted may be unknown
        middle = target.sum(1, keepdim=True) / fitted.sum(1).clamp_min(1)[:, None, None]
        moved = torch.where(done[:, None, None], middle, found)
        if bool((fits := done & _spread(found, fitted)).any()):
            moved[fits] = similarity(found[fits], target[fits], fitted[fits].to(found))(found[fits])
        return Laid(moved, truth, done)


def _everybody(bodies: Float[Tensor, "B P 3"]) -> Bool[Tensor, " B"]:
    return torch.ones(len(bodies), dtype=torch.bool, device=bodies.device)


def _spread(points: Float[Tensor, "B P 3"], fitted: Bool[Tensor, "B P"]) -> Bool[Tensor, " B"]:
    """Whether the points fitted do not all lie in one place, as far as their dtype can tell."""
    held = torch.where(fitted.unsqueeze(-1), points, 0.0)
    middle = held.sum(1, keepdim=True) / fitted.sum(1).clamp_min(1)[:, None, None]
    away = torch.where(fitted, (held - middle).norm(dim=-1), 0.0).amax(1)
    return away > 64 * torch.finfo(points.dtype).eps * held.abs().amax((1, 2))
