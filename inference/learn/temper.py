r"""What the evidence of a pixel counts for, so that regions of 90 % hold the truth in 90 % of pictures.

Neighbouring pixels are wrong together, so that their log likelihoods, added up, claim too much. Let d be what lies between the
truth and the nearest mode of the untempered likelihood, and H the information there (minus the second derivative). The region
of the likelihood to the power t, by Laplace's approximation, is :math:`t\,d^T H d \le \chi^2_{0.9}`, so that the t that is
right is the quantile of chi squared over that of :math:`d^T H d` in pictures that were not learnt from: the magnitude
adjustment of composite likelihoods. The six parameters are those of the body as a whole, its place and how its root is turned,
its pose being given.

References: Pauli, Racugno, Ventura (2011), Bayesian composite marginal likelihoods; Ribatet, Cooley, Davison (2012),
arXiv:0911.5357.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from scipy.stats import chi2
from torch import Tensor

from probbody.contracts import ArticulatedBody, Renderer
from probbody.extractors.learnt import LearntFeatures
from probbody.features.emissions import VonMisesFisherEmission
from probbody.features.fields import ExpectedFeatures
from probbody.features.likelihoods import LogMixture
from probbody.geometry.kernels import surface_kernels
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose
from probbody.render.volume import VolumeRenderer

from .lesson import Lesson

SCALES = (0.01, 0.01, 0.02, 0.05, 0.05, 0.05)
"""What the code of the place (x / z, y / z, log z) and the turn (radians) are measured in: each about as telling."""
ASIDE = 0.4
"""Of a scale: so far to both sides the score is taken, to see how it changes."""
FLAT = 0.02
"""Of the greatest curvature: a way down which the likelihood bends up by less counts as flat."""


@dataclass(frozen=True)
class Tempering:
    """The exponent, and what it comes from."""

    temper: float
    covered: float
    """The share of pictures whose truth the 90 % region of the untempered likelihood holds."""
    peaked: float
    """The share of pictures whose likelihood has a peak; of the others only the ways in which it falls off are counted."""


def fitted_temper(
    learnt: LearntFeatures,
    body: ArticulatedBody,
    lessons: list[Lesson],
    renderer: Renderer | None = None,
    level: float = 0.9,
) -> Tempering:
    """The exponent for these pictures, at most 1."""
    renderer = renderer or VolumeRenderer(surface_kernels(body))
    squares, peaked = zip(*(_squares(learnt, body, lesson, renderer) for lesson in lessons), strict=True)
    found = torch.cat(squares)
    bound = float(chi2.ppf(level, len(SCALES)))
    temper = bound / max(float(found.quantile(level)), bound)
    return Tempering(temper, float((found <= bound).double().mean()), float(torch.cat(peaked).double().mean()))


def _squares(
    learnt: LearntFeatures, body: ArticulatedBody, lesson: Lesson, renderer: Renderer, steps: int = 40
) -> tuple[Float[Tensor, " B"], Bool[Tensor, " B"]]:
    """d H d of each picture, and whether its likelihood has a peak."""
    with torch.no_grad():
        features = learnt.reader(lesson.images)

    def score(moved: Float[Tensor, "B 6"]) -> Float[Tensor, "B 6"]:
        moved = moved.detach().requires_grad_()
        told = _log_likelihood(learnt, body, lesson, renderer, features, moved).sum()
        return torch.autograd.grad(told, moved)[0]

    mode = _climbed(score, features.new_zeros(len(lesson), len(SCALES)), steps)
    columns = []
    for number in range(len(SCALES)):
        aside = torch.zeros_like(mode)
        aside[:, number] = ASIDE
        columns.append((score(mode - aside) - score(mode + aside)).double() / (2 * ASIDE))
    information = torch.stack(columns, dim=-1)
    values, ways = torch.linalg.eigh((information + information.mT) / 2)
    along = (ways.mT @ mode.double().unsqueeze(-1)).squeeze(-1)
    peaked = values[:, 0] > -FLAT * values[:, -1]
    return (along.square() * values.clamp_min(0)).sum(-1), peaked


def _climbed(
    score: Callable[[Float[Tensor, "B 6"]], Float[Tensor, "B 6"]], start: Float[Tensor, "B 6"], steps: int
) -> Float[Tensor, "B 6"]:
    """Up the likelihood from the truth, by steps of at most half a scale that become small."""
    place = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([place], lr=0.5, betas=(0.8, 0.95))
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 0.5 * (1 - step / steps) ** 2 + 1e-3
        place.grad = -score(place)
        optimiser.step()
    return place.detach()


def _log_likelihood(
    learnt: LearntFeatures,
    body: ArticulatedBody,
    lesson: Lesson,
    renderer: Renderer,
    features: Float[Tensor, "B D h w"],
    moved: Float[Tensor, "B 6"],
) -> Float[Tensor, " B"]:
    """Of the features, with the body moved as a whole: its root joint by a code of place, and turned about it."""
    root, moved = lesson.surface.joints[:, 0], moved * moved.new_tensor(SCALES)
    place = lesson.camera.place(lesson.camera.locate(root) + moved[:, :3])
    turned = axis_angle_to_matrix(moved[:, 3:]) @ lesson.pose.rotations[:, 0]
    rotations = torch.cat([turned.unsqueeze(1), lesson.pose.rotations[:, 1:]], dim=1)
    pose = Pose(rotations, lesson.pose.shape, lesson.pose.translation + place - root)
    surface, camera = body(pose), lesson.camera.resized((features.shape[2], features.shape[3]))
    field = ExpectedFeatures(learnt.features, VonMisesFisherEmission(learnt.concentration))
    rendering = renderer(surface, field.attributes(surface, camera), camera)
    told: Tensor = LogMixture().density(rendering, field, learnt.background).log_prob(features)
    return told
