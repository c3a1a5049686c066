"""Metrics equal what one computes by hand, or scipy does."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.spatial
import torch
from torch import Tensor

from probbody.bodies.joints import H36M14
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.metrics.alignments import AsTheyAre, Procrustes, Rooted, RootedApart
from probbody.metrics.joints import mpjpe, pa_mpjpe, pve, reprojection_error
from probbody.metrics.keypoints import PCKH, box_lengths, head_lengths, keypoint_scores
from probbody.metrics.scores import Scores, joint_scores

ALIGNMENTS = [AsTheyAre(), Rooted((0,)), Rooted((2, 3)), Procrustes()]


def bodies(count: int = 4, joints: int = 14, off: float = 0.1) -> tuple[Tensor, Tensor]:
    truth = torch.randn(count, joints, 3, dtype=torch.float64)
    return truth + off * torch.randn_like(truth), truth


def by_scipy(found: Tensor, truth: Tensor) -> np.ndarray:
    """Distances of one body's joints after scipy's Procrustes, which scales the truth to size 1."""
    standard, laid, _ = scipy.spatial.procrustes(truth.numpy(), found.numpy())
    return 1000 * np.linalg.norm(truth - truth.mean(0)) * np.linalg.norm(standard - laid, axis=-1)


def test_mpjpe_by_hand() -> None:
    truth = torch.zeros(1, 3, 3)
    found = torch.tensor([[[1.0, 0, 0], [1.0, 0.01, 0], [1.02, 0, 0]]])
    torch.testing.assert_close(mpjpe(found, truth), torch.tensor([10.0]), rtol=1e-4, atol=1e-4)
    seen = torch.tensor([[True, True, False]])
    torch.testing.assert_close(mpjpe(found, truth, seen), torch.tensor([5.0]), rtol=1e-4, atol=1e-4)


def test_pa_mpjpe_is_scipys() -> None:
    found, truth = bodies()
    expected = [by_scipy(*pair).mean() for pair in zip(found, truth, strict=True)]
    np.testing.assert_allclose(pa_mpjpe(found, truth), expected, atol=1e-6)


def test_a_table_after_a_similarity_is_scipys_joint_by_joint_fitted_by_the_joints_that_count() -> None:
    found, truth = bodies(3)
    seen = torch.rand(3, 14) > 0.4
    scores = joint_scores(found, truth, Procrustes(), seen)
    for body in range(3):
        expected = by_scipy(found[body][seen[body]], truth[body][seen[body]])
        np.testing.assert_allclose(scores.values[body][seen[body]], expected, atol=1e-6)


def test_pa_mpjpe_forgives_similarities_and_refuses_too_few() -> None:
    truth = torch.randn(1, 6, 3, dtype=torch.float64)
    turn = axis_angle_to_matrix(torch.randn(1, 3, dtype=torch.float64))
    assert pa_mpjpe(2 * truth @ turn.mT + 5, truth).item() < 1e-6
    with pytest.raises(ValueError, match="at least 4"):
        pa_mpjpe(truth, truth, torch.tensor([[True] * 3 + [False] * 3]))
    with pytest.raises(ValueError, match="one place"):
        pa_mpjpe(truth, torch.ones_like(truth))
    with pytest.raises(ValueError, match="one joint"):
        mpjpe(truth, truth, torch.zeros(1, 6, dtype=torch.bool))


def test_a_mirrored_body_is_not_forgiven() -> None:
    _, truth = bodies(1)
    assert pa_mpjpe(truth * torch.tensor([-1.0, 1.0, 1.0]), truth).item() > 100


@pytest.mark.parametrize("alignment", ALIGNMENTS, ids=lambda alignment: alignment.name)
def test_a_perfect_answer_has_no_error(alignment: AsTheyAre) -> None:
    _, truth = bodies()
    scores = joint_scores(truth, truth, alignment, torch.rand(4, 14) > 0.3)
    assert scores.pooled().value() < 1e-9
    assert scores.below(1.0).pooled().value() == 1


@pytest.mark.parametrize("alignment", ALIGNMENTS, ids=lambda alignment: alignment.name)
def test_a_batch_is_a_loop_and_order_does_not_matter(alignment: AsTheyAre) -> None:
    found, truth = bodies(6)
    seen = torch.rand(6, 14) > 0.4
    together = joint_scores(found, truth, alignment, seen).values
    for body in (3, 0):
        alone = joint_scores(found[body : body + 1], truth[body : body + 1], alignment, seen[body : body + 1]).values
        torch.testing.assert_close(together[body : body + 1], alone)


def test_what_is_hidden_does_not_change_what_is_seen() -> None:
    found, truth = bodies(2)
    seen = torch.ones(2, 14, dtype=torch.bool)
    seen[:, 5:8] = False
    moved, unknown = found.clone(), truth.clone()
    moved[:, 5:8] += 10
    unknown[:, 5:8] = torch.nan
    for alignment in (Rooted(), Procrustes()):
        before = joint_scores(found, truth, alignment, seen)
        after = joint_scores(moved, unknown, alignment, seen)
        assert before.pooled().value() == after.pooled().value()


def test_the_root_is_the_same_for_both_unless_one_asks_for_the_released_evaluation() -> None:
    _, truth = bodies(1)
    assert joint_scores(truth, truth, RootedApart((2, 3), (0,))).pooled().value() > 1
    assert joint_scores(truth + 3, truth, Rooted((2, 3))).pooled().value() < 1e-9
    assert joint_scores(truth + 3, truth, AsTheyAre()).pooled().value() == pytest.approx(3000 * 3**0.5)


def test_images_that_cannot_be_aligned_count_nowhere_and_are_told() -> None:
    found, truth = bodies(3)
    seen = torch.ones(3, 14, dtype=torch.bool)
    seen[1, 3:] = False
    scores = joint_scores(found, truth, Procrustes(), seen)
    assert scores.measured.tolist() == [True, False, True]
    assert scores.values[1].isnan().all()
    assert scores.over_images().images() == 2
    assert scores.of_images()[1].isnan()
    assert scores.pooled().value() == pytest.approx(float(pa_mpjpe(found[[0, 2]], truth[[0, 2]]).mean()))


def test_an_answer_in_one_place_is_scored_from_the_middle_of_the_truth() -> None:
    found, truth = bodies(3)
    found[1] = 0.0
    scores = joint_scores(found, truth, Procrustes())
    assert scores.measured.all()
    middle = 1000 * (truth[1] - truth[1].mean(0)).norm(dim=-1)
    torch.testing.assert_close(scores.values[1], middle)
    assert float(pa_mpjpe(found[:1], truth[:1])) < float(middle.mean())
    assert not joint_scores(truth, found, Procrustes()).measured[1]


def test_the_three_means_by_hand() -> None:
    truth = torch.zeros(2, 2, 3, dtype=torch.float64)
    found = truth.clone()
    found[0, 0, 0], found[0, 1, 0], found[1, 0, 0] = 0.001, 0.003, 0.008
    counted = torch.tensor([[True, True], [True, False]])
    scores = joint_scores(found, truth, AsTheyAre(), counted)
    assert scores.over_images().value() == pytest.approx((2 + 8) / 2)
    assert scores.pooled().value() == pytest.approx((1 + 3 + 8) / 3)
    assert scores.over_joints().value() == pytest.approx((4.5 + 3) / 2)
    torch.testing.assert_close(scores.of_joints(), torch.tensor([4.5, 3.0], dtype=torch.float64))
    assert [mean.value() for mean in scores.each_joint()] == pytest.approx([4.5, 3.0])
    assert [mean.images() for mean in scores.each_joint()] == [2, 1]
    assert scores.below(3.0).pooled().value() == pytest.approx(2 / 3)
    assert scores.area_below(8.0, 5).pooled().value() == pytest.approx((4 + 3 + 1) / 15)  # limits 0, 2, 4, 6, 8


def test_visible_and_hidden_joints_make_up_the_whole() -> None:
    found, truth = bodies(5)
    hidden = torch.rand(5, 14) > 0.5
    scores = joint_scores(found, truth, Procrustes())
    parts = [scores.where(hidden).pooled(), scores.where(~hidden).pooled()]
    shares = [float(part.counts.sum()) / (5 * 14) for part in parts]
    assert sum(part.value() * share for part, share in zip(parts, shares, strict=True)) == pytest.approx(
        scores.pooled().value()
    )


def test_a_method_must_answer_for_every_joint_and_in_numbers() -> None:
    found, truth = bodies(3)
    found[2, 4, 1] = torch.nan
    with pytest.raises(ValueError, match="joint 4 of body 2"):
        joint_scores(found, truth, Rooted())
    with pytest.raises((ValueError, TypeError)):
        joint_scores(found[:, :13], truth, Rooted())
    truth[0, 0] = torch.inf
    with pytest.raises(ValueError, match="truth"):
        joint_scores(torch.zeros_like(truth), truth, Rooted())
    counted = torch.ones(3, 14, dtype=torch.bool)
    counted[:, 0] = False
    with pytest.raises(ValueError, match="root"):
        joint_scores(torch.zeros_like(truth), truth, Rooted(), counted)


def test_no_number_counts_nowhere() -> None:
    values = torch.tensor([[1.0, torch.nan], [torch.nan, 3.0]])
    counted = torch.tensor([[True, False], [False, True]])
    scores = Scores(values, counted, torch.ones(2, dtype=torch.bool), "mm")
    assert [mean.value() for mean in (scores.pooled(), scores.over_images(), scores.over_joints())] == [2, 2, 2]
    with pytest.raises(ValueError, match="found NaN in joint 0 of image 1"):
        replace(scores, counted=torch.tensor([[True, False], [True, True]]))


def test_nobody_has_no_errors() -> None:
    nobody, seen = torch.zeros(0, 14, 3), torch.zeros(0, 14, dtype=torch.bool)
    for error in (mpjpe, pa_mpjpe):
        assert error(nobody, nobody).shape == error(nobody, nobody, seen).shape == (0,)


def test_vertices_are_compared_from_the_root_of_each() -> None:
    truth = torch.randn(2, 50, 3, dtype=torch.float64)
    root = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(pve(truth + 1, truth, root + 1, root), torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(
        pve(truth + torch.tensor([0.0, 0.02, 0.0]), truth, root, root), torch.full((2,), 20.0, dtype=torch.float64)
    )


def test_pckh_is_counted_by_hand() -> None:
    truth = torch.zeros(1, 14, 2)
    truth[0, 12], truth[0, 13] = torch.tensor([50.0, 60.0]), torch.tensor([50.0, 40.0])
    found = truth.clone()
    found[0, 0, 0], found[0, 1, 0] = 9.9, 10.1
    head = head_lengths(truth, H36M14)
    torch.testing.assert_close(head, torch.tensor([20.0]))
    hits = keypoint_scores(found, truth, head).below(PCKH)
    assert hits.values[0, :3].tolist() == [1.0, 0.0, 1.0]
    assert hits.over_joints().value() == pytest.approx(13 / 14)
    assert keypoint_scores(truth, truth, head).below(PCKH).over_joints().value() == 1
    for size in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="size: expected positive, finite lengths"):
            keypoint_scores(found, truth, torch.full_like(head, size))
    assert box_lengths(torch.tensor([[1.0, 2.0, 4.0, 12.0]])).item() == 10


def test_reprojection_counts_what_was_seen() -> None:
    keypoints = torch.tensor([[[0.0, 0, 1], [10.0, 0, 1], [500.0, 0, 0]]])
    found = torch.tensor([[[3.0, 4], [10.0, 0], [0.0, 0]]])
    torch.testing.assert_close(reprojection_error(found, keypoints, torch.tensor([100.0])), torch.tensor([0.025]))
