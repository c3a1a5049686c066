"""Directions around one: normalised, drawn as they say, precise from no concentration to a hundred thousand."""

import csv
import math
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.distributions.testing.gof import auto_goodness_of_fit
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, config_enumerate
from pyro.infer.autoguide import AutoDelta, AutoNormal
from pyro.poutine import block
from scipy import stats
from torch import Tensor
from torch.distributions import kl_divergence

from probbody.densities import bessel
from probbody.densities.bessel import (
    concentration_of,
    log_bessel,
    log_partition,
    log_peak,
    mean_resultant,
    mean_shortfall,
)
from probbody.densities.sphere import UniformSphere, log_area
from probbody.densities.von_mises_fisher import VonMisesFisher, VonMisesFisherMixture

F64 = torch.float64
CONCENTRATIONS = [0.0, 1e-3, 1.0, 30.0, 1e3, 1e5]


def references() -> dict[int, dict[str, Tensor]]:
    with open(Path(__file__).parent / "reference_bessel.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    names = [name for name in rows[0] if name != "dim"]
    return {
        dim: {
            name: torch.tensor([float(row[name]) for row in rows if int(row["dim"]) == dim], dtype=F64)
            for name in names
        }
        for dim in sorted({int(row["dim"]) for row in rows})
    }


REFERENCES = references()


def unit(*shape: int, dtype: torch.dtype = F64) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=dtype), dim=-1)


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=F64)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("dim", REFERENCES)
def test_the_normaliser_and_its_gradient_agree_with_sixty_digits(dim: int, dtype: torch.dtype) -> None:
    table = REFERENCES[dim]
    kappa = table["kappa"].to(dtype).requires_grad_()
    assert torch.equal(kappa.double(), table["kappa"])
    rtol = 1e-9 if dtype is F64 else 1.2e-7
    for function, slope, name, slope_name in (
        (log_partition, mean_resultant, "log_partition", "mean_resultant"),
        (log_peak, mean_shortfall, "log_peak", "mean_shortfall"),
    ):
        value = function(kappa, dim)
        (gradient,) = torch.autograd.grad(value.sum(), kappa)
        assert value.dtype == dtype
        torch.testing.assert_close(value.detach().double(), table[name], rtol=rtol, atol=0)
        torch.testing.assert_close(gradient.double(), table[slope_name], rtol=rtol, atol=0)
        torch.testing.assert_close(slope(kappa, dim).detach().double(), table[slope_name], rtol=rtol, atol=0)


@pytest.mark.parametrize("dim", REFERENCES)
def test_the_inverse_of_the_mean_length_and_its_gradient(dim: int) -> None:
    table = REFERENCES[dim]
    length = table["mean_resultant"].clone().requires_grad_()
    kappa = concentration_of(length, dim)
    torch.testing.assert_close(kappa.detach(), table["kappa"], rtol=1e-9, atol=1e-12)
    middle = (table["kappa"] > 0.1) & (table["kappa"] < 5e4)
    (gradient,) = torch.autograd.grad(kappa.sum(), length)
    again = table["kappa"].clone().requires_grad_()
    (slope,) = torch.autograd.grad(mean_resultant(again, dim).sum(), again)
    torch.testing.assert_close(gradient[middle], 1 / slope[middle], rtol=1e-4, atol=0)


def test_without_float64_the_normaliser_is_still_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bessel, "_wide", lambda kappa: kappa)
    for dim, table in REFERENCES.items():
        kappa = table["kappa"].float()
        torch.testing.assert_close(log_partition(kappa, dim).double(), table["log_partition"], rtol=1e-6, atol=0)
        torch.testing.assert_close(mean_resultant(kappa, dim).double(), table["mean_resultant"], rtol=1e-6, atol=0)
        torch.testing.assert_close(log_peak(kappa, dim).double(), table["log_peak"], rtol=2e-5, atol=0)


def test_the_scaled_bessel_function_agrees_with_scipy() -> None:
    from scipy.special import ive

    kappa = torch.tensor([0.5, 3.0, 40.0, 900.0], dtype=F64)
    for dim in (2, 3, 20):
        torch.testing.assert_close(log_bessel(kappa, dim), torch.as_tensor(ive(dim / 2 - 1, kappa.numpy())).log())
    assert log_bessel(number(0.0), 2) == 0
    assert log_bessel(number(0.0), 5) == -math.inf


