"""What a method said of some pictures beside the truth, and every error that a table may ask for."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probbody.bodies.joints import H36M17
from probbody.contracts import ArticulatedBody
from probbody.data.files import written_whole
from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.metrics import Procrustes, Rooted, Scores, head_lengths, joint_scores, occlusion_scores, pve
from probbody.metrics.keypoints import PCKH
from probbody.metrics.means import Mean
from probbody.quantities import Pose, Record
from probbody.synthocc import Scenes, hidden_share

from .method import Answer


@dataclass(frozen=True)
class Measured(Record):
    """One row a picture; NaN stands for what the method did not say or what cannot be measured. Kept in npz files."""

    numbers: Int[Tensor, " B"]
    witness: Float[Tensor, " B"]
    found: Float[Tensor, "B J 3"]
    truth: Float[Tensor, "B J 3"]
    shown: Bool[Tensor, "B J"]
    off: Float[Tensor, "B J"]
    """How far joints are off in the picture, in lengths of the head."""
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
    """That the answer took, the same for all of a batch."""

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def pose(self) -> Pose:
        """Of the open body; NaN where the method has none."""
        return Pose(self.rotations, self.shape, self.translation)

    def rooted(self) -> Scores:
        """Distances of joints with the pelvis of both at the origin."""
        return joint_scores(self.found, self.truth, Rooted((0,)))

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        with written_whole(path) as temporary:
            arrays: dict[str, Any] = {each.name: getattr(self, each.name).numpy() for each in fields(self)}
            np.savez_compressed(temporary, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Measured":
        """What ``save`` wrote; anything else is refused."""
        try:
            with np.load(path, allow_pickle=False) as held:
                return cls(**{each.name: torch.from_numpy(held[each.name]) for each in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise BadInput(f"{path}: expected measured answers (npz), found something else; remove it.") from error


def measured(answer: Answer, scenes: Scenes, body: ArticulatedBody, seconds: float) -> Measured:
    """An answer beside the truth; ``seconds`` it took for all of them."""
    pictures, count = scenes.pictures, len(scenes)
    with torch.no_grad():
        true = body(pictures.pose)
        head = head_lengths(pictures.camera.project(body.keypoints(true, H36M17.name))[..., :2], H36M17)
        vertices = torch.full((count,), torch.nan)
        pose = _nobody(pictures.pose)
        if answer.pose is not None:
            pose, said = answer.pose, body(answer.pose)
            vertices = pve(said.vertices, true.vertices, said.joints[:, 0], true.joints[:, 0])
    auc, brier = _of_maps(answer, scenes)
    return Measured(
        numbers=scenes.numbers,
        witness=scenes.witness(),
        found=answer.joints,
        truth=scenes.joints,
        shown=scenes.shown,
        off=_in_the_picture(answer.joints, scenes.joints, pictures.camera) / head.clamp_min(1.0).unsqueeze(1),
        pve=vertices,
        auc=auc,
        brier=brier,
        covered=hidden_share(pictures),
        rotations=pose.rotations,
        shape=pose.shape,
        translation=pose.translation,
        seconds=torch.full((count,), seconds / count, dtype=torch.float64),
    ).to("cpu")


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
    return joint_scores(held.found, held.truth, Procrustes()).over_images()


def _pckh(held: Measured) -> Mean:
    near = Scores(held.off, held.shown, held.shown.any(1), "lengths of the head").below(PCKH)
    share = near.over_joints()
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
MEASURES = (
    *PUBLISHED,
    Measure("MPJPE of all joints", "mm", lambda held: held.rooted().over_images()),
    Measure("MPJPE of hidden joints", "mm", _of_hidden),
    Measure("PA-MPJPE of all joints", "mm", _aligned_all),
    Measure("PVE", "mm", lambda held: _each(held.pve)),
    Measure("AUC of the occlusion map", "", lambda held: _each(held.auc), less_is_better=False, digits=3),
    Measure("Brier score of the occlusion map", "", lambda held: _each(held.brier), digits=3),
)


def _in_the_picture(
    found: Float[Tensor, "B J 3"], truth: Float[Tensor, "B J 3"], camera: PinholeCamera
) -> Float[Tensor, "B J"]:
    """Pixels between joints and truth."""
    return (camera.project(found)[..., :2] - camera.project(truth)[..., :2]).norm(dim=-1)


def _nobody(like: Pose) -> Pose:
    return Pose(*(torch.full_like(getattr(like, each.name), torch.nan) for each in fields(like)))


def _of_maps(answer: Answer, scenes: Scenes) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
    """AUC and Brier score of the map, where the person would be seen were nothing before it."""
    if answer.occlusion is None:
        nothing = torch.full((len(scenes),), torch.nan)
        return nothing, nothing
    step = scenes.pictures.mask.shape[1] // answer.occlusion.shape[1]
    middle = slice(step // 2, None, step)
    hidden, body = (
        scenes.pictures.occluder[:, middle, middle],
        scenes.pictures.mask[:, middle, middle],
    )
    told = occlusion_scores(answer.occlusion, hidden, body)
    return told.auc, told.brier
