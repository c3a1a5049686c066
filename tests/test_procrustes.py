"""Procrustes: the similarity that made the points is found again, as scipy finds it, and never a mirror."""

import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes

from probbody.geometry.procrustes import Similarity, similarity
from probbody.geometry.rotations import axis_angle_to_matrix, geodesic_angle


def any_similarity(batch: int = 4) -> Similarity:
    rotation = axis_angle_to_matrix(torch.randn(batch, 3, dtype=torch.double))
    return Similarity(torch.rand(batch).double() + 0.5, rotation, torch.randn(batch, 3, dtype=torch.double))


def left_over(source: torch.Tensor, target: torch.Tensor, **options: object) -> torch.Tensor:
    return (similarity(source, target, **options)(source) - target).square().sum((1, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [3, 4, 17])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.double, 1e-10), (torch.float, 2e-5)])
def test_finds_the_similarity_that_was_applied(count: int, dtype: torch.dtype, tolerance: float) -> None:
    truth, source = any_similarity(), torch.randn(4, count, 3, dtype=torch.double)
    found = similarity(source.to(dtype), truth(source).to(dtype)).to(torch.double)
    torch.testing.assert_close(found(source), truth(source), atol=tolerance, rtol=0)
    torch.testing.assert_close(found.scale, truth.scale, atol=tolerance, rtol=0)
    assert (geodesic_angle(found.rotation, truth.rotation) < 10 * tolerance).all()


def test_agrees_with_scipy() -> None:
    source = torch.randn(6, 14, 3, dtype=torch.double)
    target = any_similarity(6)(source) + 0.1 * torch.randn(6, 14, 3, dtype=torch.double)
    for a, b in zip(source, target, strict=True):
        centred, aim = a - a.mean(0), b - b.mean(0)
        _, _, disparity = procrustes(b.numpy(), a.numpy())
        left = left_over(a[None], b[None])[0] / aim.square().sum()
        assert abs(left.item() - disparity) < 1e-6
        rotation, _ = orthogonal_procrustes(centred.numpy(), aim.numpy())
        found = similarity(a[None], b[None], scaled=False)
        torch.testing.assert_close(found.rotation[0], torch.from_numpy(rotation).mT, atol=1e-6, rtol=0)
        assert found.scale == 1


def test_a_mirrored_body_is_turned_and_not_mirrored() -> None:
    source = torch.randn(5, 14, 3, dtype=torch.double)
    found = similarity(source, source * torch.tensor([-1.0, 1, 1]).double())
    assert (torch.linalg.det(found.rotation) > 0.999).all()
    assert (left_over(source, source * torch.tensor([-1.0, 1, 1]).double()) > 0.1).all()


@pytest.mark.parametrize("scaled", [True, False])
def test_nothing_nearby_is_better(scaled: bool) -> None:
    source, target = torch.randn(2, 3, 9, 3, dtype=torch.double)
    weights = torch.rand(3, 9, dtype=torch.double)
    found = similarity(source, target, weights, scaled)
    cost = (weights[..., None] * (found(source) - target).square()).sum((1, 2))
    for _ in range(50):
        turn = axis_angle_to_matrix(1e-3 * torch.randn(3, 3, dtype=torch.double))
        scale = found.scale * (1 + 1e-3 * torch.randn(3).double()) if scaled else found.scale
        other = Similarity(scale, turn @ found.rotation, found.translation + 1e-3 * torch.randn(3, 3).double())
        assert ((weights[..., None] * (other(source) - target).square()).sum((1, 2)) >= cost).all()


def test_a_weight_is_a_point_repeated_and_zero_leaves_out() -> None:
    source, target = torch.randn(2, 2, 6, 3, dtype=torch.double)
    weights = torch.tensor([[2.0, 1, 1, 1, 1, 0]]).double().repeat(2, 1)
    chosen = [0, 0, 1, 2, 3, 4]
    found, truth = similarity(source, target, weights), similarity(source[:, chosen], target[:, chosen])
    torch.testing.assert_close(found.rotation, truth.rotation)
    torch.testing.assert_close(found.translation, truth.translation)


def test_gradients_also_where_the_points_already_agree() -> None:
    source = torch.randn(2, 5, 3, dtype=torch.double, requires_grad=True)
    target = torch.randn(2, 5, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: similarity(a, b)(a), (source, target), fast_mode=True)
    corners = torch.cat([torch.eye(3), -torch.eye(3)]).double()[None]  # three equal singular values
    moving = corners.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda a: similarity(a, corners)(a), moving)
    line = torch.linspace(0, 1, 5).double()[None, :, None].repeat(1, 1, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(left_over(line, line.detach() + 0.1 * torch.randn(1, 5, 3).double()).sum(), line)
    assert gradient.isfinite().all()


def test_too_few_or_coinciding_points_are_refused() -> None:
    good = torch.randn(2, 4, 3)
    with pytest.raises(ValueError, match="three points"):
        similarity(good[:, :2], good[:, :2])
    with pytest.raises(ValueError, match="three points"):
        similarity(good, good, torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 1]]))
    for source, target, name in (
        (torch.ones(2, 4, 3) / 3, good, "source"),
        (good, torch.full((2, 4, 3), 0.1), "target"),
    ):
        with pytest.raises(ValueError, match=f"{name} points of one set all lie in one place"):
            similarity(source, target)
    with pytest.raises(ValueError, match="the target points must be finite"):
        similarity(good, torch.where(good == good.max(), torch.nan, good))
