"""What an occluder is judged by: how far off the answer is that it brings about."""

import abc
from dataclasses import dataclass, field

from jaxtyping import Bool, Float
from torch import Tensor

from ..metrics.alignments import Alignment, Rooted
from ..metrics.scores import joint_scores


class Damage(abc.ABC):
    """A number for each answer; the higher the worse. NaN where nothing can be said, and such a place is never the worst."""

    name: str
    """As files and tables say it."""

    @abc.abstractmethod
    def __call__(
        self,
        found: Float[Tensor, "N J 3"],
        truth: Float[Tensor, "N J 3"],
        visible: Bool[Tensor, "N J"],
        known: Bool[Tensor, "N J"],
    ) -> Float[Tensor, " N"]:
        """Of answers, given which joints are in the picture and not behind the patch, and which have a truth; metres in."""


@dataclass(frozen=True)
class VisibleJointError(Damage):
    """The mean error of the joints that can be seen, in millimetres, as published; joints behind the patch cost nothing.

    With ``Rooted()`` MPJPE, with ``Procrustes()`` PA-MPJPE, both over visible joints.
    """

    alignment: Alignment = field(default_factory=Rooted)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The alignment with its root."""
        return f"mean error of visible joints, {self.alignment.name}"

    def __call__(
        self,
        found: Float[Tensor, "N J 3"],
        truth: Float[Tensor, "N J 3"],
        visible: Bool[Tensor, "N J"],
        known: Bool[Tensor, "N J"],
    ) -> Float[Tensor, " N"]:
        """Millimetres; NaN where too few joints are visible for the alignment."""
        del known  # what is visible is known
        return joint_scores(found, truth, self.alignment, visible).of_images()


@dataclass(frozen=True)
class JointError(Damage):
    """The mean error of all joints that have a truth, hidden or not, in millimetres: good guesses behind the patch count."""

    alignment: Alignment = field(default_factory=Rooted)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The alignment with its root."""
        return f"mean error of all joints, {self.alignment.name}"

    def __call__(
        self,
        found: Float[Tensor, "N J 3"],
        truth: Float[Tensor, "N J 3"],
        visible: Bool[Tensor, "N J"],
        known: Bool[Tensor, "N J"],
    ) -> Float[Tensor, " N"]:
        """Millimetres."""
        del visible
        return joint_scores(found, truth, self.alignment, known).of_images()
