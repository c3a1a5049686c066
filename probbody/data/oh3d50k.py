"""3DOH50K: people behind objects, indoors.

Layout as released: ``trainset/annots.json`` and ``testset/annots.json``, one entry a picture with ``img_path``, ``bbox``
(2, 2), ``pose`` (1, 72), ``betas`` (1, 10), ``trans``, ``scale``, ``intri`` (3, 3), ``extri`` (4, 4), ``lsp_joints_2d`` (14, 2)
and others. Its joints in 3D and the place of the body are not read: their unit is not the metre, and published evaluations
pose SMPL instead, as one can here. Zhang, Huang and Wang, CVPR 2020.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ..bodies.joints import H36M14
from ..errors import BadInput
from .annotated import HALF, AnnotatedPeople, Intrinsics, LabelledPoints, SmplLabels, is_rotation
from .fields import Fields, single
from .json_files import read_json

LICENCE = "3DOH50K, non-commercial research (www.yangangwang.com)"


def read_oh3d50k(folder: Path | str, split: str = "test") -> AnnotatedPeople:
    """The people of ``trainset`` or ``testset``; poses in the camera's frame, of the neutral SMPL body."""
    path = Path(folder) / f"{split}set" / "annots.json"
    content = read_json(path)
    if not isinstance(content, dict) or not content or not all(isinstance(entry, dict) for entry in content.values()):
        raise BadInput(f"{path}: expected the annotations of 3DOH50K (one object a picture), found something else.")
    held = [_entry(Fields(f"{path}: {name}", entry)) for name, entry in content.items()]
    columns = {name: np.stack([entry[name] for entry in held]) for name in held[0]}
    number = len(held)
    pictures = tuple(_picture(path, split, name, entry) for name, entry in content.items())
    return AnnotatedPeople(
        source="3DOH50K",
        licence=LICENCE,
        pictures=pictures,
        names=tuple(str(name) for name in content),
        videos=tuple(str(name) for name in content),
        sexes=("neutral",) * number,
        boxes=single(columns["bbox"].reshape(-1, 4) + HALF),
        keypoints=LabelledPoints(single(columns["lsp_joints_2d"] + HALF), single(np.ones((number, 14))), H36M14),
        smpl=SmplLabels(single(columns["pose"]), single(columns["betas"])),
        camera=Intrinsics(single(columns["focal"]), single(columns["centre"] + HALF)),
    )


def _entry(held: Fields) -> dict[str, np.ndarray]:
    angles = held.take("pose", (1, 72), (72,)).reshape(24, 3)
    turn, lens = held.take("extri", (4, 4), (3, 4))[:3, :3], held.take("intri", (3, 3))
    if not is_rotation(turn):
        raise BadInput(f"{held.source}: expected a rotation in extri, found none.")
    angles[0] = (Rotation.from_matrix(turn) * Rotation.from_rotvec(angles[0])).as_rotvec()
    return {
        "pose": angles,
        "betas": held.take("betas", (1, 10), (10,)).reshape(10),
        "bbox": held.take("bbox", (2, 2)),
        "lsp_joints_2d": held.take("lsp_joints_2d", (14, 2)),
        "focal": np.array([lens[0, 0], lens[1, 1]]),
        "centre": lens[:2, 2],
    }


def _picture(path: Path, split: str, name: str, entry: dict[str, Any]) -> str:
    """Below the folder; the files were written on Windows."""
    if not isinstance(entry.get("img_path"), str):
        raise BadInput(f"{path}: {name}: expected img_path, found none.")
    return f"{split}set/{entry['img_path']}".replace("\\", "/")
