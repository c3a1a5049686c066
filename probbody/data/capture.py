"""Folders of captured motion, whatever their files are called."""

from collections.abc import Iterable
from pathlib import Path

from ..errors import BadInput
from .amass import is_amass, read_amass
from .motion import Motion, read_arrays, read_motion_npz
from .rigs import read_motion_bvh


def read_motion(path: str | Path, licence: str = "not stated") -> Motion:
    """One motion file of any kind known here: BVH by its ending, else AMASS or the plain npz layout by its arrays."""
    if Path(path).suffix.lower() == ".bvh":
        return read_motion_bvh(path, licence=licence)
    return read_amass(path) if is_amass(read_arrays(path)) else read_motion_npz(path, licence)


def read_motions(paths: str | Path | Iterable[str | Path], licence: str = "not stated") -> tuple[Motion, ...]:
    """Every motion file among the paths; a folder stands for the npz files in it and below, in the order of their names.

    AMASS lays the shape of each subject beside the motions, as ``shape.npz`` or ``..._stagei.npz``; those are passed over.
    """
    listed = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    files: list[Path] = []
    for path in listed:
        held = sorted(path.rglob("*.npz")) if path.is_dir() else [path]
        files += [file for file in held if file.stem != "shape" and not file.stem.endswith("_stagei")]
    if not files:
        raise BadInput(f"{', '.join(map(str, listed))}: expected motion files (npz, bvh), found none.")
    return tuple(read_motion(file, licence) for file in files)
