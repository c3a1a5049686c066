"""A body as a cloud of Gaussian kernels that move with its surface."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..contracts import ArticulatedBody
from ..quantities import Kernels, Surface
from .rest import at_rest

RELEASED_PRECISION = 8000.0
"""Per square metre: the density exp(-4000 r^2) of the code released with 3DNBF, a standard deviation of 11.18 mm."""


class SurfaceKernels(nn.Module):
    r"""Gaussian kernels on some vertices of a body; called with a posed surface, it gives them in that pose.

    A kernel's density is exp(-d' P d / 2) with d the distance from its mean and P its precision (in the form exp(-d' A d),
    A = P / 2). With R_j the rotation of joint j from rest to pose and w its blend weights,

    .. math:: m = v + \Bigl(\sum_j w_j R_j\Bigr) o, \qquad P = \sum_j w_j R_j \bar P R_j^\top

    Zhang et al. (2023), 3D-aware neural body fitting, equation 6, with the rotations on the side where a turned body has
    turned kernels.
    """

    vertex: Int[Tensor, " K"]
    offsets: Float[Tensor, "K 3"]
    precisions: Float[Tensor, "K 3 3"]
    weights: Float[Tensor, "K J"]

    def __init__(
        self,
        vertex: Int[Tensor, " K"],
        offsets: Float[Tensor, "K 3"],
        precisions: Float[Tensor, "K 3 3"],
        weights: Float[Tensor, "K J"],
    ) -> None:
        """``vertex`` carries each kernel, ``offsets`` lead from there to its mean at rest (metres), in the body's frame."""
        super().__init__()
        if bool((vertex < 0).any()):
            raise ValueError(f"SurfaceKernels: vertex must not be negative, but {int(vertex.min())} is among them.")
        self.register_buffer("vertex", vertex)
        self.register_buffer("offsets", offsets)
        self.register_buffer("precisions", precisions)
        self.register_buffer("weights", weights)

    def forward(self, surface: Surface) -> Kernels:
        """The kernels of a posed surface of the same body."""
        turns = surface.frames[..., :3, :3]
        means = surface.vertices.index_select(1, self.vertex)
        if bool(self.offsets.any()):
            turned = (self.weights @ turns.flatten(2)).unflatten(-1, (3, 3))  # (B, K, 3, 3)
            means = means + (turned @ self.offsets.unsqueeze(-1)).squeeze(-1)
        twice = turns[..., :, None, :, None] * turns[..., None, :, None, :]  # R x R, acting on matrices as vectors
        blended = (self.weights @ twice.flatten(2)).unflatten(-1, (9, 9))
        precisions = (blended @ self.precisions.flatten(1).unsqueeze(-1)).squeeze(-1).unflatten(-1, (3, 3))
        return Kernels(means, precisions, self.vertex)


def surface_kernels(
    body: ArticulatedBody, count: int = 858, overlap: float = 0.5, flatness: float = 0.5
) -> SurfaceKernels:
    """Kernels spread evenly over any body, flat along its skin.

    ``count`` vertices (all where the body has fewer in its faces) are chosen on the body at rest, each the farthest from
    those before it. The standard deviation along the skin is ``overlap`` times the spacing, the mean distance to the four
    nearest kernels; across the skin it is ``flatness`` times that. With 0.5 the density half-way between neighbours is
    exp(-1/2) of the peak. A kernel whose vertex has no normal (no face, or faces without area) is round. An overlap or a
    flatness that is not positive, or no kernels at all, is a ValueError.
    """
    for name, value in (("overlap", overlap), ("flatness", flatness)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name}: expected a positive number, found {value}.")
    rest = at_rest(body)
    vertex = _farthest(rest.vertices[0], _carrying(rest), count)
    along = overlap * _spacing(rest.vertices[0, vertex])
    normal = _normals(rest)[vertex]
    still = torch.eye(3, dtype=normal.dtype, device=normal.device)
    thin = normal.unsqueeze(-1) * normal.unsqueeze(-2) * (flatness**-2 - 1)
    precisions = (still + thin) / along.square()[:, None, None]
    return SurfaceKernels(vertex, torch.zeros_like(normal), precisions, body.weights[vertex])


def released_kernels(body: ArticulatedBody, count: int = 858) -> SurfaceKernels:
    """The kernels of the code released with 3DNBF: all alike, round, 11.18 mm, whatever the body's size or pose."""
    rest = at_rest(body)
    vertex = _farthest(rest.vertices[0], _carrying(rest), count)
    still = torch.eye(3, dtype=rest.vertices.dtype, device=rest.vertices.device)
    precisions = (RELEASED_PRECISION * still).repeat(len(vertex), 1, 1)
    return SurfaceKernels(vertex, precisions.new_zeros(len(vertex), 3), precisions, body.weights[vertex])


def _carrying(rest: Surface) -> Tensor:
    """The vertices that may carry a kernel: those of faces, or all where there are no faces."""
    return (
        torch.unique(rest.faces)
        if len(rest.faces)
        else torch.arange(rest.vertices.shape[1], device=rest.vertices.device)
    )


def _farthest(points: Tensor, candidates: Tensor, count: int) -> Tensor:
    """``count`` of the candidates, each the farthest from those before it, the first the farthest from their middle."""
    if count < 1:
        raise ValueError(f"count: a body needs at least one kernel, not {count}.")
    places = points[candidates]
    chosen = [int((places - places.mean(0)).square().sum(-1).argmax())]
    away = places.new_full((len(places),), float("inf"))
    while len(chosen) < min(count, len(places)):
        away = torch.minimum(away, (places - places[chosen[-1]]).square().sum(-1))
        away[chosen[-1]] = -1
        chosen.append(int(away.argmax()))
    return candidates[torch.tensor(chosen, device=candidates.device)].sort().values


def _spacing(places: Tensor) -> Tensor:
    """The mean distance to the four nearest others; not less than a tenth of the usual, so that doubles have a size."""
    if len(places) == 1:
        return places.new_full((1,), 0.1)
    near = torch.cdist(places, places).fill_diagonal_(float("inf")).topk(min(4, len(places) - 1), largest=False).values
    spacing = near.mean(1)
    return spacing.clamp_min(0.1 * float(spacing.median())).clamp_min(1e-6)


def _normals(rest: Surface) -> Tensor:
    """Unit normals of the vertices by the area of their faces; zero where there is none."""
    vertices, faces = rest.vertices[0], rest.faces
    normals = torch.zeros_like(vertices)
    if len(faces):
        a, b, c = vertices[faces].unbind(1)
        across = torch.linalg.cross(b - a, c - a)
        normals.index_add_(0, faces.flatten(), across.repeat_interleave(3, dim=0))
    length = normals.norm(dim=-1, keepdim=True)
    return torch.where(length > 1e-12, normals / length.clamp_min(1e-12), 0.0)
