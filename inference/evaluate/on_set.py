"""People of a data set that methods are measured on: crops of its pictures, and what is known of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probbody.adversary.record import hashed
from probbody.bodies.joints import COCO17, H36M14, H36M17, OPENPOSE25, SMPL24
from probbody.contracts import ArticulatedBody
from probbody.data.annotated import AnnotatedPeople, LabelledPoints
from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.crops import Crop
from probbody.metrics import box_lengths, head_lengths
from probbody.pictures import as_array, read_picture
from probbody.quantities import Pose, joined
from probbody.synthocc import JOINTS, Condition

from .fingerprints import fingerprint_of
from .measured import Measure, Measured, nobody
from .method import Answer, Seen
from .trial import Cases, Look, Trial


@dataclass(frozen=True)
class Judged:
    """The joints that a set is judged by: those of a layout, the first is the root of both, and which of them count."""

    layout: str
    names: tuple[str, ...]
    counted: tuple[str, ...]

    def card(self) -> dict[str, object]:
        """In words."""
        return {"layout": self.layout, "joints": list(self.counted), "root": self.names[0]}

    def said(self, body: ArticulatedBody, answer: Answer, who: str) -> Float[Tensor, "B J 3"]:
        """Where an answer puts them; joints of SMPL alone are no answer where others are judged."""
        if self.layout == SMPL24.name:
            return answer.joints[:, : len(self.names)]
        if answer.pose is None:
            raise BadInput(f"{who}: expected poses, as {self.layout} is what counts here, found joints of SMPL alone.")
        return body.keypoints(body(answer.pose), self.layout)

    def known(self, points: LabelledPoints | None, count: int) -> tuple[Float[Tensor, "B J D"], Bool[Tensor, "B J"]]:
        """Their places in what is known, NaN elsewhere, and whether they count; without a root nobody counts."""
        if points is None:
            return torch.full((count, len(self.names), 3), torch.nan), torch.zeros(count, len(self.names)).bool()
        own = points.of(SMPL24 if self.layout == SMPL24.name else H36M17)
        there = own.confidence[:, : len(self.names)] > 0
        places = torch.where(there.unsqueeze(-1), own.places[:, : len(self.names)], torch.nan)
        counted = torch.tensor([name in self.counted for name in self.names])
        return places, there & counted & there[:, :1]


SMPL22 = Judged(SMPL24.name, SMPL24.names[:JOINTS], SMPL24.names[:JOINTS])
LSP14 = Judged(H36M17.name, H36M17.names, H36M14.names)
"""The 14 of published tables, with Human3.6M's pelvis as the root of both."""
H36M = Judged(H36M17.name, H36M17.names, H36M17.names)


@dataclass(frozen=True)
class Crops(Cases):
    """Some people of a set, cut out of their pictures."""

    trial: "OnSet"
    people: AnnotatedPeople
    crop: Crop
    images: Float[Tensor, "B 3 H W"]
    camera: PinholeCamera
    """The crops' own; the world is the picture's camera frame."""
    first: int
    """The number of the first in the set."""

    def seen(self) -> Seen:
        """Crops, and the set's own keypoints, as far as COCO has them."""
        numbers = range(self.first, self.first + len(self.people))
        keypoints = torch.zeros(len(self.people), len(COCO17), 3)
        if self.people.keypoints is not None:
            own = self.people.keypoints.of(COCO17)
            keypoints = torch.cat([self.crop.into(own.places), own.confidence.unsqueeze(-1)], dim=-1)
        return Seen(self.images, self.camera, keypoints, tuple(f"clean/{number:06d}" for number in numbers))

    @torch.no_grad()
    def measured(self, answer: Answer, seconds: float) -> Measured:
        """Beside what the set knows."""
        judged, count = self.trial.judged, len(self.people)
        found = judged.said(self.trial.body, answer, self.people.source)
        truth, known = judged.known(self.people.joints, count)
        unknown = torch.full((count,), torch.nan)
        pose = answer.pose or nobody(self.trial.rest(count))
        return Measured(
            numbers=torch.arange(self.first, self.first + count),
            witness=self.images.double().mean((1, 2, 3)),
            found=found,
            truth=truth,
            known=known,
            shown=known & self._inside(truth),
            off=self._off(answer),
            near=self._near(answer),
            pve=unknown,
            auc=unknown,
            brier=unknown,
            covered=unknown,
            rotations=pose.rotations,
            shape=pose.shape,
            translation=pose.translation,
            seconds=torch.full((count,), seconds / count, dtype=torch.float64),
        )

    def look(self, row: int) -> Look:
        """Without a true body: those of the sets are not of the open family."""
        return Look(self.people.names[row], self.images[row], self.camera[row], None)

    def _inside(self, truth: Float[Tensor, "B J 3"]) -> Bool[Tensor, "B J"]:
        """Which joints are in the crop, as far as the set places them in the picture."""
        points = self.people.joints
        if points is None or points.rooted or self.people.camera is None:
            return torch.ones(truth.shape[:2], dtype=torch.bool)
        height, width = self.crop.resolution
        u, v = self.camera.project(truth)[..., :2].unbind(-1)
        return (u >= 0) & (v >= 0) & (u < width) & (v < height)

    def _near(self, answer: Answer) -> Float[Tensor, "B P"]:
        """Keypoints beside the set's, in longer sides of the box."""
        points = self.people.keypoints
        if points is None or answer.pose is None:
            return torch.full((len(self.people), 1), torch.nan)
        names = set(points.joints.names)
        layout = max((COCO17, OPENPOSE25, H36M17), key=lambda each: len(names & set(each.names)))
        assert self.people.boxes is not None
        sides = box_lengths(self.people.boxes) * self.crop.magnification
        return self._away(answer, points.of(layout)) / sides.unsqueeze(1)

    def _off(self, answer: Answer) -> Float[Tensor, "B J"]:
        """The joints judged beside the set's keypoints, in lengths of the head; NaN where the set marks no head."""
        points, judged = self.people.keypoints, self.trial.judged
        unknown = torch.full((len(self.people), len(judged.names)), torch.nan)
        if points is None or answer.pose is None or judged.layout != H36M17.name:
            return unknown
        own = points.of(H36M17)
        ends = own.confidence[:, [H36M17.index("thorax"), H36M17.index("head_top")]]
        head = head_lengths(self.crop.into(own.places), H36M17)
        there = (ends > 0).all(1) & (head > 0)
        return torch.where(there.unsqueeze(1), self._away(answer, own) / head.clamp_min(1e-6).unsqueeze(1), unknown)

    def _away(self, answer: Answer, points: LabelledPoints) -> Float[Tensor, "B P"]:
        """Pixels of the crop between what was said and what the set says; NaN where it says nothing."""
        assert answer.pose is not None
        said = self.trial.body.keypoints(self.trial.body(answer.pose), points.joints.name)
        away = (self.camera.project(said)[..., :2] - self.crop.into(points.places)).norm(dim=-1)
        return torch.where(points.confidence > 0, away, torch.nan)


