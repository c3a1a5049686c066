"""The people of a picture, found by their keypoints."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image

from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import PosePrior
from probbody.data.keypoints import People
from probbody.densities import UprightRotation
from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.models import KeypointBody, NormalOrAnywhere
from probbody.observation import Observation
from probbody.pictures import film_focal

from ..keypoints import fit_keypoints
from ..start import TURNS
from .fitted import FittedPeople

FOCAL_SPREAD = 0.25
"""How unsure an unknown focal length is: standard deviation of its logarithm around the picture's diagonal."""
STEPS = 365
"""Of a fit to keypoints, unless told."""
FEWEST, CONFIDENT = 4, 0.2
"""How many keypoints, of what confidence, a person must have: fewer leave the place and the size of a body to the prior."""


@dataclass(frozen=True)
class Settings:
    """What a person may choose about a fit; ``focal`` is in pixels, None where it is unknown."""

    focal: float | None = None
    starts: int = 4
    steps: int | None = None
    """Of the optimiser; None for as many as usual."""
    seed: int = 0


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
    focal, known = focal_of(photograph, settings)
    like = body.weights
    count = len(people.keypoints)
    size = (photograph.height, photograph.width)
    camera = PinholeCamera.looking_ahead(focal, size, batch=count).to(like.device, like.dtype)
    observation = Observation(camera, people.keypoints.to(like), people.layout)
    upright = UprightRotation(like.new_tensor([0.0, -1.0, 0.0]))  # pictures are held level, more or less
    spread = 0.0 if known else FOCAL_SPREAD
    model = KeypointBody(body, prior, people.layout, focal_spread=spread, orientation=upright)
    steps = settings.steps or STEPS
    fit = fit_keypoints(
        model,
        body,
        prior,
        observation,
        turns=_turns(settings.starts),
        steps=steps,
        seed=settings.seed,
        progress=progress,
    )
    if "focal" in fit.draws:
        camera = camera.zoomed(fit.sites()["focal"])
    with torch.no_grad():
        surface = body(fit.pose)
        places = camera.project(body.keypoints(surface, people.layout))[..., :2]
    noise = model.noise if isinstance(model.noise, NormalOrAnywhere) else None
    return FittedPeople(fit, surface, camera, observation, places, noise, body, known, steps, people.names)


def _turns(starts: int) -> tuple[float, ...]:
    """The usual turns first, then ever finer ones between them: van der Corput's sequence, which those begin."""
    finer = [int(f"{n:b}"[::-1], 2) / (1 << n.bit_length()) for n in range(len(TURNS), starts)]
    return (*TURNS[:starts], *(math.tau * share for share in finer))


def focal_of(photograph: Image.Image, settings: Settings) -> tuple[float, bool]:
    """The focal length in pixels, and whether it is known: told, else from the picture's own notes, else a guess."""
    diagonal = math.hypot(photograph.width, photograph.height)
    if settings.focal is not None:
        return settings.focal, True
    if (millimetres := film_focal(photograph)) is not None:
        return millimetres / math.hypot(36, 24) * diagonal, True
    return diagonal, False
