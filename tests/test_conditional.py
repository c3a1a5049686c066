"""Concentrations that tell points apart: against brute force, and against those of greatest likelihood."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from probbody.densities.von_mises_fisher import VonMisesFisher
from probbody.features.backgrounds import MixtureBackground
from probbody.inference.learn.conditional import Emissions, Sights, fitted_emissions, generative
from probbody.inference.learn.feature_sampling import PointFeatures

VERTICES, DIRECTIONS, CHANNELS = 40, 2, 16


def sights(wrong: float, count: int = 1500, kappa: float = 400.0) -> Sights:
    """Features about those expected, a share of them about those of some other vertex; clutter about two directions."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        rows = normalize(torch.randn(VERTICES, DIRECTIONS, CHANNELS), dim=-1)
        vertex, other = torch.randint(VERTICES, (2, count))
        shares = torch.rand(count, DIRECTIONS).softmax(-1)
        shown = torch.where(torch.rand(count) < wrong, other, vertex)
        about = normalize((shares.unsqueeze(-1) * rows[shown]).sum(1), dim=-1)
        features = VonMisesFisher(about, torch.tensor(kappa)).sample()
        kinds = normalize(torch.randn(2, CHANNELS), dim=-1)
        clutter = VonMisesFisher(kinds[torch.randint(2, (count,))], torch.tensor(200.0)).sample()
    halves = [PointFeatures(features[part], vertex[part], shares[part]) for part in (slice(0, 700), slice(700, None))]
    return Sights.of(halves, rows, [clutter[:10], clutter[10:]])


def test_the_likelihood_is_that_of_the_formula() -> None:
    some = sights(0.2, 20)
    background = MixtureBackground(torch.tensor([0.3, 0.7]), some.clutter[:2], torch.tensor([8.0, 30.0]))
    emissions = Emissions(torch.tensor(12.0), background)

    def at(feature: Tensor, means: Tensor) -> float:
        return float(VonMisesFisher(means, torch.tensor(12.0)).log_prob(feature).exp().sum())

    def bodies(feature: Tensor) -> float:
        return at(feature, some.rows.flatten(0, 1)) / DIRECTIONS

    def elsewhere(feature: Tensor) -> float:
        return VERTICES * math.exp(background.marginal().log_prob(feature))

    points = [at(f, e) / (bodies(f) + elsewhere(f)) for f, e in zip(some.features, some.expected, strict=True)]
    other = [elsewhere(g) / (bodies(g) + elsewhere(g)) for g in some.clutter]
    found = emissions.log_likelihood(some)
    for measured, chances in zip(found, (points, other), strict=True):
        assert float(measured) == pytest.approx(sum(map(math.log, chances)) / len(chances), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("wrong", [0.0, 0.2])
def test_limbs_taken_for_others_make_features_count_less(wrong: float) -> None:
    some = sights(wrong)
    most, found = generative(some, 2), fitted_emissions(some, 2)
    assert float(found.concentration) <= float(most.concentration) * (1 + 1e-5)
    assert bool((found.background.concentrations <= most.background.concentrations * (1 + 1e-5)).all())
    new, old = (float(sum(each.log_likelihood(some))) for each in (found, most))
    assert new > old - 1e-3
    if wrong:
        assert float(found.concentration) < 0.9 * float(most.concentration)
        assert new > old + 0.01
    else:
        assert float(found.concentration) > 0.4 * float(most.concentration)
    again = fitted_emissions(some, 2)
    assert torch.equal(again.concentration, found.concentration)


def test_no_better_concentration_is_near() -> None:
    some = sights(0.2)
    found = fitted_emissions(some, 2)
    best = float(sum(found.log_likelihood(some)))
    for factor in (0.8, 1.25):
        other = Emissions(found.concentration * factor, found.background)
        assert float(sum(other.log_likelihood(some))) < best


def test_features_that_are_no_numbers_are_refused() -> None:
    some = sights(0.0, 20)
    with pytest.raises(ValueError, match="features: expected finite ones"):
        fitted_emissions(replace(some, features=some.features / 0), 2)
    with pytest.raises(ValueError, match="expected unit length"):
        fitted_emissions(replace(some, clutter=2 * some.clutter), 2)
