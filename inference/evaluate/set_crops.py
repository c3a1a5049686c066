"""People of a data set, cut out of their pictures, and what is known of each."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probbody.adversary.patches import covered
from probbody.bodies.joints import COCO17, H36M17, OPENPOSE25, SMPL24
from probbody.contracts import ArticulatedBody
from probbody.data.annotated import AnnotatedPeople, LabelledPoints
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.crops import Crop
from probbody.metrics import box_lengths, head_lengths
from probbody.quantities import Pose

from .judged import Judged
from .measured import Measured, nobody
from .method import Answer, Seen
from .trial import Cases, Look, plain


@dataclass(frozen=True)
class Crops(Cases):
    """Some people of a set, cut out of their pictures."""

    judged: Judged
    body: ArticulatedBody
    people: AnnotatedPeople
    crop: Crop
    images: Float[Tensor, "B 3 H W"]
    camera: PinholeCamera
    """The crops' own; the world is the picture's camera frame."""
    first: int
    """The number of the first in the set."""
    condition: str = "clean"
    patches: Int[Tensor, "B 4"] | None = None
    """Squares of the crops that something was pasted on: left, top, right, bottom."""

    def __len__(self) -> int:
        return len(self.people)

    def seen(self) -> Seen:
        """Crops, and the set's own keypoints as far as COCO has them; those behind a patch are not found."""
        numbers = range(self.first, self.first + len(self))
        keypoints = torch.zeros(len(self), len(COCO17), 3)
        if self.people.keypoints is not None:
            own = self.people.keypoints.of(COCO17)
            places = self.crop.into(own.places)
            keypoints = torch.cat([places, (own.confidence * ~self.behind(places)).unsqueeze(-1)], dim=-1)
        names = tuple(f"{plain(self.condition)}/{number:06d}" for number in numbers)
        return Seen(self.images, self.camera, keypoints, names)

    def truth(self) -> tuple[Float[Tensor, "B J 3"], Bool[Tensor, "B J"]]:
        """The joints judged, metres, NaN where they are not known, and which of them count."""
        return self.judged.known(self.people.joints, len(self))

    def places(self) -> Float[Tensor, "B J 2"]:
        """Where the joints judged are in the crops: projected, else as marked, else NaN."""
        points, marked = self.people.joints, self.people.keypoints
        if points is not None and not points.rooted and self.people.camera is not None:
            return self.camera.project(self.truth()[0])[..., :2]
        if marked is None:
            return torch.full((len(self), len(self.judged.names), 2), torch.nan)
        own = marked.of(SMPL24 if self.judged.layout == SMPL24.name else H36M17)
        places = torch.where((own.confidence > 0).unsqueeze(-1), self.crop.into(own.places), torch.nan)
        return places[:, : len(self.judged.names)]

    def behind(self, places: Float[Tensor, "B P 2"]) -> Bool[Tensor, "B P"]:
        """Which places are behind a patch."""
        if self.patches is None:
            return torch.zeros(places.shape[:2], dtype=torch.bool)
        return torch.stack([covered(box[None], own)[0] for box, own in zip(self.patches, places, strict=True)])

    @torch.no_grad()
    def measured(self, answer: Answer, seconds: float) -> Measured:
        """Beside what the set knows."""
        count = len(self)
        found = self.judged.said(self.body, answer, self.people.source)
        truth, known = self.truth()
        unknown = torch.full((count,), torch.nan)
        pose = answer.pose or nobody(_rest(self.body, count))
        return Measured(
            numbers=torch.arange(self.first, self.first + count),
            witness=self.images.double().mean((1, 2, 3)),
            found=found,
            truth=truth,
            known=known,
            shown=known & self._inside(),
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

    def _inside(self) -> Bool[Tensor, "B J"]:
        """Which joints are in the crop and not behind a patch, as far as the set places them in the picture."""
        places, (height, width) = self.places(), self.crop.resolution
        u, v = places.unbind(-1)
        outside = (u < 0) | (v < 0) | (u >= width) | (v >= height)
        return ~outside & ~self.behind(places)

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
        points, judged = self.people.keypoints, self.judged
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
        said = self.body.keypoints(self.body(answer.pose), points.joints.name)
        away = (self.camera.project(said)[..., :2] - self.crop.into(points.places)).norm(dim=-1)
        return torch.where(points.confidence > 0, away, torch.nan)


def _rest(body: ArticulatedBody, count: int) -> Pose:
    """Bodies at rest, for their shapes."""
    still = torch.eye(3).expand(count, len(body.parents), 3, 3)
    return Pose(still, torch.zeros(count, body.num_shape), torch.zeros(count, 3))
