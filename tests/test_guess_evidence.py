"""A guess is believed as far as such guesses were right before: their errors are measured, and pull as an observation."""

from dataclasses import replace

import pytest
import torch
from pyro import poutine
from scipy.stats import multivariate_normal

from probbody.extractors.guess_errors import FLOOR, GuessErrors
from probbody.features.backgrounds import UniformBackground
from probbody.models import GuessEvidence, NeuralSMPL
from probbody.priors.gaussian import GaussianPose
from probbody.render.mesh import MeshRenderer
from probbody.systems import neural_smpl
from tests.feature_scenes import CHANNELS, KAPPA, arm, astray, features_of, fit, seen, truth

BODY = arm()
SIZE = 3 * len(BODY.parents)


def told(guess: GuessEvidence | None) -> NeuralSMPL:
    prior = GaussianPose.independent(len(BODY.parents) - 1, 0.3)
    parts = (BODY, features_of(BODY), UniformBackground(CHANNELS), prior)
    return neural_smpl(
        *parts, concentration=KAPPA, renderer=MeshRenderer(3), evidence=() if guess is None else (guess,)
    )


def test_errors_are_measured_as_they_were_drawn() -> None:
    scale = 0.1 * torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.2, 0.1, 0.5]], dtype=torch.float64)
    normal = torch.randn(6_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = GuessErrors.fit(normal @ scale.mT)
    torch.testing.assert_close(found.scale @ found.scale.mT, scale @ scale.mT, rtol=0.1, atol=8e-4)


def test_errors_that_never_were_are_not_taken_for_knowledge() -> None:
    found = GuessErrors.fit(torch.zeros(10, 3))
    assert (found.scale.diagonal() >= 0.99 * FLOOR).all()


def test_too_few_errors_are_refused() -> None:
    with pytest.raises(ValueError, match="expected more than 3 guesses, found 3"):
        GuessErrors.fit(torch.zeros(3, 3))


def test_the_density_is_normal() -> None:
    scale = torch.linalg.cholesky(0.01 * (torch.eye(SIZE) + 0.3))
    guess = GuessEvidence(scale)
    sites = truth(told(None), 1)
    observation, pose = seen(told(None), sites)
    joints = BODY(pose).joints
    off = 0.05 * torch.randn(joints.shape, generator=torch.Generator().manual_seed(3))
    believed = replace(observation, points=joints + off)
    model = poutine.condition(told(guess), sites)
    trace = poutine.trace(model).get_trace(believed)
    trace.compute_log_prob()
    camera = observation.camera
    turned = (off - off[:, :1]) @ camera.rotation.mT
    here, there = (camera.project(each)[0, 0] for each in (joints, joints + off))
    across = (there - here)[:2] / camera.focal[0] * there[2]
    away = torch.cat([turned[0, 1:].flatten(), across, (there[2] / here[2]).log()[None]]).double()
    expected = multivariate_normal(torch.zeros(SIZE), (scale @ scale.mT).double().numpy()).logpdf(away.numpy())
    assert float(trace.nodes["points"]["log_prob"].sum()) == pytest.approx(float(expected), rel=1e-4)


def test_a_guess_pulls_the_body() -> None:
    alone, doubted = told(None), told(GuessEvidence(0.01 * torch.eye(SIZE)))
    sites = truth(alone, 1)
    observation, pose = seen(alone, sites)
    blank = replace(observation, features=None, points=BODY(pose).joints)
    start = astray(sites, by=4.0)
    near = fit(poutine.block(doubted, hide=["features"]), blank, start).pose
    code, orientation, shape = (start[name][0] for name in ("pose", "orientation", "shape"))
    before = doubted.story.assemble(code, orientation, shape, pose.translation)
    assert _apart(BODY(near).joints, BODY(pose).joints) < 0.5 * _apart(BODY(before).joints, BODY(pose).joints)


def test_a_guess_says_where_the_body_is() -> None:
    alone, doubted = told(None), told(GuessEvidence(0.01 * torch.eye(SIZE)))
    observation, pose = seen(alone, truth(alone, 1))
    blank = replace(observation, features=None, points=BODY(pose).joints)
    start = {name: value[None] for name, value in truth(alone, 1).items()}
    start["place"] = start["place"] + torch.tensor([0.05, -0.03, 0.06])
    found = fit(poutine.block(doubted, hide=["features"]), blank, start).pose
    before = (observation.camera.place(start["place"][0]) - pose.translation).norm()
    assert (found.translation - pose.translation).norm() < 0.2 * before


def test_what_was_not_guessed_is_not_asked_for() -> None:
    model = told(GuessEvidence(0.1 * torch.eye(SIZE)))
    observation, _ = seen(told(None), truth(told(None), 1))
    assert "points" not in poutine.trace(model).get_trace(observation).nodes


def test_a_guess_of_another_body_is_refused() -> None:
    model = told(GuessEvidence(0.1 * torch.eye(SIZE)))
    observation, _ = seen(told(None), truth(told(None), 1))
    with pytest.raises(ValueError, match=f"expected {SIZE // 3} joints, whose errors are known"):
        poutine.trace(model).get_trace(replace(observation, points=torch.zeros(1, 2, 3)))


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_weight_is_more_than_zero(weight: float) -> None:
    with pytest.raises(ValueError, match="weight: expected more than zero"):
        GuessEvidence(torch.eye(3), weight)


def _apart(joints: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(((joints - joints[:, :1]) - (wanted - wanted[:, :1])).norm(dim=-1).mean())
