"""What varies: the abstract parts. Read this page and ``quantities.py`` and you know the house."""

import abc
from typing import TypeVar

from jaxtyping import Float, Int
from pyro.distributions.torch_distribution import TorchDistributionMixin as Density
from torch import Tensor, nn

from .quantities import Pose, Rendering, Surface

C = TypeVar("C", bound="Camera")


class Camera(abc.ABC):
    """Where the pixels are in the world: one camera a body, or a rig of several ``views`` of the same body.

    A point has one pixel in each view. Where a rig has several, they follow each other: all points in the first view, then
    all points in the second, so that ``M = views * N``.
    """

    size: tuple[int, int]
    """Height and width of the picture, in pixels."""
    views: int
    """How many pictures of each body there are."""

    @abc.abstractmethod
    def project(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B M 3"]:
        """Pixel coordinates (u, v) and depth along the optical axis (metres) of world points."""

    @abc.abstractmethod
    def rays(self, pixels: Float[Tensor, "B M 2"]) -> tuple[Float[Tensor, "B M 3"], Float[Tensor, "B M 3"]]:
        """Origins and unit directions, in the world, of the rays through pixel coordinates (u, v)."""

    @abc.abstractmethod
    def place(self, code: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3"]:
        """The world point at ``code`` = (x / z, y / z, log z) in the (first) camera's frame."""

    @abc.abstractmethod
    def locate(self, points: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3"]:
        """The code of world points: the inverse of ``place``."""

    @abc.abstractmethod
    def zoomed(self: C, factor: Float[Tensor, " B"]) -> C:
        """The same camera with its focal length multiplied."""

    @abc.abstractmethod
    def resized(self: C, size: tuple[int, int]) -> C:
        """The same view in a picture of another height and width, such as a feature map's."""

    @abc.abstractmethod
    def turned(self, vectors: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Vectors of the world along the (first) camera's axes: x right, y down, z away from it."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def __getitem__(self: C, index: int | slice | Int[Tensor, " N"] | list[int]) -> C: ...

    @abc.abstractmethod
    def to(self: C, *args: object, **kwargs: object) -> C:
        """The same camera on another device or in another dtype."""


class ArticulatedBody(nn.Module, abc.ABC):
    """A kinematic tree that carries a surface."""

    parents: tuple[int, ...]
    """The parent of each joint; -1 for the root, which comes first; a parent comes before its children."""
    joint_names: tuple[str, ...]
    num_shape: int
    licence: str
    """SPDX identifier, or a sentence, of what the body was made from; carried into every result."""
    faces: Int[Tensor, "F 3"]
    weights: Float[Tensor, "V J"]

    @abc.abstractmethod
    def forward(self, pose: Pose) -> Surface:
        """The surface in that pose."""

    @abc.abstractmethod
    def keypoints(self, surface: Surface, layout: str) -> Float[Tensor, "B P 3"]:
        """The named joint set (``coco17``, ``openpose25``, ...) on that surface, in metres; a layout not known is refused."""

    @abc.abstractmethod
    def reduced(self, layout: str) -> "ArticulatedBody":
        """The same skeleton carrying only the surface that those keypoints need: quicker to pose, without faces."""


class PosePrior(nn.Module, abc.ABC):
    """Poses that one expects: a density over a code, and the rotations that the code stands for.

    The root is not among them; ``M`` joints follow it in the body's order, and those beyond ``M`` stay at rest.
    """

    num_code: int
    num_joints: int
    """``M``"""
    licence: str

    @abc.abstractmethod
    def code(self) -> Density:
        """The density of the code; event shape (Z,)."""

    @abc.abstractmethod
    def decode(self, code: Float[Tensor, "B Z"]) -> Float[Tensor, "B M 3 3"]:
        """The joint rotations that the code stands for."""

    @abc.abstractmethod
    def encode(self, rotations: Float[Tensor, "B M 3 3"]) -> Float[Tensor, "B Z"]:
        """A code whose rotations come close to these."""


class Renderer(nn.Module, abc.ABC):
    """A surface that carries attributes, as a camera sees it.

    Each pixel is a mixture of the vertices in its sight, whose weights are at least zero and sum to its coverage; nothing is
    added for what is not covered, and pixels that see nothing are zero. Map and gradients follow ``camera.size``.
    """

    @abc.abstractmethod
    def forward(self, surface: Surface, attributes: Float[Tensor, "B V C"], camera: Camera) -> Rendering:
        """The picture of attributes of the vertices: features = sum of weight times attribute."""

    @abc.abstractmethod
    def sample(
        self, surface: Surface, image: Float[Tensor, "B C H W"], camera: Camera
    ) -> tuple[Float[Tensor, "B V C"], Float[Tensor, "B V"]]:
        """The adjoint: what each vertex sees of a picture, and its visibility, the pixels that it accounts for.

        The first is the mean of the picture under the vertex's weights, the second their sum; of a vertex that accounts for
        nothing both are zero. The picture may carry gradients; the weights do not.
        """


class FeatureField(nn.Module, abc.ABC):
    """What each point of a body looks like to a feature extractor."""

    channels: int
    """``D``, the length of a feature."""

    @abc.abstractmethod
    def attributes(self, surface: Surface, camera: Camera) -> Float[Tensor, "B V C"]:
        """What the renderer is to carry from the vertices to the pixels; it depends on how limbs are turned to the camera."""

    @abc.abstractmethod
    def conditional(self, rendered: Float[Tensor, "*N C"]) -> Density:
        """The density of a feature where ``rendered`` is seen (weights of any sum); batch shape (*N,), event shape (D,)."""


class Background(nn.Module, abc.ABC):
    """What is seen where the body is not: clutter and occluders."""

    @abc.abstractmethod
    def marginal(self) -> Density:
        """The density of a feature that is not the body's; batch shape (), event shape (D,)."""


class Likelihood(nn.Module, abc.ABC):
    """How a feature image comes about from a rendered body and what else there is; the outlier process lives here."""

    @abc.abstractmethod
    def density(self, rendering: Rendering, field: FeatureField, background: Background) -> Density:
        """The density of a feature image; batch shape (B,), event shape (D, H, W)."""

    @abc.abstractmethod
    def visible(
        self,
        rendering: Rendering,
        field: FeatureField,
        background: Background,
        features: Float[Tensor, "B D H W"],
    ) -> Float[Tensor, "B H W"]:
        """The posterior chance that the body is what is seen, at pixels that it covers."""


class FeatureExtractor(nn.Module, abc.ABC):
    """A map of features of a picture that shows one person: learnt, or anything that has one vector for each place."""

    channels: int
    """``D``"""
    size: tuple[int, int]
    """Height and width of the pictures that it reads."""

    @abc.abstractmethod
    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """Unit vectors along the channels, of the same view as the pictures, which are RGB in [0, 1]."""
