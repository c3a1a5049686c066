"""A body as a volume: kernels that emit and absorb along each ray."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import ArticulatedBody, Camera, Renderer
from ..geometry.kernels import released_kernels
from ..quantities import Kernels, Rendering, Surface
from .absorption import Absorption, ClosedForm
from .conservative import Conservative
from .lists import gathered
from .sight import ByThickness, EachAlike, OpticalDepth, sight
from .tracing import Passage, StepByStep, Tracing, parts_of_light


class VolumeRenderer(Renderer):
    """Gaussian kernels on a surface, absorbing and emitting light along the rays through the pixels' centres.

    Args:
        kernels: what gives the kernels of a surface, such as ``SurfaceKernels``.
        opacity: the optical depth of a kernel through its centre along its thinnest axis, or another ``OpticalDepth``.
        absorption: how kernels along a ray share its light.
        cut: standard deviations beyond which a kernel is not seen; at 4 it still has 1/3000 of its peak.
        faint: the share of a ray's light below which what comes next is not drawn; so much opacity is lost at most. 0 for all.
        tracing: how rays are followed: ``StepByStep`` in torch, or ``Compiled``, in two fifths of the time.

    Every pixel that rays within the cut reach is drawn; there is no limit to the kernels along a ray. A kernel whose mean is
    behind the camera is not seen, nor is one by a ray that is densest there; parallel rays have no behind. A camera inside
    a kernel sees the whole of it, also what is behind: finite, but not to be trusted. A kernel that is nowhere or whose
    precision is not positive definite is a ValueError.

    Gradients flow to surface, attributes and camera, not through the choice of pairs.
    """

    def __init__(
        self,
        kernels: Callable[[Surface], Kernels],
        opacity: float | OpticalDepth = 2.0,
        absorption: Absorption = Conservative(),  # noqa: B008  frozen
        cut: float = 4.0,
        faint: float = 1e-6,
        tracing: Tracing = StepByStep(),  # noqa: B008  frozen
    ) -> None:
        super().__init__()
        self.kernels = kernels
        self.opacity = opacity if isinstance(opacity, OpticalDepth) else ByThickness(opacity)
        self.absorption = absorption
        if not 0 < cut < math.inf or not 0 <= faint < 1:
            raise ValueError(
                f"cut, faint: expected a positive cut and a faint share of 0 or more and below 1, found {cut}, {faint}."
            )
        self.cut, self.faint = cut, faint
        self.tracing = tracing

    def forward(self, surface: Surface, attributes: Float[Tensor, "B V C"], camera: Camera) -> Rendering:
        """The picture of attributes of the vertices: features = sum of weight times attribute."""
        kernels = self.kernels(surface)
        return self.draw(kernels, attributes.index_select(1, kernels.vertex), camera)

    def draw(self, kernels: Kernels, attributes: Float[Tensor, "B K C"], camera: Camera) -> Rendering:
        """The picture of kernels that carry attributes of their own."""
        features, coverage, deep = self.tracing.trace(self._passage(kernels, camera), attributes.flatten(0, 1))
        shape = (len(attributes), *camera.size)
        depth = deep / coverage.clamp_min(torch.finfo(coverage.dtype).tiny)
        features = features.unflatten(0, shape).permute(0, 3, 1, 2)
        return Rendering(features, coverage.clamp_max(1).view(shape), depth.view(shape))

    def sample(
        self, surface: Surface, image: Float[Tensor, "B C H W"], camera: Camera
    ) -> tuple[Float[Tensor, "B V C"], Float[Tensor, "B V"]]:
        """What each vertex sees of a picture, and its visibility in pixels; zero for vertices without a kernel in sight."""
        bodies, channels = image.shape[:2]
        if tuple(image.shape[2:]) != tuple(camera.size):
            raise ValueError(f"image: expected height and width {camera.size}, found {tuple(image.shape[2:])}.")
        with torch.no_grad():
            kernels = self.kernels(surface)
            pairs, listed, parts, _, _ = parts_of_light(self._passage(kernels, camera))
        rows = image.permute(0, 2, 3, 1).flatten(0, 2).index_select(0, listed.rays)
        parts = parts.to(image.dtype)
        shape = kernels.means.shape[:2]
        seen = gathered(parts, rows, pairs, listed).unflatten(0, shape)
        visible = gathered(parts, torch.ones_like(rows[:, :1]), pairs, listed).view(shape)
        vertices = surface.vertices.shape[1]
        total = image.new_zeros(bodies, vertices, channels).index_add(1, kernels.vertex, seen)
        visibility = visible.new_zeros(bodies, vertices).index_add(1, kernels.vertex, visible)
        return total / visibility.clamp_min(torch.finfo(visibility.dtype).tiny).unsqueeze(-1), visibility

    def _passage(self, kernels: Kernels, camera: Camera) -> Passage:
        seen, bodies = sight(kernels, camera, self.opacity), len(kernels.means)
        return Passage(seen, bodies, camera.size, self.opacity.thick, self.absorption, self.cut, self.faint)


def released_volume(body: ArticulatedBody, count: int = 858) -> VolumeRenderer:
    """As the code released with 3DNBF draws a body: round kernels of one size, without thickness, by the closed form.

    One thing is not copied: of all kernels within 76 mm of a ray it keeps the ten nearest to the camera, and this all.
    """
    kernels = released_kernels(body, count)
    return VolumeRenderer(kernels, EachAlike(1.0), ClosedForm(gain=math.exp(0.5)), cut=math.sqrt(2 * math.log(1e10)))
