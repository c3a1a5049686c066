"""The part of a network that turns pictures into maps of numbers."""

import abc
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ..quantities import Record


@dataclass(frozen=True)
class Maps(Record):
    """What a trunk makes of pictures, at two resolutions of the same view."""

    fine: Float[Tensor, "B C h w"]
    """For every place: what features and parts are read from."""
    deep: Float[Tensor, "B E k l"]
    """For coarse places, each a square of fine ones: what is seen there in the light of a wide surrounding."""


class Trunk(nn.Module, abc.ABC):
    """A network from pictures to maps; what is read from the maps is the business of heads."""

    channels: int
    """``C`` of the fine map."""
    deep_channels: int
    """``E`` of the deep map."""
    stride: int
    """Pixels of the picture to a side of a fine place."""
    multiple: int
    """The sides of pictures are multiples of this, in pixels."""

    @abc.abstractmethod
    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Maps:
        """Maps of RGB pictures in [0, 1]."""
