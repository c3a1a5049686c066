"""Whether draws from a posterior say honestly how far off they may be.

Draws and truth must be in one frame that owes nothing to the truth but its root: after a Procrustes alignment no coverage
means anything.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .scores import Scores

FEWEST_DRAWS = 10


def credible_levels(draws: Float[Tensor, "N B P D"], truth: Float[Tensor, "B P D"]) -> Float[Tensor, "B P"]:
    """How large a credible region must be to hold the truth: r / (N + 1), r the rank of its distance among the draws'.

    Distances are Mahalanobis' from the mean of the draws and the truth together, by their common covariance: if the truth
    is but one more draw, all ranks are equally likely, for any number of draws and any shape of posterior (Talts et al.
    (2018), arXiv:1804.06788). The regions are ellipsoids (D = 3), or intervals about the mean (D = 1, such as depth alone).
    Points that nothing moves (the root, where it was moved to the origin) have NaN. At least 10 draws, else ValueError.
    """
    if len(draws) < FEWEST_DRAWS:
        raise ValueError(f"draws: expected at least {FEWEST_DRAWS}, found {len(draws)}.")
    if not bool(draws.isfinite().all() and truth.isfinite().all()):
        raise ValueError("credible_levels: expected finite draws and truth, found NaN or infinity.")
    pool = torch.cat([truth.unsqueeze(0), draws]).double()
    away = pool - pool.mean(0)
    spreads, axes = torch.linalg.eigh(torch.einsum("nbpd,nbpe->bpde", away, away) / len(pool))
    rounding = (pool.abs().amax((0, 3)) * 16 * torch.finfo(draws.dtype).eps).square()
    alive = (spreads > 1e-12 * spreads[..., -1:]) & (spreads > rounding.unsqueeze(-1))
    along = torch.einsum("nbpd,bpde->nbpe", away, axes)
    distances = torch.where(alive, along.square() / spreads.clamp_min(1e-300), 0.0).sum(-1)
    rank = 1 + (distances[1:] < distances[0] * (1 - 1e-9)).sum(0)
    return torch.where(alive.any(-1), rank / len(pool), torch.nan).to(draws)


def coverage(
    levels: Float[Tensor, "B P"],
    level: float,
    counted: Bool[Tensor, "B P"] | None = None,
    joints: tuple[str, ...] = (),
) -> Scores:
    """1 where the region of that level holds the truth, else 0; its mean should be ``level`` (rounded down to n / (N + 1)).

    Being ``Scores``, it has a mean with an interval, and a part for hidden joints and one for visible ones.
    """
    counted = ~levels.isnan() & (torch.ones_like(levels, dtype=torch.bool) if counted is None else counted)
    inside = torch.where(levels.isnan(), levels, (levels <= level + 1e-6).to(levels))
    return Scores(inside, counted, counted.any(1), f"share inside the {level:.0%} region", joints)


def least_error(errors: Float[Tensor, "N B"], of: int) -> Float[Tensor, " B"]:
    """The expected least error of ``of`` draws chosen out of the ``N`` (minimum over samples, as for ProHMR).

    The mean over all choices, not that of the first few: it does not depend on the order of the draws.
    """
    number = len(errors)
    if not 1 <= of <= number:
        raise ValueError(f"least_error: expected 1 to {number} draws, found {of}.")
    ordered = errors.sort(dim=0).values
    ways = [math.comb(number - 1 - rank, of - 1) / math.comb(number, of) for rank in range(number)]
    return (ordered * errors.new_tensor(ways).unsqueeze(1)).sum(0)


def energy_score(draws: Float[Tensor, "N B P D"], truth: Float[Tensor, "B P D"]) -> Float[Tensor, "B P"]:
    """Mean distance of draws to the truth less half their mean distance to each other; a proper score, in metres.

    Coverage alone is bought by saying little; this is lowest for the posterior that is both right and narrow. Gneiting
    and Raftery (2007), doi:10.1198/016214506000001437; unbiased in the number of draws.
    """
    number = len(draws)
    if number < 2:
        raise ValueError(f"draws: expected at least 2, found {number}.")
    apart = sum((draws - draws[n]).norm(dim=-1).sum(0) for n in range(number)) / (number * (number - 1))
    return (draws - truth).norm(dim=-1).mean(0) - apart / 2
