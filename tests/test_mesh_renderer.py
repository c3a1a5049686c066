"""A mesh renders like any surface: a mixture of what is in sight, with gradients that move its outlines."""

from collections.abc import Callable

import pytest
import torch
import trimesh
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.contracts import Camera
from probbody.geometry.cameras import PinholeCamera, WeakPerspectiveCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose, Surface
from probbody.render.mesh import MeshRenderer

F64 = torch.float64
PINHOLE = PinholeCamera.looking_ahead(40.0, (40, 28), batch=2).to(F64)
WEAK = WeakPerspectiveCamera(torch.tensor([1.0, 0.9], dtype=F64), 0.1 * torch.ones(2, 2, dtype=F64), (40, 28))
CAMERAS = pytest.mark.parametrize("camera", [PINHOLE, WEAK], ids=["pinhole", "weak"])


def mesh(vertices: Tensor, faces: Tensor) -> Surface:
    batch = len(vertices)
    return Surface(vertices, vertices[:, :1], torch.eye(4).to(vertices).repeat(batch, 1, 1, 1), faces)


def person(detail: str = "coarse", batch: int = 2) -> Surface:
    body = open_body(detail)  # type: ignore[arg-type]
    turns = axis_angle_to_matrix(0.3 * torch.randn(batch, 24, 3))
    turns[:, 0] = turns[:, 0] @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    surface = body(Pose(turns, torch.zeros(batch, 10), torch.tensor([[0.0, 0.1, 2.5]]).repeat(batch, 1)))
    return surface.to(F64)


def ball(subdivisions: int = 3) -> Surface:
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions, radius=0.5)
    vertices = torch.tensor(sphere.vertices, dtype=F64)[None] + torch.tensor([0.02, 0.03, 3])
    return mesh(vertices, torch.tensor(sphere.faces).long())


