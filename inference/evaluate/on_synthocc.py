"""Drawn pictures that methods are measured on: what is asked, and every error, as everything is known of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.bodies.joints import H36M17
from probbody.contracts import ArticulatedBody
from probbody.geometry.cameras import PinholeCamera
from probbody.metrics import head_lengths, occlusion_scores, pve
from probbody.synthocc import JOINTS, Condition, Scenes, SynthOcc, hidden_share

from .measured import PUBLISHED, Measure, Measured, nobody
from .method import Answer, Seen
from .trial import Cases, Look, Trial, plain


class OnSynthOcc(Trial):
    """The benchmark that ships."""

    def __init__(self, benchmark: SynthOcc) -> None:
        self.benchmark, self.body = benchmark, benchmark.source.body
        self.title = f"SynthOcc-{benchmark.extent.name}"
        self.joint_names: tuple[str, ...] = tuple(self.body.joint_names[:JOINTS])
        self.measures: Sequence[Measure] = PUBLISHED

    def __len__(self) -> int:
        return len(self.benchmark)

    def choose(self, progress: Callable[[int, int], None] | None = None) -> None:
        """The first question draws them all once."""
        self.benchmark.numbers("clean", progress)

    def card(self) -> dict[str, object]:
        """The benchmark's."""
        return self.benchmark.card()

    def condition_card(self, condition: Condition) -> dict[str, object]:
        """The condition's."""
        return condition.card(self.benchmark)

    def cases(self, condition: Condition, part: slice) -> "Drawn":
        """Drawn anew."""
        return Drawn(condition.scenes(self.benchmark, part), condition, self.body)


@dataclass(frozen=True)
class Drawn(Cases):
    """Some pictures of the benchmark."""

    scenes: Scenes
    condition: Condition
    body: ArticulatedBody

    def seen(self) -> Seen:
        """Pictures, and what a detector would find in them."""
        return seen_of(self.scenes, self.condition)

    def measured(self, answer: Answer, seconds: float) -> Measured:
        """Beside everything that is known."""
        return measured(answer, self.scenes, self.body, seconds)

    def look(self, row: int) -> Look:
        """With the true body."""
        one = self.scenes[row]
        truth = self.body(one.pictures.pose).vertices[0].detach()
        return Look(one.names()[0], one.pictures.images[0], one.pictures.camera, truth)


def seen_of(scenes: Scenes, condition: Condition) -> Seen:
    """What methods are given of pictures."""
    names = tuple(f"{plain(condition.name)}/{name}" for name in scenes.names())
    return Seen(scenes.pictures.images, scenes.pictures.camera, scenes.keypoints, names)


def measured(answer: Answer, scenes: Scenes, body: ArticulatedBody, seconds: float) -> Measured:
    """An answer beside the truth; ``seconds`` it took for all of them."""
    pictures, count = scenes.pictures, len(scenes)
    with torch.no_grad():
        true = body(pictures.pose)
        head = head_lengths(pictures.camera.project(body.keypoints(true, H36M17.name))[..., :2], H36M17)
        vertices = torch.full((count,), torch.nan)
        pose = nobody(pictures.pose)
        if answer.pose is not None:
            pose, said = answer.pose, body(answer.pose)
            vertices = pve(said.vertices, true.vertices, said.joints[:, 0], true.joints[:, 0])
    auc, brier = _of_maps(answer, scenes)
    return Measured(
        numbers=scenes.numbers,
        witness=scenes.witness(),
        found=answer.joints,
        truth=scenes.joints,
        known=torch.ones_like(scenes.shown),
        shown=scenes.shown,
        off=_in_the_picture(answer.joints, scenes.joints, pictures.camera) / head.clamp_min(1.0).unsqueeze(1),
        near=torch.full((count, 1), torch.nan),
        pve=vertices,
        auc=auc,
        brier=brier,
        covered=hidden_share(pictures),
        rotations=pose.rotations,
        shape=pose.shape,
        translation=pose.translation,
        seconds=torch.full((count,), seconds / count, dtype=torch.float64),
    ).to("cpu")


def _in_the_picture(
    found: Float[Tensor, "B J 3"], truth: Float[Tensor, "B J 3"], camera: PinholeCamera
) -> Float[Tensor, "B J"]:
    """Pixels between joints and truth."""
    return (camera.project(found)[..., :2] - camera.project(truth)[..., :2]).norm(dim=-1)


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
