"""A mesh renders like any surface: a mixture of what is in sight, with gradients that move its outlines."""

from collections.abc import Callable

import pytest
import torch
import trimesh
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.contracts import Camera
from probbody.geometry.cameras import CameraRig, PinholeCamera, WeakPerspectiveCamera
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


def ball(subdivisions: int = 2) -> Surface:
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions, radius=0.5)
    turn = axis_angle_to_matrix(
        torch.tensor([[0.3, 0.2, 0.1]], dtype=F64)
    )  # where it is symmetric its outline has a kink
    vertices = torch.tensor(sphere.vertices, dtype=F64) @ turn.mT + torch.tensor([0.02, 0.03, 3])
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
    x, y, _ = (torch.zeros_like(away) + axis for axis in torch.eye(3, dtype=F64))
    return {
        "right": x,
        "down": y,
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
    "ball": lambda: ball(2),
    "body": lambda: person(batch=1),
    "fine body": lambda: person("fine", batch=1),
}
AT_64: list[Camera] = [
    PinholeCamera.looking_ahead(85.0, (64, 64)).to(F64),
    WeakPerspectiveCamera(torch.tensor([0.9], dtype=F64), torch.tensor([[0.05, 0.02]], dtype=F64), (64, 64)),
]


@pytest.mark.parametrize("camera", AT_64, ids=["pinhole", "weak"])
@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_move_as_the_area_does(shape: str, camera: Camera) -> None:
    """Against central differences of a picture with 12 x 12 samples a pixel, over several motions of every mesh."""
    surface, step = SHAPES[shape](), 1e-2
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
                    (total(vertices + step * motion, 12) - total(vertices - step * motion, 12)) / (2 * step),
                ]
                for motion in motions(surface).values()
            ]
        )
    error = (pairs[:, 0] - pairs[:, 1]).norm() / pairs[:, 1].norm()
    assert error < 0.07


def test_nothing_is_too_thin_to_have_a_gradient() -> None:
    """Strips of a tenth of a sample, most of which no sample hits, and gaps of as little between others."""
    number = 400
    for thick in (0.05, 0.45):
        middle = torch.rand(number, 1, dtype=F64) * 20 + 20
        u = torch.cat([middle - thick, middle + thick, middle + thick, middle - thick], 1) / 64 - 0.5
        v = torch.tensor([[-0.2, -0.21, 0.3, 0.31]], dtype=F64).expand(number, 4)
        strips = torch.stack([u, v, torch.ones_like(u)], -1)  # one a picture, of a camera with a focal length of 64
        factor = torch.ones(number, 1, 1, dtype=F64, requires_grad=True)
        surface = mesh((strips - strips.mean(1, keepdim=True)) * factor + strips.mean(1, keepdim=True), square().faces)
        camera = PinholeCamera.looking_ahead(64.0, (64, 64), number).to(F64)
        MeshRenderer()(surface, torch.ones(number, 4, 1, dtype=F64), camera).coverage.sum().backward()
        assert factor.grad is not None
        area = number * 2 * thick * 0.51 * 64
        assert abs(factor.grad.sum() / (2 * area) - 1) < 0.03


@pytest.mark.parametrize("camera", AT_64, ids=["pinhole", "weak"])
def test_what_is_near_moves_over_what_is_far(camera: Camera) -> None:
    """A small square before a large one that fills the picture: features and depth follow its outline."""
    near, far = square().vertices * 0.7, square().vertices * torch.tensor([12.0, 12, 3])
    surface = mesh(torch.cat([near, far], 1), torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]))
    carried = torch.tensor([1.0, 1, 1, 1, -2, -2, -2, -2], dtype=F64).view(1, 8, 1)
    weight, step = ramp(camera), 5e-3

    def total(vertices: Tensor, samples: int) -> Tensor:
        seen = MeshRenderer(samples)(mesh(vertices, surface.faces), carried, camera)
        return torch.stack([(weight * seen.features[:, 0]).sum(), (weight * seen.depth).sum()])

    for name in ("right", "larger"):
        motion = motions(mesh(near, surface.faces))[name]
        motion = torch.cat([motion, torch.zeros_like(far)], 1)
        vertices = surface.vertices.clone().requires_grad_()
        both = total(vertices, 3)
        slopes = torch.stack(
            [(torch.autograd.grad(part, vertices, retain_graph=True)[0] * motion).sum() for part in both]
        )
        with torch.no_grad():
            ahead, back = (total(surface.vertices + sign * step * motion, 8) for sign in (1, -1))
        found = (ahead - back) / (2 * step)
        torch.testing.assert_close(slopes, found, rtol=0.05, atol=30.0)  # of thousands


