"""A body as a mesh whose points look one way for each direction of their limb: NeuralSMPL and its four energies.

The slides' energy, term by term as the log densities of this story:

    L_NLL       -log p(features)     a mixture over limb directions at every pixel, and what hides the body     ``features``
    L_reproj    -log p(keypoints)    joints near where the body puts them, or anywhere                        ``keypoints``
    L_partseg   -log p(parts)        the part seen at every pixel, or the outline                      ``parts``, ``outline``
    L_prior     -log p(pose) p(shape) p(place)                                       ``pose``, ``shape``, ``place``, ...

Each of the second and third is there where the model was given that evidence and the observation holds it.
"""

import pyro
from torch import nn

from probbody.contracts import ArticulatedBody, Background, Density, FeatureField, Likelihood, PosePrior, Renderer
from probbody.observation import Observation
from probbody.quantities import Pose

from .evidence import Evidence, KeypointEvidence, OutlineEvidence, PartEvidence, Scene, carried, observe_all
from .feature_image import FeatureImage, FeatureModel
from .posed_body import PosedBody


class NeuralSMPL(FeatureModel):
    """The body as a mesh; each pixel a mixture over limb directions, or what hides the body; joints, parts and outline beside.

    Sites, all in the plate ``bodies``: those of ``PosedBody``; ``features`` (D, H, W), unit vectors; ``keypoints``, ``parts``,
    ``outline`` where given.

    Args:
        body: any articulated body with faces.
        renderer: a ``MeshRenderer``; any other may stand in its place.
        field: what the body's vertices look like to the feature extractor, ``ConditionalMixture`` in the slides.
        background: clutter and occluders.
        pose_prior: over the joints that follow the root.
        likelihood: how a pixel chooses between body and background.
        keypoints, parts, outline: the other energies, each left out where it is None or not observed.
        evidence: what else is observed.
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
        keypoints: KeypointEvidence | None = None,
        parts: PartEvidence | None = None,
        outline: OutlineEvidence | None = None,
        evidence: tuple[Evidence, ...] = (),
        focal_spread: float = 0.0,
        depth: float = 4.0,
        orientation: Density | None = None,
    ) -> None:
        super().__init__()
        self.body, self.pose_prior = body, pose_prior
        self.story = PosedBody(body, pose_prior, focal_spread, depth, orientation)
        self.image = FeatureImage(renderer, field, background, likelihood)
        self.beside = tuple(each for each in (keypoints, parts, outline, *evidence) if each is not None)
        self._moved_along = nn.ModuleList(self.beside)

    @property
    def licences(self) -> tuple[str, ...]:
        """What the parts were made from."""
        return self.story.licences

    def forward(self, observation: Observation) -> Pose:
        """The story; what it returns is the pose it told of."""
        with pyro.plate("bodies", len(observation)):
            pose, camera = self.story(observation.camera)  # L_prior
            surface = self.body(pose)
            view = self.image.camera(camera, observation)
            rendering, rest = self.image.render(surface, view, carried(self.beside, surface))
            self.image.observe(rendering, observation)  # L_NLL
            observe_all(self.beside, Scene(pose, surface, camera, rest), observation)  # L_reproj, L_partseg
        return pose