def square() -> Surface:
    corners = torch.tensor([[-0.5, -0.4, 3], [0.45, -0.42, 3.2], [0.52, 0.43, 3.1], [-0.47, 0.5, 3]], dtype=F64)
    turn = axis_angle_to_matrix(torch.tensor([[0.0, 0.0, 0.3]], dtype=F64))
    return mesh(corners[None] @ turn.mT, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def attributes(surface: Surface, channels: int = 3) -> Tensor:
    return torch.randn(*surface.vertices.shape[:2], channels, dtype=surface.vertices.dtype)


@CAMERAS
def test_coverage_is_a_chance_and_a_constant_renders_as_coverage(camera: Camera) -> None:
    surface = person()
    for samples in (1, 2, 3):
        one = MeshRenderer(samples)(surface, torch.ones_like(surface.vertices[..., :1]), camera)
        assert one.coverage.amin() == 0
        assert one.coverage.amax() == 1
        torch.testing.assert_close(one.features[:, 0], one.coverage)
        steps = samples**2 * one.coverage
        torch.testing.assert_close(steps, steps.round())
        empty = one.coverage == 0
        assert (one.depth[empty] == 0).all()
        assert (one.depth[~empty] > 1).all()


@CAMERAS
def test_a_batch_is_a_loop(camera: Camera) -> None:
    surface, renderer = person(), MeshRenderer()
    carried = attributes(surface)
    together = renderer(surface, carried, camera)
    for body in range(2):
        alone = renderer(surface[body], carried[body : body + 1], camera[body])
        for name in ("features", "coverage", "depth"):
            torch.testing.assert_close(getattr(together, name)[body], getattr(alone, name)[0])


@CAMERAS
def test_sampling_is_the_adjoint_of_rendering(camera: Camera) -> None:
    surface, renderer = person(), MeshRenderer()
    carried, picture = attributes(surface), torch.randn(2, 3, 40, 28, dtype=F64)
    mean, visibility = renderer.sample(surface, picture, camera)
    rendered = renderer(surface, carried, camera)
    there = (rendered.features * picture).sum((1, 2, 3))
    back = (carried * mean * visibility.unsqueeze(-1)).sum((1, 2))
    torch.testing.assert_close(there, back)
    torch.testing.assert_close(visibility.sum(-1), rendered.coverage.sum((1, 2)))
    assert (mean[visibility == 0] == 0).all()
    assert (visibility >= 0).all()


@CAMERAS
def test_the_gradient_of_attributes_is_their_weight(camera: Camera) -> None:
    surface, renderer = person(), MeshRenderer()
    carried = attributes(surface).requires_grad_()
    picture = torch.randn(2, 3, 40, 28, dtype=F64)
    (renderer(surface, carried, camera).features * picture).sum().backward()
    mean, visibility = renderer.sample(surface, picture, camera)
    torch.testing.assert_close(carried.grad, mean * visibility.unsqueeze(-1))


def test_a_constant_picture_is_sampled_as_it_is() -> None:
    surface = person()
    picture = torch.full((2, 1, 40, 28), 7.0, dtype=F64, requires_grad=True)
    mean, visibility = MeshRenderer().sample(surface, picture, PINHOLE)
    torch.testing.assert_close(mean[visibility > 0], torch.full_like(mean[visibility > 0], 7))
    mean.sum().backward()
    assert picture.grad is not None
    assert abs(picture.grad.sum() - (visibility > 0).sum()) < 1e-9


def test_body_and_camera_may_move_together() -> None:
    surface, renderer = person(), MeshRenderer()
    carried = attributes(surface)
    turn, place = axis_angle_to_matrix(torch.randn(2, 3, dtype=F64)), torch.randn(2, 1, 3, dtype=F64)
    moved = mesh(surface.vertices @ turn.mT + place, surface.faces)
    follows = PinholeCamera(PINHOLE.focal, PINHOLE.centre, turn.mT, -(place @ turn).squeeze(1), PINHOLE.size)
    here, there = renderer(surface, carried, PINHOLE), renderer(moved, carried, follows)
    torch.testing.assert_close(here.features, there.features)
    torch.testing.assert_close(here.depth, there.depth)
    maps = renderer.maps(surface, PINHOLE), renderer.maps(moved, follows)
    torch.testing.assert_close(maps[0].normals, maps[1].normals)


def test_many_samples_see_the_same_from_single_to_double_precision() -> None:
    surface = person()
    carried = attributes(surface)
    fine = MeshRenderer()(surface, carried, PINHOLE)
    single = PINHOLE.to(torch.float32)
    coarse = MeshRenderer()(surface.to(torch.float32), carried.float(), single)
    assert (coarse.coverage.double() - fine.coverage).abs().mean() < 1e-4
    assert (coarse.features.double() - fine.features).abs().mean() < 1e-3


def test_inside_gradients_are_those_of_finite_differences() -> None:
    """Pixels whose samples all hit, and go on hitting the same faces."""
    surface = square()
    carried = attributes(surface)
    for camera in (PINHOLE[0], WEAK[0]):
        inside = MeshRenderer()(surface, carried, camera).coverage > 0.999
        for _ in range(2):
            inside = -torch.nn.functional.max_pool2d(-inside.double(), 3, 1, 1) > 0

        def seen(vertices: Tensor, camera: Camera = camera, inside: Tensor = inside) -> tuple[Tensor, Tensor]:
            drawn = MeshRenderer()(mesh(vertices, surface.faces), carried, camera)
            return drawn.features.permute(0, 2, 3, 1)[inside], drawn.depth[inside]

        assert inside.sum() > 30
        assert torch.autograd.gradcheck(seen, surface.vertices.clone().requires_grad_(), fast_mode=True, eps=1e-7)


def motions(surface: Surface) -> dict[str, Tensor]:
    away = surface.vertices - surface.vertices.mean(1, keepdim=True)
    x, y, z = (torch.zeros_like(away) + axis for axis in torch.eye(3, dtype=F64))
    return {
        "right": x,
        "down": y,
        "away": z,
        "larger": away,
        "turning": torch.linalg.cross(y, away),
        "bending": 0.3 * torch.sin(4 * away.roll(1, -1)),
    }


def ramp(camera: Camera) -> Tensor:
    """A smooth picture without symmetries."""
    rows, columns = torch.meshgrid(
        *(torch.arange(side, dtype=F64) / max(camera.size) for side in camera.size), indexing="ij"
    )
    return 1 + torch.cos(4 * columns + 2 * rows + 1) + torch.sin(5 * rows - 3 * columns)


SHAPES: dict[str, Callable[[], Surface]] = {
    "square": square,
    "ball": ball,
    "coarse ball": lambda: ball(1),
    "body": lambda: person(batch=1),
    "fine body": lambda: person("fine", batch=1),
}
AT_64 = [
    PinholeCamera.looking_ahead(85.0, (64, 64)).to(F64),
    WeakPerspectiveCamera(torch.tensor([0.9], dtype=F64), torch.tensor([[0.05, 0.02]], dtype=F64), (64, 64)),
]


@pytest.mark.parametrize("camera", AT_64, ids=["pinhole", "weak"])
@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_move_as_the_area_does(shape: str, camera: Camera) -> None:
    """Against central differences of a picture with 16 x 16 samples a pixel, over six motions of every mesh."""
    surface, step = SHAPES[shape](), 8e-3
    weight = ramp(camera)

    def total(vertices: Tensor, samples: int) -> Tensor:
        seen = MeshRenderer(samples)(mesh(vertices, surface.faces), vertices[..., :1].detach() * 0 + 1, camera)
        return (weight * seen.coverage).sum()

    vertices = surface.vertices.clone().requires_grad_()
    (slope,) = torch.autograd.grad(total(vertices, 4), vertices)
    with torch.no_grad():
        pairs = torch.tensor(
            [
                [
                    (slope * motion).sum(),
                    (total(vertices + step * motion, 16) - total(vertices - step * motion, 16)) / (2 * step),
                ]
                for motion in motions(surface).values()
            ]
        )
    error = (pairs[:, 0] - pairs[:, 1]).norm() / pairs[:, 1].norm()
    assert error < 0.07
