"""A body behind points of its skin that were found in a picture, some of them wrongly: where a fit to features starts.

SMPLify with vertices in place of joints. A fit that renders sees no further than a limb's width; a match is found anywhere.
"""

import pyro
import torch
from jaxtyping import Int
from torch import Tensor, nn

from probbody.contracts import ArticulatedBody, Density, PosePrior
from probbody.observation import Observation
from probbody.quantities import Pose

from .keypoint_body import KeypointNoise, NormalOrAnywhere
from .posed_body import PosedBody


class MatchedBody(nn.Module):
    """shape, pose, orientation, place; vertices where the camera puts them; matches near them or anywhere.

    Sites, all in the plate ``bodies``: those of ``PosedBody`` and ``scatter``, or those of another noise. The observation's
    ``keypoints`` are the matches of ``vertex``, in its order and in pixels of its camera.

    Args:
        body: any articulated body.
        pose_prior, focal_spread, depth, orientation: see ``PosedBody``.
        vertex: which vertices are matched.
        noise: how matches scatter; unless given a wide normal, or anywhere in three of ten cases.
    """

    vertex: Int[Tensor, " P"]

    def __init__(
        self,
        body: ArticulatedBody,
        pose_prior: PosePrior,
        vertex: Int[Tensor, " P"],
        noise: KeypointNoise | None = None,
        focal_spread: float = 0.0,
        depth: float = 4.0,
        orientation: Density | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.noise = noise or NormalOrAnywhere(typical=0.02, spread=0.3, outliers=0.3, site="scatter")
        self.story = PosedBody(body, pose_prior, focal_spread, depth, orientation)
        self.register_buffer("vertex", torch.as_tensor(vertex))

    @property
    def licences(self) -> tuple[str, ...]:
        """What the parts were made from."""
        return self.story.licences

    def forward(self, observation: Observation) -> Pose:
        """The story; what it returns is the pose it told of."""
        with pyro.plate("bodies", len(observation)):
            pose, camera = self.story(observation.camera)
            points = self.body(pose).vertices.index_select(1, self.vertex)
            self.noise.observe(camera.project(points)[..., :2], observation)
        return pose
