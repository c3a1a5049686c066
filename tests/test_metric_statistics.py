"""Intervals cover, occlusion maps are ranked as by counting pairs, honest posteriors are found honest."""

import math

import pytest
import torch

from probbody.metrics.means import Mean, interval, paired, summed
from probbody.metrics.occlusion_maps import auc, brier, occlusion_scores
from probbody.metrics.posteriors import coverage, credible_levels, energy_score, least_error


def mean_of(values: torch.Tensor) -> Mean:
    return Mean(values.double().unsqueeze(1), torch.ones(len(values), 1, dtype=torch.float64), "mean over images")


def test_an_interval_is_that_of_the_normal_law_where_many_images_are() -> None:
    values = torch.randn(400)
    found = interval(mean_of(values), level=0.9)
    half = 1.645 * float(values.std()) / 20
    assert found.estimate == pytest.approx(float(values.mean()), abs=1e-6)
    assert found.low == pytest.approx(found.estimate - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.estimate + half, abs=0.1 * half)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    hits = [not interval(mean_of(torch.randn(60)), 0.8, draws=400, seed=trial).excludes(0.0) for trial in range(300)]
    assert (
        0.71 < sum(hits) / 300 < 0.87
    )  # 0.8, four standard errors either way, and a little narrow as the percentile is


def test_the_same_seed_gives_the_same_interval() -> None:
    mean = mean_of(torch.randn(30))
    assert interval(mean, draws=500, seed=3) == interval(mean, draws=500, seed=3)
    assert interval(mean, draws=500, seed=3) != interval(mean, draws=500, seed=4)


def test_a_pooled_mean_resamples_images_and_keeps_their_weights() -> None:
    counts = torch.tensor([[1.0], [9.0]], dtype=torch.float64)
    mean = Mean(torch.tensor([[10.0], [9.0]], dtype=torch.float64), counts, "pooled")
    found = interval(mean, level=0.98, draws=2000)
    assert found.estimate == pytest.approx(1.9)
    assert (found.low, found.high) == (1.0, 10.0)


def test_videos_resampled_whole_are_less_sure_than_frames() -> None:
    per_video = torch.randn(12).repeat_interleave(25) + 0.1 * torch.randn(300)
    mean = mean_of(per_video)
    whole = mean.grouped([f"video {frame // 25}" for frame in range(300)])
    assert whole.value() == pytest.approx(mean.value())
    narrow, wide = interval(mean), interval(whole)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    with pytest.raises(ValueError, match="one for each of 300"):
        mean.grouped(["a"])
    assert math.isnan(interval(mean.grouped(["a"] * 300)).low)


def test_two_methods_are_told_apart_by_pairs_where_intervals_overlap() -> None:
    hard = 30 * torch.rand(80)
    first, second = mean_of(hard + torch.rand(80)), mean_of(hard + 1 + torch.rand(80))
    difference = paired(first, second)
    assert difference.estimate == pytest.approx(first.value() - second.value())
    assert difference.excludes(0.0)
    assert interval(first).high > interval(second).low
    same = paired(first, first)
    assert (same.low, same.high) == (0.0, 0.0)


def test_one_image_that_counts_has_no_bounds_and_tells_no_methods_apart() -> None:
    counts = torch.tensor([[0.0], [1.0], [0.0], [0.0]], dtype=torch.float64)
    first, second = (Mean(value * counts, counts, "pooled") for value in (3.0, 2.0))
    nothing = Mean(0 * counts, 0 * counts, "pooled")
    for found, estimate in (
        (interval(first), 3.0),
        (paired(first, second), 1.0),
        (summed([(1, first), (1, mean_of(torch.ones(4)))]), 4.0),
        (interval(mean_of(torch.ones(1))), 1.0),
        (paired(nothing, nothing), math.nan),
        (interval(Mean(counts[:0], counts[:0], "pooled")), math.nan),
    ):
        assert found.estimate == pytest.approx(estimate, nan_ok=True)
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        assert not found.excludes()
    twice = Mean(3 * counts.roll(1, 0) + 5 * counts, counts.roll(1, 0) + counts, "pooled")
    assert (interval(twice).low, interval(twice).high) == (3.0, 5.0)


def test_means_over_other_joints_are_not_compared() -> None:
    first = Mean(torch.ones(3, 1, dtype=torch.float64), torch.ones(3, 1, dtype=torch.float64), "pooled")
    second = Mean(torch.ones(3, 1, dtype=torch.float64), 2 * torch.ones(3, 1, dtype=torch.float64), "pooled")
    with pytest.raises(ValueError, match="same images and joints"):
        paired(first, second)


