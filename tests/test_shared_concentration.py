"""Directions of one concentration: the same density as the mixture's, and its slope."""

import pytest
import torch
from torch.nn.functional import normalize

from probbody.densities.shared_concentration import SharedConcentration
from probbody.densities.von_mises_fisher import VonMisesFisherMixture


@pytest.mark.parametrize("kappa", [0.0, 0.5, 30.0, 4_000.0])
@pytest.mark.parametrize(("count", "unknown"), [(1, 0), (7, 3), (40_000, 0), (40_000, 3), (0, 3)])
def test_it_is_the_mixture(count: int, kappa: float, unknown: int) -> None:
    dice = torch.Generator().manual_seed(0)
    value = normalize(torch.randn(9, 5, generator=dice, dtype=torch.float64), dim=-1)
    directions = 3 * torch.randn(count + unknown, 5, generator=dice, dtype=torch.float64)
    directions[:unknown] = 0
    several, shared = (torch.tensor(kappa, dtype=torch.float64, requires_grad=True) for _ in range(2))
    nothing = directions.new_zeros(len(directions))
    expected = VonMisesFisherMixture(nothing, directions, several.expand(len(directions))).log_prob(value)
    found = SharedConcentration(value, directions).log_prob(shared)
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-10)
    along = torch.randn(9, generator=dice, dtype=torch.float64)
    slopes = [torch.autograd.grad((along * each).sum(), at)[0] for each, at in ((found, shared), (expected, several))]
    assert torch.allclose(*slopes, rtol=1e-9, atol=1e-9)


def test_its_slope_is_that_of_differences() -> None:
    dice = torch.Generator().manual_seed(1)
    value, directions = (normalize(torch.randn(n, 6, generator=dice).double(), dim=-1) for n in (4, 11))
    about = SharedConcentration(value, torch.cat([directions, torch.zeros(2, 6).double()]))
    kappa = torch.tensor(12.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(about.log_prob, (kappa,))
