"""NeuralSMPL is 3DNBF's sibling: a mesh, and at every pixel a mixture over the directions of a limb."""

import pytest
import torch
from pyro import poutine
from torch import Tensor
from torch.nn.functional import normalize

from probbody.contracts import Renderer
from probbody.features.backgrounds import UniformBackground
from probbody.features.directions import OneDirection
from probbody.features.fields import DirectedFeatures
from probbody.features.limbs import limbs_of
from probbody.features.random_features import random_features
from probbody.models import NeuralSMPL
from probbody.priors.gaussian import GaussianPose
from probbody.render.mesh import MeshRenderer
from probbody.systems import neural_body_volume, neural_smpl
from tests.feature_scenes import (
    CHANNELS,
    KAPPA,
    SIDE,
    arm,
    astray,
    features_of,
    fit,
    hidden,
    off,
    seen,
    truth,
    volume,
)

BODY = arm()
PRIOR = GaussianPose.independent(len(BODY.parents) - 1, 0.3)
BACKGROUND = UniformBackground(CHANNELS)


def told(renderer: Renderer | None = None, features: DirectedFeatures | None = None) -> NeuralSMPL:
    return neural_smpl(BODY, features or features_of(BODY), BACKGROUND, PRIOR, concentration=KAPPA, renderer=renderer)


def log_prob(story: object, sites: dict[str, Tensor], observation: object) -> Tensor:
    trace = poutine.trace(poutine.condition(story, data=sites)).get_trace(observation)
    trace.compute_log_prob()
    return trace.nodes["features"]["log_prob"]


def test_its_sites_are_those_that_are_promised() -> None:
    observation, _ = seen(told(), truth(told(), 2))
    trace = poutine.trace(told()).get_trace(observation)
    assert set(trace.stochastic_nodes) - {"bodies"} == {"shape", "pose", "orientation", "place"}
    assert set(trace.observation_nodes) == {"features"}


@pytest.mark.parametrize("renderer", [MeshRenderer(), volume(BODY)], ids=["mesh", "volume"])
def test_it_fits_by_any_renderer(renderer: Renderer) -> None:
    sites = truth(told(), 2)
    observation, pose = seen(told(MeshRenderer(4)), sites)
    story = told(renderer)
    found = fit(story, observation, astray(sites))
    assert (off(story, found.pose, pose, observation) < 0.7).all()
    assert found.evidence is not None
    assert (found.evidence > 100).all()


def test_where_features_do_not_depend_on_the_pose_it_is_a_neural_body_volume() -> None:
    generator = torch.Generator().manual_seed(0)
    one = random_features(BODY, OneDirection(), CHANNELS, generator, wavelength=0.3)
    renderer, sites = MeshRenderer(), truth(told(), 2)
    observation, _ = seen(told(renderer, one), sites)
    other = neural_body_volume(BODY, one, BACKGROUND, PRIOR, concentration=KAPPA, renderer=renderer)
    torch.testing.assert_close(
        log_prob(told(renderer, one), sites, observation), log_prob(other, sites, observation), rtol=1e-4, atol=1e-2
    )


def test_a_mixture_of_looks_is_not_a_look_between_them() -> None:
    """Where half of a pixel's features come from each of two directions, a mean would explain neither."""
    sites = truth(told(), 1)
    features = features_of(BODY)
    pair = normalize(torch.randn(2, CHANNELS), dim=-1)
    two = pair[[0, 0, 1, 1]].expand(len(features.features), 4, -1).clone()
    plain = DirectedFeatures(two, limbs_of(BODY), features.directions)
    renderer = MeshRenderer()
    observation, _ = seen(told(renderer, plain), sites)
    mean = neural_body_volume(BODY, plain, BACKGROUND, PRIOR, concentration=KAPPA, renderer=renderer)
    assert log_prob(told(renderer, plain), sites, observation) > log_prob(mean, sites, observation)


def test_a_person_of_whom_nothing_is_seen_is_flagged() -> None:
    sites = truth(told(), 1)
    observation, _ = seen(told(), sites)
    nobody = hidden(observation, (slice(0, SIDE), slice(0, SIDE)))
    found = fit(told(), nobody, astray(sites, 0.5))
    assert found.evidence is not None
    assert (found.evidence <= 0).all()
    assert not found.converged.any()
