"""How far a learnt reader's guesses are from the body, on pictures that it was not learnt from."""

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.extractors.guess_errors import GuessErrors, joint_code
from probbody.extractors.person_reader import PersonReader

from .feature_data import Lessons
from .feature_fitting import FeatureFitting
from .feature_run import draws, half_precision
from .lesson import Lesson
from .variation import Variation

ENOUGH = 4
"""Guesses for each number of an error: fewer do not tell a covariance."""


@torch.no_grad()
def fitted_guess(
    reader: PersonReader, kept_out: Lessons, variation: Variation | None, fitting: FeatureFitting | None = None
) -> GuessErrors | None:
    """Errors of the guesses, half of them of pictures varied as in learning, in which more is hidden.

    None where there are fewer than ``ENOUGH`` guesses for each number of an error: what was not seen is not known.
    """
    fitting = fitting or FeatureFitting()
    reader.eval()
    found = []
    for step in range(max(fitting.kept_out // fitting.batch, 1)):
        lesson = kept_out(step, fitting.batch)
        found.append(guess_errors(reader, lesson))
        if variation is not None:
            found.append(guess_errors(reader, variation(lesson, draws(fitting.seed, step))))
    errors = torch.cat(found)
    return GuessErrors.fit(errors) if len(errors) >= ENOUGH * errors.shape[1] else None


@torch.no_grad()
def guess_errors(reader: PersonReader, lesson: Lesson) -> Float[Tensor, "B E"]:
    """Guessed less true joints, as ``joint_code`` has them at the guessed root's depth."""
    with half_precision(lesson.images.device):
        reading = reader.read(lesson.images.contiguous(memory_format=torch.channels_last), lesson.camera)
    guessed = reader.rest.posed(reading.pose)
    depth = lesson.camera.locate(guessed[:, 0])[:, 2].exp()
    here, true = (joint_code(joints, lesson.camera, depth) for joints in (guessed, lesson.surface.joints))
    return here - true
