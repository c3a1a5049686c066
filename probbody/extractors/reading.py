"""What a network tells of a picture of one person."""

import abc
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ..contracts import FeatureExtractor
from ..geometry.cameras import PinholeCamera
from ..quantities import Pose, Record


@dataclass(frozen=True)
class Reading(Record):
    """Features, parts and a guess of the body, read out of one crop each."""

    features: Float[Tensor, "B D h w"]
    """Unit vectors along the channels."""
    parts: Float[Tensor, "B P h w"]
    """Chances of no body, then of each of its joints' parts; they sum to 1 over ``P = 1 + J``."""
    pose: Pose
    """The regressor's guess, in the world of the camera that the crops were read with."""
    spots: Float[Tensor, "B J h w"] | None = None
    """Chances, over the places of a map, of where each joint is, seen or hidden, from a reader that tells them."""
    others: tuple[Pose, ...] = ()
    """What else the body was taken for, by further looks at the picture."""

    def __len__(self) -> int:
        return len(self.features)


class PictureReader(FeatureExtractor):
    """An extractor that also guesses the body."""

    @abc.abstractmethod
    def read(self, images: Float[Tensor, "B 3 H W"], camera: PinholeCamera) -> Reading:
        """Features, parts and a guess of the body of each crop; ``camera`` is the crops' own, at their size.

        The features are those of ``forward``.
        """
