"""What a method said of some pictures beside the truth, and every error that a table may ask for."""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probbody.data.files import written_whole
from probbody.errors import BadInput
from probbody.metrics import Procrustes, Rooted, Scores, joint_scores
from probbody.metrics.keypoints import PCKH
from probbody.metrics.means import Mean
from probbody.quantities import Pose, Record


@dataclass(frozen=True)
class Measured(Record):
    """One row a picture; NaN stands for what the method did not say or what cannot be measured. Kept in npz files."""

    numbers: Int[Tensor, " B"]
    witness: Float[Tensor, " B"]
    found: Float[Tensor, "B J 3"]
    truth: Float[Tensor, "B J 3"]
    known: Bool[Tensor, "B J"]
    """Whether the truth says where a joint is; only these count."""
    shown: Bool[Tensor, "B J"]
    """Of those known, the ones that one sees."""
    off: Float[Tensor, "B J"]
    """How far joints are off in the picture, in lengths of the head."""
    near: Float[Tensor, "B P"]
    """How far keypoints are off in the picture, in longer sides of the person's box."""
    pve: Float[Tensor, " B"]
    """Millimetres."""
    auc: Float[Tensor, " B"]
    brier: Float[Tensor, " B"]
    covered: Float[Tensor, " B"]
    """How much of the person is behind something."""
    rotations: Float[Tensor, "B K 3 3"]
    shape: Float[Tensor, "B S"]
    translation: Float[Tensor, "B 3"]
    seconds: Float[Tensor, " B"]
    """That the answer took, the same for all of a batch: of a processor, or by the clock on other devices."""

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def pose(self) -> Pose:
        """Of the open body; NaN where the method has none."""
        return Pose(self.rotations, self.shape, self.translation)

    def rooted(self) -> Scores:
        """Distances of joints with the first joint of both, the root, at the origin."""
        return joint_scores(self.found, self.truth, Rooted((0,)), self.known)

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        arrays: dict[str, Any] = {each.name: getattr(self, each.name).numpy() for each in fields(self)}
        with written_whole(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Measured":
        """What ``save`` wrote; anything else is refused."""
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as held:
                return cls(**{each.name: torch.from_numpy(held[each.name]) for each in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise BadInput(f"{path}: expected measured answers (npz), found something else; remove it.") from error


@dataclass(frozen=True)
class Measure:
    """One number of a table: how it is taken, and which way is good."""

    name: str
    unit: str
    of: Callable[[Measured], Mean]
    less_is_better: bool = True
    digits: int = 1


def _of_shown(held: Measured) -> Mean:
    return held.rooted().where(held.shown).pooled()


def _of_hidden(held: Measured) -> Mean:
    return held.rooted().where(~held.shown).pooled()


def _aligned(held: Measured) -> Mean:
    return joint_scores(held.found, held.truth, Procrustes(), held.shown).pooled()


def _aligned_all(held: Measured) -> Mean:
    return joint_scores(held.found, held.truth, Procrustes(), held.known).over_images()


def _pckh(held: Measured) -> Mean:
    return _percent(_lengths(held.off, held.shown | ~held.known, "lengths of the head").below(PCKH).over_joints())


def _pck(limit: float) -> Callable[[Measured], Mean]:
    """Pooled over keypoints."""
    return lambda held: _percent(
        _lengths(held.near, ~held.near.isnan(), "longer sides of the box").below(limit).pooled()
    )


def _lengths(values: Float[Tensor, "B P"], counted: Bool[Tensor, "B P"], measure: str) -> Scores:
    counted = counted & ~values.isnan()
    return Scores(values, counted, counted.any(1), measure)


def _percent(share: Mean) -> Mean:
    return replace(share, sums=100 * share.sums)


def _each(values: Float[Tensor, " B"]) -> Mean:
    there = ~values.isnan()
    return Mean(torch.where(there, values, 0.0).double()[:, None], there.double()[:, None], "mean over images")


PUBLISHED = (
    Measure("MPJPE", "mm", _of_shown),
    Measure("PA-MPJPE", "mm", _aligned),
    Measure("PCKh", "%", _pckh, less_is_better=False),
)
"""As the papers have them: joints that one sees, pooled; similarities fitted by these; PCKh at half a head, over joints."""
OF_BOXES = (
    Measure("PCK at 0.2 of the box", "%", _pck(0.2), less_is_better=False),
    Measure("PCK at 0.1 of the box", "%", _pck(0.1), less_is_better=False),
)
"""Where there are no joints in metres."""
OF_3DHP = (
    Measure("PCK at 150 mm", "%", lambda held: _percent(held.rooted().below(150.0).pooled()), less_is_better=False),
    Measure("AUC to 150 mm", "%", lambda held: _percent(held.rooted().area_below().pooled()), less_is_better=False),
)
"""As published with MPI-INF-3DHP."""
MEASURES = (
    *PUBLISHED,
    *OF_BOXES,
    *OF_3DHP,
    Measure("MPJPE of all joints", "mm", lambda held: held.rooted().over_images()),
    Measure("MPJPE of hidden joints", "mm", _of_hidden),
    Measure("PA-MPJPE of all joints", "mm", _aligned_all),
    Measure("PVE", "mm", lambda held: _each(held.pve)),
    Measure("AUC of the occlusion map", "", lambda held: _each(held.auc), less_is_better=False, digits=3),
    Measure("Brier score of the occlusion map", "", lambda held: _each(held.brier), digits=3),
)


def nobody(like: Pose) -> Pose:
    """The pose of a method that has none."""
    return Pose(*(torch.full_like(getattr(like, each.name), torch.nan) for each in fields(like)))
