"""SMPL and its family, read from the files that their licence lets each user fetch.

SMPL (Loper et al., TOG 2015), SMPL-H and MANO (Romero et al., TOG 2017, arXiv:2201.02610), SMPL-X (Pavlakos et al., CVPR 2019,
arXiv:1904.05866). Hands are read flat: the means and principal components of hand poses in a file stay unread, so that a
rotation of identity is a stretched finger. Of SMPL-X the shape is read, not the expression.
"""

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch

from ..data.files import written_whole
from ..data.pickles import read_npz, read_pickle
from ..errors import BadInput
from .joints import MANO16, SMPL24, SMPLH52, SMPLX55
from .landmarks import keypoint_regressors
from .skinned import SkinnedBody

KEYS = ("v_template", "f", "weights", "kintree_table", "J_regressor", "shapedirs", "posedirs")
_KINDS = {
    "smpl": ("SMPL", SMPL24),
    "smplh": ("SMPL-H", SMPLH52),
    "smplx": ("SMPL-X", SMPLX55),
    "mano": ("MANO", MANO16),
}
_SEXES = {"neutral": "neutral", "n": "neutral", "female": "female", "f": "female", "male": "male", "m": "male"}
_SIDES = {"left": "left", "right": "right"}
_FULL = 400  # columns of a full SMPL-X file: 300 of shape, then 100 of expression; shorter ones have 10 of each


@dataclass(frozen=True)
class SmplFile:
    """What a file of the family holds, and what keeps it from being read."""

    kind: str
    """``smpl``, ``smplh``, ``smplx`` or ``mano``; empty where the number of joints tells none."""
    vertices: int
    joints: int
    num_shape: int
    """How many directions of shape there are; each has unit variance over people."""
    variant: str
    """``neutral``, ``female``, ``male``, for hands ``left`` or ``right``; empty where the file does not say."""
    missing: tuple[str, ...]
    faults: tuple[str, ...]
    """Each a clause that names an array, what was expected and what was found."""


def smpl(path: Path | str, *, num_shape: int | None = None, h36m: Path | str | None = None) -> SkinnedBody:
    """The body in a user's SMPL, SMPL-H, SMPL-X or MANO file, ``.npz`` or ``.pkl``, in float32.

    ``num_shape`` shape directions are kept (all, up to 10, unless given). Keypoints of ``coco17``, ``openpose25`` and others
    come from joints and from well-known vertices; ``h36m`` names a (17, V) ``.npy`` file with the regressor that published
    numbers on Human3.6M and 3DPW use, which replaces the approximate one. Raises ``BadInput`` naming all that is missing
    or has the wrong shape.
    """
    path = Path(path)
    arrays = _arrays(path)
    file = _inspected(arrays, path)
    _refuse(file, path)
    wanted = min(10, file.num_shape) if num_shape is None else num_shape
    if not 0 <= wanted <= file.num_shape:
        raise BadInput(f"num_shape: {path} has {file.num_shape} shape directions, {wanted} were asked for.")
    template, shape_directions = arrays["v_template"], arrays["shapedirs"][..., :wanted]
    regressor = arrays["J_regressor"]
    title, joints = _KINDS[file.kind]
    return SkinnedBody(
        template=_tensor(template),
        faces=torch.from_numpy(arrays["f"].astype(np.int64)),
        weights=_tensor(arrays["weights"]),
        parents=_parents(arrays["kintree_table"]),
        joint_names=joints.names,
        joint_template=_tensor(regressor @ template),
        shape_directions=_tensor(shape_directions),
        joint_directions=_tensor(np.einsum("jv,vds->jds", regressor, shape_directions)),
        pose_directions=_tensor(arrays["posedirs"]),
        regressors=keypoint_regressors(joints, template, None if h36m is None else _h36m(Path(h36m), file.vertices)),
        licence=_licence(title),
    )


