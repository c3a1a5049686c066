"""AMASS files, of both generations, and SMPL pose files like them."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import BadInput
from ..geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from .fields import Fields, single
from .motion import Clip, Motion, rate_of, read_arrays

LICENCE = "AMASS, non-commercial research (amass.is.tue.mpg.de)"
_RATES = ("mocap_framerate", "mocap_frame_rate")
_BODY = 22  # the joints that SMPL, SMPL-H and SMPL-X share, the pelvis first


def is_amass(arrays: dict[str, np.ndarray]) -> bool:
    """Whether arrays are those of an AMASS file: a frame rate under one of its two names, and poses."""
    return any(rate in arrays for rate in _RATES) and ("poses" in arrays or "pose_body" in arrays)


def read_amass(path: str | Path, *, y_up: bool = True, licence: str = LICENCE) -> Motion:
    """An AMASS motion: SMPL-H (``poses`` N x 156) or SMPL-X (``root_orient``, ``pose_body``).

    The 22 body joints are taken; SMPL's two hand joints stay at rest, for the fingers of the file have no counterpart in
    them. AMASS has z up: with ``y_up`` the world is turned by -90 degrees about x. The turned translation is then off by a
    constant of a few decimetres at most, since SMPL turns about a pelvis whose place depends on the shape.
    """
    arrays = read_arrays(path)
    named = next((name for name in _RATES if name in arrays), None)
    if named is None or "trans" not in arrays:
        raise BadInput(f"{path}: expected trans and mocap_framerate or mocap_frame_rate, found {sorted(arrays)}.")
    held = Fields(path, arrays)
    rate, poses = rate_of(held, named), _poses(held)
    frames, translation = len(poses), single(held.take("trans", ("N", 3)))
    angles = torch.zeros(frames, 24, 3)
    angles[:, :_BODY] = single(poses).reshape(frames, _BODY, 3)
    if y_up:
        angles[:, 0], translation = _stood_up(angles[:, 0], translation)
    clip = Clip(Path(path).stem, str(Path(path).parent.name), 0, frames, source="AMASS")
    return Motion(angles, translation, torch.ones(frames, dtype=torch.bool), (clip,), rate, licence)


def _poses(held: Fields) -> np.ndarray:
    """Root and body axis-angles, N x 66."""
    if "root_orient" in held and "pose_body" in held:
        return np.concatenate([held.take("root_orient", ("N", 3)), held.take("pose_body", ("N", 63))], axis=1)
    return held.take("poses", ("N", 156), ("N", 165), ("N", 72))[:, : 3 * _BODY]


def _stood_up(
    root: Float[Tensor, "T 3"], translation: Float[Tensor, "T 3"]
) -> tuple[Float[Tensor, "T 3"], Float[Tensor, "T 3"]]:
    """The same motion where y is up: (x, y, z) becomes (x, z, -y)."""
    turn = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]).to(root)
    return matrix_to_axis_angle(turn @ axis_angle_to_matrix(root)), translation @ turn.mT
