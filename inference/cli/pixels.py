"""The people of pictures, found by what a network reads in them, with keypoints or without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import PosePrior
from probbody.errors import BadInput
from probbody.extractors.learnt import LearntFeatures
from probbody.features.matching import matches
from probbody.geometry.cameras import PinholeCamera
from probbody.maps import FalseColours
from probbody.models import KeypointBody, MatchedBody, NormalOrAnywhere
from probbody.observation import Observation
from probbody.quantities import joined

from ..pixels import Sketch, fit_pixels
from ..result import Fit
from .boxes import keypoint_boxes, mask_for, painted_box, told_box, whole_picture
from .crops import ReadCrops, Sought, read_crops
from .fitted import FittedPeople, Pixels
from .parts import feature_model
from .people import Settings, focal_of
from .ways import Looked, Progress, Way, look_for_keypoints, looked_at

STEPS = 50
"""Of the last round of a fit, unless told."""
MATCHED = 300
"""About so many vertices are looked for in the feature image, spread over the body."""


@dataclass(frozen=True)
class Where:
    """Where people are in pictures: what was given of it, each of them optional."""

    keypoints: Path | None = None
    layout: str | None = None
    boxes: tuple[str, ...] = ()
    mask: Path | None = None

    def look(self, image: Path) -> Looked:
        """The picture, with one box a person."""
        if self.keypoints is not None:
            looked = look_for_keypoints(image, self.keypoints, self.layout, tqdm.write)
        else:
            looked = looked_at(image)
        size = (looked.photograph.height, looked.photograph.width)
        if self.boxes or self.mask is not None:
            boxes = [told_box(words, size) for words in self.boxes]
            if self.mask is not None:
                boxes.append(painted_box(mask_for(image, self.mask), size))
            if looked.people is not None and len(looked.people) != len(boxes):
                raise BadInput(
                    f"{image}: expected a box for each of {len(looked.people)} people with keypoints, found {len(boxes)}."
                )
            return replace(looked, boxes=torch.cat(boxes))
        if looked.people is not None:
            return replace(looked, boxes=keypoint_boxes(looked.people, size))
        return replace(looked, boxes=whole_picture(size), searched=True)


@dataclass(frozen=True)
class ByPixels(Way):
    """Crops are read, and bodies are fitted to the features in them; keypoints are believed beside them."""

    where: Where
    body: SkinnedBody
    prior: PosePrior
    learnt: LearntFeatures
    settings: Settings
    system: str = "nbv"

    at_once = 8

    def look(self, image: Path) -> Looked:
        """The picture, with one box a person."""
        return self.where.look(image)

    def fit(self, looked: Sequence[Looked], progress: Progress | None = None) -> list[FittedPeople]:
        """Those of all pictures as one batch; pictures with other joint sets are batches of their own."""
        layouts = [None if each.people is None else each.people.layout for each in looked]
        found: dict[int, FittedPeople] = {}
        for layout in dict.fromkeys(layouts):
            chosen = [number for number, each in enumerate(layouts) if each == layout]
            fitted = self._batch([looked[number] for number in chosen], layout, progress)
            found |= dict(zip(chosen, fitted, strict=True))
        return [found[number] for number in range(len(looked))]

    def _batch(self, looked: Sequence[Looked], layout: str | None, progress: Progress | None) -> list[FittedPeople]:
        crops = read_crops([self._sought(each) for each in looked], self.learnt)
        everybody = joined(crops)
        keypoints = None if layout is None else torch.cat([_cropped(e, c) for e, c in zip(looked, crops, strict=True)])
        read = everybody.reading
        seen = Observation(everybody.camera, keypoints, layout or "coco17", features=read.features, spots=read.spots)
        model = feature_model(self.system, self.body, self.prior, self.learnt, layout)
        fit = fit_pixels(
            model,
            self.body,
            self.prior,
            seen,
            read.pose,
            self._sketches(seen),
            others=read.others,
            starts=self.settings.starts,
            steps=self.settings.steps or STEPS,
            seed=self.settings.seed,
            progress=progress,
        )
        with torch.no_grad():
            coverage = model.render(fit.pose, seen).coverage
        ends = torch.tensor([len(each) for each in crops]).cumsum(0).tolist()
        rows = [slice(end - len(each), end) for each, end in zip(crops, ends, strict=True)]
        return [
            self._told(each, self._pixels(each, of, coverage[part]), _of(fit, part))
            for each, of, part in zip(looked, crops, rows, strict=True)
        ]

    def _pixels(self, looked: Looked, crops: ReadCrops, coverage: Float[Tensor, "B h w"]) -> Pixels:
        colours = FalseColours.of(self.learnt.features.features.flatten(0, 1))
        learnt = self.learnt
        return Pixels(crops, self.system, colours, coverage, learnt.licence, looked.searched, learnt.least_sure)

    def _sought(self, looked: Looked) -> Sought:
        assert looked.boxes is not None
        return Sought(looked.photograph, looked.boxes, self._camera(looked)[0], looked.searched)

    def _camera(self, looked: Looked) -> tuple[PinholeCamera, bool]:
        """The picture's camera, once for each person, and whether its focal length is known."""
        assert looked.boxes is not None
        focal, known = focal_of(looked.photograph, self.settings)
        size = (looked.photograph.height, looked.photograph.width)
        return PinholeCamera.looking_ahead(focal, size, batch=len(looked.boxes)).to(self.body.weights), known

    def _sketches(self, seen: Observation) -> tuple[Sketch, ...]:
        """The keypoints where there are any, else points of the skin found in the features."""
        assert seen.features is not None
        if seen.keypoints is not None:
            by_keypoints = KeypointBody(self.body, self.prior, seen.layout)
            return (Sketch(by_keypoints, replace(seen, features=None, spots=None)),)
        vertex = torch.arange(0, len(self.body.weights), max(len(self.body.weights) // MATCHED, 1))
        vertex = vertex.to(self.body.weights.device)
        found = matches(self.learnt.features, vertex, seen.features, self.learnt.concentration)
        small = seen.camera.resized((seen.features.shape[2], seen.features.shape[3]))
        return (Sketch(MatchedBody(self.body, self.prior, vertex), Observation(small, keypoints=found)),)

    def _told(self, looked: Looked, pixels: Pixels, fit: Fit) -> FittedPeople:
        camera, known = self._camera(looked)
        people = looked.people
        keypoints = None if people is None else people.keypoints.to(self.body.weights)
        with torch.no_grad():
            surface = self.body(fit.pose)
            places = None
            if people is not None:
                places = camera.project(self.body.keypoints(surface, people.layout))[..., :2]
        return FittedPeople(
            fit=fit,
            surface=surface,
            camera=camera,
            observation=Observation(camera, keypoints, "coco17" if people is None else people.layout),
            places=places,
            noise=None if people is None else NormalOrAnywhere(),
            body=self.body,
            focal_known=known,
            steps=self.settings.steps or STEPS,
            names=tuple(str(number) for number in range(len(fit))) if people is None else people.names,
            pixels=pixels,
        )


def _cropped(looked: Looked, crops: ReadCrops) -> Float[Tensor, "B P 3"]:
    """The keypoints in pixels of the crops."""
    assert looked.people is not None
    keypoints = looked.people.keypoints.to(crops.images)
    return torch.cat([crops.crop.into(keypoints[..., :2]), keypoints[..., 2:]], dim=-1)


def _of(fit: Fit, rows: slice) -> Fit:
    """Some of the bodies of a fit."""
    return replace(
        fit,
        pose=fit.pose[rows],
        draws={name: value[:, rows] for name, value in fit.draws.items()},
        loss=fit.loss[rows],
        losses=fit.losses[:, rows],
        converged=fit.converged[rows],
        start=fit.start[rows],
        start_losses=fit.start_losses[:, rows],
        occlusion=None if fit.occlusion is None else fit.occlusion[rows],
        evidence=None if fit.evidence is None else fit.evidence[rows],
        guess=None if fit.guess is None else fit.guess[rows],
    )
