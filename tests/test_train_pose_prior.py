"""A pose prior is learnt the same way twice, also when it was interrupted."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from probbody.data.capture import read_motions
from probbody.errors import BadInput
from probbody.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from probbody.inference.learn import pose_prior
from probbody.inference.learn.pose_data import pose_set, taught_in_two
from probbody.inference.learn.pose_densities import fit_pose_densities, variance_floor
from probbody.inference.learn.pose_evidence import log_evidence
from probbody.inference.learn.pose_freedom import train_pose_freedom
from probbody.inference.learn.pose_mixture import fitted_mixture
from probbody.inference.learn.pose_prior import PosePriorTraining, train_pose_prior
from probbody.inference.learn.skeleton import bone_directions, joint_positions
from probbody.priors.freed import FreedPose
from probbody.priors.limits import JointLimits
from probbody.priors.mixture import MixturePose
from probbody.priors.tangent import log_volume
from probbody.priors.vae import VaePose

TINY = PosePriorTraining(steps=8, batch=16, hidden=16, num_code=4, save_every=3)
APART = "02_14"
"""A take whose name says that freedom is judged by it."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two takes to learn from and one to hold out, of joints that move along one direction."""
    draws = np.random.default_rng(0)
    along = draws.normal(size=(24, 3))
    poses = 0.3 * draws.normal(size=(90, 1, 1)) * along + 0.02 * draws.normal(size=(90, 24, 3))
    path = tmp_path / "motion.npz"
    np.savez(
        path,
        poses=poses.astype(np.float32),
        trans=np.zeros((90, 3), np.float32),
        valid=np.arange(90) != 5,
        fps=np.array(30),
        clip=np.array(["02_01", "02_02", "02_03"]),  # the second is held out
        start=np.array([0, 30, 60]),
        length=np.array([30, 30, 30]),
    )
    return path


class Interrupted(Exception):
    """Somebody pulled the plug."""


def _stops_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = pose_prior._Run.advance

    def stopping(run: pose_prior._Run, taught: pose_prior.PoseSet) -> None:
        if run.step == step:
            raise Interrupted
        advance(run, taught)

    monkeypatch.setattr(pose_prior._Run, "advance", stopping)


def _same(one: VaePose, other: VaePose) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_the_same_seed_gives_the_same_weights(data: Path, tmp_path: Path) -> None:
    one = train_pose_prior(data, tmp_path / "one.safetensors", TINY, progress=False)
    torch.rand(5)  # what others draw does not matter
    two = train_pose_prior(data, tmp_path / "two.safetensors", TINY, progress=False)
    other = dataclasses.replace(TINY, seed=1)
    three = train_pose_prior(data, tmp_path / "three.safetensors", other, progress=False)
    assert _same(one.prior, two.prior)
    assert not _same(one.prior, three.prior)
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    assert one.held_out == ("02_02",)
    assert len(one.losses) == TINY.steps


