"""Maps of where joints are: looked up as written, and a body goes to where they say, also where they say two things."""

from dataclasses import replace

import pytest
import torch
from pyro import poutine
from torch import Tensor

from probbody.models import SpotEvidence
from probbody.models.spot_evidence import looked_up
from probbody.observation import Observation
from tests.feature_scenes import SIDE, arm, astray, fit, off, seen, story, truth

BODY = arm()


def maps_of(pixels: Tensor, width: float = 1.0, places: int = 2 * SIDE) -> Tensor:
    """Normal chances about each joint, over a map twice as fine as the picture."""
    middle = (torch.arange(places) + 0.5) * SIDE / places
    across, down = (torch.exp(-0.5 * ((middle - pixels[..., axis, None]) / width) ** 2) for axis in (0, 1))
    chance = down[..., :, None] * across[..., None, :] + 1e-12
    return chance / chance.sum((2, 3), keepdim=True)


def test_maps_are_looked_up_between_the_middles_of_their_places() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 3, 4, 6, dtype=torch.float64, generator=generator)
    size, pixels = (8, 12), torch.rand(2, 3, 2, dtype=torch.float64, generator=generator) * torch.tensor([11.0, 7.0])
    pixels[0, 0], pixels[1, 2] = torch.tensor([3.0, 5.0]), torch.tensor([-4.0, 3.0])  # a middle; outside
    found = looked_up(maps, pixels, size)
    assert float(found[0, 0]) == pytest.approx(float(maps[0, 0, 2, 1]))
    assert float(found[1, 2]) == 0
    for body in range(2):
        for joint in range(3):
            u, v = (pixels[body, joint] / 2 - 0.5).tolist()
            slow = sum(
                max(1 - abs(u - x), 0) * max(1 - abs(v - y), 0) * float(maps[body, joint, y, x])
                for x in range(6) for y in range(4)
            )  # fmt: skip
            assert float(found[body, joint]) == pytest.approx(slow)


def test_looking_up_has_the_gradient_of_what_is_found() -> None:
    maps = torch.rand(1, 2, 4, 6, dtype=torch.float64)
    pixels = torch.tensor([[[3.3, 2.9], [7.8, 5.1]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda at: looked_up(maps, at, (8, 12)).log(), (pixels,))


def test_a_body_goes_to_its_spots_and_a_second_peak_does_not_draw_it_between() -> None:
    told = poutine.block(story(BODY, evidence=(SpotEvidence(),)), hide=["features"])
    alone = story(BODY)
    sites = truth(alone, 2)
    observation, pose = seen(alone, sites)
    pixels = observation.camera.project(BODY(pose).joints)[..., :2]
    twice = 0.6 * maps_of(pixels) + 0.4 * maps_of(pixels + 6.0)
    start = astray(sites, by=1.5)
    for maps in (maps_of(pixels), twice):
        found = fit(told, Observation(observation.camera, spots=maps), start, steps=40)
        assert (off(alone, found.pose, pose, observation) < 0.5).all()


def test_the_factor_is_as_written() -> None:
    sites = truth(story(BODY), 1)
    observation, pose = seen(story(BODY), sites)
    pixels = observation.camera.project(BODY(pose).joints)[..., :2]
    maps = maps_of(pixels + 0.4)
    model = poutine.condition(story(BODY, evidence=(SpotEvidence(0.3, 0.1),)), sites)
    trace = poutine.trace(model).get_trace(replace(observation, spots=maps))
    trace.compute_log_prob()
    expected = 0.3 * (0.9 * looked_up(maps, pixels, (SIDE, SIDE)) + 0.1 / (4 * SIDE**2)).log().sum()
    assert float(trace.nodes["spots"]["log_prob"].sum()) == pytest.approx(float(expected), rel=1e-5)
    assert "spots" not in poutine.trace(model).get_trace(observation).nodes


@pytest.mark.parametrize(("weight", "wrong"), [(0.0, 0.1), (1.0, 0.0), (1.0, 1.5), (float("inf"), 0.1)])
def test_weights_and_shares_that_mean_nothing_are_refused(weight: float, wrong: float) -> None:
    with pytest.raises(ValueError, match="weight, wrong: expected"):
        SpotEvidence(weight, wrong)


def test_maps_that_are_no_chances_or_of_another_skeleton_are_refused() -> None:
    observation, _ = seen(story(BODY), truth(story(BODY), 1))
    with pytest.raises(ValueError, match="spots must be chances"):
        replace(observation, spots=torch.ones(1, 5, 4, 4))
    with pytest.raises(ValueError, match="expected a map for each of 5 joints, found 2"):
        poutine.trace(story(BODY, evidence=(SpotEvidence(),))).get_trace(
            replace(observation, spots=torch.full((1, 2, 4, 4), 1 / 16))
        )
