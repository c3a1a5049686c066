"""How far people stand from what a pose prior can say of poses that it has not learnt from."""

from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.contracts import PosePrior
from probbody.data.files import written_whole
from probbody.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from probbody.priors.freed import FreedPose

from .pose_data import taught_in_two
from .pose_densities import variance_floor
from .pose_prior import PosePriorTraining, checkpoint_of, learnt

STEPS = 4_000
"""Fewer than of a prior that ships: what is left of poses not learnt from hardly shrinks any more."""


def train_pose_freedom(
    data: str | Path | Iterable[str | Path],
    out: str | Path,
    training: PosePriorTraining | None = None,
    *,
    draws: int = 20_000,
    resume: bool = False,
    licence: str = "not stated",
    progress: bool = True,
) -> FreedPose:
    """Learns the spread of a ``FreedPose`` about a variational prior, and writes it to ``out`` (safetensors).

    A prior of the same form learns from four in five of the takes that the shipped one learns from; the spread is what
    it leaves over of ``draws`` poses of the others. It is wider than what is left of poses learnt from, and it is what a
    pose never seen will need. Takes held out are in neither part. Stopped, it goes on with ``resume``.
    """
    training = training or PosePriorTraining(steps=STEPS)
    taught, apart = taught_in_two(data, licence)
    checkpoint = checkpoint_of(out)
    prior, _ = learnt(taught, training, checkpoint, resume=resume, licence=licence, progress=progress)
    poses = apart.draw(draws, torch.Generator().manual_seed(training.seed))
    freed = FreedPose(prior, spread_about(prior, poses))
    with written_whole(out) as path:
        freed.save(path, {"seed": str(training.seed), "steps": str(training.steps)})
    checkpoint.unlink(missing_ok=True)
    return freed


def spread_about(prior: PosePrior, angles: Float[Tensor, "N M 3"]) -> Float[Tensor, "M 3"]:
    """Root mean square of what encoding and decoding leave over, radians, in each joint's frame; the floor in quadrature."""
    rotations = axis_angle_to_matrix(angles)
    left = matrix_to_axis_angle(prior.decode(prior.encode(rotations)).mT @ rotations)
    return (left.square().mean(0) + variance_floor().to(left).square()).sqrt()
