"""Starts look from all around, and the best of them are those that brute force finds."""

import importlib
import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from torch import Tensor

from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix, geodesic_angle, quaternion_to_matrix
from probbody.inference.viewpoints import screened, viewpoints
from probbody.observation import Observation
from probbody.quantities import Pose

RIGHT, DOWN, AWAY = torch.eye(3)
PLACE = torch.tensor([[0.0, 0.0, math.log(4.0)]])


def camera(batch: int = 1) -> PinholeCamera:
    return PinholeCamera.looking_ahead(60.0, (24, 24), batch=batch)


def rotations(**counts: int) -> Tensor:
    """(N, 3, 3): columns are where the thing's own axes point in the camera's frame."""
    return quaternion_to_matrix(viewpoints(Observation(camera()), PLACE, **counts)["orientation"][:, 0])


def test_there_are_144_different_starts_at_the_given_place() -> None:
    starts = viewpoints(Observation(camera(2)), PLACE.repeat(2, 1) + torch.tensor([[0.0], [0.1]]))
    assert starts["orientation"].shape == (144, 2, 4)
    assert starts["place"].shape == (144, 2, 3)
    assert torch.equal(starts["place"][7, 1], PLACE[0] + 0.1)
    turns = quaternion_to_matrix(starts["orientation"][:, 0])
    apart = geodesic_angle(turns[:, None].expand(-1, 144, -1, -1), turns[None].expand(144, -1, -1, -1))
    assert torch.rad2deg(apart.fill_diagonal_(9).min()) > 14
    torch.testing.assert_close(quaternion_to_matrix(starts["orientation"][:, 1]), turns)


def test_azimuths_turn_the_front_to_the_right_of_the_picture() -> None:
    front = rotations(azimuths=4, elevations=1, tilts=1)[..., 2]
    torch.testing.assert_close(front, torch.stack([-AWAY, RIGHT, AWAY, -RIGHT]), atol=1e-6, rtol=0)
    up = rotations(azimuths=4, elevations=1, tilts=1)[..., 1]
    torch.testing.assert_close(up, -DOWN.expand(4, 3), atol=1e-6, rtol=0)


def test_elevations_go_from_below_to_far_above() -> None:
    top = rotations(azimuths=12, elevations=4, tilts=1)[..., 1].view(4, 12, 3)
    above = torch.rad2deg(torch.asin(-top[..., 2]))  # how far the top leans towards the camera
    torch.testing.assert_close(above, torch.tensor([-30.0, 0.0, 30.0, 60.0])[:, None].expand(4, 12), atol=1e-3, rtol=0)


def test_tilts_go_clockwise_in_the_picture() -> None:
    top = rotations(azimuths=1, elevations=1, tilts=3)[..., 1]
    wanted = torch.tensor([[-0.5, -math.cos(math.pi / 6), 0.0], [0.0, -1.0, 0.0], [0.5, -math.cos(math.pi / 6), 0.0]])
    torch.testing.assert_close(top, wanted, atol=1e-6, rtol=0)


def test_a_turned_camera_sees_the_same_views() -> None:
    turn = axis_angle_to_matrix(torch.tensor([[0.3, -1.2, 0.5]]))
    plain = camera()
    turned = PinholeCamera(plain.focal, plain.centre, turn, torch.tensor([[0.1, 0.2, 0.3]]), plain.size)
    found = viewpoints(Observation(turned), PLACE)["orientation"][:, 0]
    torch.testing.assert_close(turn @ quaternion_to_matrix(found), rotations(), atol=1e-5, rtol=0)


def test_starts_follow_the_dtype() -> None:
    starts = viewpoints(Observation(camera().to(torch.float64)), PLACE.double())
    assert starts["orientation"].dtype == torch.float64
    exact = quaternion_to_matrix(starts["orientation"][:, 0])
    torch.testing.assert_close(exact @ exact.mT, torch.eye(3, dtype=torch.float64).expand(144, 3, 3))


def test_starts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="azimuths"):
        viewpoints(Observation(camera()), PLACE, tilts=0)
    with pytest.raises(ValueError, match="place"):
        viewpoints(Observation(camera(2)), PLACE)
    with pytest.raises(ValueError, match="keep"):
        screened(story, Observation(camera()), {"place": PLACE[None]}, 0)
    with pytest.raises(ValueError, match="starts"):
        screened(story, Observation(camera()), {}, 2)


def story(observation: Observation) -> Pose:
    """Two sites of a thing, whose density differs from body to body."""
    assert isinstance(observation.camera, PinholeCamera)
    target = observation.camera.centre[:, :1].expand(-1, 3)
    with pyro.plate("bodies", len(observation)):
        place = pyro.sample("place", dist.Normal(torch.tensor([1.0, 2.0, 3.0]), 1.0).to_event(1))
        size = pyro.sample("size", dist.LogNormal(0.0, 0.5))
        pyro.sample("seen", dist.Normal(place * size[:, None], 0.5).to_event(1), obs=target)
    return Pose(torch.eye(3).repeat(len(place), 1, 1, 1), torch.zeros(len(place), 0), place)


def scene(bodies: int = 3) -> Observation:
    plain = camera(bodies)
    centre = torch.linspace(0.5, 3.0, bodies)[:, None].repeat(1, 2)
    return Observation(PinholeCamera(plain.focal, centre, plain.rotation, plain.translation, plain.size))


def density(observation: Observation, **sites: Tensor) -> float:
    """One body's, by hand."""
    trace = poutine.trace(poutine.condition(story, data=sites)).get_trace(observation)
    return float(trace.log_prob_sum())


@pytest.mark.parametrize("at_once", [1, 7, 64])
def test_the_best_starts_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    page = importlib.import_module("probbody.inference.viewpoints")  # the face has a function of that name
    monkeypatch.setattr(page, "AT_ONCE", at_once)
    starts = {"place": torch.randn(20, 3, 3), "size": torch.rand(20, 3) + 0.5}
    observation, state = scene(), torch.get_rng_state()
    kept = screened(story, observation, starts, 4)
    assert torch.equal(state, torch.get_rng_state())
    for body in range(3):
        one = {name: value[:, body : body + 1] for name, value in starts.items()}
        scores = torch.tensor([density(observation[body], **{n: v[k] for n, v in one.items()}) for k in range(20)])
        best = scores.topk(4).indices
        assert torch.equal(kept["place"][:, body], starts["place"][best, body])
        assert torch.equal(kept["size"][:, body], starts["size"][best, body])


def test_sites_without_a_start_take_the_mean_of_their_prior() -> None:
    places, mean = torch.randn(20, 3, 3), math.exp(0.125)
    found = screened(story, scene(), {"place": places}, 5)
    told = screened(story, scene(), {"place": places, "size": torch.full((20, 3), mean)}, 5)
    assert list(found) == ["place"]
    assert torch.equal(found["place"], told["place"])


def test_starts_without_a_density_come_last_and_few_are_all_kept() -> None:
    places = torch.randn(4, 1, 3)
    places[2] = torch.nan
    found = screened(story, scene(1), {"place": places, "size": torch.ones(4, 1)}, 9)["place"]
    assert found.shape == (4, 1, 3)
    assert found[:3].isfinite().all()
    assert found[3].isnan().all()