def validate_smpl(path: Path | str) -> SmplFile:
    """What the file holds; ``missing`` and ``faults`` are empty where ``smpl`` can read it.

    A file that is no pickle or archive of arrays at all raises ``BadInput``.
    """
    return _inspected(_arrays(Path(path)), Path(path))


def import_smpl(path: Path | str, cache: Path | None = None) -> Path:
    """Writes what the body needs of a licensed file into the user's cache, as arrays alone, and says where.

    The copy is named by kind and variant (``smpl_neutral.npz``), is float32, and keeps all directions of shape.
    """
    path = Path(path)
    arrays = _arrays(path)
    file = _inspected(arrays, path)
    _refuse(file, path)
    arrays["shapedirs"] = arrays["shapedirs"][..., : file.num_shape]
    kept: dict[str, Any] = {
        key: arrays[key].astype(np.int64 if key in ("f", "kintree_table") else np.float32) for key in KEYS
    }
    kept["kintree_table"][0, 0] = -1
    about: dict[str, Any] = {
        "num_shape": file.num_shape,
        "variant": file.variant,
        "licence": _licence(_KINDS[file.kind][0]),
    }
    target = (cache or cache_folder()) / f"{'_'.join(filter(None, (file.kind, file.variant)))}.npz"
    with written_whole(target) as place, place.open("wb") as stream:
        np.savez_compressed(stream, **kept, **about)
    return target


