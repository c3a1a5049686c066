"""BVH files: a tree of joints with any channels in any order, and its motion."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import BadInput
from ..geometry.rotations import axis_angle_to_matrix

_AXES = {"X": 0, "Y": 1, "Z": 2}
_DEEPEST = 200


@dataclass(frozen=True)
class Skeleton:
    """The joints of a BVH file, parents before children: where each lies from its parent, and which channels move it.

    ``offsets`` and ``ends`` (from a joint to the tip of its bone, where the file has one) are in the file's unit.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Float[Tensor, "J 3"]
    channels: tuple[tuple[str, ...], ...]
    ends: dict[int, tuple[float, float, float]]


@dataclass(frozen=True)
class BvhMotion:
    """What a BVH file says, in its own rig and unit: local rotations, and the place of each joint from its parent."""

    skeleton: Skeleton
    rotations: Float[Tensor, "T J 3 3"]
    places: Float[Tensor, "T J 3"]
    frame_time: float


def read_bvh(path: str | Path) -> BvhMotion:
    """The skeleton and motion of a BVH file, rotations applied in the order in which the channels are written.

    Position channels replace a joint's offset. Raises ``BadInput`` for a file that is cut short or is no BVH.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="strict")
    except FileNotFoundError as error:
        raise BadInput(f"{path}: expected a BVH file, found nothing there.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: expected a BVH file, found one that cannot be read as text.") from error
    head, *tail = re.split(r"(?<!\S)MOTION(?!\S)", text, maxsplit=1)
    if not tail:
        raise BadInput(f"{path}: expected the word MOTION after the hierarchy, found none.")
    skeleton = _Reader(path, head).skeleton()
    values, frame_time = _motion(path, tail[0], sum(map(len, skeleton.channels)))
    rotations, places = _posed(skeleton, values)
    return BvhMotion(skeleton, rotations, places, frame_time)


class _Reader:
    """Reads the words of a hierarchy."""

    def __init__(self, path: str | Path, text: str) -> None:
        self.path, self.words = path, iter(text.split())
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[tuple[float, float, float]] = []
        self.channels: list[tuple[str, ...]] = []
        self.ends: dict[int, tuple[float, float, float]] = {}

    def skeleton(self) -> Skeleton:
        self._expect("HIERARCHY")
        self._expect("ROOT")
        self._joint(-1, 0)
        if (extra := next(self.words, None)) is not None:
            raise BadInput(f"{self.path}: expected one ROOT and then MOTION, found {extra!r}.")
        offsets = torch.tensor(self.offsets)
        return Skeleton(tuple(self.names), tuple(self.parents), offsets, tuple(self.channels), self.ends)

    def _joint(self, parent: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise BadInput(f"{self.path}: expected a hierarchy at most {_DEEPEST} joints deep, found a deeper one.")
        name, word = [], self._next()
        while word != "{":
            name.append(word)
            word = self._next()
        here = len(self.names)
        self.names.append(" ".join(name) or f"joint {here}")
        self.parents.append(parent)
        self.offsets.append((0.0, 0.0, 0.0))
        self.channels.append(())
        while (word := self._next()) != "}":
            if word == "OFFSET":
                self.offsets[here] = self._three()
            elif word == "CHANNELS":
                self.channels[here] = self._channels()
            elif word == "JOINT":
                self._joint(here, depth + 1)
            elif word == "End":
                for expected in ("Site", "{", "OFFSET"):
                    self._expect(expected)
                self.ends[here] = self._three()
                self._expect("}")
            else:
                raise BadInput(f"{self.path}: expected OFFSET, CHANNELS, JOINT, End or }}, found {word!r}.")

    def _channels(self) -> tuple[str, ...]:
        count = self._next()
        if not count.isdecimal() or int(count) > 6:
            raise BadInput(f"{self.path}: expected at most 6 CHANNELS, found {count!r}.")
        named = tuple(self._next() for _ in range(int(count)))
        for name in named:
            if name[:1] not in _AXES or name[1:] not in ("position", "rotation"):
                raise BadInput(f"{self.path}: expected channels like Xposition or Zrotation, found {name!r}.")
        return named

    def _three(self) -> tuple[float, float, float]:
        words = [self._next() for _ in range(3)]
        try:
            x, y, z = map(float, words)
        except ValueError as error:
            raise BadInput(f"{self.path}: expected three numbers after OFFSET, found {' '.join(words)!r}.") from error
        if not all(map(math.isfinite, (x, y, z))):
            raise BadInput(f"{self.path}: expected finite numbers after OFFSET, found {' '.join(words)!r}.")
        return x, y, z

    def _expect(self, word: str) -> None:
        if (found := self._next()) != word:
            raise BadInput(f"{self.path}: expected {word!r} in the hierarchy, found {found!r}.")

    def _next(self) -> str:
        word = next(self.words, None)
        if word is None:
            raise BadInput(f"{self.path}: expected a closed hierarchy, found its end too early.")
        return word


def _motion(path: str | Path, text: str, width: int) -> tuple[Float[Tensor, "T D"], float]:
    """The table of channel values, and the seconds between frames."""
    words = text.split()
    try:
        if words[0] != "Frames:" or words[2:4] != ["Frame", "Time:"]:
            raise ValueError("heads")
        count, frame_time = int(words[1]), float(words[4])
        values = np.array(words[5:], dtype=np.float64)
    except (IndexError, ValueError) as error:
        raise BadInput(
            f"{path}: expected 'Frames:', 'Frame Time:' and numbers after MOTION, found other words."
        ) from error
    if count < 1 or len(values) != count * width:
        raise BadInput(f"{path}: expected {count} frames of {width} numbers, found {len(values)} numbers.")
    if not np.isfinite(values).all() or not 0 < frame_time < 1e3:
        raise BadInput(f"{path}: expected finite numbers and a positive frame time, found others.")
    return torch.from_numpy(values.reshape(count, width)), frame_time


def _posed(skeleton: Skeleton, values: Tensor) -> tuple[Tensor, Tensor]:
    frames, joints = len(values), len(skeleton.names)
    rotations = torch.eye(3, dtype=values.dtype).repeat(frames, joints, 1, 1)
    places = skeleton.offsets.to(values).repeat(frames, 1, 1)
    for joint, name, column in _columns(skeleton):
        axis = _AXES[name[0]]
        if name[1:] == "position":
            places[:, joint, axis] = values[:, column]
            continue
        turn = torch.zeros(frames, 3, dtype=values.dtype)
        turn[:, axis] = values[:, column].deg2rad()
        rotations[:, joint] = rotations[:, joint] @ axis_angle_to_matrix(turn)
    return rotations.float(), places.float()


def _columns(skeleton: Skeleton) -> Iterator[tuple[int, str, int]]:
    column = 0
    for joint, named in enumerate(skeleton.channels):
        for name in named:
            yield joint, name, column
            column += 1
