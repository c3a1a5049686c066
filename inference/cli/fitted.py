"""A fit with what it was fitted to: what the results of a picture are written from."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from probbody.bodies.skinned import SkinnedBody
from probbody.geometry.cameras import PinholeCamera
from probbody.maps import FalseColours
from probbody.models import NormalOrAnywhere
from probbody.observation import Observation
from probbody.quantities import Surface

from ..result import Fit
from .crops import ReadCrops

LEAST_EVIDENCE = 0.0
"""Nats by which features must be likelier with a body than without one, or nothing is explained."""


@dataclass(frozen=True)
class Pixels:
    """What a fit to pixels has beside one to keypoints."""

    crops: ReadCrops
    system: str
    """Which model explained the features."""
    colours: FalseColours
    coverage: Float[Tensor, "B h w"]
    """Of the pixels of the feature maps by the fitted bodies."""
    licence: str
    """Of the network and of what its features say."""
    searched: bool
    """Whether nobody said where a person is, nor that there is one."""
    least_sure: float
    """How sure the reader must then be of where joints are: see ``LearntFeatures`` and ``ReadCrops.surely``."""


@dataclass(frozen=True)
class FittedPeople:
    """A fit with what it was fitted to: everything that the results of a picture are written from."""

    fit: Fit
    surface: Surface
    camera: PinholeCamera
    """The whole picture's."""
    observation: Observation
    """In pixels of the whole picture."""
    places: Float[Tensor, "B P 2"] | None
    """The fitted keypoints in pixels, where keypoints were given."""
    noise: NormalOrAnywhere | None
    """How keypoints scatter, where they were given."""
    body: SkinnedBody
    focal_known: bool
    steps: int
    names: tuple[str, ...]
    """What the keypoint file calls each of them, else their number."""
    pixels: Pixels | None = None

    def explained(self, person: int) -> bool:
        """Whether the body explains anything of the features that were read; where none were, it is not asked.

        A picture in which nobody was told of must also look as if there were somebody.
        """
        likelier = self.fit.evidence is None or float(self.fit.evidence[person]) > LEAST_EVIDENCE
        sure = self.surely(person)
        return likelier and (sure is None or self.pixels is None or sure > self.pixels.least_sure)

    def surely(self, person: int) -> float | None:
        """How sure the reader is of the joints of a person whom nobody told of; None of others."""
        if self.pixels is None or not self.pixels.searched:
            return None
        sure = self.pixels.crops.surely()
        return None if sure is None else float(sure[person])

    def found(self, person: int) -> bool:
        """Whether there is a body to tell of: one that nothing speaks for, neither features nor keypoints, is none."""
        return self.explained(person) or self.observation.keypoints is not None
