"""The way from keypoints alone to bodies, one picture after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import PosePrior

from .fitted import FittedPeople
from .people import Settings, fit_people
from .ways import Looked, Progress, Way, look_for_keypoints


@dataclass(frozen=True)
class ByKeypoints(Way):
    """Bodies behind the keypoints of everybody in a picture."""

    keypoints: Path
    layout: str | None
    body: SkinnedBody
    prior: PosePrior
    settings: Settings

    at_once = 1

    def look(self, image: Path) -> Looked:
        """The picture and its keypoints."""
        return look_for_keypoints(image, self.keypoints, self.layout, tqdm.write)

    def fit(self, looked: Sequence[Looked], progress: Progress | None = None) -> list[FittedPeople]:
        """Each picture by itself."""
        return [
            fit_people(each.photograph, each.people, self.body, self.prior, self.settings, progress)
            for each in looked
            if each.people is not None
        ]
