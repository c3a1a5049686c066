"""Keypoints, parts and outlines: sites beside the features, each of which pulls a body towards where it is."""

from dataclasses import replace

import pytest
import torch
from pyro import poutine
from torch import Tensor

from probbody.features.backgrounds import UniformBackground
from probbody.features.limbs import limbs_of
from probbody.models import KeypointEvidence, NeuralSMPL, OutlineEvidence, PartEvidence
from probbody.observation import Observation
from probbody.priors.gaussian import GaussianPose
from probbody.quantities import Pose
from probbody.render.mesh import MeshRenderer
from probbody.systems import neural_smpl
from tests.feature_scenes import CHANNELS, KAPPA, SIDE, arm, astray, camera, features_of, fit, seen, truth

BODY = arm()
PART = limbs_of(BODY).vertex


def told(**given: object) -> NeuralSMPL:
    """A mesh arm with all of its energies, unless given otherwise."""
    beside = {
        "keypoints": KeypointEvidence(BODY, "joints"),
        "parts": PartEvidence(PART),
        "outline": OutlineEvidence(),
        **given,
    }
    prior = GaussianPose.independent(len(BODY.parents) - 1, 0.3)
    return neural_smpl(
        BODY,
        features_of(BODY),
        UniformBackground(CHANNELS),
        prior,
        concentration=KAPPA,
        renderer=MeshRenderer(3),
        **beside,
    )


def everything(story: NeuralSMPL, sites: dict[str, Tensor]) -> tuple[Observation, Pose]:
    """Features, keypoints, parts and outline of the truth."""
    alone = told(keypoints=None, parts=None, outline=None)
    observation, pose = seen(alone, sites)
    surface, view = BODY(pose), observation.camera
    points = torch.cat([view.project(surface.joints)[..., :2], torch.ones(len(pose), len(BODY.parents), 1)], -1)
    limbs = torch.nn.functional.one_hot(PART).float().expand(len(pose), -1, -1)
    drawn = story.image.renderer(surface, limbs, view)
    parts = torch.cat([1 - drawn.coverage[:, None], drawn.features], 1).argmax(1)
    full = replace(observation, keypoints=points, layout="joints", parts=parts, outline=drawn.coverage)
    return full, pose


def error(story: NeuralSMPL, pose: Pose, wanted: Pose) -> Tensor:
    """Pixels, the mean over the joints."""
    view = camera(len(pose))
    return (view.project(BODY(pose).joints) - view.project(BODY(wanted).joints))[..., :2].norm(dim=-1).mean(-1)


def test_each_energy_is_a_site_that_is_there_where_it_was_observed() -> None:
    story = told()
    full, _ = everything(story, truth(story, 2))
    trace = poutine.trace(story).get_trace(full)
    assert set(trace.observation_nodes) == {"features", "keypoints", "parts", "outline"}
    trace.compute_log_prob()
    assert all(trace.nodes[name]["log_prob"].shape == (2,) for name in ("features", "keypoints", "parts", "outline"))
    some = poutine.trace(story).get_trace(Observation(full.camera, features=full.features, outline=full.outline))
    assert set(some.observation_nodes) == {"features", "outline"}
    none = poutine.trace(told(keypoints=None, parts=None, outline=None)).get_trace(full)
    assert set(none.observation_nodes) == {"features"}


@pytest.mark.parametrize("name", ["keypoints", "parts", "outline"])
def test_each_pulls_by_itself(name: str) -> None:
    story = told()
    sites = truth(story, 2)
    full, pose = everything(story, sites)
    kept = {"keypoints": full.keypoints, "parts": full.parts, "outline": full.outline}
    only = Observation(full.camera, layout="joints", **{name: kept[name]})
    blind = poutine.block(story, hide=["features"])  # they were not observed, and are not wanted
    start = astray(sites, 2.0)
    if name == "keypoints":
        start["noise"] = torch.full((1, 2), 0.1)
    still = {key: value[0] for key, value in start.items()}
    begun = poutine.condition(blind, data=still)(only)
    found = fit(blind, only, start, 40)
    assert (found.losses[-1] < found.losses[0]).all()
    assert (error(story, found.pose, pose).mean() < 0.75 * error(story, begun, pose).mean()).all()


