"""How well a map tells which parts of a body are hidden."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..quantities import Record


@dataclass(frozen=True)
class OcclusionScores(Record):
    """How good the occlusion map of each picture is, over the pixels that the body would cover."""

    auc: Float[Tensor, " B"]
    """The chance that a hidden pixel is thought likelier hidden than a visible one; NaN where all or none are hidden."""
    brier: Float[Tensor, " B"]
    """Mean squared difference of chance and truth: 0 is perfect, 0.25 is what saying 1/2 everywhere scores."""
    hidden: Float[Tensor, " B"]
    """The share of the pixels that is hidden: saying that share everywhere scores ``hidden * (1 - hidden)``."""


def occlusion_scores(
    chance: Float[Tensor, "B H W"], hidden: Bool[Tensor, "B H W"], body: Bool[Tensor, "B H W"]
) -> OcclusionScores:
    """Scores of maps of the chance that something hides the body, where the body truly is (``body``, hidden or not).

    A picture without any pixel of the body has NaN in all three; of no pictures there are no scores.
    """
    if not len(chance):
        return OcclusionScores(*(chance.new_zeros(0) for _ in range(3)))
    _check_chances(chance[body])
    each = [(chance[image][body[image]], hidden[image][body[image]]) for image in range(len(chance))]
    nothing = chance.new_tensor(torch.nan)
    return OcclusionScores(
        torch.stack([auc(said, true) if bool(true.any() and not true.all()) else nothing for said, true in each]),
        torch.stack([brier(said, true) if len(true) else nothing for said, true in each]),
        torch.stack([true.to(chance).mean() for _, true in each]),
    )


def auc(scores: Float[Tensor, " N"], positive: Bool[Tensor, " N"]) -> Float[Tensor, ""]:
    """The area under the ROC curve: the chance that a positive scores above a negative, ties counting one half.

    Exact, by ranks (Mann and Whitney). Raises ValueError without positives or negatives, or where a score is not finite.
    """
    if not bool(scores.isfinite().all()):
        raise ValueError("auc: expected finite scores, found NaN or infinity.")
    ups = int(positive.sum())
    downs = len(positive) - ups
    if ups == 0 or downs == 0:
        raise ValueError(f"auc: expected positives and negatives, found {ups} and {downs}.")
    _, place, counts = scores.double().unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    ranks = (last.double() - (counts.double() - 1) / 2)[place]  # ties share the mean of their ranks
    return ((ranks[positive].sum() - ups * (ups + 1) / 2) / ups / downs).to(scores)


def brier(chance: Float[Tensor, " N"], happened: Bool[Tensor, " N"]) -> Float[Tensor, ""]:
    """Mean squared difference of chances and what happened. Brier (1950)."""
    _check_chances(chance)
    return (chance - happened.to(chance)).square().mean()


def _check_chances(chance: Float[Tensor, " N"]) -> None:
    if not bool(((chance >= 0) & (chance <= 1)).all()):
        worst = chance[~((chance >= 0) & (chance <= 1))][0]
        raise ValueError(f"chance: expected chances from 0 to 1, found {float(worst):g}.")
