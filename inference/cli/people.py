"""The people of one picture, fitted together."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import PosePrior
from probbody.data.keypoints import People
from probbody.densities import UprightRotation
from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.models import KeypointBody
from probbody.observation import Observation
from probbody.pictures import film_focal
from probbody.quantities import Surface

from ..keypoints import fit_keypoints
from ..result import Fit
from ..start import TURNS

FOCAL_SPREAD = 0.25
"""How unsure an unknown focal length is: standard deviation of its logarithm around the picture's diagonal."""
FEWEST, CONFIDENT = 4, 0.2
"""How many keypoints, of what confidence, a person must have: fewer leave the place and the size of a body to the prior."""


@dataclass(frozen=True)
class Settings:
    """What a person may choose about a fit; ``focal`` is in pixels, None where it is unknown."""

    focal: float | None = None
    starts: int = 4
    steps: int = 280
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
    steps: int
    names: tuple[str, ...]
    """What the keypoint file calls each of them."""


def enough_seen(people: People, source: str) -> tuple[People, dict[str, int]]:
    """Those with at least ``FEWEST`` keypoints of confidence ``CONFIDENT``, and how many the others have, by name.

    Raises ``BadInput``, which begins with ``source``, where nobody has so many.
    """
    counts = (people.keypoints[..., 2] >= CONFIDENT).sum(-1).tolist()
    kept = [person for person, count in enumerate(counts) if count >= FEWEST]
    if not kept:
        raise BadInput(
            f"{source}: expected a person with at least {FEWEST} keypoints of confidence {CONFIDENT:g} or more, "
            f"found at most {max(counts)}."
        )
    return people[kept], {people.names[i]: count for i, count in enumerate(counts) if count < FEWEST}


def fit_people(
    photograph: Image.Image,
    people: People,
    body: SkinnedBody,
    prior: PosePrior,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
) -> FittedPeople:
    """Fit everybody in a picture to their keypoints, in one batch; ``progress`` gets the steps done and those in all."""
    focal, known = _focal(photograph, settings)
    like = body.weights
    count = len(people.keypoints)
    size = (photograph.height, photograph.width)
    camera = PinholeCamera.looking_ahead(focal, size, batch=count).to(like.device, like.dtype)
    observation = Observation(camera, people.keypoints.to(like), people.layout)
    upright = UprightRotation(like.new_tensor([0.0, -1.0, 0.0]))  # pictures are held level, more or less
    spread = 0.0 if known else FOCAL_SPREAD
    model = KeypointBody(body, prior, people.layout, focal_spread=spread, orientation=upright)
    fit = fit_keypoints(
        model,
        body,
        prior,
        observation,
        turns=_turns(settings.starts),
        steps=settings.steps,
        seed=settings.seed,
        progress=progress,
    )
    if "focal" in fit.draws:
        camera = camera.zoomed(fit.sites()["focal"])
    with torch.no_grad():
        surface = body(fit.pose)
        places = camera.project(body.keypoints(surface, people.layout))[..., :2]
    return FittedPeople(fit, surface, camera, observation, places, model, body, known, settings.steps, people.names)


def _turns(starts: int) -> tuple[float, ...]:
    """The usual turns first, then ever finer ones between them: van der Corput's sequence, which those begin."""
    finer = [int(f"{n:b}"[::-1], 2) / (1 << n.bit_length()) for n in range(len(TURNS), starts)]
    return (*TURNS[:starts], *(math.tau * share for share in finer))


def _focal(photograph: Image.Image, settings: Settings) -> tuple[float, bool]:
    """The focal length in pixels, and whether it is known: told, else from the picture's own notes, else a guess."""
    diagonal = math.hypot(photograph.width, photograph.height)
    if settings.focal is not None:
        return settings.focal, True
    if (millimetres := film_focal(photograph)) is not None:
        return millimetres / math.hypot(36, 24) * diagonal, True
    return diagonal, False