@pytest.mark.parametrize("dim", [2, 3, 30, 64])
def test_derivatives_of_the_normaliser(dim: int) -> None:
    kappa = torch.tensor([0.01, 0.7, 5.0, 90.0], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda k: (log_partition(k, dim), log_peak(k, dim)), (kappa,))
    assert torch.autograd.gradgradcheck(lambda k: (log_partition(k, dim), log_peak(k, dim)), (kappa,))
    assert torch.autograd.gradcheck(lambda k: (mean_resultant(k, dim), mean_shortfall(k, dim)), (kappa,))


@pytest.mark.parametrize("kappa", [0.0, 1.0, 30.0, 1e3])
def test_integrates_to_one_on_the_circle_and_the_sphere(kappa: float) -> None:
    angle = torch.linspace(-math.pi, math.pi, 20_001, dtype=F64)
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    density = VonMisesFisher(torch.tensor([0.6, 0.8], dtype=F64), number(kappa))
    assert abs(torch.trapezoid(density.log_prob(circle).exp(), angle) - 1) < 1e-9
    height = torch.linspace(-1, 1, 400_001, dtype=F64)
    sphere = torch.stack([height, (1 - height**2).sqrt(), torch.zeros_like(height)], -1)
    density = VonMisesFisher(torch.tensor([1.0, 0.0, 0.0], dtype=F64), number(kappa))
    assert abs(torch.trapezoid(density.log_prob(sphere).exp(), height) * 2 * math.pi - 1) < 3e-6


@pytest.mark.parametrize(("dim", "kappa"), [(8, 4.0), (64, 30.0), (512, 50.0)])
def test_integrates_to_one_in_many_dimensions(dim: int, kappa: float) -> None:
    density = VonMisesFisher(unit(dim), number(kappa))
    points = UniformSphere(dim, like=number(0.0)).sample((40_000,))
    assert abs((density.log_prob(points) + log_area(dim)).exp().mean() - 1) < 0.1


@pytest.mark.parametrize(("dim", "kappa"), [(2, 0.5), (2, 40.0), (3, 0.0), (3, 5.0), (3, 300.0), (4, 10.0)])
def test_draws_pass_pyros_goodness_of_fit(dim: int, kappa: float) -> None:
    density = VonMisesFisher(unit(dim), number(kappa))
    drawn = density.sample((10_000,))
    assert fit_of(drawn, density) > 1e-5
    wrong = VonMisesFisher(-density.direction, density.concentration)
    assert kappa < 1 or fit_of(drawn, wrong) < 1e-12


def fit_of(drawn: Tensor, density: VonMisesFisher | VonMisesFisherMixture) -> float:
    """Pyro's p-value; small by itself in several dimensions, where neighbours come in pairs."""
    places = torch.atan2(drawn[:, 1], drawn[:, 0]) if drawn.shape[-1] == 2 else drawn
    return auto_goodness_of_fit(places, density.log_prob(drawn).exp(), dim=drawn.shape[-1] - 1)


@pytest.mark.parametrize("dim", [2, 3, 5, 64, 1024])
@pytest.mark.parametrize("kappa", CONCENTRATIONS)
def test_the_cosine_of_draws_follows_its_density(dim: int, kappa: float) -> None:
    density = VonMisesFisher(unit(dim), number(kappa))
    drawn = density.sample((3_000,))
    torch.testing.assert_close(drawn.norm(dim=-1), torch.ones(3_000, dtype=F64))
    # the density of the angle, up to a constant, integrated where it has its mass
    wide = min(math.pi, 12 * math.sqrt(dim / max(kappa, 1e-9)))
    angle = torch.linspace(0, wide, 100_001, dtype=F64)[1:-1]
    log_density = kappa * (angle.cos() - 1) + (dim - 2) * angle.sin().log()
    mass = (log_density - log_density.max()).exp().cumsum(0)
    away = 2 * torch.asin((0.5 * (drawn - density.mode).norm(dim=-1)).clamp_max(1))
    below = torch.as_tensor(mass / mass[-1])[torch.searchsorted(angle, away).clamp_max(len(mass) - 1)]
    assert stats.kstest(below.numpy(), "uniform").pvalue > 1e-3
    assert (drawn.mean(0) - density.mean).norm() < 4 * math.sqrt(1 / 3_000)


@pytest.mark.parametrize("dim", [2, 3, 64])
def test_draws_in_float32_keep_their_spread_at_great_concentration(dim: int) -> None:
    density = VonMisesFisher(unit(dim, dtype=torch.float32), torch.tensor(1e5))
    drawn = density.sample((20_000,))
    assert drawn.dtype == torch.float32
    away = (drawn - density.mode).double().square().sum(-1).mean() / 2
    torch.testing.assert_close(away, number(float(mean_shortfall(number(1e5), dim))), rtol=0.05, atol=0)


