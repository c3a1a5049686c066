"""How well a reader reads pictures that it has not learnt from."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probbody.extractors.person_reader import PersonReader
from probbody.metrics import mpjpe, pa_mpjpe

from .feature_sampling import Marking, PointFeatures, of_map
from .lesson import Lesson


@dataclass(frozen=True)
class FeatureMeasures:
    """Means over pictures; lengths of joints in millimetres."""

    nearest: float
    """Share of visible points whose likeliest vertex is within 10 cm of the true one on the body at rest."""
    told_apart: float
    """Chance that a place on the body is more like some vertex than a place elsewhere is (area under the ROC curve)."""
    hidden_apart: float
    """The same chance, for a place on the body that one sees and one that something hides."""
    parts: float
    """Share of places whose part is the likeliest in the part map, where the map has a part."""
    spots: float
    """Share of joints in the picture, hidden ones too, that are likeliest within a twentieth of its width of where they are."""
    mpjpe: float
    pa_mpjpe: float
    mean_mpjpe: float
    """Of the mean pose, which a reader tells that has learnt nothing."""
    mean_pa_mpjpe: float


class Examination:
    """Gathers, lesson by lesson, what ``FeatureMeasures`` says."""

    def __init__(self, marking: Marking, rest: Float[Tensor, "V 3"], points: int = 64) -> None:
        self.marking, self.points = marking, points
        self.near = torch.cdist(rest, rest) < 0.10
        self.right: list[Tensor] = []
        self.scores: list[Tensor] = []
        self.shown: list[Tensor] = []
        self.body: list[Tensor] = []
        self.parts: list[Tensor] = []
        self.spots: list[Tensor] = []
        self.errors: list[Tensor] = []

    @torch.no_grad()
    def add(
        self, reader: PersonReader, rows: Float[Tensor, "V O D"], lesson: Lesson, generator: torch.Generator
    ) -> None:
        """What the reader says of these pictures; ``rows`` are the features that it is to know the vertices by."""
        maps = reader.maps(lesson.images)
        features, told = reader.features(maps), reader.body(maps)
        self.right.append(self._nearest(self.marking.points(of_map(features), lesson, self.points, generator), rows))
        likeness = features[:, :, ::2, ::2].flatten(2).mT @ rows.flatten(0, 1).mT
        self.scores.append(likeness.amax(-1).flatten())
        self.shown.append(lesson.shown[:, ::2, ::2].flatten())
        self.body.append(lesson.mask[:, ::2, ::2].flatten())
        inside = lesson.parts > 0
        self.parts.append((told.parts.argmax(1) == lesson.parts)[inside].float())
        true = lesson.surface.joints
        self.spots.append(_spotted(told.spots, lesson.camera.project(true)[..., :2] / lesson.camera.size[1]))
        nothing = replace(told, six=0 * told.six, shape=0 * told.shape, view=0 * told.view)
        found = [reader.rest.posed(reader.guess(what, lesson.camera)) for what in (told, nothing)]
        self.errors.append(
            torch.stack([measure(joints, true) for joints in found for measure in (mpjpe, pa_mpjpe)], dim=-1)
        )

    def result(self) -> FeatureMeasures:
        """The means over all that was added."""
        scores, shown, body = (torch.cat(each) for each in (self.scores, self.shown, self.body))
        error = torch.cat(self.errors).mean(0).tolist()
        return FeatureMeasures(
            nearest=float(torch.cat(self.right).mean()),
            told_apart=ranked_apart(scores, shown),
            hidden_apart=ranked_apart(scores[body], shown[body]),
            parts=float(torch.cat(self.parts).mean()),
            spots=float(torch.cat(self.spots).mean()),
            mpjpe=error[0],
            pa_mpjpe=error[1],
            mean_mpjpe=error[2],
            mean_pa_mpjpe=error[3],
        )

    def _nearest(self, points: PointFeatures, rows: Float[Tensor, "V O D"]) -> Float[Tensor, " N"]:
        best = (points.features @ rows.flatten(0, 1).mT).argmax(-1) // rows.shape[1]
        return self.near.to(best.device)[points.vertex, best].float()


def _spotted(logits: Float[Tensor, "B J h w"], places: Float[Tensor, "B J 2"]) -> Float[Tensor, " N"]:
    """Whether each joint inside the picture is likeliest near its place, which is in shares of the picture's width."""
    width = logits.shape[3]
    best = logits.flatten(2).argmax(-1)
    found = (torch.stack([best % width, best // width], dim=-1) + 0.5) / width
    inside = ((places > 0) & (places < places.new_tensor([1.0, logits.shape[2] / width]))).all(-1)
    return ((found - places).norm(dim=-1) < 0.05)[inside].float()


def ranked_apart(scores: Float[Tensor, " N"], positive: Bool[Tensor, " N"]) -> float:
    """The chance that a positive scores more than a negative; ties count half (Mann-Whitney)."""
    order = scores.double().argsort()
    _, counts = torch.unique_consecutive(scores[order], return_counts=True)
    last = counts.cumsum(0).double()
    rank = torch.empty(len(scores), dtype=torch.float64, device=scores.device)
    rank[order] = (last - (counts - 1) / 2).repeat_interleave(counts)
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return 0.5
    return float((rank[positive].sum() - many * (many + 1) / 2) / (many * few))
