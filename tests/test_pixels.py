"""A network's guess becomes a body: what it got wrong is mended, what hides the body is told, and nothing is not explained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from probbody.bodies.skinned import SkinnedBody
from probbody.features import matches
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.inference import Fit
from probbody.inference.pixels import WIDE, Sketch, fit_pixels, sites_of
from probbody.inference.start import alternatives
from probbody.models import MatchedBody, NormalOrAnywhere
from probbody.models.evidence import Evidence, Scene
from probbody.observation import Observation
from probbody.quantities import Pose
from tests.feature_scenes import CHANNELS, KAPPA, SIDE, Story, features_of, hidden, off, seen, story, truth


@pytest.fixture(scope="module")
def told() -> Story:
    return story()


def guessed(pose: Pose, turn: float = 0.0) -> Pose:
    """As a network might take it: limbs off by 0.15 rad, turned about its own vertical, 2 cm aside."""
    generator = torch.Generator().manual_seed(1)
    by = 0.15 * torch.randn(*pose.rotations.shape[:2], 3, generator=generator)
    by[:, 0] = torch.tensor([0.0, turn, 0.0])
    rotations = pose.rotations @ axis_angle_to_matrix(by)
    return Pose(rotations, torch.zeros_like(pose.shape), pose.translation + torch.tensor([0.02, -0.02, 0.03]))


class Listening(Evidence):
    """A site ``noise``, as keypoints have one, of which every value is heard."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Tensor] = []

    def observe(self, scene: Scene, observation: Observation) -> None:
        noise = pyro.sample("noise", dist.LogNormal(scene.pose.shape.new_zeros(()), 1.0))
        self.heard.append(noise.detach().clone())


def sketch(told: Story, observation: Observation, site: str = "scatter") -> Sketch:
    body: SkinnedBody = told.body  # type: ignore[attr-defined]
    assert observation.features is not None
    vertex = torch.arange(len(body.weights))
    found = matches(features_of(body), vertex, observation.features, KAPPA)
    return Sketch(
        MatchedBody(body, told.pose_prior, vertex, NormalOrAnywhere(0.02, 0.3, 0.3, site=site)),  # type: ignore[attr-defined]
        replace(observation, features=None, keypoints=found),
    )


def fitted(
    told: Story, observation: Observation, guess: Pose, steps: int = 24, sketched: bool = True, **more: Any
) -> Fit:
    body, prior = told.body, told.pose_prior  # type: ignore[attr-defined]
    sketches = (sketch(told, observation),) if sketched else ()
    return fit_pixels(told, body, prior, observation, guess, sketches, steps=steps, **more)


def test_a_guess_becomes_the_body(told: Story) -> None:
    observation, pose = seen(told, truth(told, 2))
    guess = guessed(pose)
    fit = fitted(told, observation, guess)
    assert (off(told, fit.pose, pose, observation) < 0.6).all()
    assert (off(told, fit.pose, pose, observation) < 0.5 * off(told, guess, pose, observation)).all()
    assert fit.evidence is not None
    assert (fit.evidence > 100).all()
    assert fit.guess is not None
    assert torch.equal(fit.guess.rotations, guess.rotations)


@pytest.mark.parametrize("sketched", [True, False])
def test_a_guess_that_faces_the_wrong_way_is_turned(told: Story, sketched: bool) -> None:
    observation, pose = seen(told, truth(told, 1))
    guess = guessed(pose, turn=torch.pi)
    fit = fitted(told, observation, guess, sketched=sketched)
    assert (off(told, fit.pose, pose, observation) < 0.6).all()
    alone = fitted(told, observation, guess, sketched=False, starts=1, keep=1)
    assert (alone.loss > fit.loss + 20).all()


def test_what_hides_the_body_is_in_the_map(told: Story) -> None:
    observation, pose = seen(told, truth(told, 1))
    box = (slice(5, 11), slice(0, 5))  # the end of the arm
    fit = fitted(told, hidden(observation, box), guessed(pose))
    assert fit.occlusion is not None
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[box] = True
    covered = told.render(pose, observation).coverage[0] > 0.8  # type: ignore[attr-defined]
    assert (inside & covered).sum() > 5
    assert fit.occlusion[0][inside & covered].mean() > 0.8
    assert fit.occlusion[0][~inside & covered].mean() < 0.1


@pytest.mark.parametrize("shared", [True, False])
def test_the_noise_of_a_sketch_is_the_models_if_both_call_it_so(shared: bool) -> None:
    listening = Listening()
    told = story(evidence=(listening,))
    observation, pose = seen(told, truth(told, 1))
    body, prior = told.body, told.pose_prior  # type: ignore[attr-defined]
    led = sketch(told, observation, "noise" if shared else "scatter")
    listening.heard.clear()
    fit_pixels(told, body, prior, observation, guessed(pose), (led,), steps=9)
    as_guessed, as_led = listening.heard[0].chunk(2)
    torch.testing.assert_close(as_guessed, torch.full_like(as_guessed, WIDE))
    assert (as_led < 0.95 * WIDE).all() if shared else (as_led == as_guessed).all()


