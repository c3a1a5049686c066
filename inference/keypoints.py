"""The whole way from keypoints to a body: start, fit, doubt, weigh."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.bodies.joints import JointSet
from probbody.contracts import ArticulatedBody, PosePrior
from probbody.observation import Observation

from .basins import log_masses
from .density import Model, of_each_start
from .maximum import Starts, each_start
from .optimisers import Optimiser
from .result import Fit
from .stages import Stage, keypoint_stages, refining_stages
from .start import TURNS, alternatives, keypoint_starts, without_keypoints

DOUBT, CERTAIN = 0.1, 0.02
"""How wide the site ``noise`` starts where keypoints are doubted, and in the last round, as a share of the person's box."""

STEPS, STEPS_OF_RIGS = 365, 1095
SHARES = (0.345, 0.23, 0.11, 0.137, 0.178)
"""Of the steps: upright, without a keypoint and with all of them again, then these two once more."""

Progress = Callable[[int, int], None]


def fit_keypoints(
    model: Model,
    body: ArticulatedBody,
    prior: PosePrior,
    observation: Observation,
    *,
    turns: tuple[float, ...] = TURNS,
    joints: JointSet | None = None,
    doubts: int = 14,
    again: int = 4,
    steps: int | None = None,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Fit:
    """The bodies behind keypoints that most of the posterior speaks for, found in three rounds.

    The first goes from upright orientations (``keypoint_starts``) in SMPLify's order. The second goes from the best
    of these: from what it is most easily mistaken for (``alternatives``), and once more without each of the keypoints
    that it explains worst: a wrong one that it bent itself to is not found out otherwise. Then all of them see all
    keypoints again. The third does the same with fewer from the best of the second: where two keypoints are wrong, one
    may be found out only after the other. The best start of a body is the one whose basin holds the most posterior mass
    (``log_masses``): the highest maximum is often a narrow one, which believes too much.

    Args:
        model: a Pyro program over the sites ``shape``, ``pose``, ``orientation``, ``place`` and perhaps ``noise``, ``focal``.
        body, prior: those of the model.
        observation: with keypoints.
        turns: the orientations of the first round, angles in radians about the vertical.
        joints: the joint set of the keypoints, where their layout is one's own.
        doubts, again: how many keypoints are doubted in the second and in the third round, each in a start of its own.
        steps: of all rounds together; 365 unless told, and 1095 for rigs, which show a body so closely that it takes as many.
        optimiser: instead of Adam.
        seed, progress: as of ``fit_map``.

    Returns: ``start``, ``start_losses`` and ``losses`` are those of the third round, once all keypoints are seen again: first
        the best of the second as it was, then the same after another descent, then each doubt.

    Raises:
        NonFiniteError: see ``fit_map``.
    """
    usual = STEPS if observation.camera.views == 1 else STEPS_OF_RIGS
    rounds = _Rounds(model, body, observation, usual if steps is None else steps, optimiser, seed, progress)
    upright = keypoint_starts(body, prior, observation, turns=turns, joints=joints)
    first = rounds.heaviest(upright, keypoint_stages(rounds.steps(0), optimiser), 0)
    found = rounds.doubted(alternatives(first.sites(), body, prior), first, doubts, 1)
    second = rounds.heaviest(_noisy(found, CERTAIN), refining_stages(rounds.steps(2), optimiser), 2)
    itself = {name: value[None] for name, value in second.sites().items()}
    found = rounds.doubted(itself, second, again, 3)
    found = {name: torch.cat([value, found[name]]) for name, value in itself.items()}
    third = rounds.heaviest(_noisy(found, CERTAIN), refining_stages(rounds.steps(4), optimiser), 4)
    if progress is not None:
        progress(rounds.every, rounds.every)
    return third


@dataclass(frozen=True)
class _Rounds:
    """What the parts of a fit share, ``every`` being the steps of all of them."""

    model: Model
    body: ArticulatedBody
    observation: Observation
    every: int
    optimiser: Optimiser | None
    seed: int
    progress: Progress | None

    def steps(self, part: int) -> int:
        """Of one part."""
        return max(round(SHARES[part] * self.every), 1)

    def told(self, part: int) -> Progress | None:
        """What a part tells of its progress, the steps of those before it added."""
        if self.progress is None:
            return None
        tell, every, now = self.progress, self.every, self.steps(part)
        before = sum(self.steps(earlier) for earlier in range(part))
        return lambda done, total: tell(min(before + min(done, now), every), every)

    def heaviest(self, starts: Starts, stages: tuple[Stage, ...], part: int) -> Fit:
        """The best of each body that these starts lead to, with all keypoints seen."""
        many = self.observation.repeat(_count(starts))
        each = each_start(self.model, many, starts, stages, self.seed, self.told(part))
        return _heaviest(self.model, self.observation, each, self.seed)

    def doubted(
        self, likely: Mapping[str, Float[Tensor, "L B *_"]], best: Fit, doubts: int, part: int
    ) -> dict[str, Float[Tensor, "S B *_"]]:
        """Where likely starts lead, and the best fit without each keypoint in turn."""
        masked = without_keypoints(best, self.body, self.observation, doubts)
        alone = {name: value.expand(len(masked), *value.shape) for name, value in best.sites().items()}
        starts = {name: torch.cat([value, alone[name]]) for name, value in likely.items()}
        many = self.observation.repeat(_count(starts))
        assert many.keypoints is not None  # or there were no starts
        seen = many.keypoints[: len(many) - len(masked) * len(self.observation)]
        partly = replace(many, keypoints=torch.cat([seen, masked.flatten(0, 1)]))
        steps = self.steps(part)
        limbs = (replace(keypoint_stages(steps, self.optimiser)[-1], steps=steps),)
        found = each_start(self.model, partly, _noisy(starts, DOUBT), limbs, self.seed, self.told(part))
        return {name: value.unflatten(0, (-1, len(self.observation))) for name, value in found.sites().items()}


def _noisy(starts: Starts, noise: float) -> dict[str, Float[Tensor, "S B *_"]]:
    """The same starts, the site ``noise`` set where there is one."""
    return {name: torch.full_like(value, noise) if name == "noise" else value for name, value in starts.items()}


def _count(starts: Starts) -> int:
    return len(next(iter(starts.values())))


def _heaviest(model: Model, observation: Observation, fitted: Fit, seed: int) -> Fit:
    """Of each body the start with the most mass about it; where that of one is not finite, the lowest."""
    count, bodies = len(fitted) // len(observation), len(observation)
    masses = log_masses(of_each_start(model, bodies), observation.repeat(count), fitted.sites()).reshape(count, bodies)
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
