"""How far a learnt reader's guesses are from the body, look by look, on pictures that it was not learnt from."""

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.extractors.guess_errors import GuessErrors, joint_code, joint_codes
from probbody.extractors.looks import Looks
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
    reader: PersonReader,
    looks: Looks,
    kept_out: Lessons,
    variation: Variation | None,
    fitting: FeatureFitting | None = None,
) -> GuessErrors | None:
    """Errors of the guesses, half of them of pictures varied as in learning, in which more is hidden.

    None where there are fewer than ``ENOUGH`` guesses for each number of an error: what was not seen is not known.
    """
    fitting = fitting or FeatureFitting()
    reader.eval()
    found = []
    for step in range(max(fitting.kept_out // fitting.batch, 1)):
        lesson = kept_out(step, fitting.batch)
        found.append(guesses_and_truth(reader, looks, lesson))
        if variation is not None:
            found.append(guesses_and_truth(reader, looks, variation(lesson, draws(fitting.seed, step))))
    guessed, true = (torch.cat(each) for each in zip(*found, strict=True))
    if len(true) < ENOUGH * true.shape[1]:
        return None
    return GuessErrors.fit(guessed - true.unsqueeze(1), GuessErrors.spread(guessed))


@torch.no_grad()
def guesses_and_truth(
    reader: PersonReader, looks: Looks, lesson: Lesson
) -> tuple[Float[Tensor, "B K E"], Float[Tensor, "B E"]]:
    """Guessed and true joints, as ``joint_codes`` has them."""
    with half_precision(lesson.images.device):
        reading = looks.read(reader, lesson.images.contiguous(memory_format=torch.channels_last), lesson.camera)
    guessed = [reader.rest.posed(pose) for pose in (reading.pose, *reading.others)]
    codes, depth = joint_codes(torch.stack(guessed, dim=1), lesson.camera)
    return codes, joint_code(lesson.surface.joints, lesson.camera, depth)
