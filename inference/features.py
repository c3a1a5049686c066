"""The whole way from a feature image to a body: match, turn, render."""

from collections.abc import Callable
from dataclasses import replace

import pyro
import torch
from jaxtyping import Float
from pyro import poutine
from torch import Tensor

from probbody.contracts import ArticulatedBody, PosePrior
from probbody.observation import Observation

from .density import BodyELBO, Model, of_each_start
from .maximum import Starts, each_start, fit_map
from .optimisers import Adam
from .result import Fit
from .stages import Stage
from .start import alternatives

RATES = {"orientation": 0.03, "place": 0.005}
"""First rates of Adam beside that of the code and the shape: radians, and tangents of which a picture spans few."""


def fit_features(
    model: Model,
    matched: Model,
    body: ArticulatedBody,
    prior: PosePrior,
    observation: Observation,
    matches: Float[Tensor, "B P 3"],
    start: Starts,
    *,
    steps: int = 120,
    keep: int = 1,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Fit:
    """The most probable bodies behind a feature image, found in two rounds.

    What a fit sees that renders reaches no further than a limb is wide. So the first round goes by points of the skin that
    were found in the picture (``probbody.features.matches``): from the start, and from what it is most easily mistaken
    for (``alternatives``). It is cheap. The second renders, from the best of these: those that, once rendered, are the most
    probable. Matches alone do not tell a body from its reflection in depth.

    Args:
        model: a Pyro program over ``shape``, ``pose``, ``orientation``, ``place`` that explains the observed features.
        matched: one over the same sites, and ``scatter`` or ``noise``, that explains matches, such as ``MatchedBody``.
        body, prior: those of ``matched``. The model's may be freer over the same codes: ``FreedPose`` beside its ``held()``.
        observation: with features.
        matches: (u, v, confidence), in pixels of the feature image.
        start: of the four sites, one or several for each body.
        steps: of each round.
        keep: how many starts of each body the second round has; more cost as much more, and found little more.
        seed, progress: as of ``fit_map``.

    Raises:
        ValueError: the observation holds no features, or no start is to be kept.
        NonFiniteError: see ``fit_map``.
    """
    if observation.features is None or keep < 1:
        raise ValueError("fit_features: expected an observation with features, and one start or more to keep.")
    seen = replace(observation, features=None, keypoints=_in_picture(matches, observation))
    many = [alternatives({name: value[n] for name, value in start.items()}, body, prior) for n in range(_count(start))]
    around = {name: torch.cat([each[name] for each in many]) for name in start}
    count, bodies = _count(around), len(observation)
    around |= dict.fromkeys(("noise", "scatter"), matches.new_full((count, bodies), 0.1))  # whichever the matches have

    def told(before: int) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(before + min(done, steps), 2 * steps)

    quick = Stage(steps, None, Adam(0.1, {**RATES, "noise": 0.05, "scatter": 0.05}))
    every = each_start(matched, seen.repeat(count), around, (quick,), seed, told(0))
    sites = {name: value for name, value in every.sites().items() if name not in ("noise", "scatter")}
    loss = _losses(of_each_start(model, bodies), observation.repeat(count), sites).reshape(count, bodies)
    best = loss.topk(min(keep, count), dim=0, largest=False).indices
    row = torch.arange(bodies, device=best.device)
    start = {name: value.unflatten(0, (count, bodies))[best, row] for name, value in sites.items()}
    return fit_map(model, observation, stages=feature_stages(steps), start=start, seed=seed, progress=told(steps))


def feature_stages(steps: int = 120) -> tuple[Stage, ...]:
    """One stage of Adam over all sites; the code, in standard deviations, goes faster than angles and places.

    At half the rates of the first round: at full ones the first steps can lead a body away from all that it covers.
    """
    return (Stage(steps, None, Adam(0.05, {name: rate / 2 for name, rate in RATES.items()})),)


@torch.no_grad()
def _losses(model: Model, observation: Observation, sites: dict[str, Float[Tensor, "B *_"]]) -> Float[Tensor, " B"]:
    """By how many nats each body is improbable as it is; infinite where that is not a number."""
    with pyro.settings.context(validate_distributions_pyro=False, validate_distributions_torch=False):
        told = poutine.condition(model, data=sites)
        terms = BodyELBO().terms(told, lambda _: None, observation)
    return -torch.stack(list(terms.values())).sum(0).nan_to_num(nan=-torch.inf)


def _in_picture(matches: Float[Tensor, "B P 3"], observation: Observation) -> Float[Tensor, "B P 3"]:
    """The same in pixels of the observation's camera."""
    assert observation.features is not None
    height, width = observation.camera.size
    scale = [width / observation.features.shape[3], height / observation.features.shape[2], 1.0]
    return matches * matches.new_tensor(scale)


def _count(starts: Starts) -> int:
    return len(next(iter(starts.values())))