class OnSet(Trial):
    """A data set that the user has.

    Args:
        name: as tables say it.
        people: those that are measured; their pictures must all be there.
        folder: the pictures' paths are below it.
        judged: the joints that count.
        margin: how much larger than the set's boxes the crops are.
        size: of the crops, height and width.
        body: of the open family.
        measures: the columns of its table.
    """

    def __init__(
        self,
        name: str,
        people: AnnotatedPeople,
        folder: Path,
        judged: Judged,
        *,
        margin: float,
        size: tuple[int, int],
        body: ArticulatedBody,
        measures: Sequence[Measure],
    ) -> None:
        people.check_pictures(folder)
        if people.boxes is None:
            raise BadInput(f"{people.source}: expected boxes around people, found none.")
        self.title, self.people, self.folder, self.judged = name, people, folder, judged
        self.margin, self.size, self.body, self.measures = margin, size, body, measures
        self.joint_names: tuple[str, ...] = judged.names

    def __len__(self) -> int:
        return len(self.people)

    def card(self) -> dict[str, object]:
        """Which people, what is known of them, how they are judged."""
        people = self.people
        joints, keypoints = people.joints, people.keypoints
        labels = fingerprint_of(
            ("boxes", people.boxes),
            ("joints", None if joints is None else joints.places),
            ("keypoints", None if keypoints is None else keypoints.places),
        )
        card: dict[str, object] = {
            "benchmark": people.source, "set": self.title, "pictures": len(people), "licence": people.licence,
            "people": hashed("\n".join(people.names).encode()), "labels": labels, "judged by": self.judged.card(),
            "truth in metres": None if joints is None else joints.joints.name,
            "keypoints": None if keypoints is None else keypoints.joints.name,
            "missing": list(people.missing()), "margin": self.margin, "size": list(self.size),
        }  # fmt: skip
        return card | {"hash": hashed(card)}

    def words(self) -> str:
        """Whose pictures these are, and what is not known of them."""
        people = self.people
        lost = ", ".join(
            [*people.missing(), "the open body's skin (no PVE)", "what hides people (no occlusion scores)"]
        )
        by = f"{len(self.judged.counted)} joints of {self.judged.layout}, root {self.judged.names[0]}"
        return f"{self.title}: {len(people)} people, judged by {by}; licence: {people.licence}; not known: {lost}"

    def condition_card(self, condition: Condition) -> dict[str, object]:
        """Nothing: what stands before people is what was photographed."""
        if condition.name != "clean":
            raise BadInput(f"--condition: expected clean, all that {self.title} has, found {condition.name!r}.")
        return {}

    def groups(self) -> tuple[str, ...] | None:
        """The takes, where there are several."""
        return self.people.videos if len(set(self.people.videos)) > 1 else None

    def rest(self, count: int) -> Pose:
        """Bodies at rest, for their shapes."""
        still = torch.eye(3).expand(count, len(self.body.parents), 3, 3)
        return Pose(still, torch.zeros(count, self.body.num_shape), torch.zeros(count, 3))

    def cases(self, condition: Condition, part: slice) -> Crops:
        """Read anew."""
        self.condition_card(condition)
        people = self.people[part]
        assert people.boxes is not None
        crops, images, cameras = [], [], []
        for row, name in enumerate(people.pictures):
            photograph = read_picture(self.folder / name)
            crop = Crop.around(people.boxes[[row]], self.size, self.margin)
            size = (photograph.height, photograph.width)
            crops.append(crop)
            images.append(crop.warp(as_array(photograph)[None]).clamp(0, 1))
            cameras.append(crop.camera(_camera(people, row, size)))
        first = range(len(self))[part].start
        return Crops(self, people, joined(crops), torch.cat(images), joined(cameras), first)


def _camera(people: AnnotatedPeople, row: int, size: tuple[int, int]) -> PinholeCamera:
    """The picture's, or where the set does not know it one as long as the picture's diagonal."""
    if people.camera is not None:
        return people.camera[[row]].cameras(size)
    return PinholeCamera.looking_ahead((size[0] ** 2 + size[1] ** 2) ** 0.5, size, batch=1)
