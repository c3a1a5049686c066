"""Rotations of space: matrices inside, axis-angle, quaternions and six numbers at the edges.

A rotation matrix acts on columns. All maps follow the input's dtype and device, take any leading dimensions and have
finite gradients everywhere that the map itself is smooth, the identity included.
"""

from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Float
from kornia.geometry import conversions
from torch import Tensor

# Exponential, logarithm and quaternions to matrices are kornia's, which pass the tests here. Its map from matrices to
# quaternions (0.9.0) changes sign where two entries tie, which makes its gradient wrong there: that one is ours.
SixLayout = Literal["interleaved", "consecutive"]


def skew(vectors: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """The matrix [v] of the cross product: [v] x = v x x."""
    return (vectors @ _cross(vectors.dtype, vectors.device)).unflatten(-1, (3, 3))


def unskew(matrices: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B 3"]:
    """Twice the axial vector of the antisymmetric part: ``unskew(skew(v)) = 2 v``."""
    return matrices.flatten(-2) @ _cross(matrices.dtype, matrices.device).mT


def axis_angle_to_matrix(axis_angle: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """The exponential map: rotation about the vector by its length, in radians (Rodrigues' formula)."""
    return conversions.axis_angle_to_rotation_matrix(axis_angle)


def matrix_to_axis_angle(rotation: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B 3"]:
    """The logarithm: the axis times the angle in [0, pi] radians; at pi one of the two equal answers."""
    return conversions.rotation_matrix_to_axis_angle(rotation)


def quaternion_to_matrix(quaternion: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 3 3"]:
    """The rotation of a quaternion (w, x, y, z) of any length but 0; q and -q are the same rotation."""
    return conversions.quaternion_to_rotation_matrix(quaternion)


def matrix_to_quaternion(rotation: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B 4"]:
    """The unit quaternion (w, x, y, z) with w >= 0.

    The sixteen products 4 q_i q_j are linear in the matrix; the row of the largest q_i^2 is at least 2 long, so that its
    direction is stable everywhere (after Shepperd 1978).
    """
    x, y, z = unskew(rotation).unbind(-1)
    a, b, c = rotation.diagonal(dim1=-2, dim2=-1).unbind(-1)
    both = rotation + rotation.mT
    xy, xz, yz = both[..., 0, 1], both[..., 0, 2], both[..., 1, 2]
    rows = [1 + a + b + c, x, y, z, x, 1 + a - b - c, xy, xz, y, xy, 1 - a + b - c, yz, z, xz, yz, 1 - a - b + c]
    products = torch.stack(rows, dim=-1).unflatten(-1, (4, 4))
    best = products.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = torch.take_along_dim(products, best[..., None, None].expand(*best.shape, 1, 4), dim=-2).squeeze(-2)
    unit = row / row.norm(dim=-1, keepdim=True)
    return torch.where(unit[..., :1] < 0, -unit, unit)


def six_to_matrix(six: Float[Tensor, "*B 6"], layout: SixLayout) -> Float[Tensor, "*B 3 3"]:
    """Two columns made orthonormal by Gram-Schmidt, the third their cross product (Zhou et al. 2019, arXiv:1812.07035).

    ``interleaved``: entries 0, 2, 4 are the first column, 1, 3, 5 the second (SPIN, PARE, VPoser). ``consecutive``: entries
    0, 1, 2 and 3, 4, 5 (ProHMR, ScoreHMR). The wrong one gives valid rotations that are silently wrong, so it has no default.
    """
    first, second = _columns(six, layout)
    first = torch.nn.functional.normalize(first, dim=-1)
    second = second - (first * second).sum(-1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def matrix_to_six(rotation: Float[Tensor, "*B 3 3"], layout: SixLayout) -> Float[Tensor, "*B 6"]:
    """The first two columns in the named layout: ``six_to_matrix`` undoes it."""
    columns = rotation[..., :2]
    return (columns if _interleaved(layout) else columns.mT).flatten(-2)


def geodesic_angle(a: Float[Tensor, "*B 3 3"], b: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B"]:
    """The angle between two rotations, in [0, pi] radians; its gradient is 0 at angles 0 and pi, finite everywhere.

    Taken from sine and cosine together, so that it is accurate to rounding at 0 and near pi, where an arc cosine is not.
    """
    between = a.mT @ b
    cosine = (between.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    square = unskew(between).square().sum(-1) / 4
    still = square == 0
    sine = torch.where(still, 0.0, torch.where(still, 1.0, square).sqrt())
    return torch.atan2(sine, cosine)


def project_to_rotation(matrices: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B 3 3"]:
    """The rotation nearest in the Frobenius norm, by singular values with the determinant held at +1.

    The gradient is a closed form without differences of singular values: it is finite where they are equal (at every
    rotation) and grows only towards the matrices where the nearest rotation is not unique. It can be differentiated again.
    """
    return _Projection.apply(matrices)


class _Projection(torch.autograd.Function):
    """M = R H with H symmetric. From W H + H W = R'dM - dM'R with W = R'dR follows (tr(H) I - H) w = unskew(R'dM)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(matrices: Tensor) -> Tensor:
        u, _, vh = torch.linalg.svd(matrices)
        sign = torch.linalg.det(u) * torch.linalg.det(vh)
        last = torch.cat([u[..., :2], u[..., 2:] * sign.sign()[..., None, None]], dim=-1)
        return last @ vh

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        matrices, rotation = ctx.saved_tensors
        stretch = rotation.mT @ matrices
        stretch = (stretch + stretch.mT) / 2
        trace = stretch.diagonal(dim1=-2, dim2=-1).sum(-1)
        pairs = trace[..., None, None] * torch.eye(3, dtype=grad.dtype, device=grad.device) - stretch
        return rotation @ skew(_solve(pairs, unskew(rotation.mT @ grad), trace))


def _solve(matrix: Tensor, right: Tensor, scale: Tensor) -> Tensor:
    """x with ``matrix x = right``, symmetric 3 x 3, by cofactors; kept finite where the matrix is singular."""
    a, b, c = matrix.unbind(-1)
    cofactors = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=-2)
    determinant = (a * cofactors[..., 0, :]).sum(-1)
    info = torch.finfo(matrix.dtype)
    floor = info.eps * scale.abs() ** 3 + info.tiny
    return (cofactors @ right.unsqueeze(-1)).squeeze(-1) / torch.maximum(determinant, floor).unsqueeze(-1)


@lru_cache(maxsize=16)
def _cross(dtype: torch.dtype, device: torch.device) -> Tensor:
    """(3, 9): the entries of [v], row by row, as sums of entries of v."""
    with torch.inference_mode(False):  # kept for later calls, which may want gradients
        rows = torch.zeros(3, 9, dtype=dtype)
        rows[[0, 1, 2], [7, 2, 3]] = 1.0
        rows[[0, 1, 2], [5, 6, 1]] = -1.0
        return rows.to(device)


def _interleaved(layout: str) -> bool:
    if layout not in ("interleaved", "consecutive"):
        raise ValueError(f"the six numbers lie 'interleaved' or 'consecutive', not {layout!r}.")
    return layout == "interleaved"


def _columns(six: Tensor, layout: str) -> tuple[Tensor, Tensor]:
    return (six[..., 0::2], six[..., 1::2]) if _interleaved(layout) else (six[..., :3], six[..., 3:])
