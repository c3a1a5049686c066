"""Neural body volumes are ordinary Pyro programs; their fits find bodies in features, and say what hides them."""

from collections.abc import Callable
from dataclasses import replace

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Predictive
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.tubes import tubes
from probbody.contracts import Likelihood, Renderer
from probbody.features.backgrounds import VonMisesFisherBackground
from probbody.features.likelihoods import HardMax, LogMixture, SoftMax
from probbody.geometry.kernels import surface_kernels
from probbody.inference import Stage, fit_map
from probbody.models import NeuralBodyVolume
from probbody.models.evidence import Evidence, Scene
from probbody.observation import Observation
from probbody.quantities import Pose, Surface
from probbody.render.absorption import ClosedForm, Composited
from probbody.render.mesh import MeshRenderer
from probbody.render.volume import VolumeRenderer
from tests.feature_scenes import (
    CHANNELS,
    KAPPA,
    SIDE,
    arm,
    astray,
    camera,
    fit,
    loss_at,
    off,
    seen,
    story,
    truth,
    volume,
)

SITES = {"shape", "pose", "orientation", "place"}


def begun(told: Callable, start: dict[str, Tensor], observation: Observation) -> Pose:
    return poutine.condition(told, data=_single(start))(observation)


def test_its_sites_are_those_that_are_promised() -> None:
    told = story()
    observation, _ = seen(told, truth(told, 2))
    trace = poutine.trace(told).get_trace(observation)
    assert set(trace.stochastic_nodes) - {"bodies"} == SITES
    assert set(trace.observation_nodes) == {"features"}
    trace.compute_log_prob()
    assert all(trace.nodes[name]["log_prob"].shape == (2,) for name in SITES | {"features"})


def test_condition_and_block_work_on_it() -> None:
    told = story()
    sites = truth(told, 2)
    observation, pose = seen(told, sites)
    known = poutine.trace(poutine.condition(told, data=sites)).get_trace(observation)
    torch.testing.assert_close(known.nodes["_RETURN"]["value"].rotations, pose.rotations)
    shy = poutine.trace(poutine.block(told, hide=["features"])).get_trace(observation)
    assert "features" not in shy.nodes
    assert set(shy.nodes) >= SITES
    only = fit(poutine.condition(told, data={"pose": sites["pose"]}), observation, _without(astray(sites), "pose"), 5)
    assert set(only.sites()) == SITES - {"pose"}
    assert torch.equal(only.pose.rotations[:, 1:], pose.rotations[:, 1:])


def test_what_is_told_of_a_fit_is_told_at_its_focal_length() -> None:
    known = story()
    parts = known.image
    told = NeuralBodyVolume(
        known.body, parts.renderer, parts.field, parts.background, known.pose_prior, parts.likelihood, focal_spread=0.3
    )
    sites = truth(told, 2) | {"focal": torch.tensor([1.4, 0.7])}
    observation, pose = seen(told, sites)
    found = fit_map(told, observation, steps=0, start={name: value[None] for name, value in sites.items()})
    zoomed = replace(observation, camera=observation.camera.zoomed(sites["focal"]))
    torch.testing.assert_close(found.evidence, told.evidence(pose, zoomed))
    torch.testing.assert_close(found.occlusion, told.occlusion(pose, zoomed))
    assert (found.evidence > told.evidence(pose, observation) + 10).all()
    start = {name: value[None] for name, value in sites.items() if name != "focal"}
    again = fit_map(poutine.condition(told, data={"focal": sites["focal"]}), observation, steps=0, start=start)
    torch.testing.assert_close(again.evidence, found.evidence)


@pytest.mark.parametrize("handler", [poutine.condition, poutine.scale, poutine.block], ids=lambda each: each.__name__)
def test_what_a_handler_wraps_still_tells_of_a_fit(handler: Callable) -> None:
    told = story()
    sites = truth(told, 2)
    observation, _ = seen(told, sites)
    options = {
        "condition": {"data": {"shape": sites["shape"]}},
        "scale": {"scale": 0.5},
        "block": {"hide": ["features"]},
    }
    found = fit_map(handler(told, **options[handler.__name__]), observation, steps=1)
    assert found.licences == told.licences
    assert (found.evidence is None) == (handler is poutine.block), "hidden features say nothing"
    assert (found.occlusion is None) == (handler is poutine.block)


def test_where_features_are_missing_they_are_told() -> None:
    told = story()
    drawn = Predictive(told, num_samples=3, return_sites=["features"])(Observation(camera(2)))["features"]
    assert drawn.shape == (3, 2, CHANNELS, SIDE, SIDE)
    torch.testing.assert_close(drawn.norm(dim=2), torch.ones(3, 2, SIDE, SIDE))
    nothing = Observation(camera(1))
    pose = told(nothing)
    assert told.occlusion(pose, nothing) is None
    assert told.evidence(pose, nothing) is None


class Sensor(Evidence):
    """How the first joint after the root is turned, measured."""

    def attributes(self, surface: Surface) -> Tensor:
        return surface.vertices[..., :0]

    def observe(self, scene: Scene, observation: Observation) -> None:
        pyro.sample("sensor", dist.Normal(scene.pose.rotations[:, 1], 0.01).to_event(2))


