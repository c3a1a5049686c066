"""From what a network read in a picture to a body: sketched by points, then drawn pixel by pixel."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.contracts import ArticulatedBody, PosePrior
from probbody.geometry.rotations import matrix_to_quaternion
from probbody.observation import Observation
from probbody.quantities import Pose

from .density import Model
from .features import RATES
from .maximum import each_start, fit_map
from .optimisers import Adam
from .result import Fit
from .stages import Stage
from .start import ALTERNATIVES, alternatives
from .viewpoints import screened

WIDE = 0.1
"""Where the sites ``noise`` and ``scatter`` start wherever there are any, as a share of the person's box."""
DESCENT = Adam(0.1, {**RATES, "noise": 0.1, "scatter": 0.05})
"""Keypoints' noise narrows by a tenth a step: by a twentieth it is still twice too wide when a short fit ends."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sketch:
    """A story over the same sites that explains points instead of pixels: it costs little and sees further than a limb.

    Sites of one name are one thing: the ``noise`` to which a sketch narrowed is where that of the model begins, which would
    otherwise take keypoints that the body has been led to for outliers, and go back to the guess. Starts whose noise is still
    wide are far less dense, so that beside a sketch of keypoints those of another are not kept. What is only a sketch's has a
    name of its own, such as ``scatter``.

    ``MatchedBody`` with the matches of a feature image, ``KeypointBody`` with keypoints.
    """

    model: Model
    observation: Observation


def fit_pixels(
    model: Model,
    body: ArticulatedBody,
    prior: PosePrior,
    observation: Observation,
    guess: Pose,
    sketches: Sequence[Sketch] = (),
    *,
    others: Sequence[Pose] = (),
    starts: int = 4,
    keep: int = 4,
    steps: int = 60,
    seed: int = 0,
    progress: Progress | None = None,
) -> Fit:
    """The most probable bodies behind feature images, from a network's guess of each.

    A guess is a start, and no more to a model without ``GuessEvidence``, which is told the guessed joints as ``points``. The
    first is taken as it is, turned, mirrored, and both (``alternatives``), the others as they are; each sketch leads each of
    these towards the points that it explains. Of all of them, those that no sketch led included, the ``keep`` at which the
    model is densest are drawn for a third of the steps, and then the best for all of them.

    Args:
        model: a Pyro program over ``shape``, ``pose``, ``orientation``, ``place`` that explains what is observed.
        body, prior: those of the model.
        observation: of the crops that were read.
        guess: in the world of the observation's camera, such as ``Reading.pose``.
        others: further guesses of the same bodies, such as ``Reading.others``.
        sketches: see ``Sketch``.
        starts: how many of the four alternatives there are, in their order.
        keep: how many candidates of each body are drawn.
        steps: of the last round.
        seed, progress: as of ``fit_map``.

    Returns: ``start`` says which of those kept won, the densest first; ``guess`` is kept beside the pose.

    Raises:
        ValueError: no start is asked for, or more than there are, or none is to be kept.
        NonFiniteError: see ``fit_map``.
    """
    if not 1 <= starts <= ALTERNATIVES or keep < 1:
        raise ValueError(f"starts, keep: expected 1 to {ALTERNATIVES}, and 1 or more, found {starts} and {keep}.")
    if observation.points is None:
        with torch.no_grad():
            joints = [body(each).joints for each in (guess, *others)]
        observation = replace(observation, points=torch.stack(joints, dim=1))
    leading, trying = max(2 * steps // 3, 1), max(steps // 3, 1)
    told = _rounds(progress, [leading] * len(sketches) + [trying, steps])
    first, *further = (sites_of(each, prior, observation) for each in (guess, *others))
    around = {
        name: torch.cat([several[:starts], *(each[name].unsqueeze(0) for each in further)])
        for name, several in alternatives(first, body, prior).items()
    }
    led = [_led(each, around, leading, seed, next(told)) for each in sketches]
    candidates = {name: torch.cat([value, *(each[name] for each in led)]) for name, value in around.items()}
    kept = screened(model, observation, candidates, keep)
    brief, whole = (Stage(count, None, DESCENT) for count in (trying, steps))
    tried = fit_map(model, observation, stages=(brief,), start=kept, seed=seed, progress=next(told))
    best = {name: value[None] for name, value in tried.sites().items()}
    fit = fit_map(model, observation, stages=(whole,), start=best, seed=seed, progress=next(told))
    return replace(fit, start=tried.start, start_losses=tried.start_losses, guess=guess.detach())


def sites_of(pose: Pose, prior: PosePrior, observation: Observation) -> dict[str, Float[Tensor, "B *_"]]:
    """The values of the sites that stand for a pose, as nearly as the prior can say it; ``noise`` and ``scatter`` wide."""
    wide = pose.shape.new_full((len(pose),), WIDE)
    return {
        "shape": pose.shape,
        "pose": prior.encode(pose.rotations[:, 1 : 1 + prior.num_joints]),
        "orientation": matrix_to_quaternion(pose.rotations[:, 0]),
        "place": observation.camera.locate(pose.translation),
        "noise": wide,
        "scatter": wide,
    }


def _led(
    sketch: Sketch, around: dict[str, Float[Tensor, "starts B *_"]], steps: int, seed: int, progress: Progress | None
) -> dict[str, Float[Tensor, "starts B *_"]]:
    """Every start, led by a sketch."""
    count, bodies = around["noise"].shape
    found = each_start(
        sketch.model, sketch.observation.repeat(count), around, (Stage(steps, None, DESCENT),), seed, progress
    )
    sites = {name: value.unflatten(0, (count, bodies)) for name, value in found.sites().items()}
    return {name: sites.get(name, value) for name, value in around.items()}


def _rounds(progress: Progress | None, steps: Sequence[int]) -> Iterator[Progress | None]:
    """What each round tells of its steps, those of the rounds before it added."""
    for number, now in enumerate(steps):
        before = sum(steps[:number])

        def told(done: int, total: int, before: int = before, now: int = now) -> None:
            assert progress is not None
            progress(before + min(done, now), sum(steps))

        yield None if progress is None else told
