"""A guess is believed as far as such guesses were right before: their errors are measured, and pull as an observation."""

import math
from dataclasses import replace

import pytest
import torch
from pyro import poutine
from scipy.stats import multivariate_normal

from probbody.extractors.guess_errors import AGREED, FLOOR, GuessErrors
from probbody.features.backgrounds import UniformBackground
from probbody.inference.density import log_terms
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


def errors_of(scale: float) -> GuessErrors:
    return GuessErrors(scale * torch.eye(SIZE))


def drawn(count: int, several: int, scale: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """Errors of one guess, any of them, and of others that are far off."""
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(count, several, len(scale), generator=generator, dtype=torch.float64) @ scale.mT
    right = torch.randint(several, (count,), generator=generator)
    wrong = torch.arange(several) != right[:, None]
    return (normal + 8 * wrong[..., None] * torch.randn(normal.shape, generator=generator)) * width[:, None, None]


@pytest.mark.parametrize("several", [1, 3])
def test_errors_are_measured_as_they_were_drawn(several: int) -> None:
    scale = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.2, 0.1, 0.5]], dtype=torch.float64)
    width = 0.05 + torch.rand(6_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = GuessErrors.fit(drawn(6_000, several, scale, width), width)
    torch.testing.assert_close(found.scale @ found.scale.mT, scale @ scale.mT, rtol=0.1, atol=0.05)
    assert found.usual == pytest.approx(float(width.median()))


def test_errors_that_never_were_are_not_taken_for_knowledge() -> None:
    found = GuessErrors.fit(torch.zeros(10, 2, 3), torch.full((10,), 0.2))
    assert (found.scale.diagonal() * 0.2 >= 0.99 * FLOOR).all()


def test_too_few_errors_are_refused() -> None:
    with pytest.raises(ValueError, match="expected more than 3 bodies, found 3"):
        GuessErrors.fit(torch.zeros(3, 2, 3), torch.ones(3))


def test_the_width_is_how_far_two_guesses_differ() -> None:
    codes = torch.randn(4, 3, 9, generator=torch.Generator().manual_seed(2))
    pairs = [(codes[:, i] - codes[:, j])[:, :-3].square().mean(1) for i in range(3) for j in range(i)]
    torch.testing.assert_close(GuessErrors.spread(codes), torch.stack(pairs).mean(0).sqrt() + AGREED)
    errors = GuessErrors(torch.eye(9), usual=0.3)
    torch.testing.assert_close(errors.width(codes), GuessErrors.spread(codes))
    torch.testing.assert_close(errors.width(codes[:, :1]), torch.full((4,), 0.3))


@pytest.mark.parametrize("several", [1, 3])
def test_the_density_is_that_of_a_mixture_of_normals(several: int) -> None:
    errors = GuessErrors(torch.linalg.cholesky(0.01 * (torch.eye(SIZE) + 0.3)), usual=0.7)
    guess = GuessEvidence(errors, weight=0.6)
    sites = truth(told(None), 1)
    observation, pose = seen(told(None), sites)
    joints = BODY(pose).joints
    off = 0.05 * torch.randn(several, *joints.shape[1:], generator=torch.Generator().manual_seed(3))
    model = poutine.condition(told(guess), sites)
    trace = poutine.trace(model).get_trace(replace(observation, points=(joints + off)[None]))
    trace.compute_log_prob()
    camera = observation.camera
    first = float(camera.project((joints + off[:1])[:, :1])[0, 0, 2])
    codes = []
    for each in (joints, *(joints + one for one in off)):
        root = camera.project(each)[0, 0]
        across = (root[:2] - camera.centre[0]) / camera.focal[0] * first
        turned = (each - each[:, :1])[0, 1:] @ camera.rotation[0].mT
        codes.append(torch.cat([turned.flatten(), across, root[2].log()[None]]))
    guesses = torch.stack(codes[1:])
    pairs = [(guesses[i] - guesses[j])[:-3].square().mean() for i in range(several) for j in range(i)]
    width = float(torch.stack(pairs).mean().sqrt()) + AGREED if several > 1 else 0.7
    normal = multivariate_normal(
        codes[0].double().numpy(), width**2 * (errors.scale @ errors.scale.mT).double().numpy()
    )
    expected = torch.tensor([normal.logpdf(one.double().numpy()) for one in guesses]).logsumexp(0) - math.log(several)
    assert float(trace.nodes["points"]["log_prob"].sum()) == pytest.approx(0.6 * float(expected), rel=1e-4)


def test_of_two_guesses_the_one_that_is_seen_is_believed() -> None:
    alone, doubted = told(None), told(GuessEvidence(errors_of(0.2)))
    observation, pose = seen(alone, truth(alone, 1))
    start = astray(truth(alone, 1), by=4.0)
    code, orientation, shape, place = (start[name][0] for name in ("pose", "orientation", "shape", "place"))
    wrong = doubted.story.assemble(code, orientation, shape, observation.camera.place(place))
    both = replace(observation, points=torch.stack([BODY(wrong).joints, BODY(pose).joints], dim=1))
    terms = [log_terms(doubted, sites, both) for sites in (_first(start), truth(alone, 1))]
    assert float(terms[1]["features"]) > float(terms[0]["features"]) + 10
    assert float(terms[1]["points"]) == pytest.approx(float(terms[0]["points"]), abs=1)


def test_a_guess_pulls_the_body() -> None:
    alone, doubted = told(None), told(GuessEvidence(errors_of(0.01)))
    sites = truth(alone, 1)
    observation, pose = seen(alone, sites)
    blank = replace(observation, features=None, points=BODY(pose).joints.unsqueeze(1))
    start = astray(sites, by=4.0)
    near = fit(poutine.block(doubted, hide=["features"]), blank, start).pose
    code, orientation, shape = (start[name][0] for name in ("pose", "orientation", "shape"))
    before = doubted.story.assemble(code, orientation, shape, pose.translation)
    assert _apart(BODY(near).joints, BODY(pose).joints) < 0.5 * _apart(BODY(before).joints, BODY(pose).joints)


def test_a_guess_says_where_the_body_is() -> None:
    alone, doubted = told(None), told(GuessEvidence(errors_of(0.01)))
    observation, pose = seen(alone, truth(alone, 1))
    blank = replace(observation, features=None, points=BODY(pose).joints.unsqueeze(1))
    start = {name: value[None] for name, value in truth(alone, 1).items()}
    start["place"] = start["place"] + torch.tensor([0.05, -0.03, 0.06])
    found = fit(poutine.block(doubted, hide=["features"]), blank, start).pose
    before = (observation.camera.place(start["place"][0]) - pose.translation).norm()
    assert (found.translation - pose.translation).norm() < 0.2 * before


def test_what_was_not_guessed_is_not_asked_for() -> None:
    model = told(GuessEvidence(errors_of(0.1)))
    observation, _ = seen(told(None), truth(told(None), 1))
    assert "points" not in poutine.trace(model).get_trace(observation).nodes


def test_a_guess_of_another_body_is_refused() -> None:
    model = told(GuessEvidence(errors_of(0.1)))
    observation, _ = seen(told(None), truth(told(None), 1))
    with pytest.raises(ValueError, match=f"expected {SIZE // 3} joints, whose errors are known"):
        poutine.trace(model).get_trace(replace(observation, points=torch.zeros(1, 1, 2, 3)))


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_weight_is_more_than_zero(weight: float) -> None:
    with pytest.raises(ValueError, match="weight: expected more than zero"):
        GuessEvidence(errors_of(1.0), weight)


def _first(starts: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value[0] for name, value in starts.items()}


def _apart(joints: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(((joints - joints[:, :1]) - (wanted - wanted[:, :1])).norm(dim=-1).mean())


def test_networks_that_guess_in_turns_are_a_piece_of_evidence_each() -> None:
    observation, pose = seen(told(None), truth(told(None), 1))
    off = 0.05 * torch.randn(4, *BODY(pose).joints.shape[1:], generator=torch.Generator().manual_seed(6))
    points = (BODY(pose).joints + off)[None]
    networks = [GuessEvidence(errors_of(0.1 + n), 1.0, slice(n, None, 2)) for n in range(2)]
    parts = (BODY, features_of(BODY), UniformBackground(CHANNELS), GaussianPose.independent(len(BODY.parents) - 1, 0.3))
    both = neural_smpl(*parts, concentration=KAPPA, renderer=MeshRenderer(3), evidence=tuple(networks))
    found = log_terms(both, truth(both, 1), replace(observation, points=points))
    for n, name in enumerate(("points", "points_1")):
        alone = told(GuessEvidence(errors_of(0.1 + n)))
        wanted = log_terms(alone, truth(alone, 1), replace(observation, points=points[:, n::2]))["points"]
        torch.testing.assert_close(found[name], wanted)
    first = log_terms(both, truth(both, 1), replace(observation, points=points[:, :1]))
    assert "points_1" not in first  # nobody else guessed
