"""Ways downhill reach the bottom, and bodies in one batch do not feel each other."""

import pytest
import torch
from torch import nn

from probbody.inference import LBFGS, Adam

OPTIMISERS = {"adam": Adam(0.05), "lbfgs": LBFGS()}
STEPS = {"adam": 3000, "lbfgs": 200}


def rosenbrock(x: torch.Tensor) -> torch.Tensor:
    """Valleys of different stiffness, one a body; each has its bottom at (1, 1)."""
    stiff = torch.tensor([1.0, 10.0, 100.0], dtype=x.dtype)[-len(x) :]
    return stiff * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_bottom_of_a_valley(name: str) -> None:
    place = nn.Parameter(torch.tensor([[-1.0, 1.5]] * 3, dtype=torch.float64))
    losses = torch.stack(list(OPTIMISERS[name].run(lambda: rosenbrock(place), {"place": place}, STEPS[name])))
    assert losses.shape == (STEPS[name] + 1, 3)
    assert (losses[-1] < 1e-3).all()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_batch_is_its_bodies(name: str) -> None:
    start = torch.tensor([[-1.0, 1.5], [0.3, -1.0], [2.0, 2.0]], dtype=torch.float64)
    together = nn.Parameter(start.clone())
    for _ in OPTIMISERS[name].run(lambda: rosenbrock(together), {"place": together}, 40):
        pass
    alone = nn.Parameter(start[2:].clone())
    for _ in OPTIMISERS[name].run(lambda: rosenbrock(alone), {"place": alone}, 40):
        pass
    torch.testing.assert_close(together[2:], alone, rtol=1e-12, atol=1e-12)


def test_lbfgs_never_goes_up_and_steps_round_what_is_not_a_number() -> None:
    place = nn.Parameter(torch.tensor([[3.0]], dtype=torch.float64))
    # the logarithm is not a number left of zero, where the first full steps lead
    losses = torch.cat(list(LBFGS().run(lambda: (place - place.log()).sum(-1) * 50, {"place": place}, 30)))
    assert torch.isfinite(losses).all()
    assert (losses.diff() <= 0).all()
    torch.testing.assert_close(place.detach(), torch.ones(1, 1, dtype=torch.float64), rtol=1e-4, atol=1e-4)


def test_adam_gives_sites_their_own_rates() -> None:
    slow, fast = (nn.Parameter(torch.zeros(1, 2)) for _ in range(2))
    run = Adam(0.1, {"slow": 0.001}).run(lambda: (slow + fast).sum(-1), {"slow": slow, "fast": fast}, 1)
    list(run)
    assert slow.abs().max() < 0.0011 < 0.099 < fast.abs().max()
