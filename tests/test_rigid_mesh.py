"""NeMo: how a thing stands is found, what hides it is set aside, and a thing that nobody sees is not said to be found."""

import math
from typing import Literal

import pytest
import torch
import trimesh
from pyro import poutine
from pyro.infer import Predictive
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.rigid import rigid
from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import Likelihood, Renderer
from probbody.errors import BadInput
from probbody.features.backgrounds import MixtureBackground
from probbody.features.directions import OneDirection
from probbody.features.emissions import VonMisesFisherEmission
from probbody.features.fields import DirectedFeatures, ExpectedFeatures
from probbody.features.likelihoods import HardMax, LogMixture, NoOutliers
from probbody.features.limbs import limbs_of
from probbody.features.random_features import random_field
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.kernels import surface_kernels
from probbody.geometry.rotations import (
    axis_angle_to_matrix,
    geodesic_angle,
    matrix_to_quaternion,
    quaternion_to_matrix,
)
from probbody.inference import Adam, Stage, fit_map
from probbody.inference.viewpoints import screened, viewpoints
from probbody.models import RigidMesh
from probbody.observation import Observation
from probbody.quantities import Pose
from probbody.render.mesh import MeshRenderer
from probbody.render.volume import VolumeRenderer

D, SIDE, KAPPA = 16, 24, 20.0
NEAR = torch.tensor([[0.0, 0.0, math.log(4.0)]])
CLUTTER = normalize(torch.randn(D, generator=torch.Generator().manual_seed(5)), dim=0)


def box(sides: tuple[float, float, float] = (0.4, 0.5, 0.9)) -> SkinnedBody:
    mesh = trimesh.creation.box(extents=sides).subdivide().subdivide().subdivide()
    return rigid(torch.tensor(mesh.vertices, dtype=torch.float32), torch.tensor(mesh.faces))


def model(
    body: SkinnedBody | None = None, likelihood: Likelihood | None = None, renderer: Renderer | None = None
) -> RigidMesh:
    """A thing with smooth features before clutter about one direction, or, one time in twenty, of any."""
    body = body or box()
    field = random_field(
        body, OneDirection(), D, torch.Generator().manual_seed(1), VonMisesFisherEmission(KAPPA), wavelength=0.4
    )
    clutter = MixtureBackground(torch.tensor([0.95, 0.05]), CLUTTER.repeat(2, 1), torch.tensor([KAPPA, 0.0]))
    return RigidMesh(body, renderer or MeshRenderer(), field, clutter, likelihood or LogMixture(), depth_spread=0.05)


def camera(batch: int = 1) -> PinholeCamera:
    return PinholeCamera.looking_ahead(80.0, (SIDE, SIDE), batch=batch)


def seen(story: RigidMesh, pose: Pose, view: PinholeCamera | None = None) -> Observation:
    """The picture without scatter: features of the thing where it covers half of a pixel or more, else clutter."""
    view = view or camera(len(pose))
    drawn = story.render(pose, Observation(view))
    clutter = CLUTTER.to(drawn.coverage)[:, None, None].expand_as(drawn.features)
    return Observation(
        view, features=torch.where((drawn.coverage >= 0.5)[:, None], normalize(drawn.features, dim=1), clutter)
    )


def standing(*turns: tuple[float, float, float]) -> Pose:
    """Things four metres away that face the camera, but turned in its frame by these axis-angles (degrees)."""
    facing = axis_angle_to_matrix(torch.tensor([math.pi, 0.0, 0.0]))
    turned = axis_angle_to_matrix(torch.deg2rad(torch.tensor(turns))) @ facing
    return Pose(turned[:, None], torch.zeros(len(turns), 0), torch.tensor([[0.0, 0.0, 4.0]]).repeat(len(turns), 1))


def found_from_all_around(story: RigidMesh, observation: Observation) -> Tensor:
    starts = viewpoints(observation, NEAR.expand(len(observation), 3), tilts=1)
    starts = screened(story, observation, starts, 3)
    fit = fit_map(story, observation, stages=(Stage(40, None, Adam(0.05, {"place": 0.005})),), start=starts)
    return fit.pose.rotations[:, 0]


