"""A thing that does not bend, somewhere before a camera: NeMo, whose only unknown is how it stands to the camera.

Each vertex r of any mesh has one feature theta_r; what is not the mesh looks like clutter:

    p(F | mesh, camera) = prod_i  a_i p(f_i | theta_r(i)) + (1 - a_i) p(f_i | clutter)

with r(i) the points of the mesh at pixel i, in the renderer's shares, and a_i the chance that the pixel shows them. NeMo
itself takes the larger of the two at each pixel: ``HardMax`` in place of ``LogMixture``.

References:
    Wang, Kortylewski, Yuille (2021), NeMo: Neural mesh models of contrastive features for robust 3D pose estimation, ICLR.
"""

import math

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from probbody.contracts import ArticulatedBody, Background, Density, FeatureField, Likelihood, Renderer
from probbody.densities import UniformRotation
from probbody.geometry.rotations import quaternion_to_matrix
from probbody.observation import Observation
from probbody.quantities import Pose

from .feature_image import FeatureImage, FeatureModel


class RigidMesh(FeatureModel):
    """orientation, place; the mesh rendered as features; each pixel the mesh's, or clutter's.

    Sites, all in the plate ``bodies``: ``orientation`` (4,), a quaternion, w first; ``place`` (3,), the translation as
    (x / z, y / z, log z) in the camera's frame; ``features`` (D, H, W), unit vectors, observed.

    Args:
        body: any body, such as ``rigid(vertices, faces)``; its joints rest and its shape is the mean.
        renderer, field, background, likelihood: see ``NeuralBodyVolume``; the field has one feature a vertex in NeMo. With
            a ``MeshRenderer`` and ``LogMixture`` the background should hold some share for anything: the outline's pull at a
            pixel is the ratio of two densities, and without bound where the background finds next to nothing likely.
        depth: median of the distance to the camera, in metres.
        depth_spread: standard deviation of its logarithm; that of x / z and y / z is 1.
        orientation: the density of the quaternion; all orientations alike unless given.
    """

    def __init__(
        self,
        body: ArticulatedBody,
        renderer: Renderer,
        field: FeatureField,
        background: Background,
        likelihood: Likelihood,
        depth: float = 4.0,
        depth_spread: float = 1.0,
        orientation: Density | None = None,
    ) -> None:
        super().__init__()
        if not 0 < depth < math.inf or not 0 < depth_spread < math.inf:
            raise ValueError(f"depth, depth_spread: expected more than zero, found {depth} and {depth_spread}.")
        self.body, self.depth, self.depth_spread = body, depth, depth_spread
        self.orientation = orientation or UniformRotation(like=body.weights)
        self.image = FeatureImage(renderer, field, background, likelihood)

    @property
    def licences(self) -> tuple[str, ...]:
        """What the mesh was made from."""
        return (self.body.licence,)

    def forward(self, observation: Observation) -> Pose:
        """The story; what it returns is how the mesh stands."""
        like = self.body.weights
        with pyro.plate("bodies", len(observation)):
            orientation = pyro.sample("orientation", self.orientation)
            middle = like.new_tensor([0.0, 0.0, math.log(self.depth)])
            place = pyro.sample(
                "place", dist.Normal(middle, like.new_tensor([1.0, 1.0, self.depth_spread])).to_event(1)
            )
            pose = self.assemble(orientation, observation.camera.place(place))
            self.image.observe(self.render(pose, observation), observation)
        return pose

    def assemble(self, orientation: Float[Tensor, "B 4"], place: Float[Tensor, "B 3"]) -> Pose:
        """The pose that values of the sites stand for, ``place`` in metres."""
        root = quaternion_to_matrix(orientation)[:, None]
        rest = torch.eye(3).to(root).expand(len(root), len(self.body.parents) - 1, 3, 3)
        return Pose(torch.cat([root, rest], dim=1), root.new_zeros(len(root), self.body.num_shape), place)
