"""Backgrounds: densities of clutter that move with their module, and a mixture that finds the kinds of it."""

import math

import pytest
import torch
from torch import Tensor

from probbody.contracts import Background
from probbody.densities.sphere import UniformSphere
from probbody.densities.von_mises_fisher import VonMisesFisher, VonMisesFisherMixture
from probbody.features.backgrounds import (
    ClutterBank,
    GaussianBackground,
    MixtureBackground,
    UniformBackground,
    VonMisesFisherBackground,
)
from probbody.features.clutter import fit_mixture

D = 16


def unit(*shape: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


def backgrounds() -> list[Background]:
    torch.manual_seed(3)
    return [
        UniformBackground(D),
        VonMisesFisherBackground(unit(D), 4.0),
        GaussianBackground(unit(D), 0.3),
        MixtureBackground(torch.tensor([1.0, 3.0]), unit(2, D), torch.tensor([2.0, 9.0])),
        ClutterBank(unit(20, D), 6.0),
    ]


@pytest.mark.parametrize("background", backgrounds(), ids=lambda part: type(part).__name__)
def test_a_background_is_a_density_of_one_feature(background: Background) -> None:
    density = background.marginal()
    assert (density.batch_shape, density.event_shape) == ((), (D,))
    features = unit(2, 3, 4, D)
    assert density.log_prob(features).shape == (2, 3, 4)
    planes = features.movedim(-1, 1).contiguous().movedim(1, -1)
    torch.testing.assert_close(density.log_prob(planes), density.log_prob(features))
    assert density.sample((5,)).shape == (5, D)


@pytest.mark.parametrize("background", backgrounds(), ids=lambda part: type(part).__name__)
def test_a_background_moves_with_its_module(background: Background) -> None:
    features = unit(7, D)
    before = background.marginal().log_prob(features)
    after = background.double().marginal().log_prob(features.double())
    assert after.dtype == torch.float64
    torch.testing.assert_close(after.float(), before, rtol=1e-5, atol=1e-5)
    assert background.float().marginal().sample().dtype == torch.float32


@pytest.mark.parametrize("background", [part for part in backgrounds() if not isinstance(part, GaussianBackground)])
def test_a_background_integrates_to_one(background: Background) -> None:
    points = UniformSphere(D).sample((100_000,))
    uniform = UniformSphere(D).log_prob(points)
    assert abs((background.marginal().log_prob(points) - uniform).exp().mean() - 1) < 0.05


def test_a_bank_is_a_kernel_density() -> None:
    bank = ClutterBank(unit(9, D), 5.0)
    value = unit(4, D)
    kernels = [VonMisesFisher(one, torch.tensor(5.0)).log_prob(value).exp() for one in bank.features]
    torch.testing.assert_close(bank.marginal().log_prob(value).exp(), torch.stack(kernels).mean(0))


def clutter(count: int) -> tuple[VonMisesFisherMixture, Tensor]:
    kinds = VonMisesFisherMixture(
        torch.tensor([0.5, 0.3, 0.2]).log(), torch.eye(D)[:3], torch.tensor([30.0, 60.0, 120.0])
    )
    return kinds, kinds.sample((count,))


def test_the_mixture_finds_the_kinds_of_clutter() -> None:
    kinds, features = clutter(6_000)
    found = MixtureBackground.fit(features, 3, seed=1, anything=0)
    order = found.directions[:, :3].argmax(0)
    assert (found.directions[order] * kinds.directions).sum(-1).min() > 0.99
    torch.testing.assert_close(found.concentrations[order], kinds.concentrations, rtol=0.1, atol=0)
    torch.testing.assert_close(found.weights[order], kinds.log_weights.exp(), rtol=0.1, atol=0)
    held_out = kinds.sample((4_000,))
    gap = kinds.log_prob(held_out).mean() - found.marginal().log_prob(held_out).mean()
    assert abs(gap) < 0.02
    again = MixtureBackground.fit(features, 3, seed=1, anything=0)
    assert torch.equal(again.directions, found.directions)


@pytest.mark.parametrize("components", [1, 2, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_its_likelihood_never_falls(components: int, seed: int) -> None:
    torch.manual_seed(seed)
    features = torch.cat([clutter(300)[1], unit(100, D)]).double()
    mixture, history = fit_mixture(features, components, seed, steps=60)
    assert (history.diff() > -1e-12).all()
    assert mixture.log_prob(features).mean() >= history[-1] - 1e-12
    assert abs(mixture.log_weights.exp().sum() - 1) < 1e-12


def test_empty_parts_and_equal_features_do_no_harm() -> None:
    same = torch.nn.functional.normalize(torch.ones(12, D), dim=-1)
    found = MixtureBackground.fit(same, 4, anything=0)
    assert found.marginal().log_prob(same).isfinite().all()
    assert found.concentrations.max() <= 1e4
    assert abs(found.weights.sum() - 1) < 1e-6
    few = unit(5, D)
    one_each = MixtureBackground.fit(few, 5, anything=0)
    assert one_each.marginal().log_prob(few).isfinite().all()
    assert len(one_each.weights) == 5


def test_bad_input_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="components"):
        fit_mixture(unit(3, D), 4)
    with pytest.raises(ValueError, match="unit length"):
        fit_mixture(2 * unit(3, D), 2)
    with pytest.raises(ValueError, match="unit length"):
        fit_mixture(torch.full((3, D), math.nan), 2)
    with pytest.raises(ValueError, match="concentration"):
        VonMisesFisherBackground(unit(D), -1.0)
    with pytest.raises(ValueError, match="concentration"):
        ClutterBank(unit(2, D), math.nan)
    with pytest.raises(ValueError, match="weights"):
        MixtureBackground(torch.zeros(2), unit(2, D), torch.ones(2))
    with pytest.raises(ValueError, match="scale"):
        GaussianBackground(unit(D), 0.0)
    with pytest.raises(ValueError, match="concentration"):
        VonMisesFisherBackground(unit(D), math.inf)
    with pytest.raises(ValueError, match="scale"):
        GaussianBackground(unit(D), math.inf)


def test_a_share_of_the_background_may_be_anything() -> None:
    known = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0, 0.0]]) + 0.05 * torch.randn(200, 3), dim=-1)
    strange = torch.tensor([-1.0, 0.0, 0.0])
    sure, open_minded = (MixtureBackground.fit(known, 1, anything=share).marginal() for share in (0.0, 0.05))
    least = math.log(0.05 / (4 * math.pi))
    assert sure.log_prob(strange) < -50
    assert abs(open_minded.log_prob(strange) - least) < 1e-3
    with pytest.raises(ValueError, match="anything"):
        MixtureBackground.fit(known, 1, anything=1.0)
