r"""Gaussian kernels, seen along rays.

Let a kernel of precision P have its mean on the ray through pixel (u0, v0), at the depth Z along the axis, and let d be
that ray's direction with a depth of 1. At the depth Z one pixel to the right is the vector a, one down the vector b, so that
the ray through (u0 + x, v0 + y) passes the mean at x a + y b and runs along d + k (x a + y b): k = 1 / Z where rays meet in
the camera, 0 where they are parallel. With the 3 x 3 matrix E of the products of (d, a, b) under P, the six numbers of E say
all there is to say about the kernel's density along any ray. With l = E_da x + E_db y and q the quadratic form of
E_aa, E_ab, E_bb,

.. math::
    \Delta = E_{dd} + 2 k l + k^2 q, \quad
    m^2 = (E_{dd}\, q - l^2) / \Delta, \quad
    t = Z - (l + k q) / \Delta, \quad
    s = \Delta^{-1/2}

are the squared Mahalanobis distance of the ray from the mean, the depth where the ray is densest, and the standard deviation
in depth. Nothing large is subtracted from anything large: x and y come from pixel coordinates, so that float32 does at 40 m.
"""

import abc
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import Camera
from ..geometry.cameras import NEAREST
from ..geometry.symmetric import largest_eigenvalue
from ..quantities import Kernels

_FLATTEST = 1e-6
"""The least determinant of a precision, as a share of the largest eigenvalue cubed (float32 has no more digits)."""


class OpticalDepth(abc.ABC):
    """How much of the light one kernel takes."""

    thick: bool
    """Whether a ray that passes more of a kernel loses more."""

    @abc.abstractmethod
    def amplitude(self, precisions: Float[Tensor, "B K 3 3"]) -> Float[Tensor, "B K"]:
        """The optical depth through the centre; where ``thick``, that a metre^-1 of the ray's inverse deviation adds."""


@dataclass(frozen=True)
class ByThickness(OpticalDepth):
    """The integral of the density along the ray: ``peak`` through the centre along the thinnest axis, more at a slant.

    A disc half as thick as wide has twice the peak when seen on edge: the same matter, seen through more of it.
    """

    peak: float = 2.0
    thick = True

    def amplitude(self, precisions: Float[Tensor, "B K 3 3"]) -> Float[Tensor, "B K"]:
        """Of a ray's depth peak * sqrt(largest eigenvalue) * (deviation along the ray), the first two."""
        return self.peak * largest_eigenvalue(precisions).sqrt()


@dataclass(frozen=True)
class EachAlike(OpticalDepth):
    """``peak`` through the centre from wherever it is seen: the code released with VoGE, which drops the thickness."""

    peak: float = 1.0
    thick = False

    def amplitude(self, precisions: Float[Tensor, "B K 3 3"]) -> Float[Tensor, "B K"]:
        """The peak."""
        return torch.full_like(precisions[..., 0, 0], self.peak)


@dataclass(frozen=True)
class Sight:
    """What a camera needs to know of each kernel: this module's quantities, kernels of all bodies in one row."""

    numbers: Float[Tensor, "11 N"]
    """u0, v0 (pixels); Z (metres); k; E_dd, E_da, E_db, E_aa, E_ab, E_bb; amplitude."""
    slant: Float[Tensor, " M"]
    """The squared length of d for each pixel of each body: how much longer a ray is than it is deep."""
    nearest: float
    """Densest points nearer than this (metres) are not seen."""


def sight(kernels: Kernels, camera: Camera, depth: OpticalDepth) -> Sight:
    """How the kernels lie to the camera's rays; what cannot be drawn is a ValueError."""
    rays = _Rays.of(camera, kernels.means)
    place = camera.project(kernels.means)  # (B, K, 3)
    k = place[..., 2].clamp_min(NEAREST).reciprocal() if rays.meet else torch.zeros_like(place[..., 2])
    ahead = rays.first + place[..., :2] @ rays.steps if rays.meet else rays.first.expand_as(place)
    if rays.meet:
        across = rays.steps.unsqueeze(1) / k[..., None, None]  # (B, K, 2, 3)
    else:
        across = rays.steps.unsqueeze(1).expand(*place.shape[:2], 2, 3)
    frame = torch.cat([ahead.unsqueeze(2), across], dim=2)
    precisions = 0.5 * (kernels.precisions + kernels.precisions.mT)
    _refuse_nonsense(kernels.means, precisions)
    products = (frame @ precisions @ frame.mT).flatten(2)[..., [0, 1, 2, 4, 5, 8]]
    amplitude = depth.amplitude(precisions)
    numbers = (
        torch.cat([place, k.unsqueeze(-1), products, amplitude.unsqueeze(-1)], dim=-1).flatten(0, 1).mT.contiguous()
    )
    return Sight(numbers, rays.slant(camera), NEAREST if rays.meet else -torch.inf)


