"""A body as a volume of kernels whose features tell how its limbs are turned; each pixel shows it, or what hides it.

3DNBF as a Pyro program. With centres M_k and precisions P_k of the kernels, weights w of the skin, limb directions l, features
phi, weights W of the rays, and the chance a that a ray's pixel shows the body:

    M_k = sum_j w_kj T_j (M_k at rest + shape)                                    paper (5)   ``body``
    P_k = sum_j w_kj R_j P_k R_j'                                                 paper (6)   the renderer's ``kernels``
    phi_k = sum_o p(o | l) phi_ko,  p(o | l) ~ vMF(l; l_o, kappa_o)               paper (7)   ``field.attributes``
    Phi_i = sum_k W_ik phi_k,  sum_k W_ik = coverage_i                            sec. 3      ``renderer``
    p(f_i | body) = vMF(f_i; Phi_i / |Phi_i|, kappa)                              sec. 3      ``field.conditional``
    p(f_i) = a_i p(f_i | body) + (1 - a_i) p(f_i | other),  a = coverage p(z)     sec. 3      ``likelihood``
    the maximum of p(f | pose, shape, place) p(pose) p(shape) p(place)            sec. 3      ``inference.fit_map``

References:
    Zhang et al. (2023), 3D-aware neural body fitting for occlusion robust 3D human pose estimation, ICCV.
"""

import pyro
from torch import nn

from probbody.contracts import ArticulatedBody, Background, Density, FeatureField, Likelihood, PosePrior, Renderer
from probbody.observation import Observation
from probbody.quantities import Pose

from .evidence import Evidence, Scene, carried, observe_all
from .feature_image import FeatureImage, FeatureModel
from .posed_body import PosedBody


class NeuralBodyVolume(FeatureModel):
    """shape, pose, orientation, place; the body rendered as features; each pixel the body's, or something else's.

    Sites, all in the plate ``bodies``: those of ``PosedBody``; ``features`` (D, H, W), unit vectors, observed; those of the
    ``evidence``.

    Args:
        body: any articulated body.
        renderer: a ``VolumeRenderer`` over the body's kernels; any other renderer may stand in its place.
        field: what the body's vertices look like to the feature extractor, ``ExpectedFeatures`` in the paper.
        background: clutter and occluders.
        pose_prior: over the joints that follow the root.
        likelihood: how a pixel chooses between body and background, ``LogMixture`` in the paper.
        evidence: what else is observed: keypoints, parts, an outline.
        focal_spread, depth, orientation: see ``PosedBody``.
    """

    def __init__(
        self,
        body: ArticulatedBody,
        renderer: Renderer,
        field: FeatureField,
        background: Background,
        pose_prior: PosePrior,
        likelihood: Likelihood,
        evidence: tuple[Evidence, ...] = (),
        focal_spread: float = 0.0,
        depth: float = 4.0,
        orientation: Density | None = None,
    ) -> None:
        super().__init__()
        self.body, self.pose_prior = body, pose_prior
        self.story = PosedBody(body, pose_prior, focal_spread, depth, orientation)
        self.image = FeatureImage(renderer, field, background, likelihood)
        self.beside = evidence
        self._moved_along = nn.ModuleList(evidence)

    @property
    def licences(self) -> tuple[str, ...]:
        """What the parts were made from."""
        return self.story.licences

    def forward(self, observation: Observation) -> Pose:
        """The story; what it returns is the pose it told of."""
        with pyro.plate("bodies", len(observation)):
            pose, camera = self.story(observation.camera)
            surface = self.body(pose)
            view = self.image.camera(camera, observation)
            rendering, rest = self.image.render(surface, view, carried(self.beside, surface))
            self.image.observe(rendering, observation)
            observe_all(self.beside, Scene(pose, surface, camera, rest), observation)
        return pose
