"""The variational prior: how its code is settled, what its decoder is as a density."""

import math
from pathlib import Path

import pytest
import torch

from probbody.geometry.rotations import axis_angle_to_matrix, geodesic_angle, quaternion_to_matrix
from probbody.inference.learn.pose_data import PoseSet
from probbody.priors.shipped import (
    vae_prior,
)
from probbody.priors.tangent import log_observed
from probbody.priors.vae import KIND, VaePose
from probbody.priors.weights import write_weights


def test_the_decoders_density_over_rotations_integrates_to_one() -> None:
    """The mean of density over uniform density, at uniform rotations, is 1."""
    quaternion = torch.randn(400_000, 4, dtype=torch.float64)
    quaternion = quaternion / quaternion.norm(dim=-1, keepdim=True)
    rotations = quaternion_to_matrix(quaternion)[:, None]
    centre = axis_angle_to_matrix(torch.tensor([[[0.3, -1.0, 0.5]]], dtype=torch.float64)).expand_as(rotations)
    spread = torch.tensor([[0.5, 0.4, 0.6]], dtype=torch.float64)
    density = log_observed(rotations, centre, spread).exp()
    assert float(density.mean() * 8 * math.pi**2) == pytest.approx(1.0, abs=0.03)


def test_a_settled_code_is_as_varied_as_the_poses_it_was_taken_from() -> None:
    prior = VaePose(num_joints=4, num_code=5, hidden=16)
    with torch.no_grad():
        for part in prior.parameters():
            part.add_(0.3 * torch.randn_like(part))
    rotations = axis_angle_to_matrix(0.5 * torch.randn(400, 4, 3) * torch.tensor([1.0, 0.2, 0.5]))
    before = prior.decode(prior.encode(rotations))
    prior.settle(rotations, share=1.0)
    codes = prior.encode(rotations)
    torch.testing.assert_close(codes.mean(0), torch.zeros(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cov(codes.mT), torch.eye(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(prior.decode(codes), before, atol=1e-4, rtol=0)
    prior.settle(rotations, share=0.0)
    torch.testing.assert_close(prior.encode(rotations), prior.posterior(rotations).base_dist.loc)
    prior.settle(rotations[:3])  # too few for a covariance of their own
    assert prior.encode(rotations).isfinite().all()
    with pytest.raises(ValueError, match="expected two poses or more, found 1"):
        prior.settle(rotations[:1])


def test_a_prior_that_did_not_settle_is_read_as_it_was(tmp_path: Path) -> None:
    prior = VaePose(num_joints=4, num_code=5, hidden=16)
    tensors = {name: value for name, value in prior.state_dict().items() if not name.startswith("code_")}
    words = {"num_joints": "4", "num_code": "5", "hidden": "16"}
    write_weights(tmp_path / "older.safetensors", tensors, words, KIND)
    again, code = VaePose.load(tmp_path / "older.safetensors"), torch.randn(3, 5)
    torch.testing.assert_close(again.decode(code), prior.eval().decode(code))


def test_takes_alike_are_drawn_as_often() -> None:
    poses = PoseSet(torch.zeros(6, 21, 3), torch.full((6,), 1 / 6), ("long", "short"), torch.tensor([0, 0, 0, 0, 0, 1]))
    torch.testing.assert_close(poses.takes_alike().chances, torch.tensor([0.1, 0.1, 0.1, 0.1, 0.1, 0.5]))


def test_the_divergence_of_the_code_is_torchs() -> None:
    prior = vae_prior()
    posterior = prior.posterior(prior.decode(prior.code().sample((5,))))
    mean, spread = posterior.base_dist.loc, posterior.base_dist.scale
    by_hand = (0.5 * (mean.square() + spread.square() - 1) - spread.log()).sum(-1)
    torch.testing.assert_close(torch.distributions.kl_divergence(posterior, prior.code()), by_hand)


def test_no_part_of_the_learnt_code_is_asleep() -> None:
    """Half of the dimensions or more move the body by a degree a joint or more."""
    prior = vae_prior()
    pushed = 1.5 * torch.eye(prior.num_code)
    moved = geodesic_angle(prior.decode(pushed), prior.decode(-pushed)).mean(-1)
    assert (moved.rad2deg() > 1).float().mean() >= 0.5
