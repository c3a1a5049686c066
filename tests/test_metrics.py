"""Metrics equal what one computes by hand, or scipy does."""

import numpy as np
import pytest
import scipy.spatial
import torch

from probbody.metrics import mpjpe, pa_mpjpe, reprojection_error


def test_mpjpe_by_hand() -> None:
    truth = torch.zeros(1, 3, 3)
    found = torch.tensor([[[1.0, 0, 0], [1.0, 0.01, 0], [1.02, 0, 0]]])
    torch.testing.assert_close(mpjpe(found, truth), torch.tensor([10.0]), rtol=1e-4, atol=1e-4)
    seen = torch.tensor([[True, True, False]])
    torch.testing.assert_close(mpjpe(found, truth, seen), torch.tensor([5.0]), rtol=1e-4, atol=1e-4)


def test_pa_mpjpe_is_scipys() -> None:
    truth, found = torch.randn(4, 14, 3, dtype=torch.float64), torch.randn(4, 14, 3, dtype=torch.float64)
    found = truth + 0.1 * found
    measured = pa_mpjpe(found, truth)
    for body in range(4):
        standard, laid, _ = scipy.spatial.procrustes(truth[body].numpy(), found[body].numpy())
        size = np.linalg.norm(truth[body] - truth[body].mean(0))
        expected = 1000 * size * np.linalg.norm(standard - laid, axis=-1).mean()
        assert abs(expected - measured[body]) < 1e-6


def test_pa_mpjpe_forgives_similarities_and_refuses_too_few() -> None:
    truth = torch.randn(1, 6, 3, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    turn = turn * torch.linalg.det(turn)
    assert pa_mpjpe(2 * truth @ turn.mT + 5, truth).item() < 1e-6
    with pytest.raises(ValueError, match="at least 4"):
        pa_mpjpe(truth, truth, torch.tensor([[True] * 3 + [False] * 3]))


def test_reprojection_counts_what_was_seen() -> None:
    keypoints = torch.tensor([[[0.0, 0, 1], [10.0, 0, 1], [500.0, 0, 0]]])
    found = torch.tensor([[[3.0, 4], [10.0, 0], [0.0, 0]]])
    torch.testing.assert_close(reprojection_error(found, keypoints, torch.tensor([100.0])), torch.tensor([0.025]))
