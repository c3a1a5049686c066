"""What other programs found in pictures, in the words of HMR's family: a start for a fit, and a baseline beside it.

Known are npz, JSON and pickles of arrays with one row a person: rotations as ``pose``, ``poses``, ``pred_pose``,
``pred_rotmat`` or ``rotmat`` (N, 72), (N, 24, 3) or (N, 24, 3, 3), or as ``global_orient`` and ``body_pose``; ``betas``,
``pred_betas`` or ``shape``; joints as ``pred_joints``, ``joints3d``, ``keypoints`` or ``pred_keypoints_3d`` in metres; a weak
camera as ``camera``, ``pred_cam`` or ``cam`` (N, 3); pictures as ``imgname``, ``image_path`` or ``img_path``. Such are the
results of SPIN's evaluation, of VIBE, PARE and HMR2, and mmhuman3d's ``result_keypoints.json``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import BadInput
from ..geometry.rotations import axis_angle_to_matrix
from .annotated import is_rotation
from .fields import Fields, single
from .json_files import read_json
from .pickles import read_npz, read_pickle

_POSES = ("pose", "poses", "pred_pose", "pred_rotmat", "rotmat", "smpl_pose")
_SHAPES = ("betas", "pred_betas", "shape", "pred_shape")
_JOINTS = ("pred_joints", "joints3d", "pred_joints3d", "keypoints", "pred_keypoints_3d", "keypoints_3d")
_CAMERAS = ("camera", "pred_cam", "cam", "pred_camera")
_PICTURES = ("imgname", "image_path", "img_path", "imgnames", "names")


@dataclass(frozen=True)
class ForeignResults:
    """One row a person; each part is None where the file does not have it."""

    source: str
    licence: str
    names: tuple[str, ...]
    """The pictures, where the file names them; else nothing, and the rows stand in the order of the data set."""
    rotations: Float[Tensor, "B 24 3 3"] | None
    shape: Float[Tensor, "B S"] | None
    joints: Float[Tensor, "B P 3"] | None
    """Metres, in an order that the file does not say."""
    weak_camera: Float[Tensor, "B 3"] | None
    """(scale, shift_x, shift_y) of a ``WeakPerspectiveCamera`` for the square crop."""

    def __len__(self) -> int:
        parts = (self.rotations, self.shape, self.joints, self.weak_camera)
        return next((len(part) for part in parts if part is not None), len(self.names))

    def __getitem__(self, rows: Sequence[int]) -> "ForeignResults":
        """Some of the rows, in that order."""
        chosen = list(rows)
        parts = [
            None if part is None else part[chosen]
            for part in (self.rotations, self.shape, self.joints, self.weak_camera)
        ]
        names = tuple(self.names[row] for row in chosen) if self.names else ()
        return ForeignResults(self.source, self.licence, names, *parts)

    def of(self, pictures: Sequence[str]) -> "ForeignResults":
        """The rows for those pictures, in their order: by name where the file has names, else one for one.

        Refused where a picture has no row, or several; and where there are no names and another number of rows.
        """
        if not self.names:
            if len(self) != len(pictures):
                raise BadInput(f"{self.source}: expected results for {len(pictures)} pictures, found {len(self)}.")
            return self
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.names):
            rows.setdefault(_key(name), []).append(row)
        for name in pictures:
            if len(rows.get(_key(name), [])) != 1:
                found = len(rows.get(_key(name), []))
                raise BadInput(f"{self.source}: expected one result for {name}, found {found or 'none'}.")
        return self[[rows[_key(name)][0] for name in pictures]]

    def check_names(self) -> None:
        """Refuses rows that do not say which picture they are of, for those who ask for some pictures at a time."""
        if not self.names:
            raise BadInput(f"{self.source}: expected the picture of each row ({_PICTURES[0]}), found no names.")


def read_results(path: Path | str, licence: str = "not stated") -> ForeignResults:
    """The results in an npz, JSON or pickle; raises BadInput for anything that is not finite, no rotation, or misshapen."""
    held = Fields(path, _content(Path(path)))
    rotations = _rotations(held)
    shape = _first(held, _SHAPES, ("N", "shapes"))
    joints = _first(held, _JOINTS, ("N", "joints", 3))
    camera = _first(held, _CAMERAS, ("N", 3))
    if rotations is None and joints is None:
        raise BadInput(f"{path}: expected {', '.join(_POSES[:3])} or {', '.join(_JOINTS[:3])}, found {_held(held)}.")
    if not len(rotations if rotations is not None else joints):  # type: ignore[arg-type]
        raise BadInput(f"{path}: expected results of at least one person, found none.")
    names = next((held.words(name) for name in _PICTURES if name in held), ())
    parts = [None if part is None else single(part) for part in (shape, joints, camera)]
    return ForeignResults(str(path), licence, names, rotations, *parts)


def _content(path: Path) -> dict[str, Any]:
    ending = path.suffix.lower()
    content = read_json(path) if ending == ".json" else read_pickle(path) if ending == ".pkl" else read_npz(path)
    while isinstance(content, dict) and len(content) == 1 and isinstance(inner := next(iter(content.values())), dict):
        content = inner  # VIBE and PARE file their results under the number of a person
    if not isinstance(content, dict):
        raise BadInput(f"{path}: expected arrays by name, found a {type(content).__name__}.")
    return content


def _rotations(held: Fields) -> Float[Tensor, "B 24 3 3"] | None:
    if "global_orient" in held and "body_pose" in held:
        root = held.take("global_orient", ("N", 1, 3, 3), ("N", 3, 3), ("N", 3), ("N", 1, 3))
        body = held.take("body_pose", ("N", 23, 3, 3), ("N", 69), ("N", 23, 3))
        return torch.cat([_matrices(held, root, 1), _matrices(held, body, 23)], dim=1)
    pose = _first(held, _POSES, ("N", 72), ("N", 24, 3), ("N", 24, 3, 3))
    return None if pose is None else _matrices(held, pose, 24)


def _matrices(held: Fields, numbers: np.ndarray, joints: int) -> Float[Tensor, "B J 3 3"]:
    """Rotation matrices from matrices or from axis-angle vectors."""
    if np.prod(numbers.shape[1:]) == 3 * joints:
        return axis_angle_to_matrix(single(numbers.reshape(-1, joints, 3)))
    turns = numbers.reshape(-1, joints, 3, 3)
    right = is_rotation(turns).all(1)
    if not right.all():
        raise BadInput(f"{held.source}: expected rotation matrices, found something else in row {right.argmin()}.")
    return single(turns)


def _first(held: Fields, names: tuple[str, ...], *shapes: Sequence[int | str]) -> np.ndarray | None:
    """The first of the arrays that the file has."""
    return next((held.take(name, *shapes) for name in names if name in held), None)


def _key(picture: str) -> str:
    """The last two parts of a path: folders above differ from machine to machine."""
    return "/".join(picture.replace("\\", "/").split("/")[-2:])


def _held(held: Fields) -> str:
    return ", ".join(sorted(map(str, held.content))[:12]) or "nothing"
