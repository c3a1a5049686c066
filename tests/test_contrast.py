"""Features told apart by contrast: the bank that they are compared with, and the loss."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from probbody.geometry.rest import at_rest
from probbody.inference.learn.contrast import FeatureBank, clutter_likeness, info_nce, near_vertices
from probbody.inference.learn.feature_sampling import PointFeatures
from tests.learning_scenes import BODY

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def some_points(count: int, vertices: int, directions: int = 3, channels: int = 8) -> PointFeatures:
    features = normalize(torch.randn(count, channels), dim=-1)
    return PointFeatures(features, torch.randint(vertices, (count,)), torch.rand(count, directions).softmax(-1))


def test_seen_rows_stay_unit_vectors_and_unseen_rows_stay_as_they_are() -> None:
    bank, points = FeatureBank(10, 3, 8), some_points(20, 5)
    points = replace(points, shares=torch.tensor([[0.7, 0.3, 0.0]]).repeat(20, 1))
    before = bank.rows.clone()
    bank.follow(points)
    torch.testing.assert_close(bank.rows.norm(dim=-1), torch.ones(10, 3))
    assert torch.equal(bank.rows[5:], before[5:])
    assert torch.equal(bank.rows[:, 2], before[:, 2])
    seen = torch.unique(points.vertex)
    assert (bank.rows[seen, :2] != before[seen, :2]).any(-1).all()


def test_rows_come_to_rest_at_the_mean_direction_of_what_is_seen() -> None:
    bank, points = FeatureBank(2, 1, 8), some_points(30, 2, directions=1)
    for _ in range(200):
        bank.follow(points, momentum=0.8)
    for vertex in range(2):
        torch.testing.assert_close(
            bank.rows[vertex, 0], normalize(points.features[points.vertex == vertex].sum(0), dim=0), **CLOSE
        )


def test_a_step_of_a_row_is_the_moving_mean() -> None:
    bank, points = FeatureBank(1, 2, 8), some_points(1, 1, directions=2)
    keep = 0.9 ** points.shares[0].unsqueeze(1)  # a direction that has little of a sight hardly moves
    expected = normalize(keep * bank.rows[0] + (1 - keep) * points.features, dim=-1)
    bank.follow(points, momentum=0.9)
    torch.testing.assert_close(bank.rows[0], expected, **CLOSE)


def test_clutter_takes_the_place_of_the_oldest() -> None:
    bank, clutter = FeatureBank(1, 1, 8, clutter=5), normalize(torch.randn(9, 8), dim=-1)
    assert len(bank.remembered) == 0
    bank.remember(clutter[:3])
    assert torch.equal(bank.remembered, clutter[:3])
    bank.remember(clutter[3:7])
    assert torch.equal(bank.remembered, clutter[[5, 6, 2, 3, 4]])
    bank.remember(clutter)  # more than there is room for: the latest stay
    assert {tuple(row.tolist()) for row in bank.remembered} == {tuple(row.tolist()) for row in clutter[4:]}


def test_the_loss_and_its_gradient_are_those_of_the_formula() -> None:
    bank, points = FeatureBank(12, 3, 8, clutter=6).double(), some_points(10, 12)
    near = torch.rand(12, 12) < 0.3
    near.fill_diagonal_(False)
    bank.remember(normalize(torch.randn(4, 8), dim=-1).double())
    features = points.features.double().requires_grad_()
    points = PointFeatures(features, points.vertex, points.shares.double())
    slow = features.new_zeros(())
    for feature, vertex, share in zip(features, points.vertex, points.shares, strict=True):
        others = (bank.rows[~near[vertex]].flatten(0, 1) @ feature / 0.1).exp().sum()
        clutter = 0.02 * (bank.remembered @ feature / 0.1).exp().sum()
        slow = slow - (share * (bank.rows[vertex] @ feature / 0.1 - (others + clutter).log())).sum() / 10
    quick = info_nce(points, bank, near, temperature=0.1, clutter_weight=0.02)
    torch.testing.assert_close(quick, slow)
    torch.testing.assert_close(torch.autograd.grad(quick, features)[0], torch.autograd.grad(slow, features)[0])


def test_near_vertices_do_not_change_the_loss() -> None:
    bank, points = FeatureBank(12, 3, 8), some_points(10, 6)
    near = torch.zeros(12, 12, dtype=torch.bool)
    near[:6, 6:] = True
    before = info_nce(points, bank, near)
    bank.rows[6:] = normalize(
        points.features[:6].unsqueeze(1).expand(-1, 3, -1), dim=-1
    )  # the hardest negatives there are
    torch.testing.assert_close(info_nce(points, bank, near), before)


def test_where_all_are_alike_the_loss_is_the_log_of_the_number_of_negatives() -> None:
    bank, alike = FeatureBank(12, 3, 8, clutter=20), normalize(torch.randn(1, 8), dim=-1)
    bank.rows[:] = alike
    bank.remember(alike.expand(20, -1))
    points = PointFeatures(alike.expand(5, -1), torch.arange(5), torch.rand(5, 3).softmax(-1))
    near = torch.zeros(12, 12, dtype=torch.bool)
    near[:, 8:] = True
    loss = info_nce(points, bank, near, clutter_weight=5e-3)
    assert float(loss) == pytest.approx(math.log(3 * (12 - 4) + 20 * 5e-3), rel=1e-5)


def test_likeness_of_clutter_lies_between_the_mean_and_the_greatest_cosine() -> None:
    bank, clutter = FeatureBank(12, 3, 8), normalize(torch.randn(5, 8), dim=-1)
    cosines = clutter @ bank.rows.flatten(0, 1).mT
    assert float(cosines.mean()) <= float(clutter_likeness(clutter, bank)) <= float(cosines.amax(1).mean())


def test_near_vertices_are_near_along_the_skin_and_never_oneself() -> None:
    near, place = near_vertices(BODY, 0.08), at_rest(BODY).vertices[0]
    assert torch.equal(near, near.mT)
    assert not near.diagonal().any()
    assert (near.sum(1) >= 3).all()
    apart = torch.cdist(place, place)
    assert float(apart[near].max()) < 0.08
    assert not near[apart >= 0.08].any()