def test_together_they_agree() -> None:
    story = told()
    sites = truth(story, 2)
    full, pose = everything(story, sites)
    start = {**astray(sites), "noise": torch.full((1, 2), 0.05)}
    found = fit(story, full, start, 30)
    assert (error(story, found.pose, pose) < 0.5).all()
    assert found.occlusion is not None
    assert found.evidence is not None
    assert (found.evidence > 100).all()


def test_an_outline_may_be_soft_and_its_density_is_the_expected_one() -> None:
    story = told(keypoints=None, parts=None)
    sites = truth(story, 1)
    full, _ = everything(story, sites)

    def density(outline: Tensor) -> Tensor:
        known = poutine.condition(story, data=sites)
        trace = poutine.trace(known).get_trace(Observation(full.camera, features=full.features, outline=outline))
        trace.compute_log_prob()
        return trace.nodes["outline"]["log_prob"]

    inside, outside = (density(torch.full((1, SIDE, SIDE), value)) for value in (1.0, 0.0))
    torch.testing.assert_close(density(torch.full((1, SIDE, SIDE), 0.3)), 0.3 * inside + 0.7 * outside)
    assert full.outline is not None
    assert density(full.outline) > density(full.outline.roll(4, -1))


def test_weights_are_exponents() -> None:
    sites = truth(told(), 1)
    full, _ = everything(told(), sites)

    def densities(weight: float) -> Tensor:
        story = told(parts=PartEvidence(PART, weight=weight), outline=OutlineEvidence(weight=weight))
        trace = poutine.trace(poutine.condition(story, data={**sites, "noise": torch.full((1,), 0.05)})).get_trace(full)
        trace.compute_log_prob()
        return torch.cat([trace.nodes[name]["log_prob"] for name in ("parts", "outline")])

    torch.testing.assert_close(densities(0.25), 0.25 * densities(1.0))


def test_parts_say_more_than_an_outline() -> None:
    story = told()
    sites = truth(story, 1)
    full, _ = everything(story, sites)
    assert full.parts is not None
    swapped = torch.where(full.parts > 0, 1 + (full.parts % len(limbs_of(BODY))), 0)  # every part is called the next
    known = {**sites, "noise": torch.full((1,), 0.05)}

    def density(parts: Tensor) -> Tensor:
        trace = poutine.trace(poutine.condition(story, data=known)).get_trace(replace(full, parts=parts))
        trace.compute_log_prob()
        return trace.nodes["parts"]["log_prob"]

    assert density(full.parts) > density(swapped) + 50


def test_maps_of_another_size_and_keypoints_of_another_set_are_refused() -> None:
    story = told()
    full, _ = everything(story, truth(story, 1))
    assert full.parts is not None
    assert full.outline is not None
    with pytest.raises(ValueError, match=r"parts: expected a map of \(20, 20\), found \(10, 20\)"):
        story(replace(full, parts=full.parts[:, ::2], outline=None))
    with pytest.raises(ValueError, match=r"outline: expected \(1, 20, 20\), found \(1, 20, 10\)"):
        story(replace(full, outline=full.outline[..., ::2], parts=None))
    with pytest.raises(ValueError, match="parts: expected numbers up to 4, 1 \\+ the last part, found 9"):
        story(replace(full, parts=full.parts + 9 * (full.parts == 1) - (full.parts == 1).long()))
    with pytest.raises(
        ValueError, match="KeypointEvidence: made for joints, but the observation holds coco17; convert"
    ):
        story(replace(full, layout="coco17"))
    with pytest.raises(ValueError, match="part: expected one for each of 104 vertices, found 3"):
        told(parts=PartEvidence(torch.arange(3)))(full)