def test_evidence_of_ones_own_is_a_site_that_can_be_conditioned() -> None:
    body = arm()
    told = story(body, evidence=(Sensor(),))
    sites = truth(told, 2)
    observation, pose = seen(told, sites)
    measured = poutine.condition(told, data={"sensor": pose.rotations[:, 1]})
    found = fit(measured, observation, astray(sites))
    assert (found.pose.rotations[:, 1] - pose.rotations[:, 1]).abs().max() < 0.05


def crab() -> SkinnedBody:
    """A root with four legs of two bones each, which is no human."""
    places, parents = [[0.0, 0.0, 0.0]], [-1]
    for out, up in ((-1.0, 0.5), (-0.8, -0.6), (0.9, -0.5), (1.0, 0.4)):
        for reach in (0.15, 0.3):
            parents.append(0 if reach < 0.2 else len(places) - 1)
            places.append([reach * out, reach * up, 0.02])
    return tubes(places, parents, rings=3, sides=5)


@pytest.mark.parametrize("make", [arm, crab, open_body])
def test_every_body_can_be_fitted(make: Callable[[], SkinnedBody]) -> None:
    body = make()
    told = story(body, volume(body, 200))
    sites = truth(told, 1, distance=1.2 if make is not open_body else 4.5)
    observation, pose = seen(told, sites)
    start = astray(sites, 0.7)
    found = fit(told, observation, start)
    assert off(told, found.pose, pose, observation) < 0.5 * off(
        told, begun(told, start, observation), pose, observation
    )
    assert found.licences == (body.licence, told.pose_prior.licence)
    assert found.evidence is not None
    assert (found.evidence > 100).all()


RENDERERS: dict[str, Callable[[SkinnedBody], Renderer]] = {
    "volume": volume,
    "closed form": lambda body: VolumeRenderer(surface_kernels(body, 60), absorption=ClosedForm()),
    "composited": lambda body: VolumeRenderer(surface_kernels(body, 60), absorption=Composited()),
    "mesh": lambda body: MeshRenderer(),
}


@pytest.mark.parametrize("name", RENDERERS)
def test_the_renderer_swaps_by_one_argument(name: str) -> None:
    body = arm()
    told = story(body, MeshRenderer(4))  # the truth is finer than what it is fitted with
    sites = truth(told, 2)
    observation, pose = seen(told, sites)
    found = fit(story(body, RENDERERS[name](body)), observation, astray(sites))
    assert (off(told, found.pose, pose, observation) < 0.7).all()


@pytest.mark.parametrize("likelihood", [LogMixture(temper=0.3), HardMax(), SoftMax()])
def test_the_likelihood_swaps_by_one_argument(likelihood: Likelihood) -> None:
    told = story(likelihood=likelihood)
    if isinstance(likelihood, SoftMax):  # it compares with one direction of clutter
        told.image.background = VonMisesFisherBackground(torch.eye(CHANNELS)[0], KAPPA)
    sites = truth(told, 2)
    observation, pose = seen(told, sites)
    found = fit(told, observation, astray(sites))
    before = off(told, begun(told, astray(sites), observation), pose, observation)
    assert (off(told, found.pose, pose, observation) < 0.6 * before).all()


def test_a_fit_scores_at_least_as_well_as_the_truth_that_made_the_picture() -> None:
    told = story()
    sites = truth(told, 1)
    observation, _ = seen(told, sites)
    found = fit(told, observation, {name: value[None] for name, value in sites.items()}, 15)
    assert float(found.loss) <= loss_at(told, sites, observation) + 1e-3
    start = astray(sites)
    found = fit(told, observation, start, 5)
    assert float(found.loss) <= loss_at(told, _single(start), observation) + 1e-3


def test_a_batch_of_fits_is_single_fits() -> None:
    told = story()
    sites = truth(told, 2)
    observation, _ = seen(told, sites)
    start = astray(sites)
    together = fit(told, observation, start, 10)
    for body in range(2):
        alone = fit(told, observation[body], {name: value[:, body : body + 1] for name, value in start.items()}, 10)
        torch.testing.assert_close(alone.loss, together.loss[body : body + 1], rtol=1e-4, atol=2e-2)
        torch.testing.assert_close(alone.pose.rotations, together.pose.rotations[[body]], rtol=0, atol=2e-3)


def test_sites_that_are_not_free_keep_every_bit() -> None:
    told = story()
    sites = truth(told, 2)
    observation, _ = seen(told, sites)
    still = fit_map(told, observation, stages=(Stage(0),), start=astray(sites)).sites()
    moved = fit_map(told, observation, stages=(Stage(8, ("pose", "place")),), start=astray(sites)).sites()
    assert torch.equal(moved["orientation"], still["orientation"])
    assert torch.equal(moved["shape"], still["shape"])
    assert not torch.equal(moved["pose"], still["pose"])
    assert not torch.equal(moved["place"], still["place"])


def test_several_starts_are_one_batch_and_the_best_is_kept() -> None:
    told = story()
    sites = truth(told, 2)
    observation, pose = seen(told, sites)
    near, far = astray(sites, 0.5), astray(sites, 0.5)
    far["orientation"] = far["orientation"].roll(2, -1)  # the other way up
    found = fit(told, observation, {name: torch.cat([far[name], near[name]]) for name in near}, 30)
    assert found.start.tolist() == [1, 1]
    assert (off(told, found.pose, pose, observation) < 0.7).all()


def _without(sites: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: value for key, value in sites.items() if key != name}


def _single(start: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value[0] for name, value in start.items()}
