"""Methods that fit a generative model to what is seen, from a start."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.contracts import ArticulatedBody, PosePrior
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.reading import Reading
from probbody.features.matching import matches
from probbody.observation import Observation
from probbody.quantities import Pose

from ..density import Model
from ..pixels import Sketch, fit_pixels
from ..result import Fit
from .fingerprints import fingerprint
from .method import Answer, Method, Seen
from .starts import Start

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
    start: Start
    evidence: Evidence = features_alone
    sketchers: tuple[Sketcher, ...] = ()
    starts: int = 4
    keep: int = 2
    steps: int = 50

    def __call__(self, seen: Seen) -> Answer:
        """All as one batch; of several guesses of a body the one whose fit is likeliest."""
        with torch.no_grad():
            reading = self.learnt.reader.read(seen.images, seen.camera)
        observation = self.evidence(seen, reading)
        sketches = tuple(sketcher(observation) for sketcher in self.sketchers)
        fits = [self._fit(observation, guess, sketches) for guess in self.start.poses(seen)]
        best = torch.stack([fit.loss for fit in fits]).argmin(0)
        row = torch.arange(len(best), device=best.device)
        pose = Pose(
            *(_pick([getattr(f.pose, n) for f in fits], best, row) for n in ("rotations", "shape", "translation"))
        )
        maps = [fit.occlusion for fit in fits if fit.occlusion is not None]
        with torch.no_grad():
            joints = self.body(pose).joints
        return Answer(joints, pose, _pick(maps, best, row) if maps else None)

    def card(self) -> dict[str, object]:
        """The start, what is looked at, and how long."""
        shown = {"evidence": self.evidence.__name__.replace("_", " "), "starts": self.starts, "keep": self.keep}
        known = fingerprint(self.learnt.reader, self.learnt.features, self.learnt.background)
        numbers = {"concentration": self.learnt.concentration, "temper": self.learnt.temper, "steps": self.steps}
        return {**self.start.card(), "features": known, **shown, **numbers}

    def _fit(self, observation: Observation, guess: Pose, sketches: tuple[Sketch, ...]) -> Fit:
        return fit_pixels(
            self.model, self.body, self.prior, observation, guess, sketches,
            starts=self.starts, keep=self.keep, steps=self.steps,
        )  # fmt: skip


def _pick(several: list[Tensor], which: Tensor, row: Tensor) -> Float[Tensor, "B *_"]:
    return torch.stack(several)[which, row]
