"""Two networks that learnt apart from each other: what misleads one of them seldom misleads the other in the same way."""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from ..geometry.cameras import PinholeCamera
from .learnt import LearntFeatures
from .reading import PictureReader, Reading

LEAST_SURE = 0.43
"""As ``LearntFeatures.least_sure``: the mean of two maps is flatter. Of those photographs one was at 0.49, the next at 0.36."""


class TwoReaders(PictureReader):
    """Features by the second, the body first by the first; parts and joints' maps are the mean of both.

    A network that takes a limb for another does so in its features, its maps and its guess alike, and a body that is fitted to
    what one network says can hardly leave its guess.

    Args:
        first: reads pictures (B, 3, H, W) of RGB in [0, 1]; its guess is ``Reading.pose``; pictures are of its size.
        second: reads pictures of that size; its guesses follow the first's in ``Reading.others``.

    Raises:
        ValueError: they read pictures of different sizes.
    """

    def __init__(self, first: PictureReader, second: PictureReader) -> None:
        super().__init__()
        if first.size != second.size:
            raise ValueError(f"second: expected a reader of pictures of {first.size}, found one of {second.size}.")
        self.first, self.second = first, second
        self.channels, self.size = second.channels, first.size

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """The second one's features."""
        found: Tensor = self.second(images)
        return found

    def read(self, images: Float[Tensor, "B 3 H W"], camera: PinholeCamera) -> Reading:
        """Both, put together; joints' maps where both tell them, else those of the one that does."""
        first, second = self.first.read(images, camera), self.second.read(images, camera)
        spots = [each.spots for each in (first, second) if each.spots is not None]
        return Reading(
            second.features,
            (first.parts + second.parts) / 2,
            first.pose,
            sum(spots[1:], spots[0]) / len(spots) if spots else None,
            (*first.others, second.pose, *second.others),
        )


def beside(first: LearntFeatures, second: LearntFeatures) -> LearntFeatures:
    """Features of the second, guesses of both, first the first's, in looks and with weights as the first has them.

    Raises:
        ValueError: pictures are of different sizes; the errors of one network's guesses are known and the other's are not, or
            they were measured in other looks.
    """
    known = [len(each.guesses) for each in (first, second)]
    if min(known) == 0 < max(known):
        raise ValueError(f"second: expected errors of the guesses of both networks or of none, found {known}.")
    shown = [() if each.looks is None else each.looks.further for each in (first, second)]
    if shown[0] != shown[1]:
        raise ValueError(f"second: expected errors measured in the looks {shown[0]}, found {shown[1]}.")
    return replace(
        second,
        reader=TwoReaders(first.reader, second.reader),
        licence="; ".join(dict.fromkeys((first.licence, second.licence))),
        spot_weight=first.spot_weight,
        guess_weight=first.guess_weight,
        guesses=first.guesses + second.guesses,
        least_sure=LEAST_SURE,
        looks=first.looks,
    )
