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
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import Camera
from ..geometry.cameras import NEAREST
from ..geometry.symmetric import determinant, largest_eigenvalue, six
from ..quantities import Kernels

_FLATTEST = 1e-9
"""The least determinant of a precision, as a share of its mean eigenvalue cubed; float32 tells no less from zero."""


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

    def __post_init__(self) -> None:
        _require_peak(self.peak)

    def amplitude(self, precisions: Float[Tensor, "B K 3 3"]) -> Float[Tensor, "B K"]:
        """Of a ray's depth peak * sqrt(largest eigenvalue) * (deviation along the ray), the first two."""
        return self.peak * largest_eigenvalue(precisions).sqrt()


@dataclass(frozen=True)
class EachAlike(OpticalDepth):
    """``peak`` through the centre from wherever it is seen: the code released with VoGE, which drops the thickness."""

    peak: float = 1.0
    thick = False

    def __post_init__(self) -> None:
        _require_peak(self.peak)

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
    _refuse_nonsense(kernels)
    u, v, z = camera.project(kernels.means).flatten(0, 1).mT.contiguous()
    # the precisions along the first pixel's ray and along the steps from pixel to pixel
    half = kernels.precisions.flatten(1, 2) @ rays.frame.mT
    whole = half.unflatten(1, (-1, 3)).mT.flatten(1, 2) @ rays.frame.mT
    xx, yy, zz, xy, xz, yz = six(whole.unflatten(1, (-1, 3)))
    if rays.meet:
        away = z.clamp_min(NEAREST)
        da, db = xy + u * yy + v * yz, xz + u * yz + v * zz
        dd = xx + u * (xy + da) + v * (xz + db)
        lie = [away.reciprocal(), dd, away * da, away * db, *(away.square() * torch.stack([yy, yz, zz]))]
    else:
        lie = [torch.zeros_like(z), xx, xy, xz, yy, yz, zz]
    numbers = torch.stack([u, v, z, *lie, depth.amplitude(kernels.precisions).flatten()])
    return Sight(numbers, rays.slant(camera), NEAREST if rays.meet else -torch.inf)


@dataclass(frozen=True)
class _Rays:
    """The rays of a camera, which change with the pixel at an even rate: in direction, or in origin."""

    frame: Float[Tensor, "B 3 3"]
    """The direction, with a depth of 1, of the first pixel's corner; what a pixel along u, and along v, adds."""
    meet: bool
    """In a point: steps from pixel to pixel turn the ray. Else they move it."""

    @classmethod
    def of(cls, camera: Camera, like: Tensor) -> "_Rays":
        if camera.views != 1:
            raise ValueError(
                f"camera: expected one view of each body, found a rig of {camera.views}; draw its cameras."
            )
        if len(camera) != len(like):
            raise ValueError(f"camera: expected one for each of {len(like)} bodies, found {len(camera)}.")
        height, width = camera.size
        corners = like.new_tensor([[0, 0], [width, 0], [0, height], [width, height]]).expand(len(like), 4, 2)
        origins, directions = camera.rays(corners)
        directions = directions / camera.turned(directions)[..., 2:]
        with torch.no_grad():
            apart = bool(((origins - origins[:, :1]).abs() > 1e-6).any())
            moving = origins if apart else directions
            bent = bool(((moving[:, 3] - moving[:, 2] - moving[:, 1] + moving[:, 0]).abs() > 1e-4).any())
            turning = bool(((directions - directions[:, :1]).abs() > 1e-5).any())
        if bent or (apart and turning):
            raise ValueError(
                "camera: expected rays, evenly spaced, that meet in a point or are parallel, found others."
            )
        moving = origins if apart else directions
        steps = (moving[:, 1:3] - moving[:, :1]) / like.new_tensor([[width], [height]])
        return cls(torch.cat([directions[:, :1], steps], dim=1), not apart)

    def slant(self, camera: Camera) -> Tensor:
        """The squared length of each pixel's direction, row by row, body by body."""
        height, width = camera.size
        first, right, down = self.frame.unsqueeze(2).unbind(1)  # (B, 1, 3) each
        if not self.meet:
            return first.square().sum(-1).expand(-1, height * width).reshape(-1)
        u = torch.arange(width, dtype=first.dtype, device=first.device)[:, None] + 0.5
        v = torch.arange(height, dtype=first.dtype, device=first.device)[:, None] + 0.5
        right, down = first + u * right, v * down  # (B, W, 3), (B, H, 3)
        apart = right.square().sum(-1).unsqueeze(1) + down.square().sum(-1).unsqueeze(2)
        return (apart + 2 * down @ right.mT).flatten()


def _require_peak(peak: float) -> None:
    if not 0 < peak < math.inf:
        raise ValueError(f"peak: expected an optical depth above zero, and finite, found {peak}.")


def _refuse_nonsense(kernels: Kernels) -> None:
    """Kernels must be somewhere, and precisions positive definite."""
    with torch.no_grad():
        numbers = six(kernels.precisions)
        size = numbers[:3].mean(0)
        leading = numbers[0] * numbers[1] - numbers[3].square()
        good = (size > 0) & (leading > 0) & (determinant(numbers) > _FLATTEST * size**3)
        good &= kernels.means.sum(-1).isfinite().flatten() & size.isfinite()
        if not bool(good.all()):
            wrong = (~good).view(kernels.means.shape[:2]).nonzero()
            named = ", ".join(f"{kernel} of body {body}" for body, kernel in wrong[:5].tolist())
            raise ValueError(
                f"kernels: expected finite means and positive definite precisions, found {len(wrong)} without: "
                f"{named}{' and others' if len(wrong) > 5 else ''}."
            )
