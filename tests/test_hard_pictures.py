"""Pictures that cannot be, bodies where no camera sees them: one clear sentence, or numbers that are finite."""

from collections.abc import Callable

import pytest
import torch

from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import Renderer
from probbody.features.backgrounds import UniformBackground
from probbody.geometry.cameras import CameraRig, WeakPerspectiveCamera
from probbody.inference import fit_map
from probbody.models.evidence import OutlineEvidence, PartEvidence
from probbody.observation import Observation
from probbody.priors.gaussian import GaussianPose
from probbody.quantities import Pose
from probbody.render.compiled import Compiled
from probbody.render.mesh import MeshRenderer
from probbody.systems import neural_body_volume
from tests.feature_scenes import (
    CHANNELS,
    KAPPA,
    SIDE,
    arm,
    astray,
    camera,
    features_of,
    fit,
    off,
    seen,
    story,
    truth,
    volume,
)

RENDERERS = {"volume": volume, "mesh": lambda body: MeshRenderer()}


def compiled(body: SkinnedBody) -> Renderer:
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    made = volume(body)
    made.tracing = Compiled()
    return made


def test_features_of_another_make_are_refused() -> None:
    told = story()
    observation, _ = seen(told, truth(told, 1))
    features = observation.features
    assert features is not None
    with pytest.raises(ValueError, match="features: expected 16 channels, as the field has, found 15"):
        fit_map(told, Observation(camera(1), features=torch.nn.functional.normalize(features[:, 1:], dim=1)))
    with pytest.raises(ValueError, match=r"features must be unit vectors, found one of length 2; normalise"):
        Observation(camera(1), features=2 * features)
    for wrong in (torch.nan, torch.inf, 0.0):
        spoilt = features.clone()
        spoilt[0, :, 3, 4] = wrong
        with pytest.raises(ValueError, match="features must be unit vectors"):
            Observation(camera(1), features=spoilt)
    with pytest.raises(ValueError, match="features holds 1 bodies but the camera 2"):
        Observation(camera(2), features=features)
    with pytest.raises(ValueError, match="the prior moves 9 joints but the body has 4 after its root"):
        neural_body_volume(
            arm(), features_of(arm()), UniformBackground(CHANNELS), GaussianPose.independent(9), concentration=KAPPA
        )


def test_features_of_another_size_are_of_the_same_view() -> None:
    told = story()
    sites = truth(told, 1)
    observation, pose = seen(told, sites)
    large = Observation(camera(1).resized((10 * SIDE, 10 * SIDE)), features=observation.features)
    torch.testing.assert_close(told.render(pose, large).coverage, told.render(pose, observation).coverage)


@pytest.mark.parametrize("name", ["volume", "mesh"])
def test_a_camera_inside_the_body_is_finite(name: str) -> None:
    body = arm()
    told = story(body, RENDERERS[name](body))
    sites = truth(told, 1)
    observation, _ = seen(told, sites)
    inside = {**sites, "place": torch.tensor([[0.0, 0.0, -3.0]])}  # 5 cm before the camera
    found = fit(told, observation, {key: value[None] for key, value in inside.items()}, 5)
    assert found.loss.isfinite().all()
    assert found.evidence is not None
    assert found.evidence.isfinite().all()


@pytest.mark.parametrize("name", ["volume", "mesh"])
def test_a_body_out_of_sight_is_background_alone(name: str) -> None:
    body = arm()
    told = story(body, RENDERERS[name](body))
    sites = truth(told, 1)
    observation, _ = seen(told, sites)
    for place in ([9.0, 0.0, 0.2], [0.0, 0.0, 7.0]):  # beside the picture; a kilometre away
        found = fit(told, observation, {**astray(sites), "place": torch.tensor([[place]])}, 3)
        assert found.loss.isfinite().all()


@pytest.mark.parametrize("make", [*RENDERERS.values(), compiled])
def test_of_nobody_there_are_no_pictures_and_no_gradients(make: Callable[[SkinnedBody], Renderer]) -> None:
    body, none = arm(), camera(1)[:0]
    draw = make(body)
    joints = len(body.parents)
    surface = body(Pose(torch.eye(3).expand(0, joints, 3, 3), torch.zeros(0, body.num_shape), torch.zeros(0, 3)))
    vertices = surface.vertices.requires_grad_()
    drawn = draw(surface, torch.randn(0, vertices.shape[1], 5), none)
    assert (drawn.features.shape, drawn.coverage.shape) == ((0, 5, SIDE, SIDE), (0, SIDE, SIDE))
    (drawn.features.sum() + drawn.depth.sum()).backward()
    assert vertices.grad is not None
    found, visible = draw.sample(surface, drawn.features.detach(), none)
    assert (found.shape, visible.shape) == ((0, vertices.shape[1], 5), (0, vertices.shape[1]))


def test_a_camera_of_parallel_rays_fits_too() -> None:
    told = story()
    sites = truth(told, 1)
    observation, pose = seen(told, sites)
    weak = WeakPerspectiveCamera(torch.tensor([2.5]), torch.zeros(1, 2), (SIDE, SIDE))  # 25 pixels a metre
    found = fit(told, Observation(weak, features=observation.features), astray(sites))
    assert (found.loss.isfinite() & (found.losses[-1] < found.losses[0])).all()
    assert (off(told, found.pose, pose, observation) < 1.5).all()


def test_a_rig_of_several_views_is_refused() -> None:
    told = story()
    observation, _ = seen(told, truth(told, 1))
    rig = CameraRig((observation.camera, observation.camera))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="camera: expected one view of each body, found a rig of 2"):
        told(Observation(rig, features=observation.features))


def test_double_precision_goes_all_the_way() -> None:
    body = arm().double()
    prior = GaussianPose.independent(len(body.parents) - 1, 0.3).double()
    directed, background = features_of(body).double(), UniformBackground(CHANNELS).double()
    told = neural_body_volume(body, directed, background, prior, concentration=KAPPA, renderer=volume(body)).double()
    sites = truth(told, 2)
    observation, _ = seen(told, sites)
    assert observation.features is not None
    assert observation.features.dtype == torch.float64
    found = fit(told, observation, astray(sites), 5)
    assert {value.dtype for value in found.sites().values()} == {torch.float64}
    assert found.loss.dtype == found.pose.rotations.dtype == torch.float64


def test_parts_and_outlines_that_cannot_be_are_refused() -> None:
    half = torch.full((1, SIDE, SIDE), 0.5)
    for wrong in (-0.1, 1.1, torch.nan):
        with pytest.raises(ValueError, match=r"outline must be chances in \[0, 1\]"):
            Observation(camera(1), outline=half * wrong * 2)
    with pytest.raises(ValueError, match="parts must be 0 or more, found -1"):
        Observation(camera(1), parts=torch.full((1, SIDE, SIDE), -1))
    for make in (OutlineEvidence, lambda **given: PartEvidence(torch.arange(3), **given)):
        with pytest.raises(ValueError, match="a chance above zero, so that no picture is impossible"):
            make(wrong=0.0)
        with pytest.raises(ValueError, match=r"found 0\.1 and -1"):
            make(weight=-1.0)