def test_what_no_sample_hits_may_still_grow() -> None:
    strip = torch.tensor([[[0.01, -0.2, 1], [0.011, -0.2, 1], [0.011, 0.2, 1], [0.01, 0.2, 1]]], dtype=F64)
    camera = PinholeCamera.looking_ahead(40.0, (40, 40)).to(F64)
    surface = mesh(strip.requires_grad_(), square().faces)
    seen = MeshRenderer()(surface, torch.full((1, 4, 1), 5.0, dtype=F64), camera)
    assert not seen.coverage.any()
    seen.features.sum().backward()
    assert strip.grad is not None
    wider = torch.tensor([-0.0005, 0.0005, 0.0005, -0.0005], dtype=F64)
    assert abs((strip.grad[0, :, 0] * wider).sum() - 5 * 0.04 * 16) < 1e-6


def test_pictures_of_nothing_are_zero() -> None:
    renderer, camera = MeshRenderer(), PinholeCamera.looking_ahead(40.0, (12, 9)).to(F64)
    behind, aside = -square().vertices, square().vertices + torch.tensor([50.0, 0, 0])
    for vertices, faces in (
        (behind, square().faces),
        (aside, square().faces),
        (square().vertices, square().faces[:0]),
        (square().vertices * torch.tensor([1.0, 0, 1]), square().faces),
    ):
        surface = mesh(vertices.clone().requires_grad_(), faces)
        carried = attributes(surface).detach().requires_grad_()
        seen = renderer(surface, carried, camera)
        assert not seen.coverage.any()
        assert not seen.features.any()
        assert not seen.depth.any()
        (seen.features.sum() + seen.depth.sum()).backward()
        for leaf in (surface.vertices, carried):
            assert leaf.grad is not None
            assert not leaf.grad.any()
        mean, visibility = renderer.sample(surface, torch.ones(1, 2, 12, 9, dtype=F64), camera)
        assert not mean.any()
        assert not visibility.any()
        maps = renderer.maps(surface, camera)
        assert (maps.face == -1).all()
        assert (maps.vertex == -1).all()


def test_a_camera_inside_a_body_sees_it_from_inside_and_faces_it_touches_are_counted() -> None:
    camera = PinholeCamera.looking_ahead(30.0, (24, 24)).to(F64)
    for middle, cut in ((0.0, False), (0.45, True), (2.5, False)):
        vertices = (ball().vertices + torch.tensor([0.0, 0, middle - 3])).requires_grad_()
        surface = mesh(vertices, ball().faces)
        seen = MeshRenderer()(surface, attributes(surface), camera)
        (seen.features.square().sum() + seen.depth.sum()).backward()
        assert vertices.grad is not None
        assert vertices.grad.isfinite().all()
        assert seen.features.isfinite().all()
        maps = MeshRenderer().maps(surface, camera)
        on_the_plane = maps.cut_off.item() - int((vertices[0, surface.faces, 2] < 0).all(-1).sum())
        if middle == 0:
            assert seen.coverage.amin() == 1
            assert (maps.normals[:, 2] > 0).all()  # outwards is away from the camera
        assert (maps.cut_off > 0) == (middle < 1)
        assert not cut or on_the_plane > 0


def test_one_renderer_draws_one_mesh_after_another() -> None:
    camera, renderer, slopes = AT_64[0], MeshRenderer(), []
    for shape in (square, ball, square):
        vertices = shape().vertices.requires_grad_()
        surface = mesh(vertices, shape().faces)
        for each in (renderer, MeshRenderer()):
            drawn = (each(surface, torch.ones_like(vertices), camera).coverage * ramp(camera)).sum()
            slopes.append(torch.autograd.grad(drawn, vertices)[0])
        torch.testing.assert_close(slopes[-1], slopes[-2])


def test_what_cannot_be_drawn_is_refused() -> None:
    surface, renderer, camera = square(), MeshRenderer(), PINHOLE[0]
    carried = attributes(surface)
    for wrong in (float("nan"), float("inf")):
        broken = surface.vertices.clone()
        broken[0, 2, 1] = wrong
        with pytest.raises(ValueError, match="surface: expected finite vertices"):
            renderer(mesh(broken, surface.faces), carried, camera)
    with pytest.raises(ValueError, match="camera: expected one view for each of 1 bodies, found 2"):
        renderer(surface, carried, PINHOLE)
    with pytest.raises(ValueError, match="found 1 of 2"):
        renderer(surface, carried, CameraRig((camera, camera)))
    with pytest.raises(ValueError, match=r"image: expected .* of \(40, 28\), found .* of \(28, 40\)"):
        renderer.sample(surface, torch.ones(1, 1, 28, 40, dtype=F64), camera)
    with pytest.raises(ValueError, match="samples: expected 1 or more"):
        MeshRenderer(0)
    with pytest.raises(ValueError, match=r"attributes: expected a row for each of \(1, 4\) bodies and vertices"):
        renderer(surface, carried[:, :3], camera)
    with pytest.raises(ValueError, match=r"image: expected 1 bodies' .* found 2"):
        renderer.sample(surface, torch.ones(2, 1, 40, 28, dtype=F64), camera)
