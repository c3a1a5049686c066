"""Symmetric 3 x 3 matrices: their sizes, with gradients that stay finite where eigenvalues meet."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

_MEETING = 1e-2
"""Eigenvalues nearer than this share of the matrix's spread count as one where the gradient is taken."""


def largest_eigenvalue(matrix: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B"]:
    """The largest eigenvalue, in closed form; where several are equal the gradient is shared evenly among them.

    Smith (1961), doi:10.1145/355578.366316. Only the symmetric part counts.
    """
    return _LargestEigenvalue.apply(matrix)


class _LargestEigenvalue(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        off, mean, scale = _deviation(matrix)
        angle = torch.acos((0.5 * _determinant(off / scale[..., None, None])).clamp(-1, 1)) / 3
        ctx.save_for_backward(matrix)
        return mean + 2 * scale * torch.cos(angle)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (matrix,) = ctx.saved_tensors
        return grad[..., None, None] * _projector(matrix)


def _deviation(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The matrix without its mean eigenvalue, that mean, and the spread of the eigenvalues about it."""
    symmetric = 0.5 * (matrix + matrix.mT)
    mean = symmetric.diagonal(dim1=-2, dim2=-1).mean(-1)
    off = symmetric - mean[..., None, None] * torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    scale = (off.square().sum((-2, -1)) / 6).sqrt()
    return off, mean, scale.clamp_min(torch.finfo(matrix.dtype).tiny)


def _determinant(matrix: Tensor) -> Tensor:
    a, b, c = matrix.unbind(-2)
    return (a * torch.linalg.cross(b, c)).sum(-1)


def _projector(matrix: Tensor) -> Tensor:
    """Onto the eigenvectors of the largest eigenvalue, divided by how many there are."""
    off, mean, scale = _deviation(matrix)
    still = torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    unit = off / scale[..., None, None]  # eigenvalues 2 cos(angle + 0, 2/3 pi, 4/3 pi)
    angle = torch.acos((0.5 * _determinant(unit)).clamp(-1, 1)) / 3
    first, second, third = (2 * torch.cos(angle + turn * 2 * math.pi / 3)[..., None, None] for turn in (0, 2, 1))
    alone = (unit - second * still) @ (unit - third * still) / ((first - second) * (first - third)).clamp_min(1e-9)
    pair = 0.5 * (unit - third * still) / (first - third).clamp_min(1e-9)
    near = (first - second) < _MEETING
    flat = scale[..., None, None] < _MEETING * mean.abs()[..., None, None] * 1e-2
    return torch.where(flat, still / 3, torch.where(near, pair, alone))