def cache_folder() -> Path:
    """Where a user's licensed files are kept: ``PROBBODY_CACHE``, or ``probbody`` in ``XDG_CACHE_HOME`` or ``~/.cache``."""
    if own := os.environ.get("PROBBODY_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "probbody"


def _arrays(path: Path) -> dict[str, Any]:
    """The arrays that are needed and there, dense, in float64; a key that holds no array counts as missing."""
    wanted = {*KEYS, "num_shape", "variant"}
    if path.suffix.lower() == ".npz":
        found = read_npz(path, wanted)
    else:
        found = read_pickle(path)
        if not isinstance(found, dict):
            raise BadInput(f"{path}: expected a dictionary of arrays as SMPL files hold, found {type(found).__name__}.")
    dense = {key: _dense(value, key, path) for key, value in found.items() if key in wanted}
    return {
        key: value.astype(np.float64) if key in KEYS else value
        for key, value in dense.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in ("U" if key == "variant" else "iuf")
    }


def _dense(value: Any, key: str, path: Path) -> Any:
    """A sparse matrix whole, if it is of a size that a regressor could have: a larger one would fill the memory."""
    if not scipy.sparse.issparse(value):
        return value
    if math.prod(value.shape) >= 1 << 26:
        raise BadInput(
            f"{path}: expected {key} of joints x vertices, found a sparse matrix of the shape {value.shape}."
        )
    return value.toarray()


def _inspected(arrays: dict[str, Any], path: Path) -> SmplFile:
    missing = tuple(key for key in KEYS if key not in arrays)
    if "v_template" in missing or "weights" in missing:
        return SmplFile("", 0, 0, 0, "", missing, ())
    vertices, joints = (*arrays["v_template"].shape, 0)[0], (0, *arrays["weights"].shape)[-1]
    kind = next((kind for kind, (_, names) in _KINDS.items() if len(names) == joints), "")
    if not kind:
        known = ", ".join(f"{len(names)} ({title})" for title, names in _KINDS.values())
        return SmplFile(
            "", vertices, joints, 0, "", missing, (f"weights should be for {known} joints, but are for {joints}",)
        )
    faults = _faults(arrays, vertices, joints)
    directions = (0, *arrays["shapedirs"].shape)[-1] if "shapedirs" in arrays else 0
    if "num_shape" in arrays and not faults:
        directions = min(directions, int(arrays["num_shape"]))
    elif kind == "smplx":
        directions = 300 if directions >= _FULL else min(directions, 10)
    return SmplFile(kind, vertices, joints, directions, _variant(arrays, kind, path), missing, faults)


def _faults(arrays: dict[str, Any], vertices: int, joints: int) -> tuple[str, ...]:
    expected: dict[str, tuple[int | None, ...]] = {
        "v_template": (vertices, 3),
        "f": (None, 3),
        "weights": (vertices, joints),
        "kintree_table": (2, joints),
        "J_regressor": (joints, vertices),
        "shapedirs": (vertices, 3, None),
        "posedirs": (vertices, 3, 9 * (joints - 1)),
    }
    faults = []
    for key, shape in expected.items():
        if key in arrays:
            found = arrays[key].shape
            if len(found) != len(shape) or any(a not in (None, b) for a, b in zip(shape, found, strict=True)):
                wanted = ", ".join("any" if size is None else str(size) for size in shape)
                faults.append(f"{key} should have the shape ({wanted}), but has {found}")
            elif not np.isfinite(arrays[key]).all():
                faults.append(f"{key} should be finite, but has NaN or infinity")
    if not vertices:
        faults.append("v_template should have one vertex or more, but has none")
    if (told := arrays.get("num_shape")) is not None and not (told.size == 1 and told >= 0 and told == told // 1):
        faults.append(f"num_shape should be one whole number, but is {told.tolist()}")
    if "f" in arrays and not faults:
        strangers = arrays["f"][(arrays["f"] < 0) | (arrays["f"] >= vertices)]
        if strangers.size:
            faults.append(f"f should name vertices 0 to {vertices - 1}, but names {strangers[0]:.0f}")
    sums = arrays["weights"].sum(-1)
    if not faults and np.abs(sums - 1).max(initial=0) > 1e-3:
        faults.append(f"weights should sum to 1 for each vertex, but one sums to {sums[np.abs(sums - 1).argmax()]:.3g}")
    if "kintree_table" in arrays and not faults:
        parents = _parents(arrays["kintree_table"])
        if any(not 0 <= parent < joint for joint, parent in enumerate(parents[1:], 1)):
            faults.append("kintree_table should put each parent before its children, but does not")
    return tuple(faults)


def _refuse(file: SmplFile, path: Path) -> None:
    clauses = [f"it lacks {', '.join(file.missing)}"] if file.missing else []
    clauses += file.faults
    if clauses:
        raise BadInput(f"{path}: expected a file of SMPL, SMPL-H, SMPL-X or MANO, but {'; '.join(clauses)}.")


def _variant(arrays: dict[str, Any], kind: str, path: Path) -> str:
    if "variant" in arrays:
        return str(arrays["variant"])
    words = re.split(r"[^a-z]+", path.stem.lower())
    known = _SIDES if kind == "mano" else _SEXES
    return next((known[word] for word in reversed(words) if word in known), "")


def _parents(kintree_table: np.ndarray) -> tuple[int, ...]:
    """The parent of each joint; files say 4294967295, the unsigned -1, for the root."""
    return (-1, *(int(parent) for parent in kintree_table[0, 1:]))


def _h36m(path: Path, vertices: int) -> np.ndarray:
    try:
        regressor = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise BadInput(f"{path}: expected a (17, {vertices}) array, but the file cannot be read ({error}).") from error
    if not isinstance(regressor, np.ndarray):
        regressor.close()
        raise BadInput(f"{path}: expected a (17, {vertices}) array, found an archive of several.")
    if regressor.shape != (17, vertices) or regressor.dtype.kind not in "iuf":
        raise BadInput(f"{path}: expected a (17, {vertices}) array, found {regressor.shape} of {regressor.dtype}.")
    if not np.isfinite(regressor).all():
        raise BadInput(f"{path}: expected a (17, {vertices}) array of finite numbers, found NaN or infinity.")
    return regressor


def _licence(title: str) -> str:
    return f"{title}: non-commercial scientific research only (licence of the Max Planck Society); so is what is made with it"


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
