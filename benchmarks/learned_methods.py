"""What is compared on pictures: the mean pose, the regressor, and what a generative model makes of its guess."""

import abc
import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from learned_scenes import UnseenPictures
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.contracts import PosePrior
from probbody.extractors import LearntFeatures, Reading
from probbody.extractors.person_reader import PersonReader
from probbody.features import DirectedFeatures, OneDirection
from probbody.features.matching import matches
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.inference.cli.parts import feature_model
from probbody.inference.pixels import Sketch, fit_pixels
from probbody.models import MatchedBody
from probbody.observation import Observation
from probbody.quantities import Pose

MATCHED = 300
"""Vertices that are looked for in the feature image."""


@dataclass(frozen=True)
class Answer:
    """Where a method puts the joints, and how likely it takes each pixel to be something before the body."""

    joints: Float[Tensor, "B J 3"]
    occlusion: Float[Tensor, "B h w"] | None = None


class Method(abc.ABC):
    """From pictures that were read to joints."""

    name: str

    @abc.abstractmethod
    def __call__(self, scenes: UnseenPictures, reading: Reading) -> Answer:
        """One body a picture."""


class MeanPose(Method):
    """What the reader told before it had learnt anything: the means of the pictures that it learns from."""

    name = "mean pose"

    def __init__(self, reader: PersonReader) -> None:
        self.reader = reader

    def __call__(self, scenes: UnseenPictures, reading: Reading) -> Answer:
        """The same pose for everybody, placed in the middle of the crop."""
        return Answer(open_body()(mean_pose(self.reader, scenes)).joints)


class Regressor(Method):
    """The reader's guess."""

    name = "regressor"

    def __call__(self, scenes: UnseenPictures, reading: Reading) -> Answer:
        """As it was read."""
        return Answer(open_body()(reading.pose).joints)


class Fitted(Method):
    """A generative model's most probable body, searched for from a guess, and led by matches of the skin.

    ``guessing``: from the reader's pose; else from its mean pose, turned to eight sides in place of four alternatives.
    """

    def __init__(
        self,
        name: str,
        system: str,
        learnt: LearntFeatures,
        prior: PosePrior,
        *,
        steps: int = 50,
        guessing: bool = True,
    ) -> None:
        self.name, self.learnt, self.prior, self.steps, self.guessing = name, learnt, prior, steps, guessing
        self.body = open_body()
        self.model = feature_model(system, self.body, prior, learnt)

    def __call__(self, scenes: UnseenPictures, reading: Reading) -> Answer:
        """Fits all as one batch."""
        seen = Observation(scenes.pictures.camera, features=reading.features)
        guesses = [reading.pose] if self.guessing else self._sides(scenes)
        fits = [
            fit_pixels(self.model, self.body, self.prior, seen, guess, (self._matched(seen),), steps=self.steps)
            for guess in guesses
        ]
        best = torch.stack([fit.loss for fit in fits]).argmin(0)
        row = torch.arange(len(best))
        joints = torch.stack([self.body(fit.pose).joints for fit in fits])[best, row]
        occlusion = torch.stack([fit.occlusion for fit in fits if fit.occlusion is not None])[best, row]
        return Answer(joints, occlusion)

    def _sides(self, scenes: UnseenPictures) -> list[Pose]:
        """The mean pose from the front and from the left; ``fit_pixels`` turns each about by itself."""
        assert isinstance(self.learnt.reader, PersonReader)
        front = mean_pose(self.learnt.reader, scenes)
        sides = []
        for turn in (0.0, math.pi / 2):
            about = axis_angle_to_matrix(torch.tensor([0.0, turn, 0.0]))
            root = (front.rotations[:, 0] @ about).unsqueeze(1)
            sides.append(replace(front, rotations=torch.cat([root, front.rotations[:, 1:]], 1)))
        return sides

    def _matched(self, seen: Observation) -> Sketch:
        assert seen.features is not None
        vertex = torch.arange(0, len(self.body.weights), max(len(self.body.weights) // MATCHED, 1))
        found = matches(self.learnt.features, vertex, seen.features, self.learnt.concentration)
        height, width = seen.camera.size
        scale = found.new_tensor([width / seen.features.shape[3], height / seen.features.shape[2], 1.0])
        points = replace(seen, features=None, keypoints=found * scale)
        return Sketch(MatchedBody(self.body, self.prior, vertex), points)


def mean_pose(reader: PersonReader, scenes: UnseenPictures) -> Pose:
    """The means that the reader keeps, before each picture's camera."""
    told = reader.body(reader.maps(scenes.pictures.images[:1]))
    nothing = type(told)(told.parts, 0 * told.six, 0 * told.shape, 0 * told.view)
    several = [reader.guess(nothing, scenes.pictures.camera[row]) for row in range(len(scenes))]
    return Pose(*(torch.cat([getattr(one, name) for one in several]) for name in ("rotations", "shape", "translation")))


def without_directions(learnt: LearntFeatures) -> LearntFeatures:
    """The same reader, whose field is blind to how limbs are turned: O = 1.

    The rows of a vertex are averaged over its directions, which is the most likely single one if all were seen as often.
    """
    field = learnt.features
    mean = torch.nn.functional.normalize(field.features.sum(1, keepdim=True), dim=-1)
    return replace(learnt, features=DirectedFeatures(mean, field.limbs, OneDirection()))
