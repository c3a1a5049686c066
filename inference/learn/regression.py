"""How far a guess of the body is from the truth: the losses that teach the regressor.

References: Kanazawa et al. (2018), HMR, arXiv:1712.06584; Kocabas et al. (2021), PARE, arXiv:2104.08527.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from probbody.extractors.bilinear import around
from probbody.extractors.part_attention import Impression
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.view import view_of

from .lesson import Lesson


@dataclass(frozen=True)
class RegressionWeights:
    """What each loss counts; the losses are means over bodies, in the units said."""

    parts: float = 0.5
    """Cross entropy of the part map, nats a place."""
    spots: float = 1.0
    """Cross entropy of the joints' maps, nats a joint; joints outside the picture do not count."""
    joints: float = 10.0
    """Distance of joints, metres, root joints laid on each other."""
    pixels: float = 3.0
    """Distance of projected joints, half crops; joints outside the picture do not count."""
    rotations: float = 1.0
    """Squared Frobenius distance of rotation matrices, a joint."""
    shape: float = 0.15
    """Squared distance of a shape coefficient."""
    view: float = 1.0
    """Distance of (s, x, y): see ``probbody/extractors/view.py``."""


def regression_losses(reader: PersonReader, told: Impression, lesson: Lesson) -> dict[str, Float[Tensor, ""]]:
    """Each loss by its name, unweighted. Joints that are hidden or cut off count in space as the others do."""
    guess = reader.guess(told, lesson.camera)
    joints = reader.rest.posed(guess)
    apart = _centred(joints) - _centred(lesson.surface.joints)
    half = joints.new_tensor([lesson.camera.size[1], lesson.camera.size[0]]) / 2
    found, true = (lesson.camera.project(points)[..., :2] / half for points in (joints, lesson.surface.joints))
    inside = ((true > 0) & (true < 2)).all(-1)
    off = _length((found - true).clamp(-2, 2))  # further than a crop is all the same
    view = reader.mean_view + told.view - view_of(lesson.surface.joints[:, 0], lesson.camera)
    return {
        "parts": F.cross_entropy(told.parts, lesson.parts.long()),
        "spots": (missed_spots(told.spots, true / 2) * inside).sum() / inside.sum().clamp_min(1),
        "joints": _length(apart[:, 1:]).mean(),
        "pixels": (off * inside).sum() / inside.sum().clamp_min(1),
        "rotations": (guess.rotations - lesson.pose.rotations).square().sum((-2, -1)).mean(),
        "shape": (guess.shape - lesson.pose.shape).square().mean(),
        "view": _length(view).mean(),
    }


def missed_spots(logits: Float[Tensor, "B J h w"], places: Float[Tensor, "B J 2"]) -> Float[Tensor, "B J"]:
    """Cross entropy, over the places of a map, of the four around each true place, weighed as bilinear interpolation does.

    ``places``: (x, y) in shares of the picture; those outside count as on its edge.
    """
    nearest, weight = around(places, (logits.shape[2], logits.shape[3]))
    return -(weight * logits.flatten(2).log_softmax(-1).gather(2, nearest)).sum(-1)


def _centred(joints: Float[Tensor, "B J 3"]) -> Float[Tensor, "B J 3"]:
    return joints - joints[:, :1]


def _length(vectors: Float[Tensor, "*N D"]) -> Float[Tensor, "*N"]:
    """Norms whose gradient at zero is zero, rounded below a thousandth of the unit."""
    return (vectors.square().sum(-1) + 1e-6).sqrt()