@pytest.mark.parametrize("kind", ["mesh", "volume"])
def test_how_a_thing_stands_is_found_from_all_around(kind: Literal["mesh", "volume"]) -> None:
    truth = standing((0, 70, 0), (20, -160, 10), (-40, 20, -15))
    renderer = VolumeRenderer(surface_kernels(box(), 120)) if kind == "volume" else None
    story = model(renderer=renderer)
    found = found_from_all_around(story, seen(model(), truth))
    assert (torch.rad2deg(geodesic_angle(found, truth.rotations[:, 0])) < (3 if kind == "mesh" else 8)).all()


def test_an_occluder_misleads_only_who_knows_of_none() -> None:
    truth = standing((0, 70, 0), (20, -160, 10))
    picture = seen(model(), truth).features.clone()
    picture[:, :, :, : SIDE // 2] = CLUTTER[:, None, None]
    errors = {}
    for likelihood in (LogMixture(), HardMax(), NoOutliers()):
        found = found_from_all_around(model(likelihood=likelihood), Observation(camera(2), features=picture))
        errors[type(likelihood).__name__] = torch.rad2deg(geodesic_angle(found, truth.rotations[:, 0])).max()
    assert max(errors["LogMixture"], errors["HardMax"]) < 10 < errors["NoOutliers"], errors


def test_the_density_is_highest_at_the_truth() -> None:
    truth = standing((10, 40, 5))
    about = torch.randn(60, 3) * torch.linspace(0.03, 0.6, 60)[:, None]
    turns = torch.cat([torch.eye(3)[None], axis_angle_to_matrix(about)]) @ truth.rotations[:, 0]
    poses = Pose(turns[:, None], torch.zeros(61, 0), truth.translation.expand(61, 3))
    for likelihood in (LogMixture(), HardMax(), NoOutliers()):
        story = model(likelihood=likelihood)
        many = seen(story, truth).repeat(61)
        evidence = story.evidence(poses, many)
        assert evidence.argmax() == 0
        assert evidence[0] > 0


def test_the_gradient_vanishes_at_the_truth_where_no_outline_is_in_view() -> None:
    story = model().double()
    near = Pose(standing((8, 5, -12)).rotations.double(), torch.zeros(1, 0).double(), torch.tensor([[0.0, 0.0, 0.8]]))
    near = near.to(torch.float64)
    view = PinholeCamera.looking_ahead(80.0, (SIDE, SIDE)).to(torch.float64)
    observation = seen(story, near, view)
    assert (story.render(near, observation).coverage == 1).all()

    def slope(away: float) -> Tensor:
        turn = torch.full((1, 3), away, dtype=torch.float64, requires_grad=True)
        turned = Pose((axis_angle_to_matrix(turn) @ near.rotations[:, 0])[:, None], near.shape, near.translation)
        (gradient,) = torch.autograd.grad(story.evidence(turned, observation).sum(), turn)
        return gradient.norm()

    assert slope(0.0) < 1e-6 * slope(0.02)


@pytest.mark.parametrize("likelihood", [LogMixture(), HardMax(), NoOutliers()])
def test_the_pull_on_a_turned_thing_is_what_a_small_turn_gains(likelihood: Likelihood) -> None:
    """Where the background holds a share for anything; without it the mixture's outline pulls without bound."""
    truth = standing((10, 40, 5), (-20, 130, 0))
    story = model(likelihood=likelihood)
    observation = seen(story, truth)

    def evidence(turn: Tensor) -> Tensor:
        turned = axis_angle_to_matrix(turn * torch.tensor([0.0, 1.0, 0.0])) @ truth.rotations[:, 0]
        return story.evidence(Pose(turned[:, None], truth.shape, truth.translation), observation)

    turn = torch.full((2, 1), 0.1, requires_grad=True)
    (pull,) = torch.autograd.grad(evidence(turn).sum(), turn)
    gain = (evidence(torch.full((2, 1), 0.15)) - evidence(torch.full((2, 1), 0.05))) / 0.1
    torch.testing.assert_close(pull[:, 0], gain, rtol=0.35, atol=0)


def test_pixels_behind_clutter_leave_the_pull_of_the_others_as_it_was() -> None:
    truth = standing((10, 40, 5))
    for likelihood in (LogMixture(), HardMax(), NoOutliers()):
        story = model(likelihood=likelihood)
        picture = seen(story, truth).features
        hidden = picture.clone()
        hidden[:, :, 8:14, 6:15] = CLUTTER[:, None, None]
        pulls = []
        for features in (picture, hidden):
            drawn = story.render(standing((12, 44, 3)), Observation(camera(), features=features))
            leaf = drawn.features.detach().requires_grad_()
            score = story.image.density(type(drawn)(leaf, drawn.coverage, drawn.depth)).log_prob(features)
            pulls.append(torch.autograd.grad(score.sum(), leaf)[0])
        others = torch.ones(SIDE, SIDE, dtype=torch.bool)
        others[8:14, 6:15] = False
        assert torch.equal(pulls[0][..., others], pulls[1][..., others])
        if isinstance(likelihood, HardMax):
            assert (pulls[1][..., ~others] == 0).all()


def test_the_maximum_is_what_the_body_explains_better_and_the_mixture_at_most_a_bit_above() -> None:
    truth, guess = standing((10, 40, 5)), standing((20, 60, 5))
    maximum, mixture = (model(likelihood=one, renderer=MeshRenderer(samples=1)) for one in (HardMax(), LogMixture()))
    observation = seen(maximum, truth)
    drawn = maximum.render(guess, observation)
    pixels = observation.features.movedim(1, -1)
    body = maximum.image.field.conditional(drawn.features.movedim(1, -1)).log_prob(pixels)
    clutter = maximum.image.background.marginal().log_prob(pixels)
    assert ((drawn.coverage == 0) | (drawn.coverage == 1)).all()
    gain = (drawn.coverage * ((body - clutter).relu() - math.log(2))).sum((1, 2))
    torch.testing.assert_close(maximum.evidence(guess, observation), gain)
    more = mixture.evidence(guess, observation) - gain
    assert 0 <= more <= math.log(2) * drawn.coverage.sum()


@pytest.mark.parametrize("likelihood", [LogMixture(), HardMax(), NoOutliers()])
def test_a_thing_that_is_all_hidden_is_not_said_to_be_found(likelihood: Likelihood) -> None:
    story = model(likelihood=likelihood)
    nothing = CLUTTER[:, None, None].expand(1, D, SIDE, SIDE) + 0.05 * torch.randn(1, D, SIDE, SIDE)
    observation = Observation(camera(), features=normalize(nothing, dim=1))
    starts = screened(story, observation, viewpoints(observation, NEAR, 6, 1, 1), 2)
    fit = fit_map(story, observation, steps=15, rate=0.05, start=starts)
    assert fit.evidence is not None
    assert (fit.evidence <= 0).all()
    assert not fit.converged.any()


def test_what_hides_a_thing_is_seen_on_the_occlusion_map() -> None:
    truth = standing((10, 40, 5))
    story = model()
    picture = seen(story, truth)
    hidden = picture.features.clone()
    hidden[:, :, :12] = CLUTTER[:, None, None]
    occlusion = story.occlusion(truth, Observation(camera(), features=hidden))
    covered = story.render(truth, picture).coverage == 1
    assert occlusion[:, :12][covered[:, :12]].min() > 0.9
    assert occlusion[:, 12:][covered[:, 12:]].max() < 0.1
    assert story.occlusion(truth, Observation(camera())) is None
    assert story.evidence(truth, Observation(camera())) is None


def test_all_turns_that_look_alike_are_found_among_the_starts() -> None:
    """A block with a square base whose features are those of its quarter: four ways to stand upright are one picture."""
    body = box((0.5, 0.8, 0.5))
    x, y, z = body.template.unbind(-1)
    quarter = torch.stack([torch.maximum(x.abs(), z.abs()), y, torch.minimum(x.abs(), z.abs())], -1)
    waves = (quarter @ (12 * torch.randn(3, D)) + 6 * torch.rand(D)).cos()
    alike = DirectedFeatures(normalize(waves, dim=-1)[:, None], limbs_of(body), OneDirection())
    story = model(body)
    story.image.field = ExpectedFeatures(alike, VonMisesFisherEmission(KAPPA))
    truth = standing((-20, 0, 0)).rotations[:, 0] @ axis_angle_to_matrix(torch.tensor([[0.0, 0.5, 0.0]]))
    observation = seen(story, Pose(truth[:, None], torch.zeros(1, 0), torch.tensor([[0.0, 0.0, 4.0]])))
    kept = screened(story, observation, viewpoints(observation, NEAR), 12)
    each = {name: value[None, :, 0] for name, value in kept.items()}
    stages = (Stage(30, None, Adam(0.05, {"place": 0.005})),)
    fit = fit_map(story, observation.repeat(12), stages=stages, start=each)
    quarters = axis_angle_to_matrix(torch.arange(4)[:, None] * torch.tensor([[0.0, math.pi / 2, 0.0]]))
    off = geodesic_angle(fit.pose.rotations.expand(12, 4, 3, 3), (truth @ quarters).expand(12, 4, 3, 3))
    assert (torch.rad2deg(off.amin(0)) < 3).all()
    best = fit.loss[off.argmin(0)]
    assert best.max() - best.min() < 0.02 * story.evidence(fit.pose, observation.repeat(12)).max()


def test_the_error_of_a_pose_is_the_angle_between_two_rotations() -> None:
    turn, other, both = (axis_angle_to_matrix(torch.randn(5, 3)) for _ in range(3))
    vector = normalize(torch.randn(5, 3), dim=-1) * torch.linspace(0.01, 3.1, 5)[:, None]
    torch.testing.assert_close(geodesic_angle(turn @ axis_angle_to_matrix(vector), turn), vector.norm(dim=-1))
    torch.testing.assert_close(geodesic_angle(both @ turn, both @ other), geodesic_angle(turn, other))


def test_it_is_an_ordinary_pyro_program() -> None:
    story = model()
    observation = seen(story, standing((0, 30, 0), (0, 60, 0)))
    trace = poutine.trace(story).get_trace(observation)
    hidden = {n for n, s in trace.nodes.items() if s["type"] == "sample" and not s["is_observed"] and n != "bodies"}
    assert hidden == {"orientation", "place"}
    assert trace.nodes["features"]["is_observed"]
    drawn = Predictive(story, num_samples=2)(Observation(camera(2)))
    assert drawn["orientation"].shape == (2, 2, 4)
    told = matrix_to_quaternion(standing((0, 30, 0), (0, 60, 0)).rotations[:, 0])
    known = poutine.condition(story, data={"orientation": told, "place": NEAR.repeat(2, 1)})(observation)
    torch.testing.assert_close(known.rotations[:, 0], quaternion_to_matrix(told))
    torch.testing.assert_close(known.translation, torch.tensor([[0.0, 0.0, 4.0]] * 2))
    fit = fit_map(poutine.condition(story, data={"place": NEAR.repeat(2, 1)}), observation, steps=2)
    assert set(fit.draws) == {"orientation"}
    assert story.licences == ("made from the caller's own mesh",)


def test_a_picture_can_be_drawn_of_the_story() -> None:
    story = model()
    facing = {"orientation": matrix_to_quaternion(standing((0, 30, 0)).rotations[:, 0]), "place": NEAR}
    trace = poutine.trace(poutine.condition(story, data=facing)).get_trace(Observation(camera()))
    picture = trace.nodes["features"]["value"]
    assert picture.shape == (1, D, SIDE, SIDE)
    torch.testing.assert_close(picture.norm(dim=1), torch.ones(1, SIDE, SIDE))


def test_a_mesh_without_faces_is_not_seen() -> None:
    story = model()
    story.body = rigid(story.body.template, torch.zeros(0, 3, dtype=torch.long))
    observation = seen(model(), standing((0, 30, 0)))
    assert (story.render(standing((0, 30, 0)), observation).coverage == 0).all()
    fit = fit_map(story, observation, steps=1)
    assert fit.evidence == 0
    assert not fit.converged


def test_what_does_not_fit_is_refused() -> None:
    story = model()
    picture = normalize(torch.randn(1, D + 1, SIDE, SIDE), dim=1)
    with pytest.raises(ValueError, match=f"expected {D} channels"):
        story(Observation(camera(), features=picture))
    with pytest.raises(ValueError, match="depth"):
        RigidMesh(story.body, MeshRenderer(), story.image.field, story.image.background, LogMixture(), depth=0.0)
    with pytest.raises(BadInput, match="vertices"):
        rigid(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long))
    with pytest.raises(BadInput, match="faces"):
        rigid(torch.zeros(3, 3), torch.tensor([[0, 1, 3]]))
    with pytest.raises(BadInput, match="finite"):
        rigid(torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]]))
