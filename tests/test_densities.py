"""Densities integrate to one, draw what they say, and come to what they should at their limits."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from probbody.densities import InlierOutlier, UniformRotation, UprightRotation, geman_mcclure
from probbody.geometry.rotations import geodesic_angle, quaternion_to_matrix

F64 = torch.float64


def inlier_outlier(inlier: float = 0.8) -> InlierOutlier:
    one = torch.ones(2, 3, dtype=F64)
    return InlierOutlier(torch.zeros(2, 3, 2, dtype=F64), 0.3 * one, inlier * one, math.log(64.0) * one)


def test_inlier_outlier_integrates_to_one_over_its_window() -> None:
    grid = torch.linspace(-4, 4, 801, dtype=F64)
    points = torch.stack(torch.meshgrid(grid, grid, indexing="ij"), -1)
    density = InlierOutlier(
        torch.zeros(2, dtype=F64), *(torch.tensor(x, dtype=F64) for x in (0.3, 0.8, math.log(64.0)))
    )
    inside = torch.trapezoid(torch.trapezoid(density.log_prob(points).exp(), grid), grid)
    assert abs(inside - 1) < 1e-6


def test_inlier_outlier_draws_what_it_says() -> None:
    drawn = inlier_outlier().sample((40_000,))
    assert drawn.shape == (40_000, 2, 3, 2)
    near = (drawn.norm(dim=-1) < 0.9).double().mean()
    expected = 0.8 * (1 - math.exp(-4.5)) + 0.2 * math.pi * 0.81 / 64
    assert abs(near - expected) < 0.005


def test_inlier_outlier_falls_back_to_its_parts() -> None:
    points = torch.randn(2, 3, 2, dtype=F64)
    normal = dist.Normal(torch.zeros(2, dtype=F64), 0.3).to_event(1).log_prob(points)
    torch.testing.assert_close(inlier_outlier(1.0).log_prob(points), normal, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(inlier_outlier(0.0).log_prob(points), torch.full_like(normal, -math.log(64.0)))
    belief = inlier_outlier().responsibility(torch.tensor([[0.0, 0.0], [3.0, 3.0]], dtype=F64)[:, None].expand(2, 3, 2))
    assert (belief[0] > 0.99).all()
    assert (belief[1] < 0.01).all()


def test_inlier_outlier_speaks_pyro() -> None:
    density = inlier_outlier().expand(torch.Size([5, 2, 3]))
    assert density.batch_shape == (5, 2, 3)
    assert density.to_event(1).event_shape == (3, 2)
    assert density.log_prob(density.sample()).shape == (5, 2, 3)
    with pytest.raises(ValueError, match="scale"), pyro.validation_enabled(True):
        InlierOutlier(torch.zeros(2), -torch.ones(()), torch.ones(()), torch.ones(()), validate_args=True)
    away = torch.randn(4, 2, dtype=F64, requires_grad=True)
    parts = [torch.rand(4, dtype=F64).add(0.1).requires_grad_() for _ in range(3)]
    assert torch.autograd.gradcheck(
        lambda x, s, c, a: InlierOutlier(x, s, 0.5 * c, a).log_prob(torch.zeros(4, 2, dtype=F64)), (away, *parts)
    )


def test_uniform_rotation_integrates_to_one() -> None:
    density = UniformRotation(like=torch.zeros((), dtype=F64))
    length = torch.linspace(0.3, 3, 4001, dtype=F64)
    along = torch.nn.functional.normalize(torch.randn(4, dtype=F64), dim=0) * length[:, None]
    mass = torch.trapezoid(density.log_prob(along).exp() * 2 * math.pi**2 * length**3, length)
    assert abs(mass - 1) < 1e-6


def test_uniform_rotation_prefers_no_rotation() -> None:
    """The angle between two uniform rotations has the density (1 - cos a) / pi, whose mean is pi / 2 + 2 / pi."""
    drawn = quaternion_to_matrix(UniformRotation((20_000,), like=torch.zeros((), dtype=F64)).sample((2,)))
    angle = geodesic_angle(drawn[0], drawn[1])
    assert abs(angle.mean() - (math.pi / 2 + 2 / math.pi)) < 0.01
    assert abs(drawn.mean()) < 0.01


def test_uniform_rotation_depends_on_length_alone_and_follows_its_likeness() -> None:
    density = UniformRotation(like=torch.zeros((), dtype=F64)).expand(torch.Size([3]))
    value = torch.nn.functional.normalize(torch.randn(3, 4, dtype=F64), dim=-1)
    torch.testing.assert_close(density.log_prob(value)[0], density.log_prob(value)[1])
    assert density.sample().dtype == F64
    assert UniformRotation().sample().dtype == torch.float32
    peak = density.log_prob(value * math.exp(-4 * 0.1**2))
    assert (density.log_prob(value * 0.8) < peak).all()
    assert (density.log_prob(value * 1.2) < peak).all()


def upright(**parts: object) -> UprightRotation:
    """About an up that is none of the axes."""
    return UprightRotation(torch.tensor([0.6, -0.64, 0.48], dtype=F64), **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("concentration", [0.01, 3.0, 20.0, 300.0])
def test_upright_rotation_integrates_to_one(concentration: float) -> None:
    """Its ratio to the uniform density depends on the lean alone, whose cosine is uniform under that."""
    density = upright(concentration=concentration, floor=0.1)
    lean = torch.linspace(0, math.pi, 20_001, dtype=F64)
    axis = torch.linalg.cross(density.up, torch.tensor([1.0, 0.0, 0.0], dtype=F64), dim=0)
    axis = torch.nn.functional.normalize(axis, dim=0)
    tilt = torch.cat([(0.5 * lean).cos()[:, None], (0.5 * lean).sin()[:, None] * axis], -1)
    value = product(tilt, density.mode.expand(len(lean), 4))
    ratio = (density.log_prob(value) - UniformRotation(like=density.up).log_prob(value)).exp()
    assert abs(torch.trapezoid(ratio * 0.5 * lean.sin(), lean) - 1) < 1e-4


def product(second: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Hamilton's product, by the rule for scalar and vector parts."""
    w, v, a, u = second[:, :1], second[:, 1:], first[:, :1], first[:, 1:]
    return torch.cat([w * a - (v * u).sum(-1, keepdim=True), w * u + a * v + torch.linalg.cross(v, u)], -1)


