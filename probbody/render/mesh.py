"""A body as a mesh: the nearest face at every sample of a pixel."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..contracts import Camera, Renderer
from ..geometry.meshes import Edges, edges, vertex_normals
from ..quantities import Record, Rendering, Surface, joined
from .bags import seen, won
from .hits import look
from .raster import cut_off
from .silhouettes import crossings


@dataclass(frozen=True)
class Maps(Record):
    """What is seen at the centres of pixels; where nothing is, numbers are 0 and indices -1."""

    depth: Float[Tensor, "B H W"]
    """Along the axis, metres."""
    normals: Float[Tensor, "B 3 H W"]
    """Of unit length, smooth over the faces, along the camera's axes: x right, y down, z away from it."""
    face: Int[Tensor, "B H W"]
    shares: Float[Tensor, "B H W 3"]
    """What the face's corners have of the point that is seen: barycentric coordinates in space."""
    vertex: Int[Tensor, "B H W"]
    """The corner with the largest share: ``parts[vertex]`` is a map of parts."""
    cut_off: Int[Tensor, " B"]
    """Faces that are not drawn because a corner is behind the camera or nearer to it than ``NEAREST``."""


class MeshRenderer(Renderer):
    """The mean over each pixel of what its samples see: hard pictures with gradients that move silhouettes.

    Args:
        samples: along each side of a pixel; coverage comes in steps of ``1 / samples**2``.

    A pixel is a box. Its samples hit the nearest face or nothing, so a covered pixel is a mixture of the corners of the faces
    that are hit, in shares that are right in perspective. The gradient is that of the continuous picture: the samples' own, and
    along the visible edges what near gains from far (``silhouettes``), which values do not show: a picture is constant
    until a sample changes sides. Where two surfaces run through each other there is no edge, and no gradient of the seam;
    nor of what passes between two samples of the same surface behind it.

    Of bodies of 2,394 and 13,752 faces on 280 pixels, with 2 x 2 samples, areas are right to 0.1 % on average, and their
    gradients by size, place and turn to 1, 1 and 3 %; those of a single picture scatter by 4, 5 and 15 %
    (``benchmarks/speed_of_meshes.py``).

    Faces with a corner behind the camera, or nearer than ``NEAREST``, are not drawn; ``maps`` counts them. Faces without area
    are not seen. Both sides of a face are: a camera inside a body sees it from inside.
    """

    def __init__(self, samples: int = 2) -> None:
        super().__init__()
        if samples < 1:
            raise ValueError(f"samples: expected 1 or more along a pixel's side, found {samples}.")
        self.samples = samples
        self._known: tuple[Tensor, int, Edges] | None = None

    def forward(self, surface: Surface, attributes: Float[Tensor, "B V C"], camera: Camera) -> Rendering:
        """The picture of attributes of the vertices: features = sum of weight times attribute; depth where covered."""
        if attributes.shape[:2] != surface.vertices.shape[:2]:
            raise ValueError(
                f"attributes: expected a row for each of {tuple(surface.vertices.shape[:2])} bodies and vertices, "
                f"found {tuple(attributes.shape[:2])}."
            )
        hits = look(surface, camera, self.samples)
        bodies, height, width = hits.pixels
        parts = seen(hits)
        alone, place = torch.stack([torch.ones_like(hits.depth), hits.depth], -1), hits.place
        if torch.is_grad_enabled() and hits.depth.requires_grad:
            cross = crossings(hits, self._edges(surface.faces, hits.faces))
            parts = joined([parts, won(hits, cross)])
            edge = torch.stack([torch.ones_like(cross.depth), cross.depth], -1)
            jump = edge - torch.cat([alone.detach(), alone.new_zeros(1, 2)])[cross.far]  # number -1: nothing
            alone, place = torch.cat([alone, jump * cross.gain.unsqueeze(-1)]), torch.cat([place, cross.place])
        area, pixels = self.samples**2, bodies * height * width
        features = replace(parts, shares=parts.shares / area).carry(attributes.flatten(0, 1), pixels)
        total = alone.new_zeros(pixels, 2).index_add(0, hits.pixel(place), alone) / area
        coverage, depth = total.to(features.dtype).unbind(-1)
        depth = depth / torch.where(coverage > 0, coverage, 1)
        return Rendering(
            features.unflatten(0, (bodies, height, width)).permute(0, 3, 1, 2),
            coverage.view(bodies, height, width),
            depth.view(bodies, height, width),
        )

    def sample(
        self, surface: Surface, image: Float[Tensor, "B C H W"], camera: Camera
    ) -> tuple[Float[Tensor, "B V C"], Float[Tensor, "B V"]]:
        """What each vertex sees of a picture, and its visibility in pixels; zero for a vertex of which nothing is seen."""
        bodies, vertices = surface.vertices.shape[:2]
        if tuple(image.shape[2:]) != tuple(camera.size) or len(image) != bodies:
            raise ValueError(
                f"image: expected {bodies} bodies' of {tuple(camera.size)}, found {len(image)} of {tuple(image.shape[2:])}."
            )
        with torch.no_grad():
            hits = look(surface, camera, self.samples)
            shares, corner = hits.shares.flatten() / self.samples**2, hits.corner.flatten()
            visibility = shares.new_zeros(bodies * vertices).index_add(0, corner, shares)
        given = image.permute(0, 2, 3, 1).flatten(0, 2).index_select(0, hits.pixel(hits.place))
        given = given.repeat_interleave(3, 0) * shares.to(image.dtype).unsqueeze(-1)
        total = given.new_zeros(bodies * vertices, given.shape[1]).index_add(0, corner, given)
        mean = total / visibility.clamp_min(torch.finfo(visibility.dtype).tiny).to(image.dtype).unsqueeze(-1)
        return mean.unflatten(0, (bodies, vertices)), visibility.view(bodies, vertices)

    def maps(self, surface: Surface, camera: Camera) -> Maps:
        """Depth, normals, faces and vertices at the centres of pixels; gradients flow to depth, normals and shares."""
        hits = look(surface, camera, 1)
        normals = hits.carry(camera.turned(vertex_normals(surface.vertices, hits.faces)).flatten(0, 1))
        largest = hits.corner.gather(1, hits.shares.argmax(-1, keepdim=True)).squeeze(-1) % surface.vertices.shape[1]

        def dense(values: Tensor, empty: float) -> Tensor:
            full = values.new_full((math.prod(hits.pixels), *values.shape[1:]), empty)
            return full.index_copy(0, hits.place, values).unflatten(0, hits.pixels)

        return Maps(
            dense(hits.depth, 0),
            dense(torch.nn.functional.normalize(normals, dim=-1), 0).permute(0, 3, 1, 2),
            dense(hits.face, -1),
            dense(hits.shares, 0),
            dense(largest, -1),
            cut_off(hits.screen, hits.faces),
        )

    def _edges(self, given: Tensor, faces: Tensor) -> Edges:
        """How the faces hang together, found once for a mesh: while the tensor that is given stays the same."""
        if self._known is None or self._known[0] is not given or self._known[1] != given._version:
            self._known = (given, given._version, edges(faces))
        return self._known[2]
