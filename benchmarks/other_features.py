"""Features of one learning beside the guess of another: what features alone are worth, the guess being the same."""

from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.reading import PictureReader, Reading
from probbody.extractors.shipped import load_features
from probbody.geometry.cameras import PinholeCamera


class OtherFeatures(PictureReader):
    """Reads features with one reader and the body with another."""

    def __init__(self, features: PictureReader, body: PictureReader) -> None:
        super().__init__()
        self.channels, self.size = features.channels, features.size
        self.of_features, self.of_body = features, body

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """The first one's."""
        found: Tensor = self.of_features(images)
        return found

    def read(self, images: Float[Tensor, "B 3 H W"], camera: PinholeCamera) -> Reading:
        """The second one's but for the features."""
        return replace(self.of_body.read(images, camera), features=self(images))


def with_features_of(file: Path, learnt: LearntFeatures) -> LearntFeatures:
    """What a file says of features and of what else there is, and ``learnt`` of the body, with the latter's weights."""
    other = load_features(file)
    return replace(
        learnt,
        reader=OtherFeatures(other.reader, learnt.reader),
        features=other.features,
        concentration=other.concentration,
        background=other.background,
        temper=other.temper,
    )
