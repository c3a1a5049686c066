"""People as keypoint detectors and annotators write them down: OpenPose JSON, COCO annotations, COCO results.

Pixel coordinates are ours: the centre of the first pixel is at (0.5, 0.5). COCO counts pixels from zero, so half a pixel is
added to its keypoints; OpenPose's are taken as they are. What is missing has confidence 0 and stands at (0, 0).
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, SupportsIndex

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..bodies.joints import JointSet, joint_set
from ..errors import BadInput
from .json_files import read_json

FARTHEST = 1e9
"""Pixels: a keypoint or a box that is so far away, in no picture there is, counts as missing."""


@dataclass(frozen=True)
class People:
    """The people of one picture, in the order of their file."""

    keypoints: Float[Tensor, "B P 3"]
    """(u, v, confidence): pixels, and a number in [0, 1]; finite, with confidence 0 where a point is missing."""
    layout: str
    boxes: Float[Tensor, "B 4"] | None
    """Left, top, width, height in pixels, where the file has them for everybody."""
    names: tuple[str, ...]
    """What the file calls each person, else their number in it."""

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, chosen: SupportsIndex | Sequence[int]) -> "People":
        """Some of them; a single number keeps the body dimension."""
        which = [operator.index(chosen)] if isinstance(chosen, SupportsIndex) else list(chosen)
        if not all(-len(self) <= person < len(self) for person in which):
            raise BadInput(f"person: expected numbers 0 to {len(self) - 1}, found {chosen}.")
        boxes = None if self.boxes is None else self.boxes[which]
        return People(self.keypoints[which], self.layout, boxes, tuple(self.names[person] for person in which))

    def seen(self) -> Bool[Tensor, "B P"]:
        """Which keypoints the file has."""
        return self.keypoints[..., 2] > 0


def read_keypoints(path: Path | str, *, image: str | None = None, layout: str | None = None) -> People:
    """The people in a keypoint file, in float32; those without any keypoint, and crowds, are passed over.

    ``image`` names the picture where a COCO file holds several. ``layout`` is the joint set where it is another than
    ``openpose25`` or ``coco17`` (as ``body25b``, with equally many points). Raises ``BadInput`` for what cannot be used.
    """
    path = Path(path)
    content = read_json(path)
    if isinstance(content, dict) and isinstance(content.get("people"), list):
        found, usual = _openpose(content["people"], path), "openpose25"
    elif isinstance(content, dict) and isinstance(content.get("annotations"), list):
        found, usual = _annotations(content, path, image, named=layout is not None), "coco17"
    elif isinstance(content, list) and all(isinstance(entry, dict) for entry in content):
        found, usual = _results(content, path, image), "coco17"
    else:
        raise BadInput(
            f"{path}: expected OpenPose JSON ('people'), COCO annotations or COCO results, found none of them."
        )
    if not found:
        raise BadInput(f"{path}: expected the keypoints of at least one person, found none.")
    joints = joint_set(layout or usual)
    points = torch.stack([_checked(person, joints, path, given=layout is not None) for person in found])
    seen = (points[..., 2] > 0).any(-1)
    if not seen.any():
        raise BadInput(f"{path}: expected keypoints with some confidence, found only zeros.")
    boxes = None
    if all(person.box is not None for person in found):
        boxes = torch.tensor([person.box for person in found], dtype=torch.float32)
    people = People(points, joints.name, boxes, tuple(person.name for person in found))
    return people[seen.nonzero()[:, 0].tolist()]


def check_inside(people: People, size: tuple[int, int], source: str = "keypoints") -> None:
    """Refuses people of whom no keypoint lies in a picture of that height and width: they belong to another picture."""
    height, width = size
    u, v, _ = people.keypoints.unbind(-1)
    inside = (u >= 0) & (u <= width) & (v >= 0) & (v <= height) & people.seen()
    for name, lost in zip(people.names, ~inside.any(-1), strict=True):
        if lost:
            raise BadInput(
                f"{source}: expected keypoints in a picture of {width} x {height} pixels, but all of person {name} lie outside."
            )


@dataclass(frozen=True)
class _Person:
    name: str
    numbers: Any
    box: list[float] | None = None
    offset: float = 0.0
    """From the file's pixel coordinates to ours."""


def _openpose(people: list[Any], path: Path) -> list[_Person]:
    if not all(isinstance(person, dict) and "pose_keypoints_2d" in person for person in people):
        raise BadInput(f"{path}: expected 'pose_keypoints_2d' for each person, found one without.")
    return [_Person(str(number), person["pose_keypoints_2d"]) for number, person in enumerate(people)]


