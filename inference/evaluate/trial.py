"""What methods are measured on: pictures of people, one each, under conditions, and what is known about them."""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from probbody.contracts import ArticulatedBody
from probbody.geometry.cameras import PinholeCamera
from probbody.synthocc import Condition

from .measured import Measure, Measured
from .method import Answer, Seen


@dataclass(frozen=True)
class Look:
    """One picture as a report shows it."""

    name: str
    image: Float[Tensor, "3 H W"]
    camera: PinholeCamera
    truth: Float[Tensor, "V 3"] | None
    """The true body, where there is one of the family that methods answer with."""


class Cases(abc.ABC):
    """Some of the pictures."""

    @abc.abstractmethod
    def seen(self) -> Seen:
        """What methods are given."""

    @abc.abstractmethod
    def measured(self, answer: Answer, seconds: float) -> Measured:
        """An answer beside the truth; ``seconds`` it took for all of them."""

    @abc.abstractmethod
    def look(self, row: int) -> Look:
        """One of them, to be shown."""


class Trial(abc.ABC):
    """A set of pictures, the same whatever is asked of it first."""

    title: str
    """As tables say it."""
    body: ArticulatedBody
    """What poses in answers are of."""
    joint_names: tuple[str, ...]
    """Those that are measured, the root first."""
    measures: Sequence[Measure]
    """The columns of tables."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    def choose(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Decide which pictures there are, where that takes time; ``progress`` gets those chosen and those in all."""
        del progress

    @abc.abstractmethod
    def card(self) -> dict[str, object]:
        """The protocol, with its hash."""

    @abc.abstractmethod
    def condition_card(self, condition: Condition) -> dict[str, object]:
        """What a condition depends on beside the protocol."""

    @abc.abstractmethod
    def cases(self, condition: Condition, part: slice) -> Cases:
        """Some of the pictures under a condition."""

    def words(self) -> str:
        """What somebody who reads the table must know of the pictures; nothing of those that ship."""
        return ""

    def groups(self) -> tuple[str, ...] | None:
        """What each picture belongs to, such as a video, where pictures are drawn again together; None if to nothing."""
        return None


def plain(name: str) -> str:
    """A name as a folder may have it."""
    return "".join(sign if sign.isalnum() or sign in "-=" else "_" for sign in name.replace("@", "patch"))
