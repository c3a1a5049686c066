"""Bodies that are easy to learn from, and quick trainings on them."""

from dataclasses import replace

import torch

from probbody.bodies.open_body import open_body
from probbody.extractors.small_unet import SmallUNet
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rest import at_rest
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.inference.learn.feature_settings import FeatureTraining
from probbody.inference.learn.lesson import Lesson
from probbody.quantities import Pose
from probbody.render.mesh import MeshRenderer

BODY = open_body()
SIZE = 64


def drawn(seed: int, count: int) -> Lesson:
    """Bodies whose colour tells where on the body a point is, before a plain wall: easy to learn from."""
    generator = torch.Generator().manual_seed(seed)
    turns = 0.3 * torch.randn(count, 24, 3, generator=generator)
    turns[:, 0] = 0
    rotations = axis_angle_to_matrix(turns)
    yaw = torch.zeros(count, 3)
    yaw[:, 1] = 0.8 * torch.randn(count, generator=generator)
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ axis_angle_to_matrix(yaw)
    pose = Pose(
        rotations, torch.randn(count, 10, generator=generator), torch.tensor([[0.0, 0.1, 4.5]]).repeat(count, 1)
    )
    surface, camera = BODY(pose), PinholeCamera.looking_ahead(130.0, (SIZE, SIZE), count)
    place = at_rest(BODY).vertices[0]
    colours = ((place - place.amin(0)) / (place.amax(0) - place.amin(0))).expand(count, -1, -1)
    seen = MeshRenderer(2)(surface, colours, camera)
    maps = MeshRenderer(1).maps(surface, camera.resized((SIZE // 4, SIZE // 4)))
    part = 1 + BODY.weights.argmax(1)[maps.vertex.clamp_min(0)]
    points = camera.project(surface.vertices)
    pixel = points[..., :2].floor().long().clamp(0, SIZE - 1)
    front = MeshRenderer(1).maps(surface, camera).depth.flatten(1).gather(1, SIZE * pixel[..., 1] + pixel[..., 0])
    images = seen.features + 0.5 * (1 - seen.coverage.unsqueeze(1))
    mask = maps.face >= 0
    visible = (points[..., 2] < front + 0.03) & (front > 0)
    return Lesson(images, camera, pose, surface, torch.where(mask, part, 0), mask, torch.zeros_like(mask), visible)


POOL = drawn(0, 24)


def lessons(step: int, size: int) -> Lesson:
    return POOL[torch.randperm(len(POOL), generator=torch.Generator().manual_seed(step))[:size]]


def small_trunk() -> SmallUNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SmallUNet(widths=(16, 16, 32, 32, 48), blocks=(0, 0, 1, 1))


def settings(**changes: object) -> FeatureTraining:
    quick = FeatureTraining(steps=4, batch=4, save_every=2, measure_every=100, log_every=2, show_every=100)
    return replace(quick, **changes)
