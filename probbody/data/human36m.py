"""Human3.6M, in the two npz layouts that are passed around; the original CDF files are not read.

One is that of SPIN (``h36m_valid_protocol1.npz``, ``..._protocol2.npz``, ``h36m_train.npz``): pictures with boxes and 17
joints, for training also SMPL. The other is that of VideoPose3D (``data_3d_h36m.npz``): joints in the laboratory's frame
without pictures or cameras. Ionescu et al., TPAMI 2014.
"""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..bodies.joints import H36M17_MMPOSE, JointSet
from ..errors import BadInput
from .annotated import AnnotatedPeople
from .fields import Fields, single
from .hmr_npz import read_hmr_npz
from .pickles import read_npz

LICENCE = "Human3.6M, academic use after registration (vision.imar.ro/human3.6m)"
_KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Of the 32 points of the laboratory's skeleton those that move, in the order of ``h36m17_mmpose``."""


@dataclass(frozen=True)
class Performance:
    """One action of one person, as joints in the laboratory's frame: metres, z up."""

    subject: str
    action: str
    joints: Float[Tensor, "T 17 3"]
    joint_set: JointSet = H36M17_MMPOSE
    licence: str = LICENCE


def read_h36m(path: Path | str) -> AnnotatedPeople:
    """A set in SPIN's layout: ``imgname``, ``center``, ``scale``, ``S``, for training also ``pose`` and ``shape``."""
    people = read_hmr_npz(path, "Human3.6M", LICENCE)
    return replace(people, videos=tuple(PurePosixPath(each).stem.rpartition("_")[0] for each in people.pictures))


def read_h36m_positions(path: Path | str) -> tuple[Performance, ...]:
    """VideoPose3D's ``positions_3d``: for each subject and action (T, 32, 3) in metres, or the 17 that move."""
    people = Fields(path, read_npz(path)).any("positions_3d")
    if not isinstance(people, dict) or not all(isinstance(actions, dict) for actions in people.values()):
        raise BadInput(f"{path}: expected positions_3d to hold actions by subject, found something else.")
    return tuple(
        Performance(str(subject), str(action), _moving(path, str(subject), str(action), positions))
        for subject, actions in people.items()
        for action, positions in actions.items()
    )


def _moving(path: Path | str, subject: str, action: str, positions: np.ndarray) -> Float[Tensor, "T 17 3"]:
    held = Fields(f"{path}: {subject}", {action: positions}).take(action, ("frames", 32, 3), ("frames", 17, 3))
    return single(held[:, _KEPT] if held.shape[1] == 32 else held)
