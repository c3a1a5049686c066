"""What flows: frozen records of tensors, each field with its shape.

The alphabet of shapes, for the whole house: ``B`` bodies (people, frames, starts), ``J`` joints, ``M`` moving joints (all
but the root and the ends), ``S`` shape, ``V`` vertices, ``F`` faces, ``K`` kernels, ``C`` channels, ``O`` directions, ``P``
keypoints, ``Z`` code, ``H W`` pixels, ``N`` draws, ``T`` steps.

Lengths are metres, angles radians, image coordinates pixels with pixel centres at +0.5. The camera looks along +z with
y down and x right (OpenCV). A body at rest stands in a T-pose with y up, facing +z, its left at +x. Rotations are
matrices that act on columns, the root first, each relative to its parent.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, SupportsIndex, TypeGuard, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

R = TypeVar("R", bound="Record")


class Record:
    """Tensors, records, and tuples of records that travel together: moved with ``to``, and indexed along their bodies."""

    _shared: tuple[str, ...] = ()  # fields without a body dimension

    def to(self: R, *args: object, **kwargs: object) -> R:
        """Every tensor moved as by ``torch.Tensor.to``; tensors of integers and truths keep their type."""
        return type(self)(**{field.name: _moved(value, *args, **kwargs) for field, value in self._items()})

    def __getitem__(self: R, index: SupportsIndex | slice | Int[Tensor, " N"] | list[int]) -> R:
        """The bodies chosen by ``index``; a single number, such as an ``argmin``, keeps the body dimension."""
        if is_number(index):
            index = [operator.index(index)]
        chosen = {
            field.name: value if field.name in self._shared else _chosen(value, index) for field, value in self._items()
        }
        return type(self)(**chosen)

    def detach(self: R) -> R:
        """The same numbers, cut from the graph that made them."""
        return type(self)(**{field.name: _detached(value) for field, value in self._items()})

    def _items(self):  # type: ignore[no-untyped-def]
        return [(field, getattr(self, field.name)) for field in fields(self)]  # type: ignore[arg-type]


def joined(records: Sequence[R]) -> R:
    """One record with the bodies of all, in their order; what bodies share, and what is no tensor, is the first one's.

    Raises:
        ValueError: there are none, or only some of them have a part.
    """
    if not records:
        raise ValueError("joined: expected one record or more, found none.")
    first = records[0]
    values: dict[str, Any] = {}
    for field, value in first._items():
        held = [getattr(record, field.name) for record in records]
        if (lacking := [each is None for each in held]) and any(lacking) and not all(lacking):
            words = f"joined: expected {field.name} of all or none of {len(held)} {type(first).__name__} records"
            raise ValueError(f"{words}, found {sum(lacking)} without.")
        if isinstance(value, Record):
            values[field.name] = joined(held)
        elif _are_records(value):
            values[field.name] = tuple(joined(each) for each in zip(*held, strict=True))
        elif isinstance(value, Tensor) and field.name not in first._shared:
            values[field.name] = torch.cat(held)
        else:
            values[field.name] = value
    return type(first)(**values)


def is_number(index: object) -> TypeGuard[SupportsIndex]:
    """Whether an index is one number, of Python, numpy or torch, and not several."""
    return isinstance(index, SupportsIndex) and getattr(index, "ndim", 0) == 0


def _detached(value: Any) -> Any:
    if _are_records(value):
        return tuple(each.detach() for each in value)
    return value.detach() if isinstance(value, (Tensor, Record)) else value


def _chosen(value: Any, index: Any) -> Any:
    if _are_records(value):
        return tuple(each[index] for each in value)
    return value[index] if hasattr(value, "__getitem__") and not isinstance(value, (str, tuple)) else value


def _are_records(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(each, Record) for each in value)


def _moved(value: Any, *args: Any, **kwargs: Any) -> Any:
    if _are_records(value):
        return tuple(each.to(*args, **kwargs) for each in value)
    if isinstance(value, Tensor) and not value.is_floating_point():
        return value.to(value.new_empty(0, dtype=torch.float32).to(*args, **kwargs).device)
    return value.to(*args, **kwargs) if hasattr(value, "to") else value


@dataclass(frozen=True)
class Pose(Record):
    """How bodies stand: one rotation a joint (the root first), their shape, where they are.

    ``translation`` is added after the body was posed with its root joint at the place that its shape gives it, as in SMPL.
    """

    rotations: Float[Tensor, "B J 3 3"]
    shape: Float[Tensor, "B S"]
    translation: Float[Tensor, "B 3"]

    def __len__(self) -> int:
        return len(self.translation)


@dataclass(frozen=True)
class Surface(Record):
    """Posed bodies as geometry; ``frames`` carry a point at rest along with each joint (rest to posed, rigid)."""

    vertices: Float[Tensor, "B V 3"]
    joints: Float[Tensor, "B J 3"]
    frames: Float[Tensor, "B J 4 4"]
    faces: Int[Tensor, "F 3"]

    _shared = ("faces",)


@dataclass(frozen=True)
class Kernels(Record):
    """Bodies as clouds of Gaussian kernels; ``vertex`` names the surface point that each kernel carries."""

    means: Float[Tensor, "B K 3"]
    precisions: Float[Tensor, "B K 3 3"]
    vertex: Int[Tensor, " K"]

    _shared = ("vertex",)


@dataclass(frozen=True)
class Rendering(Record):
    """What rays see: the expected features, the chance of a hit in [0, 1], the expected depth along the axis."""

    features: Float[Tensor, "B C H W"]
    coverage: Float[Tensor, "B H W"]
    depth: Float[Tensor, "B H W"]
