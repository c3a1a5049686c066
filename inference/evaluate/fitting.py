"""Methods that fit a generative model to what is seen, from a start."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from probbody.contracts import ArticulatedBody, PosePrior
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.reading import Reading
from probbody.features.matching import matches
from probbody.observation import Observation

from ..density import Model
from ..pixels import DESCENT, Sketch, fit_pixels
from .fingerprints import fingerprint, fingerprint_of
from .method import Answer, Method, Seen
from .starts import AsRead, Start

MATCHED = 300
"""About so many vertices are looked for in a feature image, spread over the body."""

Evidence = Callable[[Seen, Reading], Observation]
"""What a model is told of pictures that were read."""
Sketcher = Callable[[Observation], Sketch]
"""A model of points that leads to where the one that renders begins."""


def features_alone(seen: Seen, reading: Reading) -> Observation:
    """Pixels, by what was read in them, and nothing else."""
    return Observation(seen.camera, features=reading.features, spots=reading.spots)


def keypoints_alone(seen: Seen, reading: Reading) -> Observation:
    """No pixels."""
    del reading
    return Observation(seen.camera, seen.keypoints)


def features_and_keypoints(seen: Seen, reading: Reading) -> Observation:
    """Both."""
    return Observation(seen.camera, seen.keypoints, features=reading.features, spots=reading.spots)


def outline_and_keypoints(seen: Seen, reading: Reading) -> Observation:
    """Where the network sees a body, and keypoints; features are there for the size of the map, a model may hide them."""
    outline = (1 - reading.parts[:, 0]).clamp(0, 1)
    return Observation(seen.camera, seen.keypoints, features=reading.features, spots=reading.spots, outline=outline)


def features_and_outline(seen: Seen, reading: Reading) -> Observation:
    """Features, and where the network sees a body."""
    return replace(outline_and_keypoints(seen, reading), keypoints=None)


def everything(seen: Seen, reading: Reading) -> Observation:
    """Features, keypoints and the outline."""
    return outline_and_keypoints(seen, reading)


@dataclass(frozen=True)
class ByMatches:
    """Leads by points of the skin that were found in the features.

    ``model`` makes the story of some vertices, such as ``MatchedBody``.
    """

    model: Callable[[Tensor], Model]
    learnt: LearntFeatures

    def __call__(self, seen: Observation) -> Sketch:
        """The story of about ``MATCHED`` vertices, and where they were found."""
        assert seen.features is not None
        count = len(self.learnt.features.features)
        vertex = torch.arange(0, count, max(count // MATCHED, 1), device=seen.features.device)
        found = matches(self.learnt.features, vertex, seen.features, self.learnt.concentration)
        small = seen.camera.resized((seen.features.shape[2], seen.features.shape[3]))
        return Sketch(self.model(vertex), Observation(small, keypoints=found))


@dataclass(frozen=True)
class ByKeypoints:
    """Leads by the keypoints."""

    model: Model

    def __call__(self, seen: Observation) -> Sketch:
        """The story of keypoints, without pixels."""
        return Sketch(self.model, replace(seen, features=None, outline=None, spots=None))


@dataclass(frozen=True)
class Fitted(Method):
    """A model's most probable body, searched for from a start and what that is most easily mistaken for."""

    name: str
    model: Model
    body: ArticulatedBody
    prior: PosePrior
    learnt: LearntFeatures
    """Its reader reads the pictures."""
    start: Start | None = None
    """Where it begins, instead of at what was read."""
    evidence: Evidence = features_alone
    sketchers: tuple[Sketcher, ...] = ()
    starts: int = 4
    keep: int = 4
    steps: int = 50

    def __call__(self, seen: Seen) -> Answer:
        """All as one batch."""
        reading = self.learnt.read(seen.images, seen.camera)
        observation = self.evidence(seen, reading)
        guess, *others = (reading.pose, *reading.others) if self.start is None else self.start.poses(seen)
        fit = fit_pixels(
            self.model, self.body, self.prior, observation, guess, [lead(observation) for lead in self.sketchers],
            others=others, starts=self.starts, keep=self.keep, steps=self.steps,
        )  # fmt: skip
        with torch.no_grad():
            joints = self.body(fit.pose).joints
        return Answer(joints, fit.pose, fit.occlusion)

    def card(self) -> dict[str, object]:
        """The start, the prior, what is looked at and what it counts for, and how long."""
        shown = {"evidence": self.evidence.__name__.replace("_", " "), "starts": self.starts, "keep": self.keep}
        learnt = self.learnt
        counts = {"spots count": learnt.spot_weight, "guesses count": learnt.guess_weight}
        numbers = {"concentration": learnt.concentration, "temper": learnt.temper, **counts, "steps": self.steps}
        known = fingerprint(learnt.reader, learnt.features, learnt.background)
        prior = f"{type(self.prior).__name__} {fingerprint(self.prior)}"
        begun = (self.start or AsRead(self.learnt.reader)).card()
        errors = fingerprint_of(*((f"scale {n}", each.scale) for n, each in enumerate(self.learnt.guesses)))
        looked = {"features": known, "looks": learnt.times, "errors": errors}
        rates = {"rates": {"others": DESCENT.rate, **DESCENT.rates}}
        return {**begun, "prior": prior, **looked, **shown, **numbers, **rates}
