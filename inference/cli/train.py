"""``probbody train``: parts that ship, from data and a seed."""

from dataclasses import replace
from pathlib import Path

from ..learn.pose_densities import fit_pose_densities
from ..learn.pose_freedom import STEPS, train_pose_freedom
from ..learn.pose_prior import PosePriorTraining, train_pose_prior


def run_train_pose_prior(
    data: list[Path], out: Path, *, seed: int, steps: int | None, resume: bool, licence: str
) -> None:
    """Learn the variational prior; an interrupted training goes on with ``--resume`` to the same weights."""
    training = PosePriorTraining(seed=seed)
    if steps is not None:
        training = replace(training, steps=steps)
    result = train_pose_prior(data, out, training, resume=resume, licence=licence)
    print(f"{out}: {training.steps} steps, loss {result.losses[0]:.2f} to {result.losses[-1]:.2f} nats a pose")
    print(f"held out, so never seen: {len(result.held_out)} takes")


def run_train_pose_freedom(
    data: list[Path], out: Path, *, seed: int, steps: int | None, resume: bool, licence: str
) -> None:
    """Learn how far joints may leave the variational prior; an interrupted training goes on with ``--resume``."""
    training = PosePriorTraining(seed=seed, steps=STEPS)
    if steps is not None:
        training = replace(training, steps=steps)
    freed = train_pose_freedom(data, out, training, resume=resume, licence=licence)
    spread = freed.spread.rad2deg()
    print(f"{out}: joints leave the prior by {spread.median():.1f} degrees (median), {spread.max():.1f} at most")


def run_train_pose_densities(data: list[Path], out: Path, *, seed: int, licence: str) -> None:
    """Fit the Gaussian, the mixture and the joint limits."""
    fit_pose_densities(data, out, seed=seed, licence=licence)
    print(f"{out}: pose_prior_gaussian, pose_prior_mixture and joint_limits (.safetensors), pose_prior_split.json")