def test_limits_are_the_uniform_and_the_normal() -> None:
    points = unit(5, 7)
    flat = VonMisesFisher(unit(7), number(0.0))
    torch.testing.assert_close(flat.log_prob(points), UniformSphere(7, like=points).log_prob(points))
    torch.testing.assert_close(flat.entropy(), UniformSphere(7, like=points).entropy())
    nowhere = VonMisesFisher(torch.zeros(7, dtype=F64), number(20.0))
    torch.testing.assert_close(nowhere.log_prob(points), flat.log_prob(points))
    torch.testing.assert_close(nowhere.entropy(), flat.entropy())
    peaked = VonMisesFisher(torch.tensor([1.0, 0.0, 0.0], dtype=F64), number(1e5))
    angle = torch.tensor([0.001, 0.005], dtype=F64)
    close = torch.stack([angle.cos(), angle.sin(), torch.zeros(2, dtype=F64)], -1)
    normal = dist.Normal(number(0.0), number(1e5**-0.5)).log_prob(torch.stack([angle, 0 * angle])).sum(0)
    torch.testing.assert_close(peaked.log_prob(close), normal, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dim", [2, 64, 1024])
@pytest.mark.parametrize("kappa", CONCENTRATIONS)
def test_float32_agrees_with_float64_and_never_overflows(dim: int, kappa: float) -> None:
    mode = unit(dim)
    points = VonMisesFisher(mode, number(kappa)).sample((50,))
    one, two = (VonMisesFisher(mode.to(t), torch.tensor(kappa, dtype=t)) for t in (torch.float32, F64))
    rounding = 1e-6 * kappa + 1e-3
    torch.testing.assert_close(one.log_prob(points.float()).double(), two.log_prob(points), rtol=1e-6, atol=rounding)
    torch.testing.assert_close(one.entropy().double(), two.entropy(), rtol=1e-6, atol=1e-5)


def test_gradients_in_every_argument() -> None:
    value, kappa = unit(4, 3, 5), torch.tensor([0.5, 3.0, 70.0], dtype=F64, requires_grad=True)
    direction = torch.randn(3, 5, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda v, d, k: VonMisesFisher(d, k, validate_args=False).log_prob(v),
        (value.requires_grad_(), direction, kappa),
    )
    picture = unit(2, 3, 5).requires_grad_()
    for shape in [(2, 3, 5), (5,)]:  # one direction for each value, and one for all
        direction = torch.randn(shape, dtype=F64, requires_grad=True)
        arguments = (picture, direction, number(3.0).requires_grad_())

        def density(v: Tensor, d: Tensor, k: Tensor) -> Tensor:
            return VonMisesFisher(d, k, validate_args=False).log_prob(v)

        assert torch.autograd.gradcheck(density, arguments)
        assert torch.autograd.gradgradcheck(density, arguments)
    nowhere = torch.zeros(5, dtype=F64, requires_grad=True)
    VonMisesFisher(nowhere, number(9.0)).log_prob(unit(2, 5)).sum().backward()
    assert torch.equal(nowhere.grad, torch.zeros(5, dtype=F64))


def test_torchs_function_transforms_go_through_it() -> None:
    values, directions, kappa = unit(3, 5), torch.randn(4, 3, 5, dtype=F64), number(6.0)

    def score(direction: Tensor, k: Tensor) -> Tensor:
        return VonMisesFisher(direction, k, validate_args=False).log_prob(values).sum()

    slopes = torch.func.vmap(torch.func.grad(score, argnums=(0, 1)), in_dims=(0, None))(directions, kappa)
    for index, direction in enumerate(directions):
        leaves = (direction.clone().requires_grad_(), kappa.clone().requires_grad_())
        for batched, alone in zip(slopes, torch.autograd.grad(score(*leaves), leaves), strict=True):
            torch.testing.assert_close(batched[index], alone)


def test_it_has_the_shapes_that_pyro_expects() -> None:
    density = VonMisesFisher(unit(3, 5), torch.full((2, 3), 4.0, dtype=F64))
    assert (density.batch_shape, density.event_shape) == ((2, 3), (5,))
    assert density.sample((6,)).shape == (6, 2, 3, 5)
    assert density.log_prob(density.sample((6,))).shape == (6, 2, 3)
    assert density.mean.shape == density.mode.shape == (2, 3, 5)
    grown = density.expand([4, 2, 3])
    assert grown.log_prob(density.sample()).shape == (4, 2, 3)
    assert density.to_event(1).log_prob(density.sample()).shape == (2,)
    assert (density.mask(torch.zeros(2, 3, dtype=torch.bool)).log_prob(density.sample()) == 0).all()
    with pytest.raises(ValueError, match="concentration"):
        VonMisesFisher(unit(5), number(-1.0), validate_args=True)
    with pytest.raises(ValueError, match="support"):
        VonMisesFisher(unit(5), number(1.0), validate_args=True).log_prob(2 * unit(5))
    with pytest.raises(ValueError, match="dim"):
        log_partition(number(1.0), 1)


@pytest.mark.parametrize(("dim", "kappa"), [(2, 3.0), (16, 50.0), (64, 0.0), (64, 5e3)])
def test_the_greatest_likelihood_recovers_what_was_drawn(dim: int, kappa: float) -> None:
    truth = VonMisesFisher(unit(dim), number(kappa))
    samples = truth.sample((6_000,))
    found = VonMisesFisher.fit(samples)
    assert kappa == 0 or (found.mode - truth.mode).norm() < 4 * math.sqrt(dim / (kappa + 1) / 6_000)
    assert abs(found.concentration - kappa) < 0.06 * kappa + 9 * bool(kappa == 0)
    best = found.log_prob(samples).sum()
    for factor in (0.98, 1.02):
        assert VonMisesFisher(found.direction, factor * found.concentration).log_prob(samples).sum() <= best
    twice = VonMisesFisher.fit(samples, torch.stack([torch.ones(6_000, dtype=F64), torch.zeros(6_000, dtype=F64)]))
    torch.testing.assert_close(twice.concentration, torch.stack([found.concentration, number(0.0)]))


@pytest.mark.parametrize("dim", [2, 3, 64])
def test_divergence_agrees_with_draws_and_vanishes_between_equals(dim: int) -> None:
    p, q = VonMisesFisher(unit(dim), number(20.0)), VonMisesFisher(unit(dim), number(7.0))
    drawn = p.sample((20_000,))
    gap = p.log_prob(drawn) - q.log_prob(drawn)
    assert abs(kl_divergence(p, q) - gap.mean()) < 4 * gap.std() / math.sqrt(20_000)
    flat = VonMisesFisher(unit(dim), number(0.0))
    torch.testing.assert_close(kl_divergence(p, flat), flat.entropy() - p.entropy())
    torch.testing.assert_close(p.entropy(), -p.log_prob(drawn).mean(), rtol=0.02, atol=0.02)
    for kappa in CONCENTRATIONS:
        one = VonMisesFisher(3 * p.direction.float(), torch.tensor(kappa))
        assert abs(kl_divergence(one, one)) < 1e-6


def test_a_mixture_is_what_mixture_same_family_says() -> None:
    logits, directions, kappa = (
        torch.randn(2, 3, 4, dtype=F64),
        torch.randn(2, 3, 4, 6, dtype=F64),
        torch.rand(4).double(),
    )
    ours = VonMisesFisherMixture(logits, directions, 30 * kappa)
    parts = VonMisesFisher(directions, (30 * kappa).expand(2, 3, 4))
    theirs = dist.MixtureSameFamily(dist.Categorical(logits=logits), parts)
    value = unit(5, 2, 3, 6)
    torch.testing.assert_close(ours.log_prob(value), theirs.log_prob(value))
    torch.testing.assert_close(ours.mean, theirs.mean)
    torch.testing.assert_close(ours.responsibilities(value).sum(-1), torch.ones(5, 2, 3, dtype=F64))
    torch.testing.assert_close(ours.cosines(value), parts.cosine(value[..., None, :]))
    assert ours.expand([7, 2, 3]).sample().shape == (7, 2, 3, 6)
    shared = VonMisesFisherMixture(logits[0, 0], directions[0, 0], 30 * kappa)
    picture = unit(2, 8, 9, 6).movedim(-1, 1).contiguous().movedim(1, -1)  # channels before pixels
    torch.testing.assert_close(shared.log_prob(picture), shared.log_prob(picture.contiguous()))
    explicit = (shared.log_weights + shared.parts.log_prob(picture[..., None, :])).logsumexp(-1)
    torch.testing.assert_close(shared.log_prob(picture), explicit)


def test_a_mixture_draws_what_it_says() -> None:
    density = VonMisesFisherMixture(
        torch.tensor([0.7, 0.3], dtype=F64).log(), torch.eye(3, dtype=F64)[:2], torch.tensor([50.0, 5.0], dtype=F64)
    )
    drawn = density.sample((10_000,))
    assert fit_of(drawn, density) > 1e-5
    assert torch.autograd.gradcheck(
        lambda w, d, k: VonMisesFisherMixture(w, d, k).log_prob(drawn[:4]),
        tuple(
            part.clone().requires_grad_() for part in (density.log_weights, density.directions, density.concentrations)
        ),
    )


DATA_TRUTH = VonMisesFisherMixture(
    torch.zeros(2, dtype=F64), torch.eye(4, dtype=F64)[:2], torch.tensor([60.0, 15.0], dtype=F64)
)


@pytest.mark.parametrize("enumerated", [True, False])
def test_pyro_enumerates_it_inside_a_discrete_mixture(enumerated: bool) -> None:
    torch.manual_seed(1)
    data = DATA_TRUTH.sample((30,))
    chances = torch.tensor([0.4, 0.6], dtype=F64)

    def explicit() -> None:
        with pyro.plate("points", len(data)):
            which = pyro.sample("which", dist.Categorical(chances), infer={"enumerate": "parallel"})
            part = VonMisesFisher(DATA_TRUTH.directions[which], DATA_TRUTH.concentrations[which])
            pyro.sample("value", part, obs=data)

    def summed() -> None:
        with pyro.plate("points", len(data)):
            density = VonMisesFisherMixture(chances.log(), DATA_TRUTH.directions, DATA_TRUTH.concentrations)
            pyro.sample("value", density, obs=data)

    def nothing() -> None:
        pass

    model = config_enumerate(explicit) if enumerated else explicit
    loss = TraceEnum_ELBO(max_plate_nesting=1).loss(model, nothing)
    assert abs(loss - Trace_ELBO().loss(summed, nothing)) < 1e-8


@pytest.mark.parametrize("kind", [AutoDelta, AutoNormal])
def test_svi_finds_concentration_and_direction(kind: type) -> None:
    torch.manual_seed(2)
    pyro.clear_param_store()
    truth = VonMisesFisher(unit(6), number(40.0))
    data = truth.sample((400,))

    def model() -> None:
        kappa = pyro.sample("kappa", dist.LogNormal(number(2.0), number(2.0)))
        # an unbounded guide needs an unbounded site: any length, of which only the direction counts
        loc, scale = torch.zeros(6, dtype=F64), torch.ones(6, dtype=F64)
        direction = pyro.sample("direction", dist.Normal(loc, scale).to_event(1))
        with pyro.plate("points", len(data)):
            pyro.sample("value", VonMisesFisher(direction, kappa), obs=data)

    guide = kind(model)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.05}), Trace_ELBO())
    for _ in range(300):
        svi.step()
    found = guide.median()
    best = VonMisesFisher.fit(data)
    assert abs(found["kappa"] / best.concentration - 1) < 0.1
    assert (torch.nn.functional.normalize(found["direction"], dim=0) - best.mode).norm() < 0.05