def test_upright_rotation_draws_what_it_says() -> None:
    density = upright(concentration=4.0, floor=0.2)
    drawn = density.sample((40_000,))
    assert drawn.shape == (40_000, 4)
    turned = quaternion_to_matrix(drawn)
    cosine = turned[:, :, 1] @ density.up
    expected = 0.8 * (1 / math.tanh(4.0) - 1 / 4.0)  # the mean of a von Mises-Fisher cosine; the floor's is zero
    assert abs(cosine.mean() - expected) < 0.01
    spread = 0.8 * (1 - 2 / 4.0 * (1 / math.tanh(4.0) - 1 / 4.0)) + 0.2 / 3
    assert abs(cosine.square().mean() - spread) < 0.01
    around = turned[:, :, 2] - (turned[:, :, 2] @ density.up)[:, None] * density.up
    assert around.mean(0).norm() < 0.01, "about the vertical every angle is as likely"
    assert abs(drawn.norm(dim=-1).log().std() - 0.1) < 0.002


def test_upright_rotation_is_uniform_where_all_are_anyhow() -> None:
    value = torch.randn(5, 4, dtype=F64)
    uniform = UniformRotation(like=value).log_prob(value)
    torch.testing.assert_close(upright(floor=1.0).log_prob(value), uniform)
    torch.testing.assert_close(upright(concentration=1e-9).log_prob(value), uniform)


@pytest.mark.parametrize("up", [[0.0, -1.0, 0.0], [0.0, 1.0, 0.0], [0.3, 0.1, -2.0]])
def test_upright_rotation_stands_at_its_mode(up: list[float]) -> None:
    density = UprightRotation(torch.tensor(up, dtype=F64)).expand(torch.Size([3]))
    torch.testing.assert_close(quaternion_to_matrix(density.mode)[:, :, 1], density.up)
    peak = density.log_prob(density.mode)
    assert (density.log_prob(density.mode + 0.05 * torch.randn(3, 4, dtype=F64)) < peak + 1e-9).all()


def test_upright_rotation_speaks_pyro() -> None:
    density = UprightRotation(torch.tensor([0.0, -1.0, 0.0])).expand(torch.Size([5]))
    assert density.batch_shape == (5,)
    assert density.sample((2,)).shape == (2, 5, 4)
    assert density.sample().dtype == torch.float32
    with pyro.plate("bodies", 5):
        assert pyro.sample("orientation", UprightRotation(torch.tensor([0.0, -1.0, 0.0]))).shape == (5, 4)
    value = torch.randn(4, 4, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(upright().log_prob, (value,))
    with pytest.raises(ValueError, match="a concentration above zero"):
        UprightRotation(torch.tensor([0.0, 1.0, 0.0]), concentration=0.0)


def test_second_derivatives_of_an_outlier_are_finite() -> None:
    away = torch.tensor([[0.1, 0.0], [1e3, -1e3]], requires_grad=True)
    parts = (torch.full((2,), value) for value in (0.3, 0.9, 8.0))
    density = InlierOutlier(away, *parts).log_prob(torch.zeros(2, 2))
    (slope,) = torch.autograd.grad(density.sum(), away, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), away)
    assert bend.isfinite().all()
    assert (bend[0] < -10).all()
    assert (bend[1] == 0).all()


def test_geman_mcclure_values() -> None:
    """Figures of the method: 0.9999 at a residual of 1, half the square at the scale, its square at infinity."""
    values = geman_mcclure(torch.tensor([0.0, 1.0, 100.0, 1e6], dtype=F64), 100.0)
    expected = torch.tensor([0.0, 1e4 / (1e4 + 1), 5000.0, 1e4], dtype=F64)
    torch.testing.assert_close(values, expected, rtol=1e-6, atol=1e-9)
