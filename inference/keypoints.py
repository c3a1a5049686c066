"""The whole way from keypoints to a body: start, fit, doubt, weigh."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.contracts import ArticulatedBody, PosePrior
from probbody.observation import Observation

from .basins import log_masses
from .density import Model
from .maximum import each_start
from .optimisers import Optimiser
from .result import Fit
from .stages import keypoint_stages, refining_stages
from .start import TURNS, alternatives, keypoint_starts, without_keypoints

DOUBT, CERTAIN = 0.1, 0.02
"""How wide the site ``noise`` starts in the second and the third round, as a share of the person's box."""

STEPS, STEPS_OF_RIGS = 280, 840

Progress = Callable[[int, int], None]


def fit_keypoints(
    model: Model,
    body: ArticulatedBody,
    prior: PosePrior,
    observation: Observation,
    *,
    turns: tuple[float, ...] = TURNS,
    doubts: int = 8,
    steps: int | None = None,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Fit:
    """The bodies behind keypoints that most of the posterior speaks for, found in three rounds.

    The first goes from upright orientations (``keypoint_starts``) in SMPLify's order. The second goes from the best
    of these: from what it is most easily mistaken for (``alternatives``), and once more without each of the keypoints
    that it explains worst: a wrong one that it bent itself to is not found out otherwise. In the third all of them
    see all keypoints again. The best start of a body is the one whose basin holds the most posterior mass
    (``log_masses``): the highest maximum is often a narrow one, which believes too much.

    Args:
        model: a Pyro program over the sites ``shape``, ``pose``, ``orientation``, ``place`` and perhaps ``noise``, ``focal``.
        body, prior: those of the model.
        observation: with keypoints.
        turns: the orientations of the first round, angles in radians about the vertical.
        doubts: how many keypoints are doubted, each in a start of its own.
        steps: of all rounds together; 280 unless told, and 840 for rigs, which show a body so closely that it takes as many.
        optimiser: instead of Adam.
        seed, progress: as of ``fit_map``.

    Returns: ``start`` and ``start_losses`` are those of the third round.

    Raises:
        NonFiniteError: see ``fit_map``.
    """
    usual = STEPS if observation.camera.views == 1 else STEPS_OF_RIGS
    every = usual if steps is None else steps
    begin, doubt, end = (max(round(share * every), 1) for share in (0.45, 0.3, 0.25))

    def told(before: int, now: int) -> Progress | None:
        if progress is None:
            return None
        return lambda done, total: progress(min(before + min(done, now), every), every)

    upright = keypoint_starts(body, prior, observation, turns=turns)
    assert observation.keypoints is not None  # or there were no starts
    many = observation.repeat(len(turns))
    each = each_start(model, many, upright, keypoint_stages(begin, optimiser), seed, told(0, begin))
    first = _heaviest(model, observation, each, seed)
    masked = without_keypoints(first, body, observation, doubts)
    starts = _mistaken_or_doubted(first, body, prior, len(masked))
    many = observation.repeat(len(starts["pose"]))
    assert many.keypoints is not None
    kept = many.keypoints[: len(many) - len(masked) * len(observation)]
    partly = replace(many, keypoints=torch.cat([kept, masked.flatten(0, 1)]))
    limbs = (replace(keypoint_stages(doubt, optimiser)[-1], steps=doubt),)
    second = each_start(model, partly, _noisy(starts, DOUBT), limbs, seed, told(begin, doubt))
    found = {name: value.unflatten(0, (-1, len(observation))) for name, value in second.sites().items()}
    gentle = refining_stages(end, optimiser)
    third = each_start(model, many, _noisy(found, CERTAIN), gentle, seed, told(begin + doubt, end))
    if progress is not None:
        progress(every, every)
    return _heaviest(model, observation, third, seed)


def _mistaken_or_doubted(
    first: Fit, body: ArticulatedBody, prior: PosePrior, doubts: int
) -> dict[str, Float[Tensor, "S B *_"]]:
    """What a fit is most easily mistaken for, and then the fit itself, once for each keypoint that will be doubted."""
    sites = first.sites()
    mistaken = alternatives(sites, body, prior)
    return {
        name: torch.cat([value, sites[name].expand(doubts, *sites[name].shape)]) for name, value in mistaken.items()
    }


def _noisy(starts: dict[str, Float[Tensor, "S B *_"]], noise: float) -> dict[str, Float[Tensor, "S B *_"]]:
    """The same starts, the site ``noise`` set where there is one."""
    return {name: torch.full_like(value, noise) if name == "noise" else value for name, value in starts.items()}


def _heaviest(model: Model, observation: Observation, fitted: Fit, seed: int) -> Fit:
    """Of each body the start with the most mass about it; where no mass is finite, the lowest."""
    count, bodies = len(fitted) // len(observation), len(observation)
    masses = log_masses(model, observation.repeat(count), fitted.sites()).reshape(count, bodies)
    losses = fitted.loss.reshape(count, bodies)
    weighable = torch.isfinite(masses).all(0)
    start = torch.where(weighable, masses.argmax(0), losses.argmin(0))
    picked = start * bodies + torch.arange(bodies, device=start.device)
    return Fit(
        pose=fitted.pose[picked],
        draws={name: value[:, picked] for name, value in fitted.draws.items()},
        loss=fitted.loss[picked],
        losses=fitted.losses[:, picked],
        converged=fitted.converged[picked],
        start=start,
        start_losses=losses,
        seed=seed,
        licences=fitted.licences,
    )
