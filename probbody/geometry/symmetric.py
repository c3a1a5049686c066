"""Symmetric 3 x 3 matrices: their size, with a gradient that stays finite where eigenvalues meet."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

_MEETING = 1e-2
"""Eigenvalues nearer than this share of their spread count as one where the gradient is taken."""
_ROUND = 1e-4
"""A matrix whose eigenvalues spread less than this share of their mean counts as round."""


def largest_eigenvalue(matrix: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B"]:
    """The largest eigenvalue, in closed form; where several are equal the gradient is shared evenly among them.

    Only the symmetric part counts. Smith (1961), doi:10.1145/355578.366316.
    """
    found = _LargestEigenvalue.apply(six(matrix))
    return found.view(matrix.shape[:-2])


def six(matrix: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "6 N"]:
    """The symmetric part's xx, yy, zz, xy, xz, yz, each in one row."""
    flat = matrix.reshape(-1, 9).mT.contiguous()
    return torch.cat([flat[[0, 4, 8]], 0.5 * (flat[[1, 2, 5]] + flat[[3, 6, 7]])])


def determinant(numbers: Float[Tensor, "6 N"]) -> Float[Tensor, " N"]:
    """Of the matrices of ``six``."""
    xx, yy, zz, xy, xz, yz = numbers
    return xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)


class _LargestEigenvalue(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, numbers: Tensor) -> Tensor:
        unit, mean, scale, angle = _canonical(numbers)
        ctx.save_for_backward(unit, mean, scale, angle)
        return mean + 2 * scale * torch.cos(angle)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        unit, mean, scale, angle = ctx.saved_tensors
        onto = _projector(unit, angle)
        round_ = (scale < _ROUND * mean.abs()).to(grad.dtype)
        onto = onto * (1 - round_)
        onto[:3] += round_ / 3
        onto[3:] *= 2  # each of these stands for two entries of the matrix
        return grad * onto


def _canonical(numbers: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The matrix moved and scaled so that its eigenvalues are 2 cos(angle + 0, 2/3 pi, 4/3 pi)."""
    mean = numbers[:3].mean(0)
    off = torch.cat([numbers[:3] - mean, numbers[3:]])
    squares = off.square()
    scale = ((squares[:3].sum(0) + 2 * squares[3:].sum(0)) / 6).sqrt().clamp_min(torch.finfo(off.dtype).tiny)
    unit = off / scale
    angle = torch.acos((0.5 * determinant(unit)).clamp(-1, 1)) / 3
    return unit, mean, scale, angle


def _projector(unit: Tensor, angle: Tensor) -> Tensor:
    """Onto the eigenvectors of the largest eigenvalue, divided by how many there are."""
    first, second, third = (2 * torch.cos(angle + turn * 2 * math.pi / 3) for turn in (0, 2, 1))
    xx, yy, zz, xy, xz, yz = unit
    # (M - second) (M - third) is nothing but on the first eigenvector
    square = [xx * xx + xy * xy + xz * xz, xy * xy + yy * yy + yz * yz, xz * xz + yz * yz + zz * zz]
    square += [xy * (xx + yy) + xz * yz, xz * (xx + zz) + xy * yz, yz * (yy + zz) + xy * xz]
    alone = torch.stack(square) - (second + third) * unit
    alone[:3] += second * third
    pair = unit.clone()
    pair[:3] -= third
    alone = alone / ((first - second) * (first - third)).clamp_min(1e-9)
    return torch.where(first - second < _MEETING, 0.5 * pair / (first - third).clamp_min(1e-9), alone)