def test_where_there_is_nobody_nothing_is_explained(told: Story) -> None:
    observation, pose = seen(told, truth(told, 1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noise = torch.nn.functional.normalize(torch.randn(1, CHANNELS, SIDE, SIDE), dim=1)
    fit = fitted(told, replace(observation, features=noise), guessed(pose))
    assert fit.evidence is not None
    assert float(fit.evidence) <= 0
    assert not fit.converged.any()


def test_a_batch_is_a_loop(told: Story) -> None:
    observation, pose = seen(told, truth(told, 2))
    guess = guessed(pose)
    both = fitted(told, observation, guess, steps=6)
    for one in range(2):
        alone = fitted(told, observation[one], guess[one], steps=6)
        torch.testing.assert_close(alone.loss, both.loss[one : one + 1], rtol=1e-3, atol=0.05)
        assert alone.start == both.start[one]


def test_progress_is_told_of_all_rounds(told: Story) -> None:
    observation, pose = seen(told, truth(told, 1))
    heard: list[tuple[int, int]] = []
    body, prior = told.body, told.pose_prior  # type: ignore[attr-defined]
    fit_pixels(
        told, body, prior, observation, guessed(pose), (sketch(told, observation),), steps=6,
        progress=lambda done, total: heard.append((done, total)),
    )  # fmt: skip
    assert {total for _, total in heard} == {4 + 2 + 6}
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert heard[-1][0] == 12


def test_a_further_guess_is_begun_at_too(told: Story) -> None:
    observation, pose = seen(told, truth(told, 2))
    right, wrong = guessed(pose), guessed(pose, turn=0.5 * torch.pi)
    options = {"sketched": False, "starts": 1}
    alone = fitted(told, observation, wrong, **options)
    both = fitted(told, observation, wrong, others=(right,), **options)
    assert (both.loss < alone.loss - 20).all()
    assert (off(told, both.pose, pose, observation) < 0.6).all()
    assert both.guess is not None
    assert torch.equal(both.guess.rotations, wrong.rotations)


def test_a_model_is_told_the_guess_unless_it_was_told_points(told: Story) -> None:
    observation, pose = seen(told, truth(told, 1))
    guess, heard = guessed(pose), []
    listening = told.register_forward_pre_hook(lambda _, given: heard.append(given[0].points))  # type: ignore[attr-defined]
    try:
        fitted(told, observation, guess, steps=3, sketched=False)
        joints, before = told.body(guess).joints, len(heard)  # type: ignore[attr-defined]
        assert all(points is not None for points in heard)
        torch.testing.assert_close(heard[-1][:1], joints[:, None])
        fitted(told, replace(observation, points=joints[:, None] + 1), guess, steps=3, sketched=False)
        torch.testing.assert_close(heard[before][:1], joints[:, None] + 1)
    finally:
        listening.remove()


def test_the_sites_of_a_pose_are_that_pose(told: Story) -> None:
    observation, pose = seen(told, truth(told, 2))
    body, prior = told.body, told.pose_prior  # type: ignore[attr-defined]
    sites = sites_of(pose, prior, observation)
    again = told.story.assemble(  # type: ignore[attr-defined]
        sites["pose"], sites["orientation"], sites["shape"], observation.camera.place(sites["place"])
    )
    torch.testing.assert_close(again.rotations, pose.rotations, atol=1e-4, rtol=0)
    torch.testing.assert_close(again.translation, pose.translation)
    assert len(alternatives(sites, body, prior)["noise"]) == 4


def test_a_fit_is_saved_with_its_guess(told: Story, tmp_path: Path) -> None:
    observation, pose = seen(told, truth(told, 1))
    fit = fitted(told, observation, guessed(pose), steps=2, sketched=False, starts=1, keep=1)
    fit.save(tmp_path / "fit.npz")
    again = Fit.load(tmp_path / "fit.npz")
    assert again.guess is not None
    assert fit.guess is not None
    assert torch.equal(again.guess.rotations, fit.guess.rotations)


@pytest.mark.parametrize("wrong", [{"starts": 0}, {"starts": 5}, {"keep": 0}])
def test_no_start_is_refused(told: Story, wrong: dict[str, int]) -> None:
    observation, pose = seen(told, truth(told, 1))
    with pytest.raises(ValueError, match="starts, keep: expected 1 to 4, and 1 or more"):
        fitted(told, observation, guessed(pose), sketched=False, **wrong)
