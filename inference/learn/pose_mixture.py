"""Clouds of poses found in captured motion by expectation-maximisation."""

import math

import torch
from jaxtyping import Float
from pyro.distributions import MultivariateNormal
from torch import Tensor

from probbody.priors.mixture import MixturePose


def fitted_mixture(
    angles: Float[Tensor, "N M 3"],
    floor: Float[Tensor, "M 3"],
    chances: Float[Tensor, " N"],
    *,
    components: int = 8,
    rounds: int = 100,
    seed: int = 0,
    licence: str = "",
) -> MixturePose:
    """Expectation-maximisation on weighted poses; ``floor`` (radians) is added in quadrature to every cloud.

    The means start at poses far from each other (k-means++), so that the same seed gives the same clouds.
    """
    flat, weight = angles.flatten(1).double(), (chances / chances.sum()).double()
    ridge = floor.flatten().double().square().diag()
    nearest = torch.cdist(flat, _seeds(flat, weight, components, seed)).argmin(-1)
    part = torch.nn.functional.one_hot(nearest, components).double()
    previous = -math.inf
    for _ in range(rounds):
        mass = weight[:, None] * part
        total = mass.sum(0).clamp_min(1e-12)
        means = (mass.mT @ flat) / total[:, None]
        away = [flat - mean for mean in means]
        spread = [(a * m[:, None]).mT @ a / t + ridge for a, m, t in zip(away, mass.mT, total, strict=True)]
        scales = torch.linalg.cholesky(torch.stack(spread))
        log = torch.stack(
            [
                t.log() + MultivariateNormal(mean, scale_tril=scale).log_prob(flat)
                for t, mean, scale in zip(total, means, scales, strict=True)
            ],
            dim=-1,
        )
        part = log.softmax(-1)
        now = float(weight @ log.logsumexp(-1))
        if now - previous < 1e-4:
            break
        previous = now
    return MixturePose(means.to(angles), scales.to(angles), total.to(angles), licence=licence)


def _seeds(flat: Tensor, weight: Tensor, count: int, seed: int) -> Tensor:
    """Rows far from each other, drawn in proportion to weight and squared distance."""
    generator = torch.Generator().manual_seed(seed)
    chosen = [flat[torch.multinomial(weight, 1, generator=generator)]]
    while len(chosen) < count:
        gap = torch.cdist(flat, torch.cat(chosen)).amin(-1).square()
        chosen.append(flat[torch.multinomial(weight * gap, 1, generator=generator)])
    return torch.cat(chosen)
