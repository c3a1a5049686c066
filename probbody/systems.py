"""Whole systems, put together as their papers have them.

Each is a plain function of a few lines: what it does can be done by hand, with any part swapped for another.
"""

from jaxtyping import Float
from torch import Tensor

from probbody.models import GuessEvidence, NeuralBodyVolume, NeuralSMPL, SpotEvidence
from probbody.models.evidence import Evidence, KeypointEvidence, OutlineEvidence, PartEvidence

from .contracts import ArticulatedBody, Background, Likelihood, PosePrior, Renderer
from .extractors.learnt import LearntFeatures
from .features.backgrounds import VonMisesFisherBackground
from .features.bins import SigmoidDirections
from .features.emissions import VonMisesFisherEmission
from .features.fields import ConditionalMixture, DirectedFeatures, ExpectedFeatures
from .features.likelihoods import LogMixture, NoOutliers
from .features.released import ReleasedField
from .geometry.kernels import surface_kernels
from .render.compiled.tracing import quickest
from .render.mesh import MeshRenderer
from .render.volume import VolumeRenderer, released_volume


def neural_body_volume(
    body: ArticulatedBody,
    features: DirectedFeatures,
    background: Background,
    pose_prior: PosePrior,
    *,
    concentration: float,
    renderer: Renderer | None = None,
    likelihood: Likelihood | None = None,
    evidence: tuple[Evidence, ...] = (),
) -> NeuralBodyVolume:
    """3DNBF as its paper has it, with a mixture in place of its maximum over visible and hidden.

    Args:
        body, background, pose_prior, evidence: see ``NeuralBodyVolume``.
        features: what each vertex looks like for each direction of its limb; ``CircleDirections(4)`` in the paper.
        concentration: kappa, of observed features about the expected ones.
        renderer: unless given, 858 flat kernels on the skin, drawn as a volume; where numba is installed by compiled code,
            whose pictures and gradients are those of torch to 1e-4.
        likelihood: ``LogMixture()`` unless given.

    References: Zhang et al. (2023), 3D-aware neural body fitting for occlusion robust 3D human pose estimation, ICCV.
    """
    return NeuralBodyVolume(
        body,
        renderer or VolumeRenderer(surface_kernels(body), tracing=quickest()),
        ExpectedFeatures(features, VonMisesFisherEmission(concentration)),
        background,
        pose_prior,
        likelihood or LogMixture(),
        evidence,
    )


def neural_smpl(
    body: ArticulatedBody,
    features: DirectedFeatures,
    background: Background,
    pose_prior: PosePrior,
    *,
    concentration: float,
    renderer: Renderer | None = None,
    likelihood: Likelihood | None = None,
    keypoints: KeypointEvidence | None = None,
    parts: PartEvidence | None = None,
    outline: OutlineEvidence | None = None,
    evidence: tuple[Evidence, ...] = (),
) -> NeuralSMPL:
    """NeuralSMPL: a mesh, a mixture over limb directions at every pixel, and its other energies where they are given.

    The slides have Gaussians; on unit features von Mises-Fisher densities of kappa = 1 / sigma^2 differ by a constant. Not
    reproduced: the released code's soft rasteriser, whose edges are wide; ``MeshRenderer`` has sharp ones with gradients.

    Args as of ``neural_body_volume``; ``renderer`` is a ``MeshRenderer()`` unless given; the rest see ``NeuralSMPL``.
    """
    return NeuralSMPL(
        body,
        renderer or MeshRenderer(),
        ConditionalMixture(features, VonMisesFisherEmission(concentration)),
        background,
        pose_prior,
        likelihood or LogMixture(),
        keypoints,
        parts,
        outline,
        evidence,
    )


def what_is_read(learnt: LearntFeatures) -> tuple[Evidence, ...]:
    """What a reader tells beside features, believed as far as it was right on pictures that it had not learnt from."""
    several = len(learnt.guesses)
    guesses = (
        GuessEvidence(errors, learnt.guess_weight, slice(rank, None, several))
        for rank, errors in enumerate(learnt.guesses)
        if learnt.guess_weight > 0
    )
    spots = (SpotEvidence(learnt.spot_weight),) if learnt.spot_weight > 0 else ()
    return (*guesses, *spots)


def released_code(
    body: ArticulatedBody,
    features: DirectedFeatures,
    clutter: Float[Tensor, " D"],
    pose_prior: PosePrior,
    *,
    likelihood: Likelihood | None = None,
    size: tuple[int, int] = (80, 80),
) -> NeuralBodyVolume:
    """3DNBF as its released code has it, where that differs from the paper, to measure what each difference is worth.

    Reproduced: round kernels, all of 11.18 mm, drawn by the closed form with its factor of exp(1/2); three bins of the
    limb's depth with soft edges, their shares rendered and put through a softmax; scores mixed instead of features; one
    direction of clutter; no outlier process, the mean of a cosine over the pixels, weighed 1,000 to 1 against the prior.
    ``likelihood=SoftMax()`` is what it has where it has an outlier process, on one of its benchmarks.

    Not reproduced: the mask of what is covered is soft here, not hard and wider than the body by 76 mm, and all kernels near
    a ray count, not the nearest ten. The rest lies outside a model: the shape that is never fitted, the stages of 40 steps
    for root and place and 80 for root and limbs (``Stage(free=...)``), limbs as axis-angles under a prior on VPoser's code,
    its penalty on knees and elbows, its keypoint energy, its shift of half a pixel between keypoints and rays.

    Args:
        body, pose_prior: see ``NeuralBodyVolume``.
        features: three for each vertex, of ``SigmoidDirections(3)``; others are a ValueError.
        clutter: the mean direction of the background's features.
        likelihood: see above.
        size: of the feature map; only its number of pixels counts, and only without ``likelihood``.
    """
    if not isinstance(features.directions, SigmoidDirections):
        found = type(features.directions).__name__
        raise ValueError(f"features: expected those of SigmoidDirections, as the released code has, found {found}.")
    kappa = 1.0  # of body and clutter alike, so that log densities are cosines and one constant
    return NeuralBodyVolume(
        body,
        released_volume(body),
        ReleasedField(features, VonMisesFisherEmission(kappa)),
        VonMisesFisherBackground(clutter, kappa),
        pose_prior,
        likelihood or NoOutliers(temper=1000.0 / (kappa * size[0] * size[1])),
    )
