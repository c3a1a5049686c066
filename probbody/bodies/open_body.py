"""The body that comes with the house: an adult of either sex, made from MakeHuman's CC0 shapes, in the layout of SMPL."""

from importlib.resources import files
from typing import Literal

import numpy as np
import torch

from ..errors import BadInput
from .joints import BODY25B, COCO17, H36M14, H36M17, H36M17_MMPOSE, OPENPOSE25, SMPL24
from .regressors import KeypointRegressor
from .skinned import SkinnedBody

LICENCE = "CC0-1.0"
_FILES = {"coarse": "open_body.npz", "fine": "open_body_fine.npz"}
_LAYOUTS = (COCO17, OPENPOSE25, BODY25B, H36M17, H36M17_MMPOSE, H36M14, SMPL24)


_MARKED = (COCO17, OPENPOSE25, BODY25B)
"""Joint sets of people who mark photographs: they point beside the joints of shoulders, hips and ankles."""


def open_body(detail: Literal["coarse", "fine"] = "coarse") -> SkinnedBody:
    """About 1,200 vertices, or 6,900; both have the same shapes, joints and keypoints, and closed surfaces.

    Zero rotations are a T-pose, y up, facing +z, palms down, the pelvis at the origin, 24 joints in SMPL's order. The 10
    shape coefficients are standard normal over the adults (18 to 65 years) it was made from; the first is mostly size.
    Metres; float32. What it was made from, how, and how well: ``probbody/assets/open_body.md``. Any other ``detail`` is a
    ``BadInput``.
    """
    if detail not in _FILES:
        raise BadInput(f"detail: expected coarse or fine, found {detail!r}.")
    with files("probbody.assets").joinpath(_FILES[detail]).open("rb") as stream:
        content = np.load(stream, allow_pickle=False)
        held = {name: content[name] for name in content.files}
    tensors = {name: torch.from_numpy(value) for name, value in held.items() if value.dtype.kind in "fi"}
    points = {str(name): row for row, name in enumerate(held["keypoint_names"])}
    regressors = {}
    for layout in _LAYOUTS:
        names = [f"{name}_marked" if layout in _MARKED else name for name in layout.names]
        rows = [points[name] if name in points else points[name.removesuffix("_marked")] for name in names]
        weights = tensors["keypoint_weights"][rows]
        used = (weights != 0).any(dim=0)
        regressors[layout.name] = KeypointRegressor(tensors["keypoint_columns"][used].long(), weights[:, used])
    return SkinnedBody(
        template=tensors["v_template"],
        faces=tensors["f"].long(),
        weights=tensors["weights"],
        parents=tuple(held["kintree_table"][0].tolist()),
        joint_names=tuple(held["joint_names"].tolist()),
        joint_template=tensors["joint_template"],
        shape_directions=tensors["shapedirs"],
        joint_directions=tensors["joint_directions"],
        pose_directions=None,
        regressors=regressors,
        licence=LICENCE,
    )
