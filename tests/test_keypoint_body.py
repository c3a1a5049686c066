"""The keypoint model is an ordinary Pyro program, and its fits find the bodies that made the keypoints."""

import math
from dataclasses import replace

import pyro
import pyro.distributions as dist
import pytest
import torch
from jaxtyping import Float
from pyro import poutine
from pyro.infer import Predictive
from torch import Tensor

from probbody.bodies.joints import joint_set
from probbody.bodies.regressors import KeypointRegressor
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.tubes import tubes
from probbody.errors import BadInput
from probbody.geometry.cameras import CameraRig, PinholeCamera
from probbody.geometry.rotations import matrix_to_quaternion
from probbody.inference import (
    LBFGS,
    Adam,
    BodyELBO,
    Fit,
    NonFiniteError,
    Stage,
    fit_keypoints,
    fit_map,
    keypoint_stages,
    keypoint_starts,
)
from probbody.inference.density import log_terms
from probbody.metrics import pa_mpjpe
from probbody.models import GemanMcClureNoise, KeypointBody, MatchedBody, NormalOrAnywhere
from probbody.observation import Observation
from probbody.priors.gaussian import GaussianPose
from probbody.quantities import Pose

SITES = {"shape", "pose", "orientation", "place", "noise"}


def man() -> SkinnedBody:
    """A stick man of 13 joints, in the order of coco17 without the face's points, which sit at the head."""
    places = {
        "pelvis": (0, 1.0, 0), "left_hip": (0.1, 0.95, 0), "right_hip": (-0.1, 0.95, 0), "chest": (0, 1.3, 0),
        "left_knee": (0.1, 0.5, 0.02), "right_knee": (-0.1, 0.5, 0.02), "left_ankle": (0.1, 0.08, 0),
        "right_ankle": (-0.1, 0.08, 0), "left_shoulder": (0.18, 1.45, 0), "right_shoulder": (-0.18, 1.45, 0),
        "left_elbow": (0.45, 1.45, 0), "right_elbow": (-0.45, 1.45, 0), "left_wrist": (0.7, 1.45, 0),
        "right_wrist": (-0.7, 1.45, 0), "head": (0, 1.6, 0.08),
    }  # fmt: skip
    parents = (-1, 0, 0, 0, 1, 2, 4, 5, 3, 3, 8, 9, 10, 11, 3)
    names = tuple(places)
    body = tubes([list(place) for place in places.values()], parents, names=names)
    order = ["head"] * 5 + [f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
                            for side in ("left", "right")]  # fmt: skip
    rows = torch.tensor([names.index(name) for name in order])
    body.regressors["coco17"] = KeypointRegressor(torch.arange(15), torch.eye(15)[rows])
    return body


def model(**kwargs: object) -> KeypointBody:
    return KeypointBody(man(), GaussianPose.independent(14, 0.3), **kwargs)


def camera(batch: int) -> PinholeCamera:
    return PinholeCamera.looking_ahead(300.0, (256, 256), batch=batch)


def seen(story: KeypointBody, batch: int, seed: int = 0, noise: float = 0.004) -> tuple[Observation, Pose]:
    """Keypoints that the model tells of when none is wrong, of bodies that face the camera four metres away."""
    story = KeypointBody(story.body, story.pose_prior, noise=NormalOrAnywhere(outliers=0.0))
    facing = torch.tensor([0.0, 1.0, 0.0, 0.1]).repeat(batch, 1)
    place = torch.tensor([0.0, 0.25, math.log(4.0)]).repeat(batch, 1)
    told = poutine.condition(story, data={"orientation": facing, "place": place, "noise": torch.full((batch,), noise)})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trace = poutine.trace(told).get_trace(Observation(camera(batch)))
    points = trace.nodes["keypoints"]["value"]
    observed = torch.cat([points, torch.ones(batch, 17, 1)], -1)
    return Observation(camera(batch), observed), trace.nodes["_RETURN"]["value"]


def _loss_of(story: KeypointBody, observation: Observation, pose: Pose) -> Tensor:
    """The model's own loss at a pose, with the noise that the keypoints were made with."""
    values = {
        "shape": pose.shape,
        "pose": story.pose_prior.encode(pose.rotations[:, 1:]),
        "orientation": matrix_to_quaternion(pose.rotations[:, 0]),
        "place": observation.camera.locate(pose.translation),
        "noise": torch.full((len(pose),), 0.004),
    }
    trace = poutine.trace(poutine.condition(story, data=values)).get_trace(observation)
    trace.compute_log_prob()
    return -torch.stack(
        [site["log_prob"] for n, site in trace.nodes.items() if "log_prob" in site and n != "bodies"]
    ).sum(0)


