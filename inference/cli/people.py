"""The people of one picture, fitted together."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image
from probbody.data.keypoints import People
from torch import Tensor

from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import PosePrior
from probbody.geometry.cameras import PinholeCamera
from probbody.models import KeypointBody
from probbody.observation import Observation
from probbody.quantities import Surface

from ..maximum import fit_map
from ..result import Fit
from ..stages import keypoint_stages
from ..start import TURNS, keypoint_starts

FOCAL_SPREAD = 0.25
"""How unsure an unknown focal length is: standard deviation of its logarithm around the picture's diagonal."""


@dataclass(frozen=True)
class Settings:
    """What a person may choose about a fit; ``focal`` is in pixels, None where it is unknown."""

    focal: float | None = None
    starts: int = 4
    steps: int = 240
    seed: int = 0


@dataclass(frozen=True)
class FittedPeople:
    """A fit with what it was fitted to: everything that the results of a picture are written from."""

    fit: Fit
    surface: Surface
    camera: PinholeCamera
    observation: Observation
    places: Float[Tensor, "B P 2"]
    """The fitted keypoints in pixels."""
    model: KeypointBody
    body: SkinnedBody
    focal_known: bool


def fit_people(
    photograph: Image.Image, people: People, body: SkinnedBody, prior: PosePrior, settings: Settings
) -> FittedPeople:
    """Fit everybody in a picture to their keypoints, in one batch."""
    focal, known = _focal(photograph, settings)
    like = body.weights
    count = len(people.keypoints)
    size = (photograph.height, photograph.width)
    camera = PinholeCamera.looking_ahead(focal, size, batch=count).to(like.device, like.dtype)
    observation = Observation(camera, people.keypoints.to(like), people.layout)
    model = KeypointBody(body, prior, people.layout, focal_spread=0.0 if known else FOCAL_SPREAD)
    start = keypoint_starts(body, prior, observation, turns=_turns(settings.starts))
    fit = fit_map(model, observation, stages=keypoint_stages(settings.steps), start=start, seed=settings.seed)
    if "focal" in fit.draws:
        camera = camera.zoomed(fit.sites()["focal"])
    with torch.no_grad():
        surface = body(fit.pose)
        places = camera.project(body.keypoints(surface, people.layout))[..., :2]
    return FittedPeople(fit, surface, camera, observation, places, model, body, known)


def _turns(starts: int) -> tuple[float, ...]:
    """The usual turns first, then ever finer ones between them."""
    found = list(TURNS[:starts])
    while len(found) < starts:
        found.append(math.pi * 0.25 * (2 * (len(found) - len(TURNS)) + 1))
    return tuple(found)


def _focal(photograph: Image.Image, settings: Settings) -> tuple[float, bool]:
    """The focal length in pixels, and whether it is known: told, else from the picture's own notes, else a guess."""
    diagonal = math.hypot(photograph.width, photograph.height)
    if settings.focal is not None:
        return settings.focal, True
    millimetres = photograph.getexif().get_ifd(0x8769).get(0xA405)  # EXIF: focal length in 35 mm film
    if millimetres:
        return float(millimetres) / math.hypot(36, 24) * diagonal, True
    return diagonal, False
