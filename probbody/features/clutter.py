"""Kinds of clutter, found among features by expectation and maximisation.

References: Banerjee et al. (2005), Clustering on the unit hypersphere using von Mises-Fisher distributions, section 4.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..densities.von_mises_fisher import VonMisesFisher, VonMisesFisherMixture


def fit_mixture(
    features: Float[Tensor, "N D"],
    components: int,
    seed: int = 0,
    steps: int = 200,
    largest: float = 1e4,
    tolerance: float = 1e-7,
) -> tuple[VonMisesFisherMixture, Float[Tensor, " T"]]:
    """A mixture of von Mises-Fisher densities, and the mean log likelihood before each step, which never falls.

    It starts from features far apart. A part to which nothing belongs keeps a weight of zero. Work is in float64, the answer
    in the dtype of the features.

    Args:
        features: unit vectors.
        components: how many parts.
        seed: of the start.
        steps: at most so many.
        largest: bound of the concentrations, for a part of few features, or of equal ones.
        tolerance: it stops when the mean log likelihood grows by less.
    """
    _check(features, components)
    data = features.double()
    start = data[_far_apart(data, components, seed)]
    nearest = (data @ start.mT).argmax(-1)
    mixture = _maximised(data, torch.nn.functional.one_hot(nearest, components).to(data), largest)
    history = [mixture.log_prob(data).mean()]
    for _ in range(steps):
        mixture = _maximised(data, mixture.responsibilities(data), largest)
        history.append(mixture.log_prob(data).mean())
        if history[-1] - history[-2] < tolerance:
            break
    weights, directions, kappa = (
        part.to(features) for part in (mixture.log_weights, mixture.directions, mixture.concentrations)
    )
    return VonMisesFisherMixture(weights, directions, kappa), torch.stack(history).to(features)


def _maximised(data: Tensor, belongs: Tensor, largest: float) -> VonMisesFisherMixture:
    """The mixture of greatest likelihood, given how much of each feature (N, D) belongs to each part (N, O)."""
    parts = VonMisesFisher.fit(data, belongs.mT)
    # the likelihood is concave in the concentration, so that its bound is the best where the best is beyond it
    kappa = parts.concentration.clamp_max(largest)
    return VonMisesFisherMixture(belongs.mean(0).log(), parts.mode, kappa, validate_args=False)


def _far_apart(data: Tensor, count: int, seed: int) -> Int[Tensor, " O"]:
    """Rows of the data, each drawn with a chance that grows with its distance from those drawn before (k-means++)."""
    generator = torch.Generator().manual_seed(seed)  # on the processor: the same draws on every device
    chosen = [int(torch.randint(len(data), (), generator=generator))]
    away = torch.full((len(data),), torch.inf, dtype=data.dtype)
    for _ in range(count - 1):
        away = torch.minimum(away, (1 - data @ data[chosen[-1]]).cpu()).clamp_min(0)
        chances = away if away.sum() > 0 else torch.ones_like(away)
        chosen.append(int(torch.multinomial(chances, 1, generator=generator)))
    return torch.tensor(chosen, device=data.device)


def _check(features: Tensor, components: int) -> None:
    if not 1 <= components <= len(features):
        raise ValueError(f"components: expected 1 to {len(features)}, the number of features, found {components}.")
    length = features.norm(dim=-1)
    wrong = ~((length - 1).abs() < 1e-3)  # NaN is wrong too
    if wrong.any():
        raise ValueError(f"features: expected unit length, found {float(length[wrong][0]):.4g}.")