def test_its_sites_are_the_public_contract() -> None:
    story = model()
    trace = poutine.trace(story).get_trace(seen(story, 2)[0])
    latent = {n for n, s in trace.nodes.items() if s["type"] == "sample" and not s["is_observed"] and n != "bodies"}
    assert latent == SITES
    assert trace.nodes["keypoints"]["is_observed"]
    with_focal = poutine.trace(model(focal_spread=0.2)).get_trace(seen(story, 2)[0])
    assert "focal" in with_focal.nodes


def test_pyros_tools_work_on_it() -> None:
    story = model()
    observation, _ = seen(story, 2)
    drawn = Predictive(story, num_samples=3)(Observation(camera(2)))
    assert drawn["keypoints"].shape == (3, 2, 17, 2)
    known = poutine.condition(story, data={"shape": torch.ones(2, story.body.num_shape)})
    assert torch.equal(known(observation).shape, torch.ones(2, story.body.num_shape))
    assert "pose" not in poutine.trace(poutine.block(story, hide=["pose"])).get_trace(observation).nodes
    assert poutine.do(story, data={"noise": torch.ones(2)})(observation).rotations.shape == (2, 15, 3, 3)


def test_missing_keypoints_and_confidences_count_as_they_should() -> None:
    story = model()
    observation, _ = seen(story, 1)
    values = {n: s["value"] for n, s in poutine.trace(story).get_trace(observation).nodes.items() if n in SITES}

    def log_prob(keypoints: Float[Tensor, "B P 3"]) -> Tensor:
        told = poutine.trace(poutine.condition(story, data=values)).get_trace(Observation(camera(1), keypoints))
        return told.log_prob_sum(lambda name, site: name == "keypoints")

    moved, hidden = observation.keypoints.clone(), observation.keypoints.clone()
    hidden[:, 10, 2] = 0
    moved[:, 10] = torch.tensor([40.0, 40.0, 0.0])  # inside the box, but not there
    torch.testing.assert_close(log_prob(moved), log_prob(hidden))
    unsure = observation.keypoints.clone()
    unsure[..., 2] = 1e-6
    flat = -17 * 2 * (story.noise.window * observation.extent()).log().sum()
    torch.testing.assert_close(log_prob(unsure), flat, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_a_fit_scores_at_least_as_well_as_the_truth(optimiser: str) -> None:
    story = model()
    observation, truth = seen(story, 3)
    start = keypoint_starts(story.body, story.pose_prior, observation, turns=(0.0, math.pi))
    stages = keypoint_stages(200) if optimiser == "adam" else keypoint_stages(160, LBFGS())
    fit = fit_map(story, observation, stages=stages, start=start)
    keypoints = story.body.keypoints(story.body(fit.pose), "coco17")
    placed = observation.camera.project(keypoints)[..., :2]
    near = 3.0 if optimiser == "adam" else 5.0  # pixels of 256; 160 L-BFGS steps are on their way, not there
    assert ((placed - observation.keypoints[..., :2]).norm(dim=-1).mean(1) < near).all()
    slack = 2 if optimiser == "adam" else 25  # nats
    assert (fit.loss < _loss_of(story, observation, truth) + slack).all()
    error = pa_mpjpe(keypoints, story.body.keypoints(story.body(truth), "coco17"))
    assert (error < 90).all(), "millimetres; depth is free in one view"


def test_a_batch_is_its_single_fits() -> None:
    story = model()
    observation, _ = seen(story, 3)
    together = fit_map(
        story, observation, stages=keypoint_stages(30), start=keypoint_starts(story.body, story.pose_prior, observation)
    )
    one = observation[1]
    alone = fit_map(story, one, stages=keypoint_stages(30), start=keypoint_starts(story.body, story.pose_prior, one))
    torch.testing.assert_close(together.loss[1:2], alone.loss, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(together.pose.rotations[1:2], alone.pose.rotations, rtol=0, atol=5e-3)


def test_doubting_a_batch_is_doubting_each_alone() -> None:
    story = model()
    observation, _ = seen(story, 2)
    together, alone = (
        fit_keypoints(story, story.body, story.pose_prior, some, doubts=2, again=1, steps=40)
        for some in (observation, observation[1])
    )
    assert together.start_losses.shape == (3, 2)
    assert together.start[1] == alone.start[0]
    torch.testing.assert_close(together.loss[1:], alone.loss, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(together.pose.rotations[1:], alone.pose.rotations, rtol=0, atol=5e-3)


def test_densities_are_those_of_the_bound_about_point_masses() -> None:
    story = model(focal_spread=0.2)
    observation, _ = seen(story, 3)
    sites = {name: value[0] for name, value in keypoint_starts(story.body, story.pose_prior, observation).items()}
    sites["focal"] = torch.tensor([0.9, 1.0, 1.2])

    def points(observation: Observation) -> None:
        with pyro.plate("bodies", len(observation)):
            for name, value in sites.items():
                pyro.sample(name, dist.Delta(value, event_dim=value.dim() - 1))

    bound = BodyELBO().terms(story, points, observation)
    found = log_terms(story, sites, observation)
    assert set(found) == set(bound) == {*SITES, "focal", "keypoints"}
    for name, value in found.items():
        torch.testing.assert_close(value, bound[name])


def test_the_best_iterate_is_returned_and_the_seed_repeats_it() -> None:
    story = model()
    observation, _ = seen(story, 2)
    start = keypoint_starts(story.body, story.pose_prior, observation)
    state = torch.get_rng_state()
    first, second = (fit_map(story, observation, steps=25, rate=0.5, start=start) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first.pose.rotations, second.pose.rotations)
    torch.testing.assert_close(first.loss, first.losses.amin(0))
    assert first.start_losses.shape == (4, 2)
    torch.testing.assert_close(first.loss, first.start_losses.amin(0))


def test_outliers_are_found_out() -> None:
    story = model()
    observation, _ = seen(story, 2, noise=0.004)
    wrong = observation.keypoints.clone()
    wrong[:, 9, :2] += torch.tensor([60.0, -50.0])
    observed = Observation(observation.camera, wrong)
    fit = fit_map(
        story, observed, stages=keypoint_stages(200), start=keypoint_starts(story.body, story.pose_prior, observed)
    )
    places = observed.camera.project(story.body.keypoints(story.body(fit.pose), "coco17"))[..., :2]
    belief = story.noise.density(places, fit.sites()["noise"], observed).responsibility(wrong[..., :2])
    assert (belief[:, 9] < 0.1).all()
    assert (belief[:, [5, 6, 7, 8, 11, 12, 13, 14]] > 0.5).all()


def test_a_rig_of_views_takes_the_depth_away() -> None:
    story = model()
    _, truth = seen(story, 2)
    turn = torch.tensor([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])  # from the side, four metres away
    aside = PinholeCamera(
        torch.full((2, 2), 300.0), torch.full((2, 2), 128.0), turn.expand(2, 3, 3),
        torch.tensor([[4.0, 0, 4.0]]).expand(2, 3), (256, 256),
    )  # fmt: skip
    rig = CameraRig((camera(2), aside))
    points = rig.project(story.body.keypoints(story.body(truth), "coco17"))
    observation = Observation(rig, torch.cat([points[..., :2], torch.ones(2, 34, 1)], -1))
    start = keypoint_starts(story.body, story.pose_prior, observation, turns=(0.0, math.pi))
    fit = fit_map(story, observation, stages=keypoint_stages(250), start=start)
    found, true = (story.body.keypoints(story.body(pose), "coco17") for pose in (fit.pose, truth))
    assert ((found - true).norm(dim=-1).mean(1) < 0.03).all(), "metres, without any alignment"


def test_geman_mcclure_is_a_choice() -> None:
    story = model(noise=GemanMcClureNoise())
    observation, _ = seen(model(), 2)
    trace = poutine.trace(story).get_trace(observation)
    assert "noise" not in trace.nodes
    fit = fit_map(
        story, observation, stages=keypoint_stages(60), start=keypoint_starts(story.body, story.pose_prior, observation)
    )
    assert torch.isfinite(fit.loss).all()


def test_non_finite_values_stop_the_fit_and_name_the_site() -> None:
    story = model()
    observation, _ = seen(story, 3)
    start = {"noise": torch.tensor([[0.1, torch.nan, 0.1]])}
    with pytest.raises(NonFiniteError, match=r"site 'noise' is not finite at step 0 \(bodies 1\)"):
        fit_map(story, observation, steps=3, start=start)

    told = seen(story, 3)[1]

    def cliff(observation: Observation) -> Pose:
        with pyro.plate("bodies", len(observation)):
            height = pyro.sample("height", dist.LogNormal(0.0, 1.0))
            pyro.factor("cliff", (height - 0.9).sqrt() * -100)
        return told

    with pytest.raises(NonFiniteError, match=r"'(cliff|gradient of height)' is not finite at step [1-9]") as caught:
        fit_map(cliff, observation, steps=50, rate=0.1)
    assert (caught.value.best["height"] >= 0.9).all(), "values of the site, and not of what the guide moves"


def test_wrong_parts_are_refused_in_a_sentence() -> None:
    for wrong in ({"focal_spread": -1.0}, {"depth": 0.0}):
        with pytest.raises(ValueError, match="expected a spread of 0 or more and a depth above 0"):
            model(**wrong)
    with pytest.raises(ValueError, match="outliers: expected"):
        NormalOrAnywhere(outliers=1.5)
    with pytest.raises(ValueError, match="sigma, scale: expected both above 0"):
        GemanMcClureNoise(sigma=0.0)
    for noise in (NormalOrAnywhere(), GemanMcClureNoise()):
        with pytest.raises(ValueError, match="expected 17, those of the model's layout in all views, found 1"):
            fit_map(model(noise=noise), Observation(camera(1), torch.ones(1, 1, 3)), steps=1)


def test_wrong_wholes_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="the prior moves 30 joints but the body has 14"):
        KeypointBody(man(), GaussianPose.independent(30, 0.3))
    story = model()
    observation, _ = seen(story, 1)
    with pytest.raises(ValueError, match="made for coco17"):
        story(Observation(observation.camera, observation.keypoints, "smpl24"))
    with pytest.raises(ValueError, match="holds 2 bodies but the camera 1"):
        Observation(camera(1), torch.zeros(2, 17, 3))
    with pytest.raises(ValueError, match="none of the sites"):
        fit_map(story, observation, stages=(Stage(2, ("placc",)),))


def test_a_fit_travels_through_a_file(tmp_path) -> None:
    story = model()
    observation, _ = seen(story, 2)
    fit = fit_map(story, observation, steps=3)
    fit.save(tmp_path / "fit.npz")
    again = Fit.load(tmp_path / "fit.npz")
    assert again.licences == fit.licences
    assert again.occlusion is None
    for name in ("loss", "losses", "converged", "start", "start_losses"):
        torch.testing.assert_close(getattr(again, name), getattr(fit, name))
    torch.testing.assert_close(again.pose.rotations, fit.pose.rotations)
    assert again.draws.keys() == fit.draws.keys()


@pytest.mark.parametrize("name", ["fit", "fit.dat", "fit.npz"])
def test_a_fit_is_whole_under_any_name(name: str, tmp_path) -> None:
    story = model()
    fit = fit_map(story, seen(story, 1)[0], steps=1)
    fit.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    torch.testing.assert_close(Fit.load(tmp_path / name).loss, fit.loss)
    whole = (tmp_path / name).read_bytes()
    for harm in (whole[: len(whole) // 2], whole[:200] + bytes(50) + whole[250:]):
        (tmp_path / name).write_bytes(harm)
        with pytest.raises(BadInput, match="expected a fit saved by probbody"):
            Fit.load(tmp_path / name)


@pytest.mark.parametrize("site", ["shape", "pose", "orientation"])
def test_what_is_known_of_each_body_holds_for_every_start(site: str) -> None:
    story = model()
    observation, truth = seen(story, 2)
    known = {
        "shape": truth.shape,
        "pose": story.pose_prior.encode(truth.rotations[:, 1:]),
        "orientation": matrix_to_quaternion(truth.rotations[:, 0]),
    }[site]
    told = poutine.condition(story, data={site: known})
    fit = fit_keypoints(told, story.body, story.pose_prior, observation, steps=40)
    assert site not in fit.draws
    assert fit.licences == story.licences
    found = {"shape": fit.pose.shape, "pose": fit.pose.rotations[:, 1:], "orientation": fit.pose.rotations[:, 0]}
    true = {"shape": truth.shape, "pose": truth.rotations[:, 1:], "orientation": truth.rotations[:, 0]}
    torch.testing.assert_close(found[site], true[site], atol=1e-5, rtol=0)
    alone = poutine.condition(story, data={site: known[1:]})
    again = fit_keypoints(alone, story.body, story.pose_prior, observation[1], steps=40)
    torch.testing.assert_close(again.loss, fit.loss[1:], atol=0.2, rtol=0)


def test_a_joint_set_of_ones_own_can_be_fitted() -> None:
    body = man()
    body.regressors["sticks"] = body.regressors["coco17"]
    own = replace(joint_set("coco17"), name="sticks")
    story = KeypointBody(body, GaussianPose.independent(14, 0.3), "sticks")
    observation = replace(seen(model(), 1)[0], layout="sticks")
    with pytest.raises(BadInput, match="'sticks' is no joint set known here"):
        fit_keypoints(story, body, story.pose_prior, observation, steps=20)
    found = fit_keypoints(story, body, story.pose_prior, observation, steps=60, joints=own)
    named = fit_keypoints(model(), body, story.pose_prior, replace(observation, layout="coco17"), steps=60)
    torch.testing.assert_close(found.loss, named.loss)


def test_every_story_tells_its_licences() -> None:
    story = model()
    assert MatchedBody(story.body, story.pose_prior, torch.arange(3)).licences == story.licences


def test_settled_is_asked_of_the_last_stage_alone() -> None:
    story = model()
    observation, _ = seen(story, 1)
    lightly = Stage(60, None, Adam(0.05), {"keypoints": 0.01})
    fit = fit_map(story, observation, stages=(lightly, Stage(6, None, Adam(0.02))))
    assert fit.losses[-7] - fit.losses[-8] > 100, "other weights"
    assert fit.losses[-7] - fit.losses[-1] > 10
    assert not fit.converged.any()


def test_heavy_tails_can_be_fitted_and_sites_outside_the_plate_are_named() -> None:
    told = seen(model(), 2)[1]

    def single(observation: Observation) -> Pose:
        with pyro.plate("bodies", len(observation)):
            height = pyro.sample(
                "height", dist.HalfCauchy(1.0)
            )  # its mean is infinite, its mode the end of its support
            pyro.sample("seen", dist.Normal(height, 1.0), obs=torch.full((2,), 0.7))
        return told

    fit = fit_map(single, Observation(camera(2)), steps=100, rate=0.1)
    assert fit.losses.isfinite().all()
    assert (fit.draws["height"] > 0).all()
    assert (fit.draws["height"] < 2).all()

    def half_outside(observation: Observation) -> Pose:
        common = pyro.sample("common", dist.Normal(0.0, 1.0))
        with pyro.plate("bodies", len(observation)):
            pyro.sample("height", dist.Normal(common, 1.0))
        return told

    def one_for_all(observation: Observation) -> Pose:
        pyro.sample("common", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        return single(observation)

    with pytest.raises(ValueError, match="expected all sites in the plate 'bodies', found common outside"):
        fit_map(half_outside, Observation(camera(2)), steps=1)
    with pytest.raises(ValueError, match="expected all sites in the plate 'bodies' of 2, found common outside"):
        fit_map(one_for_all, Observation(camera(2)), steps=1)


def test_a_model_follows_its_dtype() -> None:
    story = model().to(torch.float64)
    trace = poutine.trace(story).get_trace(Observation(camera(2).to(torch.float64)))
    assert all(trace.nodes[site]["value"].dtype == torch.float64 for site in SITES)


def test_noise_follows_its_arguments() -> None:
    density = NormalOrAnywhere(outliers=0.2).density(torch.zeros(1, 17, 2), torch.tensor([0.1]), seen(model(), 1)[0])
    torch.testing.assert_close(density.inlier, torch.full((1, 17), 0.8))


def test_a_wrong_shape_is_refused() -> None:
    """The annotated shapes are checked in the tests: here is one that does not hold."""
    with pytest.raises(Exception, match=r"Type-check|keypoints"):
        Observation(camera(1), torch.zeros(1, 17, 2))


def test_doubting_a_fit_does_not_make_it_worse() -> None:
    story = model()
    observation, _ = seen(story, 2)
    told: list[tuple[int, int]] = []
    fit = fit_keypoints(
        story, story.body, story.pose_prior, observation, steps=200, progress=lambda *at: told.append(at)
    )
    start = keypoint_starts(story.body, story.pose_prior, observation)
    once = fit_map(story, observation, stages=keypoint_stages(100), start=start)
    assert (fit.loss <= once.loss + 0.5).all()
    assert told[-1] == (200, 200)
    assert fit.start_losses.shape == (6, 2)
    torch.testing.assert_close(fit.loss, fit.start_losses.gather(0, fit.start[None])[0])


def test_evidence_that_is_not_there_is_not_guessed() -> None:
    with pytest.raises(ValueError, match=r"keypoints.*holds none"):
        fit_map(model(), Observation(camera(1)), steps=1)


def test_records_move_whole_and_integers_stay_integers() -> None:
    body = man()
    surface = body(Pose(torch.eye(3).repeat(1, 15, 1, 1), torch.zeros(1, 2), torch.zeros(1, 3)))
    double = surface.to(torch.float64)
    assert (double.vertices.dtype, double.faces.dtype) == (torch.float64, torch.int64)
    assert surface.to("meta").faces.device.type == "meta"
