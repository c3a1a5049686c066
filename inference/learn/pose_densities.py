"""The priors of poses that need no network: one Gaussian, a mixture of eight, and the limits of the joints."""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.data.files import written_whole
from probbody.data.motion import mirrored
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.priors.gaussian import GaussianPose
from probbody.priors.limits import JointLimits

from .pose_data import taught_and_held_out
from .pose_mixture import fitted_mixture
from .skeleton import bone_directions

COLLARS = (12, 13)  # among the joints after the pelvis
BLUR, COLLAR_FLOOR, COLLAR_LEAST = 0.03, 0.1, 0.3


def variance_floor() -> Float[Tensor, "21 3"]:
    """Radians added in quadrature to what was captured: the accuracy of capture, and more at the collars.

    Captured collars never move, because the skeletons of the capture have none; people's do.
    """
    floor = torch.full((21, 3), BLUR)
    floor[list(COLLARS)] = COLLAR_FLOOR
    return floor


def fit_pose_densities(
    data: str | Path | Iterable[str | Path],
    folder: str | Path,
    *,
    draws: int = 40_000,
    components: int = 8,
    seed: int = 0,
    licence: str = "not stated",
) -> None:
    """Fits the Gaussian, the mixture and the joint limits to motion files, and writes them to ``folder``.

    Beside them goes ``pose_prior_split.json``, the takes learnt from and those held out.
    """
    taught, kept = taught_and_held_out(data, licence)
    angles = taught.draw(draws, torch.Generator().manual_seed(seed))
    even, floor = torch.full((draws,), 1.0 / draws), variance_floor()
    gaussian = GaussianPose.fitted(angles, floor, even, licence=licence)
    mixture = fitted_mixture(angles, floor, even, components=components, seed=seed, licence=licence)
    words = {"seed": str(seed)}
    out = Path(folder)
    for name, part in (
        ("pose_prior_gaussian", gaussian),
        ("pose_prior_mixture", mixture),
        ("joint_limits", _limits(angles, licence)),
    ):
        with written_whole(out / f"{name}.safetensors") as path:
            part.save(path, words)
    with written_whole(out / "pose_prior_split.json") as path:
        split = {"held_out": sorted(set(kept.clips)), "taught": sorted(set(taught.clips))}
        path.write_text(json.dumps(split, indent=1) + "\n", encoding="utf-8")


def _limits(angles: Tensor, licence: str) -> JointLimits:
    both = torch.cat([angles, mirrored(angles)])
    least = torch.full((21, 3), 0.1)
    least[list(COLLARS)] = COLLAR_LEAST
    rotations = axis_angle_to_matrix(both)
    return JointLimits.fitted(rotations, bone_directions(), margin=0.15, least=least, tail=1e-3, licence=licence)