@dataclass(frozen=True)
class _Rays:
    """The rays of a camera, which change with the pixel at an even rate: in direction, or in origin."""

    first: Float[Tensor, "B 1 3"]  # direction with depth 1 at pixel (0, 0)
    steps: Float[Tensor, "B 2 3"]  # what one pixel along u, and along v, adds to the direction or to the origin
    meet: bool

    @classmethod
    def of(cls, camera: Camera, like: Tensor) -> "_Rays":
        if camera.views != 1:
            raise ValueError(
                f"VolumeRenderer draws one view of each body, not the {camera.views} of a rig; draw its cameras."
            )
        if len(camera) != len(like):
            raise ValueError(f"VolumeRenderer: {len(like)} bodies need as many cameras, not {len(camera)}.")
        height, width = camera.size
        corners = like.new_tensor([[0, 0], [width, 0], [0, height], [width, height]]).expand(len(like), 4, 2)
        origins, directions = camera.rays(corners)
        directions = directions / camera.turned(directions)[..., 2:]
        apart = bool((origins - origins[:, :1]).abs().amax() > 1e-6)
        moving = origins if apart else directions
        bent = (moving[:, 3] - moving[:, 2] - moving[:, 1] + moving[:, 0]).detach().abs().amax()
        turning = (directions - directions[:, :1]).detach().abs().amax()
        if bool(bent > 1e-4) or (apart and bool(turning > 1e-5)):
            raise ValueError(
                "VolumeRenderer: a camera's rays must meet in a point or be parallel, and be evenly spaced."
            )
        sides = like.new_tensor([width, height]).unsqueeze(-1)
        steps = (moving[:, 1:3] - moving[:, :1]) / sides
        return cls(directions[:, :1], steps, not apart)

    def slant(self, camera: Camera) -> Tensor:
        """The squared length of each pixel's direction, row by row, body by body."""
        height, width = camera.size
        if not self.meet:
            return self.first.square().sum(-1).expand(-1, height * width).reshape(-1)
        u = torch.arange(width, dtype=self.first.dtype, device=self.first.device) + 0.5
        v = torch.arange(height, dtype=self.first.dtype, device=self.first.device) + 0.5
        along, down = u[:, None] * self.steps[:, :1], v[:, None] * self.steps[:, 1:]
        return (self.first.unsqueeze(2) + along.unsqueeze(1) + down.unsqueeze(2)).square().sum(-1).flatten()


def _refuse_nonsense(means: Tensor, precisions: Tensor) -> None:
    """Kernels must be somewhere, and precisions positive definite."""
    with torch.no_grad():
        a, b, c = precisions[..., 0, 0], precisions[..., 1, 1], precisions[..., 2, 2]
        d, e, f = precisions[..., 0, 1], precisions[..., 0, 2], precisions[..., 1, 2]
        minor = a * b - d * d
        determinant = c * minor + 2 * d * e * f - a * f * f - b * e * e
        size = (a + b + c) / 3
        good = (a > 0) & (minor > 0) & (determinant > _FLATTEST * size**3 * 1e-3) & (means.sum(-1).abs() < torch.inf)
        if not bool(good.all()):
            wrong = (~good).nonzero()[:5].tolist()
            raise ValueError(
                f"VolumeRenderer: means must be finite and precisions positive definite, but those of (body, kernel) "
                f"{', '.join(str(tuple(pair)) for pair in wrong)} are not ({int((~good).sum())} in all)."
            )