def _annotations(content: dict[str, Any], path: Path, image: str | None, *, named: bool) -> list[_Person]:
    """COCO ground truth: a table of images, a table of annotations."""
    files = {str(entry.get("id")): str(entry.get("file_name", "")) for entry in _dicts(content, "images")}
    people = [entry for entry in _dicts(content, "annotations") if "keypoints" in entry]
    if not named:
        _check_names(content, path)
    if image is not None:
        ids = {key for key, file in files.items() if PurePath(file).name == PurePath(image).name}
        if not ids:
            raise BadInput(f"{path}: expected the picture {image}, found {_few(files.values())}.")
    else:
        ids = {str(entry.get("image_id")) for entry in people}
        if len(ids) > 1:
            raise BadInput(
                f"{path}: expected people of one picture, found {len(ids)}; name one of {_few(files.values())}."
            )
    chosen = [entry for entry in people if str(entry.get("image_id")) in ids]
    chosen = [entry for entry in chosen if not entry.get("iscrowd") and entry.get("num_keypoints") != 0]
    return [_person(entry, number) for number, entry in enumerate(chosen)]


def _results(content: list[dict[str, Any]], path: Path, image: str | None) -> list[_Person]:
    """What a detector hands in to COCO; pictures are known by their number alone, which their file name may be."""
    if not all("keypoints" in entry and "image_id" in entry for entry in content):
        raise BadInput(f"{path}: expected 'image_id' and 'keypoints' for each person, found one without.")
    ids = {str(entry["image_id"]) for entry in content}
    if image is not None and (len(ids) > 1 or PurePath(image).stem.isdecimal()):
        stem = PurePath(image).stem
        mine = {
            key
            for key in ids
            if key in (image, stem) or (stem.isdecimal() and key.isdecimal() and int(key) == int(stem))
        }
        if not mine:
            raise BadInput(f"{path}: expected the picture {image}, found {_few(ids)}.")
        ids = mine
    elif len(ids) > 1:
        raise BadInput(f"{path}: expected people of one picture, found {len(ids)}; name one of {_few(ids)}.")
    chosen = [entry for entry in content if str(entry["image_id"]) in ids]
    return [_person(entry, number) for number, entry in enumerate(chosen)]


def _person(entry: dict[str, Any], number: int) -> _Person:
    box = entry.get("bbox")
    usable = isinstance(box, list) and len(box) == 4 and all(_is_number(side) and abs(side) < FARTHEST for side in box)
    name = str(entry.get("id", number))
    return _Person(name, entry["keypoints"], box if usable else None, offset=0.5)


def _check_names(content: dict[str, Any], path: Path) -> None:
    """A COCO file may say what its keypoints are; other ones than COCO's must be named by the user."""
    for category in _dicts(content, "categories"):
        names = category.get("keypoints")
        if (
            isinstance(names, list)
            and names
            and [str(name).lower().replace(" ", "_") for name in names] != list(joint_set("coco17").names)
        ):
            raise BadInput(f"{path}: expected the 17 keypoints of COCO, found {_few(names)}; name their layout.")


def _checked(person: _Person, joints: JointSet, path: Path, *, given: bool) -> Float[Tensor, "P 3"]:
    """One person's keypoints, as many as the joint set has, finite, missing ones zero."""
    numbers = person.numbers
    who = f"{path}: person {person.name}"
    if not isinstance(numbers, list) or not all(number is None or _is_number(number) for number in numbers):
        raise BadInput(f"{who}: expected a flat list of numbers x, y, confidence, found something else.")
    if len(numbers) != 3 * len(joints):
        found = f"{len(numbers) // 3} keypoints" if len(numbers) % 3 == 0 else f"{len(numbers)} numbers"
        hint = "" if given else "; name the layout if it is another"
        if len(numbers) == 54 and not given:
            hint = ": OpenPose's COCO model is not read, run its BODY_25 model"
        raise BadInput(f"{who}: expected the {len(joints)} keypoints of {joints.name}, found {found}{hint}.")
    values = [math.nan if number is None else float(number) for number in numbers]
    exact = torch.tensor(values, dtype=torch.float64).unflatten(0, (-1, 3))
    far = exact[:, :2].isfinite().all(-1) & (exact[:, :2].abs() >= FARTHEST).any(-1)
    points = exact.float()
    missing = (points[:, 2] == 0) | points.isnan().all(-1) | far
    points[missing] = 0.0
    for joint, (u, v, confidence) in zip(joints.names, points.tolist(), strict=True):
        if not math.isfinite(u + v + confidence):
            raise BadInput(f"{who}: expected finite coordinates for {joint}, found ({u}, {v}, {confidence}).")
        if not 0 <= confidence <= 2:
            raise BadInput(f"{who}: expected a confidence from 0 to 1 for {joint}, found {confidence:g}.")
    points[:, 2] = points[:, 2].clamp(
        max=1.0
    )  # COCO's flag is 2 where seen, 1 where hidden; heat maps peak a little over 1
    points[~missing, :2] += person.offset
    return points


def _is_number(value: Any) -> bool:
    """A number that a picture could hold, or NaN or infinity; JSON allows whole numbers beyond any float."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 53)


def _dicts(content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    table = content.get(key)
    return [entry for entry in table if isinstance(entry, dict)] if isinstance(table, list) else []


def _few(names: Any) -> str:
    shown = [str(name) for name in sorted(names)] if isinstance(names, set) else [str(name) for name in names]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "") if shown else "none"
