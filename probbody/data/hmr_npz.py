"""Data sets as HMR and its descendants store them: one npz for a whole set.

Layout of SPIN (Kolotouros et al., ICCV 2019), kept by EFT, VIBE, PARE, HMR2 and others: ``imgname`` (N), ``center`` (N, 2) and
``scale`` (N), a box of 200 pixels times the scale; where they are there ``pose`` (N, 72) and ``shape`` (N, 10) in the
camera's frame with ``has_smpl`` (N), ``part`` (N, 24, 3) and ``openpose`` (N, 25, 3) in pixels, ``S`` (N, 24, 4) in metres
from the pelvis, ``gender`` (N).
"""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from ..bodies.joints import OPENPOSE25, JointSet
from ..errors import BadInput
from .annotated import HALF, AnnotatedPeople, LabelledPoints, SmplLabels
from .fields import Fields, single
from .joint_sets import SPIN24
from .pickles import read_npz

WIDTH = 200
"""Pixels of a box of scale 1."""
_SEXES = {"m": "male", "f": "female", "0": "male", "1": "female", "male": "male", "female": "female"}


def read_hmr_npz(path: Path | str, source: str, licence: str) -> AnnotatedPeople:
    """The people in such a file; which data set it is, and so its licence, the file does not say.

    Of people without SMPL labels (``has_smpl``) only those with are kept where any has. Keypoints are ``part`` where it is
    there, else ``openpose``.
    """
    held = Fields(path, read_npz(path))
    pictures = held.words("imgname")
    boxes = square_boxes(held.take("center", ("N", 2)), held.take("scale", ("N",), ("N", 1)))
    pose, shape = held.maybe("pose", ("N", 72), ("N", 24, 3)), held.maybe("shape", ("N", "shapes"))
    if (pose is None) != (shape is None):
        raise BadInput(f"{path}: expected pose and shape together, found only {'shape' if pose is None else 'pose'}.")
    smpl = None
    if pose is not None and shape is not None:
        smpl = SmplLabels(single(pose.reshape(-1, 24, 3)), single(shape))
    sexes = tuple(_SEXES.get(word.lower(), "neutral") for word in held.words("gender")) if "gender" in held else ()
    people = AnnotatedPeople(
        source=source,
        licence=licence,
        pictures=tuple(word.replace("\\", "/") for word in pictures),
        names=_numbered(pictures),
        videos=tuple(str(PurePosixPath(word).parent) for word in pictures),
        sexes=sexes,
        boxes=boxes,
        keypoints=_keypoints(held),
        joints=_rooted(held),
        smpl=smpl,
    )
    fitted = held.maybe("has_smpl", ("N",), ("N", 1))
    if smpl is None or fitted is None or not fitted.any():
        return people
    return people[np.flatnonzero(fitted).tolist()]


def square_boxes(centre: np.ndarray, scale: np.ndarray) -> torch.Tensor:
    """Boxes (left, top, right, bottom) from their middle and their width over 200 pixels."""
    half = scale.reshape(-1, 1) * WIDTH / 2
    return single(np.concatenate([centre + HALF - half, centre + HALF + half], axis=1))


def _keypoints(held: Fields) -> LabelledPoints | None:
    layouts: tuple[tuple[str, JointSet], ...] = (("part", SPIN24), ("openpose", OPENPOSE25))
    for name, joints in layouts:
        points = held.maybe(name, ("N", len(joints), 3))
        if points is not None and bool((points[..., 2] > 0).any()):
            return _points(points[..., :2] + HALF, points[..., 2], joints, rooted=False)
    return None


def _rooted(held: Fields) -> LabelledPoints | None:
    points = held.maybe("S", ("N", 24, 4))
    if points is None or not bool((points[..., 3] > 0).any()):
        return None
    return _points(points[..., :3], points[..., 3], SPIN24, rooted=True)


def _points(places: np.ndarray, confidence: np.ndarray, joints: JointSet, rooted: bool) -> LabelledPoints:
    known = confidence > 0
    held = single(np.where(known[..., None], places, 0.0)), single(np.where(known, confidence, 0.0))
    return LabelledPoints(*held, joints, rooted)


def _numbered(pictures: tuple[str, ...]) -> tuple[str, ...]:
    """Each picture's name; with a number where several people are in it."""
    counts: dict[str, Any] = {}
    names = []
    for picture in pictures:
        number = counts.get(picture, 0)
        counts[picture] = number + 1
        names.append(f"{picture}/{number}")
    return tuple(names)
