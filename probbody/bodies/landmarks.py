"""Where, on a body of the SMPL family, the keypoints of other joint sets lie.

Limbs are joints of the skeleton. Eyes, ears, nose, toes and heels are vertices that the community uses for them: facts about
the two meshes, as given by the smplx package. The top of the head is the highest vertex at rest. Points of the middle line
that SMPL has no joint for are means of neighbours, good to a few centimetres: ``thorax`` is SMPL's neck, ``upper_neck`` its
head joint, ``spine`` lies between spine1 and spine2, ``head_h36m`` between the head joint and the nose. SMPLify-X takes
SMPL's neck and pelvis for OpenPose's; here these are the middles of shoulders and hips, as OpenPose was trained.
"""

import numpy as np
import torch

from .joints import BODY25B, COCO17, H36M14, H36M17, H36M17_MMPOSE, H36M_TO_J14, OPENPOSE25, SMPL24, JointSet
from .regressors import KeypointRegressor

_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_FEET = ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel")
_SKIN = (*_FACE, *_FEET)
_VERTICES = {
    6890: dict(zip(_SKIN, (332, 2800, 6260, 583, 4071, 3216, 3226, 3387, 6617, 6624, 6787), strict=True)),
    10475: dict(zip(_SKIN, (9120, 9448, 9929, 6, 616, 5770, 5780, 8846, 8463, 8474, 8635), strict=True)),
}
"""By the number of vertices: SMPL and SMPL-H share a mesh, SMPL-X has its own."""
_MEANS = {
    "mid_hip": ("left_hip", "right_hip"),
    "mid_shoulder": ("left_shoulder", "right_shoulder"),
    "thorax": ("neck",),
    "upper_neck": ("head",),
    "spine": ("spine1", "spine2"),
    "head_h36m": ("head", "nose"),
    "left_hand": ("left_middle1",),
    "right_hand": ("right_middle1",),
}
_LAYOUTS = (COCO17, OPENPOSE25, BODY25B, H36M17, H36M17_MMPOSE, H36M14, SMPL24)


def keypoint_regressors(
    joints: JointSet, template: np.ndarray, h36m: np.ndarray | None = None
) -> dict[str, KeypointRegressor]:
    """Every joint set whose points that body has: skeleton ``joints``, vertices at rest (V, 3) in metres, y up.

    ``h36m`` is the published (17, V) regressor of Human3.6M's joints, if the user has it.
    """
    places = {name: joint for joint, name in enumerate(joints.names)}
    skin = dict(_VERTICES.get(len(template), {}))
    if "head" in places:
        skin["head_top"] = int(np.argmax(template[:, 1]))
    places |= {name: len(joints) + vertex for name, vertex in skin.items()}
    found = {joints.name: _regressor([(place,) for place in range(len(joints))])}
    for layout in _LAYOUTS:
        rows = [_columns(name, places) for name in layout.names]
        if all(rows):
            found[layout.name] = _regressor(rows)
    if h36m is not None:
        found |= _published(h36m, len(joints))
    return found


def _columns(name: str, places: dict[str, int]) -> tuple[int, ...]:
    """The joints and vertices whose mean a keypoint is; none where the body lacks one of them."""
    parts = (name,) if name in places else _MEANS.get(name, ())
    return tuple(places[part] for part in parts) if all(part in places for part in parts) else ()


def _regressor(rows: list[tuple[int, ...]]) -> KeypointRegressor:
    columns = sorted({column for row in rows for column in row})
    weights = torch.zeros(len(rows), len(columns))
    for keypoint, row in enumerate(rows):
        for column in row:
            weights[keypoint, columns.index(column)] += 1 / len(row)
    return KeypointRegressor(torch.tensor(columns), weights)


def _published(h36m: np.ndarray, num_joints: int) -> dict[str, KeypointRegressor]:
    read = np.flatnonzero(np.abs(h36m).sum(0))
    columns = torch.from_numpy(read + num_joints)
    weights = torch.from_numpy(h36m[:, read].astype(np.float32))
    right_first = [H36M17.names.index(name) for name in H36M17_MMPOSE.names]
    return {
        H36M17.name: KeypointRegressor(columns, weights),
        H36M17_MMPOSE.name: KeypointRegressor(columns, weights[right_first]),
        H36M14.name: KeypointRegressor(columns, weights[list(H36M_TO_J14)]),
    }
