"""Systems put together by a function are what their papers, or their code, say."""

import pytest
import torch
from pyro import poutine

from probbody.features.bins import SigmoidDirections
from probbody.features.likelihoods import SoftMax
from probbody.features.random_features import random_features
from probbody.priors.gaussian import GaussianPose
from probbody.systems import released_code
from tests.feature_scenes import CHANNELS, SIDE, arm, astray, features_of, fit, seen, story, truth


def test_the_released_code_scores_a_mean_cosine() -> None:
    body, clutter = arm(), torch.eye(CHANNELS)[0]
    generator = torch.Generator().manual_seed(0)
    three = random_features(body, SigmoidDirections(3), CHANNELS, generator, wavelength=0.3)
    prior = GaussianPose.independent(4, 0.3)
    told = released_code(body, three, clutter, prior, size=(SIDE, SIDE))
    sites = truth(told, 1)
    observation, _ = seen(story(body), sites)
    pose = told.story.assemble(
        *(sites[n] for n in ("pose", "orientation", "shape")), observation.camera.place(sites["place"])
    )
    f = observation.features
    assert f is not None

    surface, view = body(pose), observation.camera
    shares = three.weights(surface, view)
    carried = torch.cat([three.features.flatten(1)[None], shares], -1)
    drawn = told.image.renderer(surface, carried, view)
    phi = torch.nn.functional.normalize(drawn.features[:, :-3].unflatten(1, (3, CHANNELS)), dim=2)
    mixed = (drawn.features[:, -3:].softmax(1) * (phi * f[:, None]).sum(2)).sum(1)
    score = drawn.coverage * mixed + (1 - drawn.coverage) * f[:, 0]

    known = poutine.trace(poutine.condition(told, data=sites)).get_trace(observation)
    known.compute_log_prob()
    constant = told.image.background.marginal().log_prob(clutter) - 1.0
    found = known.nodes["features"]["log_prob"] - 1000 * constant
    torch.testing.assert_close(found, 1000 * score.mean((1, 2)), rtol=1e-4, atol=1e-2)
    robust = released_code(body, three, clutter, prior, likelihood=SoftMax())
    for model in (told, robust):
        assert fit(model, observation, astray(sites), 5).loss.isfinite().all()
    with pytest.raises(ValueError, match="expected those of SigmoidDirections, as the released code has, found Circle"):
        released_code(body, features_of(body), clutter, prior)
