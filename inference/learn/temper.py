r"""What the evidence of a pixel counts for, so that regions of 90 % hold the truth in 90 % of pictures.

Neighbouring pixels are wrong together, so that their log likelihoods, added up, claim too much. Let w be twice what the log
likelihood of the nearest mode has more than that of the truth. Were pixels independent, w would be distributed as chi squared;
of the likelihood to the power t, the region :math:`t\,w \le \chi^2_{0.9}` holds the truth in 90 % of pictures if t is the
quantile of chi squared over that of w in pictures that were not learnt from: the magnitude adjustment of composite likelihoods.
The six parameters are those of the body as a whole, its place and how its root is turned, its pose being given.

References: Pauli, Racugno, Ventura (2011), Bayesian composite marginal likelihoods; Ribatet, Cooley, Davison (2012),
arXiv:0911.5357.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
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
from probbody.render.compiled.tracing import quickest
from probbody.render.volume import VolumeRenderer

from .lesson import Lesson

SCALES = (0.01, 0.01, 0.02, 0.05, 0.05, 0.05)
"""What the code of the place (x / z, y / z, log z) and the turn (radians) are measured in: each about as telling."""


@dataclass(frozen=True)
class Tempering:
    """The exponent, and what it comes from."""

    temper: float
    covered: float
    """The share of pictures whose truth the 90 % region of the untempered likelihood holds."""


def fitted_temper(
    learnt: LearntFeatures,
    body: ArticulatedBody,
    lessons: list[Lesson],
    renderer: Renderer | None = None,
    level: float = 0.9,
) -> Tempering:
    """The exponent for these pictures, at most 1."""
    renderer = renderer or VolumeRenderer(surface_kernels(body), tracing=quickest())
    found = torch.cat([_gains(learnt, body, lesson, renderer) for lesson in lessons])
    bound = float(chi2.ppf(level, len(SCALES)))
    temper = bound / max(float(found.quantile(level)), bound)
    return Tempering(temper, float((found <= bound).double().mean()))


def _gains(
    learnt: LearntFeatures, body: ArticulatedBody, lesson: Lesson, renderer: Renderer, steps: int = 40
) -> Float[Tensor, " B"]:
    """Twice what the log likelihood of each picture gains from the truth to the mode near it."""
    with torch.no_grad():
        features = learnt.reader(lesson.images)
    moved = features.new_zeros(len(lesson), len(SCALES), requires_grad=True)
    optimiser = torch.optim.Adam([moved], lr=0.5, betas=(0.8, 0.95))
    found = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 0.5 * (1 - step / steps) ** 2 + 1e-3
        told = _log_likelihood(learnt, body, lesson, renderer, features, moved)
        found.append(told.detach().double())
        (moved.grad,) = torch.autograd.grad(-told.sum(), moved)
        optimiser.step()
    every = torch.stack(found)
    return 2 * (every.amax(0) - every[0])


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
