"""A body as a mesh: the nearest face at every sample of a pixel."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..contracts import Camera, Renderer
from ..geometry.meshes import Edges, edges, vertex_normals
from ..quantities import Record, Rendering, Surface
from .raster import Fragments, Screen, cut_off, rasterise
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
    until a sample changes sides. Where two surfaces run through each other there is no edge, and no gradient of the seam.

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
        height, width = camera.size
        size = (self.samples * height, self.samples * width)
        screen = Screen.of(surface.vertices, camera, self.samples)
        faces = surface.faces.to(screen.points.device)
        fragments = rasterise(screen, faces, size)
        corner, shares, depth = corners(screen, faces, fragments, size)
        seen = (
            attributes.flatten(0, 1).index_select(0, corner.flatten()).unflatten(0, (-1, 3)) * shares.unsqueeze(-1)
        ).sum(1)
        parts = [seen, torch.ones_like(depth).unsqueeze(-1), depth.unsqueeze(-1)]
        carried = torch.cat([part.to(seen.dtype) for part in parts], dim=-1)
        place = fragments.place
        if torch.is_grad_enabled() and screen.points.requires_grad:
            cross = crossings(screen, faces, self._edges(faces), size, fragments, depth)
            still = torch.cat([carried.detach(), torch.zeros_like(carried[:1])])  # the last row: nothing
            jump = still.index_select(0, cross.near) - still[cross.far]
            carried = torch.cat([carried, jump * cross.gain.to(jump.dtype).unsqueeze(-1)])
            place = torch.cat([place, cross.place])
        total = carried.new_zeros(len(screen.points) * height * width, carried.shape[1])
        total = total.index_add(0, _pixel(place, size, self.samples), carried) / self.samples**2
        features, coverage, depth = total.split([seen.shape[1], 1, 1], dim=-1)
        shape = (len(screen.points), height, width)
        depth = depth / torch.where(coverage > 0, coverage, 1)
        return Rendering(features.unflatten(0, shape).permute(0, 3, 1, 2), coverage.view(shape), depth.view(shape))

    def sample(
        self, surface: Surface, image: Float[Tensor, "B C H W"], camera: Camera
    ) -> tuple[Float[Tensor, "B V C"], Float[Tensor, "B V"]]:
        """What each vertex sees of a picture, and its visibility in pixels; zero for a vertex of which nothing is seen."""
        if tuple(image.shape[2:]) != tuple(camera.size):
            raise ValueError(f"image: expected height and width {camera.size}, found {tuple(image.shape[2:])}.")
        size = (self.samples * camera.size[0], self.samples * camera.size[1])
        bodies, vertices = surface.vertices.shape[:2]
        with torch.no_grad():
            screen = Screen.of(surface.vertices, camera, self.samples)
            faces = surface.faces.to(screen.points.device)
            fragments = rasterise(screen, faces, size)
            corner, shares, _ = corners(screen, faces, fragments, size)
            shares = shares / self.samples**2
            visibility = shares.new_zeros(bodies * vertices).index_add(0, corner.flatten(), shares.flatten())
        pixel = _pixel(fragments.place, size, self.samples)
        given = image.permute(0, 2, 3, 1).flatten(0, 2).index_select(0, pixel).unsqueeze(1)
        given = (given * shares.to(image.dtype).unsqueeze(-1)).flatten(0, 1)
        total = given.new_zeros(bodies * vertices, given.shape[1]).index_add(0, corner.flatten(), given)
        mean = total / visibility.clamp_min(torch.finfo(visibility.dtype).tiny).unsqueeze(-1)
        return mean.unflatten(0, (bodies, vertices)), visibility.view(bodies, vertices)

    def maps(self, surface: Surface, camera: Camera) -> Maps:
        """Depth, normals, faces and vertices at the centres of pixels; gradients flow to depth, normals and shares."""
        screen = Screen.of(surface.vertices, camera, 1)
        faces = surface.faces.to(screen.points.device)
        bodies, (height, width) = len(screen.points), camera.size
        fragments = rasterise(screen, faces, camera.size)
        corner, shares, depth = corners(screen, faces, fragments, camera.size)
        normals = camera.turned(vertex_normals(surface.vertices, faces)).flatten(0, 1)
        normals = torch.nn.functional.normalize((normals[corner] * shares.unsqueeze(-1)).sum(1), dim=-1)
        largest = corner.gather(1, shares.argmax(-1, keepdim=True)).squeeze(-1) % surface.vertices.shape[1]

        def dense(values: Tensor, empty: float) -> Tensor:
            full = values.new_full((bodies * height * width, *values.shape[1:]), empty)
            return full.index_copy(0, fragments.place, values).unflatten(0, (bodies, height, width))

        return Maps(
            dense(depth, 0),
            dense(normals, 0).permute(0, 3, 1, 2),
            dense(fragments.face, -1),
            dense(shares, 0),
            dense(largest, -1),
            cut_off(screen, faces),
        )

    def _edges(self, faces: Tensor) -> Edges:
        """How the faces hang together, found once for a mesh."""
        if self._known is None or self._known[0] is not faces or self._known[1] != faces._version:
            self._known = (faces, faces._version, edges(faces))
        return self._known[2]


def corners(
    screen: Screen, faces: Int[Tensor, "F 3"], fragments: Fragments, size: tuple[int, int]
) -> tuple[Int[Tensor, "N 3"], Float[Tensor, "N 3"], Float[Tensor, " N"]]:
    """Of each fragment the face's corners (numbered among all bodies' vertices), what each has of it, and its depth.

    Shares are at least zero and sum to 1: those of the triangle on the picture times ``share``, in proportion. Gradients flow
    to the points.
    """
    area, vertices = size[0] * size[1], screen.points.shape[1]
    body = fragments.place // area
    inside = fragments.place - body * area
    corner = faces.index_select(0, fragments.face) + (body * vertices).unsqueeze(-1)
    points = screen.points.flatten(0, 1).index_select(0, corner.flatten()).unflatten(0, (-1, 3))
    row = inside // size[1]
    u = points[..., 0] - (inside - row * size[1] + 0.5).unsqueeze(-1)
    v = points[..., 1] - (row + 0.5).unsqueeze(-1)
    after, last = [1, 2, 0], [2, 0, 1]
    turns = u[:, after] * v[:, last] - v[:, after] * u[:, last]
    shares = turns * screen.share.flatten().index_select(0, corner.flatten()).view_as(turns)
    shares = shares / shares.sum(-1, keepdim=True)
    return corner, shares, (shares * points[..., 2]).sum(-1)


def _pixel(place: Tensor, size: tuple[int, int], samples: int) -> Tensor:
    """The pixel that holds a sample."""
    row = place // size[1]
    column = place - row * size[1]
    return (row // samples) * (size[1] // samples) + column // samples
