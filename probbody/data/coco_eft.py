"""SMPL bodies fitted to COCO (and MPII, LSP) by exemplar fine-tuning: EFT.

Layout as released, ``COCO2014-All-ver01.json`` and its relatives: ``ver`` and ``data``, a list with ``parm_pose`` (24, 3, 3),
``parm_shape`` (10), ``parm_cam`` (3), ``bbox_scale``, ``bbox_center`` (2), ``imageName`` and for COCO ``annotId`` of each
person, sometimes ``gt_keypoint_2d`` (49, 3). Joo et al., 3DV 2021, arXiv:2004.03686.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..bodies.joints import COCO17
from ..errors import BadInput
from ..geometry.rotations import matrix_to_axis_angle
from .annotated import HALF, AnnotatedPeople, LabelledPoints, SmplLabels, is_rotation
from .fields import Fields, single
from .hmr_npz import square_boxes
from .json_files import read_json

LICENCE = "EFT fits, CC BY-NC 4.0; COCO annotations, CC BY 4.0; each photograph as its author licensed it"


def read_eft(
    path: Path | str, pictures: str = "train2014", keypoints: Path | str | None = None, source: str = "COCO-EFT"
) -> AnnotatedPeople:
    """The people of a file of fits; ``pictures`` is the folder that their pictures lie in.

    ``keypoints`` names COCO's own annotations (``person_keypoints_train2014.json``), from which the 17 keypoints are taken
    by ``annotId``; a fit whose annotation is not there is refused. ``parm_cam`` comes as ``weak_camera`` of the box.
    """
    content = read_json(path)
    people = content.get("data") if isinstance(content, dict) else None
    if not isinstance(people, list) or not people or not all(isinstance(person, dict) for person in people):
        raise BadInput(f"{path}: expected fits of EFT (an object with a list 'data'), found something else.")
    held = [_person(path, number, person) for number, person in enumerate(people)]
    rotations = torch.from_numpy(np.stack([fit["parm_pose"] for fit in held]))
    ids = tuple(str(person.get("annotId", number)) for number, person in enumerate(people))
    files = tuple(str(person.get("imageName", "")) for person in people)
    if "" in files:
        raise BadInput(f"{path}: expected imageName of each person, found none for person {files.index('')}.")
    return AnnotatedPeople(
        source=source,
        licence=LICENCE,
        pictures=tuple(f"{pictures}/{Path(file).name}" for file in files),
        names=tuple(f"{Path(file).stem}/{number}" for file, number in zip(files, ids, strict=True)),
        videos=tuple(Path(file).stem for file in files),
        boxes=square_boxes(_column(held, "bbox_center"), _column(held, "bbox_scale")),
        keypoints=None if keypoints is None else _keypoints(keypoints, ids),
        smpl=SmplLabels(matrix_to_axis_angle(rotations).float(), single(_column(held, "parm_shape"))),
        weak_camera=single(_column(held, "parm_cam")),
    )


def _person(path: Path | str, number: int, person: dict[str, Any]) -> dict[str, np.ndarray]:
    held = Fields(f"{path}: person {number}", person)
    fit = {
        "parm_pose": held.take("parm_pose", (24, 3, 3)),
        "parm_shape": held.take("parm_shape", (10,)),
        "parm_cam": held.take("parm_cam", (3,)),
        "bbox_center": held.take("bbox_center", (2,)),
        "bbox_scale": held.take("bbox_scale", ()),
    }
    if not is_rotation(fit["parm_pose"]).all():
        raise BadInput(f"{held.source}: expected rotations in parm_pose, found matrices that are none.")
    return fit


def _column(held: list[dict[str, np.ndarray]], name: str) -> np.ndarray:
    return np.stack([fit[name] for fit in held])


def _keypoints(path: Path | str, ids: tuple[str, ...]) -> LabelledPoints:
    """The annotations of those numbers, in COCO's order; its flag (1 hidden, 2 seen) counts as confidence 1."""
    content = read_json(path)
    entries = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise BadInput(f"{path}: expected COCO annotations, found something else.")
    known = {str(entry.get("id")): entry for entry in entries if isinstance(entry, dict)}
    if lost := [number for number in ids if number not in known]:
        raise BadInput(
            f"{path}: expected annotation {lost[0]}, which a fit belongs to, found no such ({len(lost)} lost)."
        )
    points = np.stack(
        [Fields(f"{path}: {number}", known[number]).take("keypoints", (51,)).reshape(17, 3) for number in ids]
    )
    seen = points[..., 2] > 0
    return LabelledPoints(single(np.where(seen[..., None], points[..., :2] + HALF, 0.0)), single(seen), COCO17)
