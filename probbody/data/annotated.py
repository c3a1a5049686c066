"""People in the pictures of a data set, with what is known about them, whatever the data set.

Angles and joints are turned into the camera's frame: x right, y down, z ahead, metres. These files count pixels from the
centre of the first one; half a pixel is added, to keypoints, boxes and principal points alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..bodies.joints import JointSet
from ..errors import BadInput
from ..geometry.cameras import PinholeCamera
from ..geometry.rotations import axis_angle_to_matrix
from ..quantities import Record, joined

HALF = 0.5
"""From the pixel coordinates of these files to ours."""
_WORDS = ("pictures", "names", "videos", "sexes")
_PARTS = ("boxes", "keypoints", "joints", "smpl", "camera", "weak_camera")


@dataclass(frozen=True)
class LabelledPoints(Record):
    """Points of a joint set: pixels (D = 2) or metres (D = 3); those with confidence 0 are unknown and stand at the origin."""

    places: Float[Tensor, "B P D"]
    confidence: Float[Tensor, "B P"]
    joints: JointSet
    rooted: bool = False
    """Of metres: whether they are known only from a root joint, which is the origin; else the camera is."""

    def __post_init__(self) -> None:
        if self.places.shape[1] != len(self.joints):
            raise BadInput(
                f"joints: expected the {len(self.joints)} of {self.joints.name}, found {self.places.shape[1]}."
            )

    def of(self, wanted: JointSet) -> "LabelledPoints":
        """The same points in the order of another set, by name; what is not here has confidence 0."""
        names = self.joints.names
        order = [names.index(joint) if joint in names else 0 for joint in wanted.names]
        there = torch.tensor([joint in names for joint in wanted.names], device=self.confidence.device)
        confidence = torch.where(there, self.confidence[:, order], 0.0)
        places = torch.where((confidence > 0).unsqueeze(-1), self.places[:, order], 0.0)
        return LabelledPoints(places, confidence, wanted, self.rooted)


@dataclass(frozen=True)
class SmplLabels(Record):
    """Bodies of the SMPL family in the camera's frame, before a body of the user's poses them."""

    angles: Float[Tensor, "B J 3"]
    """Axis-angle, the pelvis first."""
    shape: Float[Tensor, "B S"]
    translation: Float[Tensor, "B 3"] | None = None
    """As in ``Pose``; None where the file does not place the body."""

    @property
    def rotations(self) -> Float[Tensor, "B J 3 3"]:
        """The angles as matrices."""
        return axis_angle_to_matrix(self.angles)


@dataclass(frozen=True)
class Intrinsics(Record):
    """The cameras of pictures that may differ in size; people stand in the camera's frame."""

    focal: Float[Tensor, "B 2"]
    centre: Float[Tensor, "B 2"]

    def cameras(self, size: tuple[int, int]) -> PinholeCamera:
        """Cameras for pictures of that height and width, ready for ``Crop.camera``."""
        still = torch.eye(3).to(self.focal).repeat(len(self.focal), 1, 1)
        return PinholeCamera(self.focal, self.centre, still, self.focal.new_zeros(len(self.focal), 3), size)


@dataclass(frozen=True)
class AnnotatedPeople:
    """One entry a person and picture; each part is None where the data set does not have it."""

    source: str
    licence: str
    pictures: tuple[str, ...]
    """Paths below the data set's folder."""
    names: tuple[str, ...]
    """Different for each entry: by them results are told apart."""
    videos: tuple[str, ...]
    """Which takes the pictures come from: what an interval of confidence should be resampled by."""
    sexes: tuple[str, ...] = ()
    """``female``, ``male`` or ``neutral``, where the data set says whose SMPL body the numbers belong to; else nothing."""
    boxes: Float[Tensor, "B 4"] | None = None
    """Left, top, right, bottom in pixels."""
    keypoints: LabelledPoints | None = None
    joints: LabelledPoints | None = None
    smpl: SmplLabels | None = None
    camera: Intrinsics | None = None
    weak_camera: Float[Tensor, "B 3"] | None = None
    """(scale, shift_x, shift_y) of a ``WeakPerspectiveCamera`` for the box, where a fit came with one."""

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.pictures):
            raise BadInput(
                f"{self.source}: expected different names for {len(self.pictures)} people, found equal ones."
            )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, chosen: slice | Sequence[int]) -> "AnnotatedPeople":
        """Some of them: ``people[::30]`` is every thirtieth, as published numbers on 3DPW take them."""
        index = list(range(len(self)))[chosen] if isinstance(chosen, slice) else list(chosen)
        kept: dict[str, Any] = {}
        for name in _WORDS:
            kept[name] = tuple(getattr(self, name)[entry] for entry in index if getattr(self, name))
        for name in _PARTS:
            kept[name] = None if (part := getattr(self, name)) is None else part[index]
        return replace(self, **kept)

    def missing(self) -> tuple[str, ...]:
        """What the data set does not say, in words."""
        return tuple(name for name in _PARTS[:-1] if getattr(self, name) is None)

    def check_pictures(self, folder: Path | str) -> None:
        """Refuses a folder that lacks one of the pictures."""
        lost = [name for name in dict.fromkeys(self.pictures) if not (Path(folder) / name).is_file()]
        if lost:
            raise BadInput(
                f"{folder}: expected the pictures of {self.source}, found {len(lost)} missing, the first {lost[0]}."
            )


def people_joined(parts: Sequence[AnnotatedPeople]) -> AnnotatedPeople:
    """Entries of one data set, one after the other; what one part lacks the whole lacks."""
    held: dict[str, Any] = {name: _together([getattr(part, name) for part in parts]) for name in _PARTS}
    words = [name for name in _WORDS if all(len(getattr(part, name)) == len(part) for part in parts)]
    held |= {name: tuple(word for part in parts for word in getattr(part, name)) for name in words}
    held |= {name: () for name in _WORDS if name not in words}
    return replace(parts[0], **held)


def _together(parts: list[Any]) -> Any:
    """Tensors or records one after the other; None where any is None."""
    if any(part is None for part in parts):
        return None
    return torch.cat(parts) if isinstance(parts[0], Tensor) else joined(parts)


def boxes_around(places: Float[Tensor, "B P 2"], confidence: Float[Tensor, "B P"]) -> Float[Tensor, "B 4"]:
    """The least boxes that hold the points known."""
    seen = (confidence > 0).unsqueeze(-1)
    low = torch.where(seen, places, torch.inf).amin(1)
    high = torch.where(seen, places, -torch.inf).amax(1)
    return torch.cat([low, high], dim=-1)


def is_rotation(turns: np.ndarray) -> np.ndarray:
    """Which 3 x 3 matrices are rotations, as far as files round them: orthogonal, and no reflections."""
    off = np.abs(turns @ turns.swapaxes(-1, -2) - np.eye(3)).max((-1, -2))
    return np.asarray((off <= 1e-2) & (np.linalg.det(turns) > 0))
