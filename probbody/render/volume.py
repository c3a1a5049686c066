"""A body as a volume: kernels that emit and absorb along each ray."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import embedding_bag

from ..contracts import Camera, Renderer
from ..quantities import Kernels, Rendering, Surface
from .absorption import Absorption, Conservative
from .pairs import Lists, Meeting, Share, Window, lists, window
from .sight import ByThickness, OpticalDepth, sight


class VolumeRenderer(Renderer):
    """Gaussian kernels on a surface, absorbing and emitting light along the rays through the pixels' centres.

    Args:
        kernels: what gives the kernels of a surface, such as ``SurfaceKernels``.
        opacity: the optical depth of a kernel through its centre along its thinnest axis, or another ``OpticalDepth``.
        absorption: how kernels along a ray share its light.
        cut: standard deviations beyond which a kernel is not seen; at 4 it still has 1/3000 of its peak.

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
    ) -> None:
        super().__init__()
        self.kernels = kernels
        self.opacity = opacity if isinstance(opacity, OpticalDepth) else ByThickness(opacity)
        self.absorption = absorption
        self.cut = cut

    def forward(self, surface: Surface, attributes: Float[Tensor, "B V C"], camera: Camera) -> Rendering:
        """The picture of attributes of the vertices: features = sum of weight times attribute."""
        kernels = self.kernels(surface)
        return self.draw(kernels, attributes.index_select(1, kernels.vertex), camera)

    def draw(self, kernels: Kernels, attributes: Float[Tensor, "B K C"], camera: Camera) -> Rendering:
        """The picture of kernels that carry attributes of their own."""
        pairs, order, weights, depth = self._weights(kernels, camera)
        height, width = camera.size
        bodies, _, channels = attributes.shape
        rows = pairs.kernel[order.order]
        packed = embedding_bag(
            rows, attributes.flatten(0, 1), order.begins, mode="sum", per_sample_weights=weights.to(attributes.dtype)
        )
        pixel = pairs.pixel[order.order]
        coverage, along = (
            weights.new_zeros(bodies * height * width).index_add(0, pixel, part) for part in (weights, weights * depth)
        )
        features = packed.new_zeros(bodies * height * width, channels).index_copy(0, order.rays, packed)
        depth = along / coverage.clamp_min(torch.finfo(weights.dtype).tiny)
        shape = (bodies, height, width)
        return Rendering(
            features.unflatten(0, shape).permute(0, 3, 1, 2), coverage.clamp_max(1).view(shape), depth.view(shape)
        )

    def sample(
        self, surface: Surface, image: Float[Tensor, "B C H W"], camera: Camera
    ) -> tuple[Float[Tensor, "B V C"], Float[Tensor, "B V"]]:
        """What each vertex sees of a picture, and its visibility in pixels; zero for vertices without a kernel in sight."""
        bodies, channels = image.shape[:2]
        if tuple(image.shape[2:]) != tuple(camera.size):
            raise ValueError(f"image: expected height and width {camera.size}, found {tuple(image.shape[2:])}.")
        with torch.no_grad():
            kernels = self.kernels(surface)
            pairs, order, weights, _ = self._weights(kernels, camera)
            by_kernel = torch.empty_like(weights)
            by_kernel[order.order] = weights
        begins = pairs.counts.cumsum(0) - pairs.counts
        flat = image.permute(0, 2, 3, 1).flatten(0, 2)
        seen = embedding_bag(pairs.pixel, flat, begins, mode="sum", per_sample_weights=by_kernel.to(image.dtype))
        visible = by_kernel.new_zeros(len(begins)).index_add_(0, pairs.kernel, by_kernel).view(bodies, -1)
        vertices = surface.vertices.shape[1]
        total = image.new_zeros(bodies, vertices, channels).index_add(
            1, kernels.vertex, seen.unflatten(0, (bodies, -1))
        )
        visibility = visible.new_zeros(bodies, vertices).index_add_(1, kernels.vertex, visible)
        return total / visibility.clamp_min(torch.finfo(visibility.dtype).tiny).unsqueeze(-1), visibility

    def _weights(self, kernels: Kernels, camera: Camera) -> tuple[Window, Lists, Tensor, Tensor]:
        """The pairs by kernel, their order by ray, and in the latter their weights and depths."""
        seen = sight(kernels, camera, self.opacity)
        bodies = len(kernels.means)
        pairs = window(seen, camera.size, bodies, self.cut)
        tau, depth, spread = Meeting.apply(seen.numbers, seen.slant, pairs, self.opacity.thick)
        order = lists(pairs.pixel, depth, bodies * camera.size[0] * camera.size[1])
        weights, deep = Share.apply(tau, depth, spread, order, self.absorption)
        return pairs, order, weights, deep
