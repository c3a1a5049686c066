"""Shares of marked keypoints that are found, and how those of two methods differ; all in longer sides of people's boxes."""

from jaxtyping import Float
from torch import Tensor

from probbody.metrics import Interval, Mean, paired


def pck(away: Float[Tensor, "*N"], limit: float) -> float:
    """The share of marked keypoints that are off by less than a limit."""
    known = away[~away.isnan()]
    return float((known < limit).float().mean())


def pck_less(
    mine: Float[Tensor, "B P"], theirs: Float[Tensor, "B P"], limit: float, people: tuple[str, ...]
) -> Interval:
    """PCK of one method less that of another, with people, one named in each row, drawn again."""
    means = []
    for away in (mine, theirs):
        known = ~away.isnan()
        held = Mean(((away < limit) & known).sum(1, True).double(), known.sum(1, True).double(), "pooled")
        means.append(held.grouped(people))
    return paired(*means, draws=2_000)


def shares(away: Float[Tensor, "*N"]) -> str:
    """PCK at 0.2, and at 0.1 in brackets."""
    return f"{pck(away, 0.2):8.2f}({pck(away, 0.1):.2f})"
