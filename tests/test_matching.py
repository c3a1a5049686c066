"""Points of the skin are found in a picture of features, and a fit that starts far away gets there by them."""

import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.densities.von_mises_fisher import VonMisesFisher
from probbody.features import CircleDirections, UniformBackground, matches, random_features
from probbody.features.emissions import VonMisesFisherEmission
from probbody.features.fields import ExpectedFeatures
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.kernels import surface_kernels
from probbody.geometry.rotations import axis_angle_to_matrix, matrix_to_quaternion
from probbody.inference import fit_features, fit_map
from probbody.metrics import pa_mpjpe
from probbody.models import MatchedBody
from probbody.observation import Observation
from probbody.priors import vae_prior
from probbody.quantities import Pose
from probbody.render import MeshRenderer
from probbody.systems import neural_body_volume

KAPPA, SIDE = 60.0, 32


def scene(batch: int = 2):  # type: ignore[no-untyped-def]
    """Bodies that face the camera, their features with noise before noise, and what they are made of."""
    body, prior = open_body(), vae_prior()
    features = random_features(body, CircleDirections(4), 32, torch.Generator().manual_seed(0), wavelength=0.3)
    code = 0.7 * torch.randn(batch, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        limbs = prior.decode(code)
    root = axis_angle_to_matrix(torch.tensor([[torch.pi, 0.0, 0.0]])).expand(batch, 3, 3)
    rest = torch.eye(3).expand(batch, 2, 3, 3)
    pose = Pose(
        torch.cat([root[:, None], limbs, rest], 1), torch.zeros(batch, 10), torch.tensor([[0.0, 0.0, 4.0]] * batch)
    )
    camera = PinholeCamera.looking_ahead(60.0, (SIDE, SIDE), batch=batch)
    surface = body(pose)
    field = ExpectedFeatures(features, VonMisesFisherEmission(KAPPA))
    seen = MeshRenderer(4)(surface, field.attributes(surface, camera), camera)
    drawn = VonMisesFisher(seen.features.movedim(1, -1), torch.tensor(KAPPA)).sample()
    nothing = torch.nn.functional.normalize(torch.randn(drawn.shape), dim=-1)
    image = torch.where((seen.coverage > 0.5)[..., None], drawn, nothing).movedim(-1, 1)
    return body, prior, features, pose, code, Observation(camera, features=image)


def test_points_that_are_sure_of_their_pixel_are_right() -> None:
    body, _, features, pose, _, observation = scene()
    assert observation.features is not None
    vertex = surface_kernels(body, count=60).vertex
    found = matches(features, vertex, observation.features, KAPPA)
    truth = observation.camera.project(body(pose).vertices[:, vertex])[..., :2]
    sure = found[..., 2] > 0.5
    assert 0.2 < sure.float().mean() < 0.9  # not the back of the body
    away = (found[..., :2] - truth).norm(dim=-1)[sure]
    assert away.median() < 1.5
    assert (away < 4).float().mean() > 0.9


def test_nothing_is_found_in_noise() -> None:
    body, _, features, *_ = scene(1)
    noise = torch.nn.functional.normalize(torch.randn(1, 32, SIDE, SIDE), dim=1)
    found = matches(features, surface_kernels(body, count=60).vertex, noise, KAPPA)
    assert (found[..., 2] > 0.5).float().mean() < 0.05


def test_matches_bring_a_fit_home_that_starts_too_far_away() -> None:
    body, prior, features, pose, code, observation = scene()
    assert observation.features is not None
    vertex = surface_kernels(body, count=100).vertex
    start = {
        "pose": torch.zeros_like(code)[None],
        "orientation": matrix_to_quaternion(pose.rotations[:, 0])[None],
        "place": observation.camera.locate(pose.translation)[None] + 0.05,
        "shape": pose.shape[None],
    }
    found = matches(features, vertex, observation.features, KAPPA)
    model = neural_body_volume(body, features, UniformBackground(32), prior, concentration=KAPPA)
    matched = MatchedBody(body, prior, vertex)
    told: list[tuple[int, int]] = []
    fit = fit_features(
        model, matched, body, prior, observation, found, start, steps=50, progress=lambda *a: told.append(a)
    )
    alone = fit_map(model, observation, steps=50, start=start)
    truth = body(pose).joints
    error, without = (pa_mpjpe(body(each.pose).joints, truth).mean() for each in (fit, alone))
    assert error < 0.6 * without
    assert error < 40
    assert fit.converged.shape == (2,)
    assert told[-1][1] == 100
    with pytest.raises(ValueError, match="features"):
        fit_features(model, matched, body, prior, Observation(observation.camera), found, start)
