"""The whole way from keypoints to a body: start, fit, doubt, fit again."""

from collections.abc import Callable
from dataclasses import replace

import torch

from probbody.contracts import ArticulatedBody, PosePrior
from probbody.observation import Observation

from .density import Model
from .maximum import fit_map
from .optimisers import Optimiser
from .result import Fit
from .stages import keypoint_stages
from .start import TURNS, alternatives, keypoint_starts

DOUBT = 0.1
"""How wide the site ``noise`` starts in the second round, as a share of the person's box."""


def fit_keypoints(
    model: Model,
    body: ArticulatedBody,
    prior: PosePrior,
    observation: Observation,
    *,
    turns: tuple[float, ...] = TURNS,
    steps: int = 320,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Fit:
    """The most probable bodies behind keypoints, found in two rounds.

    Half of the steps go from upright orientations (``keypoint_starts``) in SMPLify's order; the other half from the pose
    that came lowest and from what it is most easily mistaken for (``alternatives``): turned by 180 degrees, mirrored, both.
    All starts of a round are one batch, and the lowest loss of each body is kept.

    Args:
        model: a Pyro program over the sites ``shape``, ``pose``, ``orientation``, ``place`` and perhaps ``noise``.
        body, prior: those of the model.
        observation: with keypoints.
        turns: the orientations of the first round, angles in radians about the vertical.
        steps: of both rounds together.
        optimiser: instead of Adam.
        seed, progress: as of ``fit_map``.

    Raises:
        NonFiniteError: see ``fit_map``.
    """
    half = max(steps // 2, 1)

    def told(before: int) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(before + min(done, half), 2 * half)

    first = fit_map(
        model,
        observation,
        stages=keypoint_stages(half, optimiser),
        start=keypoint_starts(body, prior, observation, turns=turns),
        seed=seed,
        progress=told(0),
    )
    doubted = first.sites()
    if "noise" in doubted:
        doubted["noise"] = torch.full_like(doubted["noise"], DOUBT)
    return fit_map(
        model,
        observation,
        stages=(replace(keypoint_stages(half, optimiser)[-1], steps=half),),
        start=alternatives(doubted, body, prior),
        seed=seed,
        progress=told(half),
    )