def test_training_leaves_the_random_numbers_of_others_alone(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    train_pose_prior(data, tmp_path / "one.safetensors", TINY, progress=False)
    assert torch.equal(torch.rand(3), expected)


def test_an_interrupted_training_ends_as_if_it_had_not_been(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_pose_prior(data, tmp_path / "whole.safetensors", TINY, progress=False)
    out = tmp_path / "resumed.safetensors"
    with monkeypatch.context() as patch:
        _stops_at(7, patch)
        with pytest.raises(Interrupted):
            train_pose_prior(data, out, TINY, progress=False)
    assert not out.exists()
    resumed = train_pose_prior(data, out, TINY, resume=True, progress=False)
    assert _same(whole.prior, resumed.prior)
    assert torch.equal(whole.losses, resumed.losses)
    assert out.read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "motion.npz",
        "resumed.safetensors",
        "whole.safetensors",
    ]


def test_a_checkpoint_of_another_training_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "prior.safetensors"
    with monkeypatch.context() as patch:
        _stops_at(4, patch)
        with pytest.raises(Interrupted):
            train_pose_prior(data, out, TINY, progress=False)
    with pytest.raises(BadInput, match="other settings"):
        train_pose_prior(data, out, dataclasses.replace(TINY, rate=1e-4), resume=True, progress=False)
    (tmp_path / "prior.safetensors.checkpoint").write_bytes(b"no checkpoint")
    with pytest.raises(BadInput, match="cannot be read"):
        train_pose_prior(data, out, TINY, resume=True, progress=False)


def test_learning_learns(data: Path, tmp_path: Path) -> None:
    training = dataclasses.replace(TINY, steps=100, rate=5e-3)
    result = train_pose_prior(data, tmp_path / "prior.safetensors", training, progress=False)
    assert result.losses[-20:].mean() < result.losses[:20].mean() - 30
    assert _same(result.prior, VaePose.load(tmp_path / "prior.safetensors"))


def test_nothing_to_learn_from_is_said(data: Path, tmp_path: Path) -> None:
    with np.load(data) as held:
        arrays = dict(held)
    np.savez(data, **{**arrays, "valid": np.zeros(90, bool)})
    with pytest.raises(BadInput, match="valid and not held out"):
        train_pose_prior(data, tmp_path / "prior.safetensors", TINY, progress=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="found none"):
        train_pose_prior(tmp_path / "empty", tmp_path / "prior.safetensors", TINY, progress=False)
    with pytest.raises(BadInput, match="batch: expected at least 2"):
        PosePriorTraining(batch=1)


def test_freedom_is_what_is_left_of_takes_that_were_not_learnt_from(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="others to judge by"):
        train_pose_freedom(data, tmp_path / "spread.safetensors", TINY, progress=False)
    with np.load(data) as held:
        arrays = dict(held)
    np.savez(data, **{**arrays, "clip": np.array(["02_01", "02_02", APART])})
    taught, apart = taught_in_two(data)
    assert (taught.clips, apart.clips) == (("02_01",), (APART,))
    one = train_pose_freedom(data, tmp_path / "one.safetensors", TINY, draws=50, progress=False)
    train_pose_freedom(data, tmp_path / "two.safetensors", TINY, draws=50, progress=False)
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    assert not (tmp_path / "one.safetensors.checkpoint").exists()
    assert torch.equal(FreedPose.load(tmp_path / "one.safetensors", one.prior).spread, one.spread)
    assert (one.spread >= variance_floor()).all()


def test_takes_are_balanced_by_length_and_variety(data: Path) -> None:
    motions = read_motions(data)
    taught, kept = pose_set(motions, held_out=False), pose_set(motions, held_out=True)
    assert len(taught) == 59  # one frame is not valid
    assert len(kept) == 30
    assert taught.chances.sum() == pytest.approx(1.0)
    drawn = taught.draw(500, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, taught.draw(500, torch.Generator().manual_seed(0)))


def test_densities_are_fitted_and_written(data: Path, tmp_path: Path) -> None:
    fit_pose_densities(data, tmp_path / "out", draws=200, components=2, licence="CC0-1.0")
    names = ["joint_limits", "pose_prior_gaussian", "pose_prior_mixture", "pose_prior_split"]
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == names
    assert MixturePose.load(tmp_path / "out" / "pose_prior_mixture.safetensors").licence == "CC0-1.0"
    collars = JointLimits.load(tmp_path / "out" / "joint_limits.safetensors").low[12:14]
    assert (collars <= -0.3).all()


def test_clouds_are_found_again() -> None:
    away = torch.tensor([-0.8, 0.0, 0.8])
    which = torch.arange(3000) % 3
    angles = away[which][:, None, None] + 0.05 * torch.randn(3000, 2, 3)
    found = fitted_mixture(angles, torch.full((2, 3), 0.01), torch.ones(3000), components=3)
    torch.testing.assert_close(found.means[:, 0].sort().values, away, atol=0.02, rtol=0)
    torch.testing.assert_close(found.chances, torch.full((3,), 1 / 3), atol=0.02, rtol=0)


def test_the_evidence_of_a_decoder_that_says_nothing_is_its_noise() -> None:
    prior = VaePose(num_joints=2, num_code=3, hidden=8).double()
    with torch.no_grad():
        prior.decoder["third"].weight.zero_()
    angles = 0.3 * torch.randn(5, 2, 3, dtype=torch.float64)
    prior.requires_grad_(False)
    found = log_evidence(prior, axis_angle_to_matrix(angles), [0, 1], draws=3, widening=1.0)
    spread = prior.log_noise.exp()
    expected = (-0.5 * (angles / spread).square() - spread.log() - 0.5 * math.log(2 * math.pi)).sum((-1, -2))
    torch.testing.assert_close(found, expected)


def test_the_evidence_is_the_integral_over_one_dimension() -> None:
    torch.manual_seed(1)
    prior = VaePose(num_joints=2, num_code=1, hidden=8).double().requires_grad_(False)
    prior.log_noise.fill_(-1.0)
    rotations = axis_angle_to_matrix(0.3 * torch.randn(3, 2, 3, dtype=torch.float64))
    found = log_evidence(prior, rotations, [0, 1], draws=400)
    grid = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    decoded = prior.decode(grid[:, None])
    for one, value in zip(rotations, found, strict=True):
        joint = prior.log_observed(one.expand(4001, 2, 3, 3), decoded) + prior.code().log_prob(grid[:, None])
        exact = joint.logsumexp(0) + math.log(16 / 4000) + log_volume(matrix_to_axis_angle(one)).sum()
        assert float(value) == pytest.approx(float(exact), abs=0.03)


def test_the_skeleton_is_a_standing_person() -> None:
    places = joint_positions(torch.eye(3).expand(1, 21, 3, 3))[0]
    assert 1.4 < float(places[15, 1] - places[10, 1]) < 1.6  # head joint over toes
    assert places[20, 0] > 0.6  # the left wrist is at +x
    torch.testing.assert_close(bone_directions().norm(dim=-1), torch.ones(21))
