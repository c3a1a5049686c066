"""People in photographs whose keypoints are marked, fitted to pixels alone, and how far off their keypoints come."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.data.keypoints import People, read_keypoints
from probbody.extractors import LearntFeatures
from probbody.inference.cli.boxes import keypoint_boxes
from probbody.inference.cli.fitted import FittedPeople
from probbody.inference.cli.parts import features_named, with_second
from probbody.inference.cli.people import Settings, enough_seen
from probbody.inference.cli.pixels import ByPixels, Where
from probbody.inference.cli.ways import Looked
from probbody.pictures import read_picture
from probbody.priors import vae_prior

TALL = 60.0
"""Pixels: people whose box is lower than this are not counted."""
SYSTEMS = {"NeuralSMPL": "neural-smpl", "3DNBF": "nbv"}
METHODS = ("regressor", *SYSTEMS)


@dataclass(frozen=True)
class Marked:
    """A photograph, and the people in it who are high enough; methods are given their boxes and nothing else."""

    path: Path
    photograph: Image.Image
    people: People

    @property
    def sides(self) -> Float[Tensor, " B"]:
        """The longer side of each box, of which keypoints may be off by a share."""
        assert self.people.boxes is not None
        return self.people.boxes[:, 2:].amax(-1)

    def looked(self) -> Looked:
        """As a way from pixels to bodies is asked."""
        return Looked(self.path, self.photograph, boxes=keypoint_boxes(self.people))

    def away(self, places: Float[Tensor, "B P 2"]) -> Float[Tensor, "B P"]:
        """How far keypoints are from where they are marked, in longer sides of the box; NaN where they are not marked."""
        return away_from(self.people, places, self.sides)


def away_from(people: People, places: Float[Tensor, "B P 2"], sides: Float[Tensor, " B"]) -> Float[Tensor, "B P"]:
    """How far keypoints are from where they are marked, in ``sides``; NaN where they are not marked."""
    off = (places - people.keypoints[..., :2]).norm(dim=-1) / sides[:, None]
    return torch.where(people.seen(), off, torch.nan)


def questions(doc: str | None) -> argparse.ArgumentParser:
    """What benchmarks of fits to pixels may be asked."""
    asked = argparse.ArgumentParser(description=doc)
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    asked.add_argument("--data", type=Path, default=Path(os.environ.get("PROBBODY_DATA", beside)))
    asked.add_argument("--features", type=Path, help="other learnt features than those that ship")
    asked.add_argument(
        "--two-networks", action="store_true", help="with the second network that ships beside the first"
    )
    asked.add_argument("--pictures", type=Path, help="where sheets go")
    asked.add_argument("--quick", action="store_true")
    return asked


def ready(options: argparse.Namespace) -> LearntFeatures:
    """One thread, a folder for sheets where they are wanted, and the features that were asked for."""
    torch.set_num_threads(1)
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    learnt = features_named(options.features, open_body(), torch.device("cpu"))
    return with_second(learnt) if options.two_networks else learnt


def marked_people(folder: Path, quick: bool) -> Iterator[Marked]:
    """The photographs of a folder in COCO's layout; of the first alone, if quick."""
    for path in sorted(folder.glob("*.jpg"))[: 1 if quick else None]:
        people = enough_seen(read_keypoints(folder / "person_keypoints.json", image=path.name), path.name)[0]
        assert people.boxes is not None
        tall = [number for number in range(len(people)) if float(people.boxes[number, 3]) > TALL]
        if tall:
            yield Marked(path, read_picture(path), people[tall])


def way(learnt: LearntFeatures, system: str, focal: float | None = None) -> ByPixels:
    """From pixels to bodies, with the defaults of the command line."""
    return ByPixels(Where(), open_body(), vae_prior(), learnt, Settings(focal), system)


def fitted_by_all(looked: list[Looked], learnt: LearntFeatures, focal: float | None = None) -> dict[str, list]:
    """What each method finds in pictures, all as one batch."""
    fits = {name: way(learnt, system, focal).fit(looked) for name, system in SYSTEMS.items()}
    return {"regressor": [guessed(fitted) for fitted in fits["3DNBF"]], **fits}


def guessed(fitted: FittedPeople) -> FittedPeople:
    """The same people, posed as the network took them to be."""
    guess = fitted.fit.guess
    assert guess is not None
    return replace(fitted, surface=fitted.body(guess))


@torch.no_grad()
def keypoints_of(fitted: FittedPeople, layout: str) -> Float[Tensor, "B P 2"]:
    """Where the keypoints of fitted bodies are in the picture."""
    return fitted.camera.project(fitted.body.keypoints(fitted.surface, layout))[..., :2]
