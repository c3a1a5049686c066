"""Captured motion: how people really moved, frame by frame, in the joints of SMPL."""

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..bodies.joints import SMPL24
from ..errors import BadInput
from ..geometry.rotations import axis_angle_to_matrix
from .fields import Fields, single
from .notes import Refused
from .pickles import check_unpacked

# what a damaged archive raises, according to where it is damaged
_UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, TypeError, NotImplementedError, MemoryError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """One take of one person: the frames ``start`` to ``start + length`` of a motion."""

    name: str
    subject: str
    start: int
    length: int
    description: str = ""
    source: str = ""


@dataclass(frozen=True)
class Motion:
    """Takes that follow each other in time.

    ``angles`` are axis-angle vectors in radians, each joint relative to its parent, in SMPL's order with the pelvis first;
    zero is the T-pose, y is up. ``translation`` is in metres. ``valid`` marks the frames that one may learn from.
    """

    angles: Float[Tensor, "T 24 3"]
    translation: Float[Tensor, "T 3"]
    valid: Bool[Tensor, " T"]
    clips: tuple[Clip, ...]
    fps: float
    licence: str = "not stated"

    def __len__(self) -> int:
        return len(self.angles)

    @property
    def rotations(self) -> Float[Tensor, "T 24 3 3"]:
        """The same rotations as matrices."""
        return axis_angle_to_matrix(self.angles)

    def clip(self, name: str) -> "Motion":
        """One take alone; a name that is not here is refused."""
        for clip in self.clips:
            if clip.name == name:
                return self._cut(clip)
        raise BadInput(f"clip {name!r}: not one of the {len(self.clips)} clips of this motion.")

    def mirrored(self) -> "Motion":
        """The motion as a mirror shows it: left and right change places."""
        flip = self.translation.new_tensor([-1.0, 1.0, 1.0])
        return Motion(mirrored(self.angles), self.translation * flip, self.valid, self.clips, self.fps, self.licence)

    def _cut(self, clip: Clip) -> "Motion":
        frames = slice(clip.start, clip.start + clip.length)
        alone = Clip(clip.name, clip.subject, 0, clip.length, clip.description, clip.source)
        return Motion(
            self.angles[frames], self.translation[frames], self.valid[frames], (alone,), self.fps, self.licence
        )


def mirrored(angles: Float[Tensor, "T J 3"]) -> Float[Tensor, "T J 3"]:
    """Axis-angle vectors mirrored at the body's middle plane: SMPL's 24 joints, or the 21 that follow the pelvis.

    A reflection in x keeps the x part of a rotation vector and turns the others round.
    """
    first = 1 if angles.shape[1] == 21 else 0
    order = [SMPL24.mirror[joint + first] - first for joint in range(angles.shape[1])]
    return angles[:, order] * angles.new_tensor([1.0, -1.0, -1.0])


def is_held_out(clip: str) -> bool:
    """Whether a take is kept from learning, decided by its name alone: about one in five.

    The same take keeps its side whatever file it comes in.
    """
    return hashlib.sha256(clip.encode()).digest()[0] % 5 == 0


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file; pickled objects in it are left out, unread, and broken files are refused."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as held:
            if not isinstance(held, np.lib.npyio.NpzFile):
                raise BadInput(f"{path}: expected an npz archive, found a single array.")
            assert held.zip is not None
            check_unpacked(held.zip, Path(path).stat().st_size)
            return {name: held[name] for name in held.files if not _holds_objects(held, name)}
    except BadInput:
        raise
    except FileNotFoundError as error:
        raise BadInput(f"{path}: expected an npz file, found nothing there.") from error
    except Refused as refusal:
        raise BadInput(f"{path}: expected an npz file of arrays, but {refusal}.") from refusal
    except _UNREADABLE as error:
        raise BadInput(f"{path}: expected an npz file of plain arrays, found one that cannot be read.") from error


def _holds_objects(held: np.lib.npyio.NpzFile, name: str) -> bool:
    """Whether a member says that it holds pickled objects: AMASS files of SMPL-X have dictionaries of markers beside arrays."""
    assert held.zip is not None
    member = name if name in held.zip.namelist() else f"{name}.npy"
    with held.zip.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return bool(read(file)[2].hasobject)


def read_motion_npz(path: str | Path, licence: str = "not stated") -> Motion:
    """A motion file with ``poses`` (N, 24, 3), ``trans``, ``valid``, ``fps`` and one entry a clip.

    Raises ``BadInput`` where an array is missing, has another shape, or is not finite.
    """
    arrays = read_arrays(path)
    needed = {"poses", "trans", "valid", "fps", "clip", "start", "length"}
    if missing := sorted(needed - set(arrays)):
        raise BadInput(f"{path}: expected a motion file with {', '.join(sorted(needed))}, found none of {missing}.")
    held = Fields(path, arrays)
    poses, trans = (held.take("poses", ("N", 24, 3)), held.take("trans", ("N", 3)))
    valid = held.take("valid", ("N",)).astype(bool)
    clips = _clips(path, held, len(poses))
    parts = (single(poses), single(trans), torch.from_numpy(valid))
    return Motion(*parts, clips, rate_of(held, "fps"), licence)


def rate_of(held: Fields, name: str) -> float:
    """Frames a second."""
    rate = float(held.take(name, (), (1,)).reshape(()))
    if not rate > 0:
        raise BadInput(f"{held.source}: expected a positive {name}, found {rate:g}.")
    return rate


def _clips(path: str | Path, held: Fields, frames: int) -> tuple[Clip, ...]:
    names = held.words("clip", "K")
    whole = [held.take(name, ("K",)).astype(int).tolist() for name in ("start", "length")]
    told = [held.words(n, "K") if n in held else [""] * len(names) for n in ("subject", "description", "source")]
    clips = tuple(
        Clip(name, subject, start, length, text, source)
        for name, start, length, subject, text, source in zip(names, *whole, *told, strict=True)
    )
    for clip in clips:
        if clip.start < 0 or clip.length < 0 or clip.start + clip.length > frames:
            raise BadInput(f"{path}: expected clip {clip.name!r} within {frames} frames, found it outside them.")
    return clips