def test_a_direction_can_be_a_latent_site_of_autodelta() -> None:
    pyro.clear_param_store()
    data = VonMisesFisher(unit(4), number(80.0)).sample((50,))

    def model() -> None:
        direction = pyro.sample("direction", VonMisesFisher(unit(4), number(0.1)))
        with pyro.plate("points", len(data)):
            pyro.sample("value", VonMisesFisher(direction, number(80.0)), obs=data)

    guide = AutoDelta(block(model, hide=[]))
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.05}), Trace_ELBO())
    for _ in range(150):
        svi.step()
    found = guide.median()["direction"].detach()
    torch.testing.assert_close(found.norm(), number(1.0))
    assert (found - VonMisesFisher.fit(data).mode).norm() < 0.05


def test_a_mixture_of_its_own_directions_at_every_pixel_has_its_gradient() -> None:
    values, kappa = unit(2, 3, 5), torch.tensor([3.0, 8.0], dtype=F64)
    arguments = (torch.randn(2, 3, 2, dtype=F64, requires_grad=True), unit(2, 3, 2, 5).requires_grad_())
    density = lambda w, d: VonMisesFisherMixture(w, d, kappa).log_prob(values)  # noqa: E731
    assert torch.autograd.gradcheck(density, arguments)
    assert torch.autograd.gradgradcheck(density, arguments)
    arguments[1].data[0, 0] = 0.0
    (gradient,) = torch.autograd.grad(density(*arguments).sum(), arguments[1])
    assert gradient.isfinite().all()
    assert (gradient[0, 0] == 0).all()