def test_a_sum_of_means_is_resampled_by_the_same_images() -> None:
    first, second = mean_of(torch.rand(40)), mean_of(torch.rand(40))
    assert summed([(1, first), (-1, second)]) == paired(first, second)
    twice = summed([(2, first), (-1, first), (-1, first)])
    assert (twice.low, twice.estimate, twice.high) == pytest.approx((0, 0, 0), abs=1e-12)
    with pytest.raises(ValueError, match="over the same images, found"):
        summed([(1, first), (-1, mean_of(torch.rand(41)))])


def test_auc_counts_pairs() -> None:
    scores = torch.randint(0, 6, (60,)) / 5  # with many ties
    positive = torch.rand(60) > 0.6
    apart = scores[positive][:, None] - scores[~positive][None, :]
    expected = ((apart > 0).double() + 0.5 * (apart == 0).double()).mean()
    assert float(auc(scores.double(), positive)) == pytest.approx(float(expected), abs=1e-12)
    assert float(auc(positive.double(), positive)) == 1
    assert float(auc(torch.ones(60), positive)) == 0.5
    with pytest.raises(ValueError, match="negatives"):
        auc(scores, torch.ones(60, dtype=torch.bool))


def test_occlusion_maps_are_scored_where_the_body_is() -> None:
    chance = torch.zeros(2, 2, 2)
    hidden = torch.tensor([[[True, False], [True, True]], [[False, False], [False, False]]])
    body = torch.tensor([[[True, True], [False, False]], [[True, True], [True, True]]])
    chance[0, 0, 0] = 0.7
    scores = occlusion_scores(chance, hidden, body)
    assert scores.auc[0] == 1
    assert scores.auc[1].isnan()
    torch.testing.assert_close(scores.brier, torch.tensor([0.045, 0.0]))
    torch.testing.assert_close(scores.hidden, torch.tensor([0.5, 0.0]))
    empty = occlusion_scores(chance, hidden, torch.zeros_like(body))
    for nothing in (empty.auc, empty.brier, empty.hidden):
        assert nothing.isnan().all()
    none = occlusion_scores(chance[:0], hidden[:0], body[:0])
    assert none.auc.shape == none.brier.shape == none.hidden.shape == (0,)
    with pytest.raises(ValueError, match="chances from 0 to 1"):
        brier(torch.tensor([1.5]), torch.tensor([True]))


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("dimensions", [1, 3])
def test_an_honest_posterior_covers_as_it_says(dimensions: int, skewed: bool) -> None:
    pool = torch.randn(20, 500, 6, dimensions, dtype=torch.float64)
    pool = pool.exp() if skewed else pool @ torch.randn(dimensions, dimensions, dtype=torch.float64)
    levels = credible_levels(pool[1:], pool[0])
    for level in (0.25, 0.5, 0.9):
        inside = coverage(levels, level).pooled().value()
        assert inside == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 3000))


def test_a_posterior_that_is_too_sure_is_found_out() -> None:
    truth = torch.randn(400, 3, 3, dtype=torch.float64)
    narrow = 0.3 * torch.randn(40, 400, 3, 3, dtype=torch.float64)
    wide = 3 * torch.randn(40, 400, 3, 3, dtype=torch.float64)
    assert coverage(credible_levels(narrow, truth), 0.9).pooled().value() < 0.2
    assert coverage(credible_levels(wide, truth), 0.5).pooled().value() > 0.95


def test_a_point_that_nothing_moves_counts_nowhere() -> None:
    draws, truth = torch.randn(12, 2, 3, 3), torch.randn(2, 3, 3)
    draws[:, :, 0], truth[:, 0] = 0.0, 0.0
    draws[:, :, 1] = torch.tensor([1.0, 2.0, 3.0])  # draws that are all alike, and a truth elsewhere
    levels = credible_levels(draws, truth)
    assert levels[:, 0].isnan().all()
    assert (levels[:, 1] == 1).all()
    assert coverage(levels, 0.5).counted[:, 0].logical_not().all()
    with pytest.raises(ValueError, match="at least 10"):
        credible_levels(draws[:5], truth)


def test_the_least_of_some_draws_is_the_mean_over_all_choices() -> None:
    errors = torch.rand(6, 3, dtype=torch.float64)
    choices = torch.combinations(torch.arange(6), 3)
    torch.testing.assert_close(least_error(errors, 3), errors[choices].amin(1).mean(0))
    torch.testing.assert_close(least_error(errors, 1), errors.mean(0))
    torch.testing.assert_close(least_error(errors, 6), errors.amin(0))


def test_the_energy_score_prefers_the_right_spread() -> None:
    truth = torch.randn(2000, 1, 3, dtype=torch.float64)
    scores = [
        float(energy_score(spread * torch.randn(30, 2000, 1, 3, dtype=torch.float64), truth).mean())
        for spread in (0.4, 1.0, 2.5)
    ]
    assert scores[1] < min(scores[0], scores[2])
