"""Rotations: the maps undo each other, stay accurate in float32, and have gradients where others give NaN."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from probbody.geometry.rotations import (
    axis_angle_to_matrix,
    geodesic_angle,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_to_six,
    project_to_rotation,
    quaternion_to_matrix,
    six_to_matrix,
)

LEADING = [(), (5,), (2, 3), (0,)]
ANGLES = [0.0, 1e-12, 1e-6, 9.9e-3, 1.01e-2, 0.3, 1.5, 3.0, math.pi - 1e-3, math.pi - 1e-6]
AXES = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, 1], [0.6, 0, -0.8], [-2, 1, 2]], dtype=torch.double)
AXES = AXES / AXES.norm(dim=-1, keepdim=True)
WAYS = {
    "axis_angle": (matrix_to_axis_angle, axis_angle_to_matrix),
    "quaternion": (matrix_to_quaternion, quaternion_to_matrix),
    "interleaved": (lambda m: matrix_to_six(m, "interleaved"), lambda s: six_to_matrix(s, "interleaved")),
    "consecutive": (lambda m: matrix_to_six(m, "consecutive"), lambda s: six_to_matrix(s, "consecutive")),
}


def random_rotations(*shape: int, dtype: torch.dtype = torch.double) -> torch.Tensor:
    return quaternion_to_matrix(torch.randn(*shape, 4, dtype=dtype))


def assert_rotation(matrices: torch.Tensor, tolerance: float) -> None:
    still = torch.eye(3, dtype=matrices.dtype).expand_as(matrices)
    torch.testing.assert_close(matrices.mT @ matrices, still, atol=tolerance, rtol=0)
    assert (torch.linalg.det(matrices) > 0).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("leading", LEADING)
def test_there_and_back(way: str, leading: tuple[int, ...]) -> None:
    there, back = WAYS[way]
    rotation = random_rotations(*leading)
    torch.testing.assert_close(back(there(rotation)), rotation, atol=1e-12, rtol=0)


@pytest.mark.parametrize("way", WAYS)
def test_there_and_back_in_single_precision_at_every_angle(way: str) -> None:
    there, back = WAYS[way]
    vectors = (torch.tensor(ANGLES).double()[:, None, None] * AXES).flatten(0, 1)
    rotation = torch.from_numpy(Rotation.from_rotvec(vectors.numpy()).as_matrix()).float()
    again = back(there(rotation))
    torch.testing.assert_close(again, rotation, atol=1e-6, rtol=0)
    assert_rotation(again, 1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.double, 1e-14), (torch.float, 4e-7)])
def test_axis_angle_agrees_with_scipy(dtype: torch.dtype, tolerance: float) -> None:
    vectors = (torch.tensor([*ANGLES, 4.0, 7.0]).double()[:, None, None] * AXES).flatten(0, 1).to(dtype)
    truth = torch.from_numpy(Rotation.from_rotvec(vectors.double().numpy()).as_matrix())
    torch.testing.assert_close(axis_angle_to_matrix(vectors).double(), truth, atol=tolerance * 4, rtol=0)


@pytest.mark.parametrize("angle", ANGLES)
def test_the_logarithm_finds_the_vector(angle: float) -> None:
    vectors = angle * AXES
    found = matrix_to_axis_angle(axis_angle_to_matrix(vectors))
    torch.testing.assert_close(found, vectors, atol=2e-9 if angle > 3.14 else 1e-13, rtol=0)
    single = matrix_to_axis_angle(axis_angle_to_matrix(vectors.float())).double()
    torch.testing.assert_close(single, vectors, atol=2e-6, rtol=0)


def test_half_turns_have_a_logarithm() -> None:
    half = axis_angle_to_matrix(math.pi * AXES)
    found = matrix_to_axis_angle(half)
    torch.testing.assert_close(found.norm(dim=-1), torch.full((5,), math.pi, dtype=torch.double))
    torch.testing.assert_close(axis_angle_to_matrix(found), half, atol=1e-12, rtol=0)


def test_quaternions_of_any_length_and_sign_agree_with_scipy() -> None:
    quaternion = torch.randn(20, 4, dtype=torch.double)
    truth = Rotation.from_quat(quaternion[:, [1, 2, 3, 0]].numpy()).as_matrix()
    torch.testing.assert_close(quaternion_to_matrix(quaternion), torch.from_numpy(truth))
    torch.testing.assert_close(quaternion_to_matrix(-3 * quaternion), torch.from_numpy(truth))
    unit = matrix_to_quaternion(quaternion_to_matrix(quaternion))
    assert (unit[:, 0] >= 0).all()
    torch.testing.assert_close(unit.norm(dim=-1), torch.ones(20, dtype=torch.double))


@pytest.mark.parametrize("start", [torch.zeros(3), 1e-9 * AXES[4], 0.00999 * AXES[4], 2.0 * AXES[3], 3.1 * AXES[4]])
def test_axis_angle_has_both_derivatives_also_at_rest(start: torch.Tensor) -> None:
    start = start.double().requires_grad_()
    assert torch.autograd.gradcheck(axis_angle_to_matrix, start)
    assert torch.autograd.gradgradcheck(axis_angle_to_matrix, start)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("angle", [0.0, 1e-5, 1.0, 3.0])
def test_gradients_of_every_way(way: str, angle: float) -> None:
    there, back = WAYS[way]
    tangent = torch.zeros(5, 3, dtype=torch.double, requires_grad=True)
    base = axis_angle_to_matrix(angle * AXES)
    assert torch.autograd.gradcheck(lambda t: there(base @ axis_angle_to_matrix(t)), tangent)
    assert torch.autograd.gradcheck(back, there(base).detach().requires_grad_())


def test_the_logarithm_has_a_finite_gradient_at_half_turns() -> None:
    half = axis_angle_to_matrix(math.pi * AXES).requires_grad_()
    (gradient,) = torch.autograd.grad(matrix_to_axis_angle(half).sum(), half)
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 100


def test_six_numbers_do_not_feel_what_they_should_not() -> None:
    rotation = random_rotations(4)
    first, second = matrix_to_six(rotation, "consecutive").split(3, dim=-1)
    changed = torch.cat([2.5 * first, 3 * second - 7 * first], dim=-1)
    torch.testing.assert_close(six_to_matrix(changed, "consecutive"), rotation)


def test_the_two_layouts_are_told_apart() -> None:
    six = torch.tensor([1.0, 0, 0, 1, 0, 0])  # the resting pose of SPIN and VPoser
    torch.testing.assert_close(six_to_matrix(six, "interleaved"), torch.eye(3))
    assert geodesic_angle(six_to_matrix(torch.tensor([1.0, 0, 0, 0, 1, 0]), "interleaved"), torch.eye(3)) > 1
    torch.testing.assert_close(six_to_matrix(torch.tensor([1.0, 0, 0, 0, 1, 0]), "consecutive"), torch.eye(3))


@pytest.mark.parametrize("angle", [0.0, 1e-7, 1e-3, 1.0, 3.0, math.pi - 1e-5, math.pi])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.double, 1e-14), (torch.float, 5e-7)])
def test_geodesic_angle(angle: float, dtype: torch.dtype, tolerance: float) -> None:
    start = random_rotations(5)
    end = start @ axis_angle_to_matrix(angle * AXES)
    a, b = start.to(dtype).requires_grad_(), end.to(dtype)
    found = geodesic_angle(a, b)
    torch.testing.assert_close(found.double(), torch.full((5,), angle, dtype=torch.double), atol=4 * tolerance, rtol=0)
    (gradient,) = torch.autograd.grad(found.sum(), a)
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 10


def test_geodesic_angle_gradient() -> None:
    base = random_rotations(3)
    tangent = torch.randn(3, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: geodesic_angle(base, base @ axis_angle_to_matrix(t)), tangent)
    still = base.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(geodesic_angle(still, still).sum(), still)
    assert (gradient == 0).all()


MATRICES = {
    "identity": torch.eye(3),
    "two equal values": torch.diag(torch.tensor([2.0, 1.0, 1.0])),
    "a plane": torch.diag(torch.tensor([2.0, 1.0, 0.0])),
    "mirrored": torch.diag(torch.tensor([3.0, 2.0, -1.0])),
    "nearly ambiguous": torch.diag(torch.tensor([3.0, 2.0, -1.99])),
    "any": torch.tensor([[0.3, -1.2, 0.4], [0.9, 0.1, -0.5], [0.2, 0.8, 1.7]]),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("turned", [False, True])
def test_projection_has_both_derivatives(name: str, turned: bool) -> None:
    matrix = MATRICES[name].double()
    matrix = (random_rotations() @ matrix if turned else matrix).requires_grad_()
    assert torch.autograd.gradcheck(project_to_rotation, matrix)
    if name != "nearly ambiguous":  # third derivatives of order 1e6 there: finite differences cannot follow
        assert torch.autograd.gradgradcheck(project_to_rotation, matrix)


def test_singular_values_alone_would_give_no_gradient() -> None:
    matrix = torch.eye(3, dtype=torch.double, requires_grad=True)
    u, _, vh = torch.linalg.svd(matrix)
    (plain,) = torch.autograd.grad(((u @ vh) * torch.randn(3, 3, dtype=torch.double)).sum(), matrix)
    assert not plain.isfinite().all()  # why the closed form is there


@pytest.mark.parametrize("matrix", [torch.zeros(3, 3), torch.diag(torch.tensor([1.0, 1.0, -1.0])), torch.ones(3, 3)])
def test_where_the_nearest_rotation_is_not_unique_the_gradient_stays_finite(matrix: torch.Tensor) -> None:
    matrix = matrix.clone().requires_grad_()
    rotation = project_to_rotation(matrix)
    assert_rotation(rotation.detach(), 1e-6)
    (gradient,) = torch.autograd.grad(rotation.sum(), matrix)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("leading", LEADING)
def test_projection_is_nearest_idempotent_and_equivariant(leading: tuple[int, ...]) -> None:
    matrices, turn = torch.randn(*leading, 3, 3, dtype=torch.double), random_rotations()
    rotation = project_to_rotation(matrices)
    assert_rotation(rotation, 1e-12)
    torch.testing.assert_close(project_to_rotation(rotation), rotation)
    torch.testing.assert_close(project_to_rotation(turn @ matrices), turn @ rotation)
    others = random_rotations(50, *leading)
    nearest = (matrices - rotation).square().sum((-1, -2))
    assert (nearest <= (matrices - others).square().sum((-1, -2)) + 1e-12).all()


def test_projection_works_under_function_transforms() -> None:
    matrices = torch.randn(4, 3, 3, dtype=torch.double)
    jacobian = torch.func.vmap(torch.func.jacrev(project_to_rotation))(matrices)
    truth = torch.stack([torch.autograd.functional.jacobian(project_to_rotation, matrix) for matrix in matrices])
    torch.testing.assert_close(jacobian, truth)


def test_another_layout_is_refused() -> None:
    with pytest.raises(Exception, match=r"layout|interleaved"):
        six_to_matrix(torch.zeros(6), "rows")
