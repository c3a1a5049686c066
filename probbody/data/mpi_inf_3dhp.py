"""MPI-INF-3DHP: people before a green screen and outdoors, with joints from a markerless studio.

Layout as released. Training: ``S1/Seq1/annot.mat`` (MATLAB 5) with ``annot2``, ``annot3`` and ``univ_annot3``, cells of one
array a camera, (N, 56) in pixels and (N, 84) in millimetres, and ``camera.calibration`` beside it; frames are taken out of
the videos as ``imageFrames/video_0/frame_000001.jpg``. Test: ``TS1/annot_data.mat`` (MATLAB 7.3, which is HDF5 and needs
``h5py``) with ``annot2``, ``annot3``, ``univ_annot3`` and ``valid_frame``. Mehta et al., 3DV 2017, arXiv:1611.09813.
"""

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from ..bodies.joints import JointSet
from ..errors import BadInput
from .annotated import HALF, AnnotatedPeople, Intrinsics, LabelledPoints, boxes_around, people_joined
from .fields import Fields, single
from .joint_sets import MPI_INF_3DHP17, MPI_INF_3DHP28

LICENCE = "MPI-INF-3DHP, non-commercial research (vcai.mpi-inf.mpg.de/3dhp-dataset)"
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
"""Those at the height of the chest, which published training takes."""


def read_3dhp_training(
    folder: Path | str, cameras: Iterable[int] = CAMERAS, universal: bool = False
) -> AnnotatedPeople:
    """One sequence (``S1/Seq1``) as some of its 14 cameras saw it, all frames.

    Joints are in the camera's frame. ``universal`` takes those scaled to one height, which published tables use.
    """
    path = Path(folder) / "annot.mat"
    held = Fields(path, _matlab(path))
    lenses = _calibration(Path(folder) / "camera.calibration")
    return people_joined([_view(Path(folder), held, lenses, camera, universal) for camera in cameras])


def read_3dhp_test(folder: Path | str, universal: bool = True) -> AnnotatedPeople:
    """One test sequence (``TS1``): the frames that are valid, 17 joints in the camera's frame."""
    path = Path(folder) / "annot_data.mat"
    held = Fields(path, _hdf5(path, ("annot2", "univ_annot3" if universal else "annot3", "valid_frame")))
    places = held.take("annot2", ("frames", 1, 17, 2))[:, 0]
    joints = held.take("univ_annot3" if universal else "annot3", ("frames", 1, 17, 3))[:, 0]
    frames = np.flatnonzero(held.take("valid_frame", ("frames", 1), ("frames",)).reshape(-1))
    name = Path(folder).name
    pictures = tuple(f"{name}/imageSequence/img_{frame + 1:06d}.jpg" for frame in frames)
    return _people(pictures, name, places[frames], joints[frames], MPI_INF_3DHP17)


def _view(folder: Path, held: Fields, lenses: dict[int, np.ndarray], camera: int, universal: bool) -> AnnotatedPeople:
    if camera not in lenses:
        raise BadInput(f"{folder / 'camera.calibration'}: expected camera {camera}, found only {sorted(lenses)}.")
    name = "univ_annot3" if universal else "annot3"
    cells = {}
    for key in ("annot2", name):
        cell = np.asarray(held.any(key), dtype=object).reshape(-1)
        if camera >= len(cell):
            raise BadInput(f"{held.source}: expected {key} of camera {camera}, found {len(cell)} cameras.")
        cells[key] = cell[camera]
    here = Fields(f"{held.source}: camera {camera}", cells)
    places = here.take("annot2", ("frames", 56)).reshape(-1, 28, 2)
    joints = here.take(name, ("frames", 84)).reshape(-1, 28, 3)
    take = f"{folder.parent.name}/{folder.name}"
    video = f"{take}/imageFrames/video_{camera}"
    pictures = tuple(f"{video}/frame_{frame + 1:06d}.jpg" for frame in range(len(places)))
    people = _people(pictures, take, places, joints, MPI_INF_3DHP28, lenses[camera])
    inside = ((places >= 0) & (places < 2048)).all((1, 2))  # as published: frames with every joint in the picture
    return people[np.flatnonzero(inside).tolist()]


def _people(
    pictures: tuple[str, ...],
    video: str,
    places: np.ndarray,
    joints: np.ndarray,
    joint_set: JointSet,
    lens: np.ndarray | None = None,
) -> AnnotatedPeople:
    """Joints in millimetres, places in the pixels of the file."""
    certain = single(np.ones(places.shape[:2]))
    points = LabelledPoints(single(places + HALF), certain, joint_set)
    camera = None
    if lens is not None:
        focal, centre = np.array([lens[0, 0], lens[1, 1]]), lens[:2, 2] + HALF
        camera = Intrinsics(*(single(np.tile(pair, (len(pictures), 1))) for pair in (focal, centre)))
    return AnnotatedPeople(
        source="MPI-INF-3DHP",
        licence=LICENCE,
        pictures=pictures,
        names=pictures,
        videos=(video,) * len(pictures),
        boxes=boxes_around(points.places, certain),
        keypoints=points,
        joints=LabelledPoints(single(joints / 1000), certain, joint_set),
        camera=camera,
    )


def _matlab(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return scipy.io.loadmat(file, variable_names=["annot2", "annot3", "univ_annot3"])
    except FileNotFoundError as error:
        raise BadInput(f"{path}: expected the annotations of MPI-INF-3DHP, found no such file.") from error
    except Exception as error:  # what a broken file raises depends on where it is broken
        raise BadInput(f"{path}: expected a MATLAB 5 file, found one that cannot be read ({_brief(error)}).") from error


def _hdf5(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise BadInput(f"{path}: expected the annotations of MPI-INF-3DHP, found no such file.")
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise BadInput(
            f"{path}: expected h5py to read MATLAB 7.3 files, found it not installed (pip install h5py)."
        ) from error
    try:
        with h5py.File(path, "r") as file:
            return {name: np.asarray(file[name]) for name in names if name in file}
    except Exception as error:
        raise BadInput(
            f"{path}: expected a MATLAB 7.3 file, found one that cannot be read ({_brief(error)})."
        ) from error


def _calibration(path: Path) -> dict[int, np.ndarray]:
    """The intrinsic matrices by camera, from lines of a word and its values."""
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: expected the calibration of MPI-INF-3DHP, found none that can be read.") from error
    lenses, camera = {}, -1
    for words in lines:
        try:
            if words[:1] == ["name"]:
                camera = int(words[1])
            elif words[:1] == ["intrinsic"]:
                lenses[camera] = np.array([float(word) for word in words[1:17]]).reshape(4, 4)[:3, :3]
        except (ValueError, IndexError) as error:
            raise BadInput(f"{path}: expected numbers of camera {camera}, found {' '.join(words)[:60]!r}.") from error
    if not lenses:
        raise BadInput(f"{path}: expected lines 'name' and 'intrinsic' for each camera, found none.")
    return lenses


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0][:100] if str(error) else type(error).__name__
