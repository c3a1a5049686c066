"""3DPW: people outdoors, with SMPL bodies from inertial sensors and a moving camera.

Layout as released: ``sequenceFiles/{train,validation,test}/NAME.pkl`` and ``imageFiles/NAME/image_00000.jpg``. A pickle
holds, for each person, ``poses`` (N, 72), ``trans`` (N, 3), ``betas``, ``genders``, ``poses2d`` (N, 3, 18),
``jointPositions`` (N, 72) and ``campose_valid`` (N), and for all ``cam_poses`` (N, 4, 4), ``cam_intrinsics`` (3, 3) and
``sequence``. von Marcard et al., ECCV 2018.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ..bodies.joints import SMPL24
from ..errors import BadInput
from .annotated import (
    HALF,
    AnnotatedPeople,
    Intrinsics,
    LabelledPoints,
    SmplLabels,
    boxes_around,
    is_rotation,
    people_joined,
)
from .fields import Fields, single
from .joint_sets import OPENPOSE18
from .pickles import read_pickle

LICENCE = "3DPW, non-commercial research (virtualhumans.mpi-inf.mpg.de/3DPW)"
SPLITS = ("train", "validation", "test")
OCCLUDED = (
    *("courtyard_backpack", "courtyard_basketball", "courtyard_bodyScannerMotions", "courtyard_box", "courtyard_golf"),
    *("courtyard_jacket", "courtyard_laceShoe", "downtown_stairs", "flat_guitar", "flat_packBags", "outdoors_climbing"),
    *("outdoors_crosscountry", "outdoors_fencing", "outdoors_freestyle", "outdoors_golf", "outdoors_parcours"),
    "outdoors_slalom",
)
"""How the names of the sequences begin that make up 3DPW-Occ, out of all three splits (Zhang et al., CVPR 2020)."""
_SEXES = {"m": "male", "male": "male", "f": "female", "female": "female", "n": "neutral", "neutral": "neutral"}


def read_pw3d(
    folder: Path | str, splits: Iterable[str] = ("test",), begins: tuple[str, ...] = ("",)
) -> AnnotatedPeople:
    """The people of whole splits, sequences in the order of their names; only those whose names begin so.

    ``read_pw3d(folder, SPLITS, OCCLUDED)`` is 3DPW-Occ. Published numbers take every thirtieth entry: ``people[::30]``.
    """
    files = []
    for split in splits:
        here = Path(folder) / "sequenceFiles" / split
        found = sorted(here.glob("*.pkl"))
        if not found:
            raise BadInput(f"{here}: expected the .pkl files of 3DPW, found none.")
        files += [path for path in found if path.name.startswith(begins)]
    if not files:
        raise BadInput(f"{folder}: expected sequences whose names begin with {', '.join(begins)}, found none.")
    return people_joined([read_pw3d_sequence(path) for path in files])


def read_pw3d_sequence(path: Path | str) -> AnnotatedPeople:
    """The people of one sequence, one after the other: frames whose camera is valid and where keypoints span a box.

    Joints are SMPL's 24 of the body of that sex, in the camera's frame.
    """
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise BadInput(f"{path}: expected a sequence of 3DPW (a dictionary), found a {type(content).__name__}.")
    held = Fields(path, content)
    cameras = held.take("cam_poses", ("frames", 4, 4))
    lens = held.take("cam_intrinsics", (3, 3))
    people = len(held.any("poses"))
    parts = [_person(path, content, person, people, cameras, lens) for person in range(people)]
    kept = [part for part in parts if part is not None]
    if not kept:
        raise BadInput(f"{path}: expected a frame whose camera is valid, found none.")
    return people_joined(kept)


def _person(
    path: Path | str, content: dict[str, Any], person: int, people: int, cameras: np.ndarray, lens: np.ndarray
) -> AnnotatedPeople | None:
    columns = ("poses", "trans", "betas", "genders", "poses2d", "jointPositions", "campose_valid")
    whole = Fields(path, content)
    for name in columns:
        if len(whole.any(name)) != people:
            raise BadInput(f"{path}: expected {name} of {people} people, found {len(content[name])}.")
    held = Fields(f"{path}: person {person}", {name: content[name][person] for name in columns})
    held.sizes["frames"] = (len(cameras), "cam_poses")
    seen = np.moveaxis(held.take("poses2d", ("frames", 3, 18)), 1, 2)
    frames = np.flatnonzero((held.take("campose_valid", ("frames",)) != 0) & _spans_a_box(seen))
    if not len(frames):
        return None
    turn, shift = cameras[frames, :3, :3], cameras[frames, :3, 3]
    if not is_rotation(turn).all():
        wrong = int(frames[~is_rotation(turn)][0])
        raise BadInput(f"{path}: expected a rotation in cam_poses of frame {wrong}, found none.")
    joints = held.take("jointPositions", ("frames", 72)).reshape(-1, 24, 3)[frames]
    placed = np.einsum("nij,npj->npi", turn, joints) + shift[:, None]
    angles = held.take("poses", ("frames", 72)).reshape(-1, 24, 3)[frames]
    root = joints[:, 0] - held.take("trans", ("frames", 3))[frames]  # where the shape puts the pelvis
    angles[:, 0] = (Rotation.from_matrix(turn) * Rotation.from_rotvec(angles[:, 0])).as_rotvec()
    points = LabelledPoints(*_pixels(seen[frames]), OPENPOSE18)
    sequence, sex = str(content.get("sequence", Path(path).stem)), str(held.any("genders")).lower()
    shape = held.take("betas", ("shape",))[:10]
    number = len(frames)
    return AnnotatedPeople(
        source="3DPW",
        licence=LICENCE,
        pictures=tuple(f"imageFiles/{sequence}/image_{frame:05d}.jpg" for frame in frames),
        names=tuple(f"{sequence}/{frame:05d}/{person}" for frame in frames),
        videos=(sequence,) * number,
        sexes=(_SEXES.get(sex, "neutral"),) * number,
        boxes=boxes_around(points.places, points.confidence),
        keypoints=points,
        joints=LabelledPoints(single(placed), single(np.ones((number, 24))), SMPL24),
        smpl=SmplLabels(single(angles), single(np.tile(shape, (number, 1))), single(placed[:, 0] - root)),
        camera=Intrinsics(
            single(np.tile([lens[0, 0], lens[1, 1]], (number, 1))), single(np.tile(lens[:2, 2] + HALF, (number, 1)))
        ),
    )


def _spans_a_box(seen: np.ndarray) -> np.ndarray:
    """In which frames the keypoints that were seen are neither one point nor on one row or column of the picture."""
    known = seen[..., 2:] > 0
    high = np.where(known, seen[..., :2], -np.inf).max(1)
    low = np.where(known, seen[..., :2], np.inf).min(1)
    return np.asarray((high > low).all(1))


def _pixels(seen: np.ndarray) -> tuple[Any, Any]:
    """Places and confidences; what was not seen stands at the origin."""
    known = seen[..., 2:] > 0
    return single(np.where(known, seen[..., :2] + HALF, 0.0)), single(np.where(known[..., 0], seen[..., 2], 0.0))
