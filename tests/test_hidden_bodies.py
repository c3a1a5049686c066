"""What is before a body is found, pulls at nothing, and is told where it hides the whole."""

from dataclasses import replace

import torch
from torch import Tensor

from probbody.features.likelihoods import LogMixture, NoOutliers
from tests.feature_scenes import SIDE, astray, fit, hidden, off, seen, story, truth

PATCH = (slice(5, 14), slice(9, 20))
EVERYWHERE = (slice(0, SIDE), slice(0, SIDE))


def test_the_occlusion_map_finds_what_is_before_the_body() -> None:
    told = story()
    sites = truth(told, 4)
    observation, pose = seen(told, sites)
    covered = told.render(pose, observation).coverage > 0.9
    behind = hidden(observation, PATCH)
    found = fit(told, behind, astray(sites, 0.5))
    assert found.occlusion is not None
    patched = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    patched[PATCH] = True
    for body in range(4):
        inside = covered[body]
        assert inside[patched].any()
        assert (
            _area_under_curve(found.occlusion[body][inside & patched], found.occlusion[body][inside & ~patched]) > 0.93
        )
    assert ((found.occlusion >= 0) & (found.occlusion <= 1)).all()


def test_the_outlier_process_keeps_an_occluder_from_pulling() -> None:
    sites = truth(story(), 4)
    errors = {}
    for name, likelihood in (("on", LogMixture()), ("off", NoOutliers())):
        told = story(likelihood=likelihood)
        observation, pose = seen(told, sites)
        found = fit(told, hidden(observation, PATCH), astray(sites, 0.5))
        errors[name] = off(told, found.pose, pose, observation).mean()
    assert errors["on"] < 0.6 * errors["off"]


def test_a_person_of_whom_nothing_is_seen_is_flagged() -> None:
    told = story()
    sites = truth(told, 2)
    observation, _ = seen(told, sites)
    features = observation.features.clone()
    features[:1] = hidden(observation[0], EVERYWHERE).features
    found = fit(told, replace(observation, features=features), astray(sites, 0.5))
    assert found.evidence is not None
    assert found.evidence[0] <= 0
    assert not found.converged[0]
    assert found.evidence[1] > 100


def _area_under_curve(positive: Tensor, negative: Tensor) -> float:
    """The chance that one of the first is above one of the second."""
    above = (positive[:, None] > negative).float() + 0.5 * (positive[:, None] == negative).float()
    return float(above.mean())
