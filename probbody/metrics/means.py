"""Means over images, how sure they are, and whether two methods differ.

Images are resampled, not joints: the joints of one image share its difficulty. Where images follow each other in a video,
whole videos are (``Mean.grouped``), or the interval comes out far too narrow. Efron and Tibshirani (1993), chapters 12
and 13: percentile intervals.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_AT_ONCE = 250  # resamples a block


@dataclass(frozen=True)
class Mean:
    """A mean that remembers its images: the mean over ``G`` of (sum over images) / (count over images)."""

    sums: Float[Tensor, "B G"]
    counts: Float[Tensor, "B G"]
    how: str
    """Over what the mean was taken."""

    def value(self) -> float:
        """The mean; NaN where nothing counts."""
        return float(_ratio(self.sums.sum(0, True), self.counts.sum(0, True)))

    def images(self) -> int:
        """How many images (or groups of images) count."""
        return int((self.counts > 0).any(1).sum())

    def grouped(self, labels: Sequence[str]) -> "Mean":
        """The same mean, resampled by group: one label an image, such as the video that it comes from."""
        if len(labels) != len(self.sums):
            raise ValueError(f"labels: expected one for each of {len(self.sums)} images, found {len(labels)}.")
        names = {label: number for number, label in enumerate(dict.fromkeys(labels))}
        where = torch.tensor([names[label] for label in labels])
        blank = self.sums.new_zeros(len(names), self.sums.shape[1])
        return Mean(blank.index_add(0, where, self.sums), blank.index_add(0, where, self.counts), self.how)


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds that hold it with the chance ``level``, from ``draws`` resamples of that seed.

    The bounds are NaN where fewer than two images (or groups of images) count: one says nothing of how others would be.
    """

    estimate: float
    low: float
    high: float
    level: float
    draws: int
    seed: int

    def excludes(self, value: float = 0.0) -> bool:
        """Whether the value lies outside: for a difference of two methods, whether they differ. NaN excludes nothing."""
        return value < self.low or value > self.high


def interval(mean: Mean, level: float = 0.95, draws: int = 10_000, seed: int = 0) -> Interval:
    """The percentile bootstrap of a mean."""
    return _bootstrap(mean.value(), (mean,), lambda weights: _resampled(mean, weights), level, draws, seed)


def paired(first: Mean, second: Mean, level: float = 0.95, draws: int = 10_000, seed: int = 0) -> Interval:
    """The paired bootstrap of ``first - second``: both are resampled by the same images.

    They must have been made on the same images and joints; others are a ValueError. Where a method leaves joints out, take
    ``where`` of both scores with what counts in both.
    """
    if first.how != second.how or not torch.equal(first.counts, second.counts):
        raise ValueError("paired: expected two means over the same images and joints in the same way, found others.")
    return _bootstrap(
        first.value() - second.value(),
        (first, second),
        lambda weights: _resampled(first, weights) - _resampled(second, weights),
        level,
        draws,
        seed,
    )


def summed(parts: Sequence[tuple[float, Mean]], level: float = 0.95, draws: int = 10_000, seed: int = 0) -> Interval:
    """The bootstrap of means times factors, added up, all resampled by the same images.

    Such as how much more one method loses to a patch than another: (patched - clean) of both, and the difference. What counts
    may differ from mean to mean, as other joints are seen; how many images there are must not.
    """
    images = {len(mean.sums) for _, mean in parts}
    if len(images) != 1:
        raise ValueError(f"summed: expected means over the same images, found {sorted(images)} of them.")
    return _bootstrap(
        sum(factor * mean.value() for factor, mean in parts),
        [mean for _, mean in parts],
        lambda weights: torch.stack([factor * _resampled(mean, weights) for factor, mean in parts]).sum(0),
        level,
        draws,
        seed,
    )


def _bootstrap(
    estimate: float,
    means: Sequence[Mean],
    statistic: Callable[[Float[Tensor, "N B"]], Float[Tensor, " N"]],
    level: float,
    draws: int,
    seed: int,
) -> Interval:
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"bootstrap: expected a level between 0 and 1 and at least one draw, found {level}, {draws}.")
    if min(mean.images() for mean in means) < 2:
        return Interval(estimate, math.nan, math.nan, level, draws, seed)
    images, generator = len(means[0].sums), torch.Generator().manual_seed(seed)
    found = []
    for start in range(0, draws, _AT_ONCE):
        chosen = torch.randint(images, (min(_AT_ONCE, draws - start), images), generator=generator)
        weights = torch.zeros(chosen.shape, dtype=torch.float64)
        found.append(statistic(weights.scatter_add(1, chosen, torch.ones_like(weights))))
    bounds = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.cat(found).nanquantile(bounds).tolist()  # a resample without anything that counts says nothing
    return Interval(estimate, low, high, level, draws, seed)


def _resampled(mean: Mean, weights: Float[Tensor, "N B"]) -> Float[Tensor, " N"]:
    return _ratio(weights @ mean.sums.cpu(), weights @ mean.counts.cpu())


def _ratio(sums: Float[Tensor, "N G"], counts: Float[Tensor, "N G"]) -> Float[Tensor, " N"]:
    return (sums / counts).nanmean(1)
