"""Cameras and crops: rays undo projections, crops and their cameras agree, near and far."""

import dataclasses

import pytest
import torch

from probbody.geometry.cameras import CameraRig, PinholeCamera, WeakPerspectiveCamera
from probbody.geometry.crops import Crop
from probbody.geometry.rotations import axis_angle_to_matrix


def pinhole(batch: int = 3) -> PinholeCamera:
    return PinholeCamera(
        focal=500 + 100 * torch.rand(batch, 2).double(),
        centre=torch.tensor([[310.0, 250.0]]).double() + torch.randn(batch, 2),
        rotation=axis_angle_to_matrix(0.3 * torch.randn(batch, 3).double()),
        translation=torch.tensor([0.1, -0.2, 4.0]).double() + 0.1 * torch.randn(batch, 3),
        size=(480, 640),
    )


def weak(batch: int = 3) -> WeakPerspectiveCamera:
    return WeakPerspectiveCamera(
        0.9 + 0.1 * torch.rand(batch).double(), 0.1 * torch.randn(batch, 2).double(), (224, 224)
    )


CAMERAS = {"pinhole": pinhole, "weak": weak, "rig": lambda batch=3: CameraRig((pinhole(batch), pinhole(batch)))}


def points(batch: int = 3, count: int = 7) -> torch.Tensor:
    return 0.5 * torch.randn(batch, count, 3, dtype=torch.double) + torch.tensor([0, 0, 1.0]).double()


@pytest.mark.parametrize("name", CAMERAS)
def test_rays_pass_through_the_points_that_gave_their_pixels(name: str) -> None:
    camera, world = CAMERAS[name](), points()
    pixels = camera.project(world)
    assert pixels.shape == (3, 7 * camera.views, 3)
    origins, directions = camera.rays(pixels[..., :2])
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones_like(directions[..., 0]))
    away = world.repeat(1, camera.views, 1) - origins
    torch.testing.assert_close(torch.linalg.cross(away, directions), torch.zeros_like(away), atol=1e-10, rtol=0)
    assert ((away * directions).sum(-1) > -3).all()


@pytest.mark.parametrize("name", CAMERAS)
def test_place_undoes_locate(name: str) -> None:
    camera = CAMERAS[name]()
    code = torch.tensor([[0.1, -0.2, 1.2], [0, 0, 0], [-0.4, 0.3, 3.6]]).double()
    torch.testing.assert_close(camera.locate(camera.place(code)), code)


@pytest.mark.parametrize("name", CAMERAS)
def test_a_batch_is_a_loop_and_moves_between_types(name: str) -> None:
    camera, world = CAMERAS[name](), points()
    assert len(camera) == 3
    parts = [camera[one].project(world[one : one + 1]) for one in range(3)]
    torch.testing.assert_close(torch.cat(parts), camera.project(world))
    torch.testing.assert_close(camera[1:].project(world[1:]), camera.project(world)[1:])
    single = camera.to(torch.float)
    assert type(single) is type(camera)
    assert single.project(world.float()).dtype == torch.float
    assert single.size == camera.size


@pytest.mark.parametrize("name", CAMERAS)
def test_zooming_multiplies_pixels_about_the_principal_point(name: str) -> None:
    camera, world = CAMERAS[name](), points()
    zoomed = camera.zoomed(torch.full((3,), 2.0).double())
    step = camera.project(world)[:, 1:, :2] - camera.project(world)[:, :-1, :2]
    step_zoomed = zoomed.project(world)[:, 1:, :2] - zoomed.project(world)[:, :-1, :2]
    within = [i for i in range(step.shape[1]) if (i + 1) % 7]  # steps from one view to the next also change centres
    torch.testing.assert_close(step_zoomed[:, within], 2 * step[:, within])


@pytest.mark.parametrize("name", CAMERAS)
def test_a_resized_picture_shows_the_same(name: str) -> None:
    camera, world = CAMERAS[name](), points()
    half = camera.resized((camera.size[0] // 2, camera.size[1] // 2))
    assert half.size == (camera.size[0] // 2, camera.size[1] // 2)
    torch.testing.assert_close(half.project(world)[..., :2], camera.project(world)[..., :2] / 2)
    torch.testing.assert_close(half.project(world)[..., 2], camera.project(world)[..., 2])


@pytest.mark.parametrize("name", CAMERAS)
def test_vectors_turn_as_their_ends_do(name: str) -> None:
    camera, world = CAMERAS[name](), points()
    depth = camera.project(world)[:, : world.shape[1], 2]
    ahead = camera.turned(world - world[:, :1])
    torch.testing.assert_close(ahead[..., 2], depth - depth[:, :1])
    torch.testing.assert_close(ahead.norm(dim=-1), (world - world[:, :1]).norm(dim=-1))


def test_a_weak_camera_keeps_its_proportions() -> None:
    with pytest.raises(ValueError, match="proportions"):
        weak().resized((7, 1000))


@pytest.mark.parametrize("name", CAMERAS)
def test_gradients(name: str) -> None:
    camera, world = CAMERAS[name](2), points(2, 3).requires_grad_()
    assert torch.autograd.gradcheck(camera.project, world)
    pixels = camera.project(world)[..., :2].detach().requires_grad_()
    assert torch.autograd.gradcheck(camera.rays, pixels)
    assert torch.autograd.gradcheck(camera.place, torch.randn(2, 3, dtype=torch.double, requires_grad=True))


def test_every_parameter_of_a_pinhole_has_a_gradient() -> None:
    camera, world = pinhole(2), points(2, 3)
    fields = (camera.focal, camera.centre, camera.rotation, camera.translation)
    for field in fields:
        field.requires_grad_()
    assert torch.autograd.gradcheck(lambda *f: PinholeCamera(*f, size=(4, 4)).project(world), fields)


def test_behind_the_camera_pixels_and_gradients_stay_finite_and_depth_tells() -> None:
    camera = PinholeCamera.looking_ahead(500.0, (480, 640))
    behind = torch.tensor([[[0.1, 0.1, -2.0], [0.1, 0, 0.0], [0, 0, 1e-4]]]).requires_grad_()
    seen = camera.project(behind)
    torch.testing.assert_close(seen[0, :, 2], behind[0, :, 2])
    (gradient,) = torch.autograd.grad(seen.sum(), behind)
    assert seen.isfinite().all()
    assert gradient.isfinite().all()
    torch.testing.assert_close(seen[0, 0, :2], torch.tensor([320 + 5e4, 240 + 5e4]))


def test_the_middle_of_the_picture_lies_ahead() -> None:
    camera = PinholeCamera.looking_ahead(500.0, (480, 640), batch=2)
    seen = camera.project(torch.tensor([[[0.0, 0, 3], [1, 0, 2], [0, 1, 2]]]).repeat(2, 1, 1))
    torch.testing.assert_close(seen[1], torch.tensor([[320.0, 240, 3], [570, 240, 2], [320, 490, 2]]))
    other = PinholeCamera.looking_ahead(500.0, (480, 640), centre=(1.0, 2.0))
    assert other.centre.tolist() == [[1.0, 2.0]]


def test_a_body_in_the_distance_is_projected_as_well_in_single_precision() -> None:
    camera = PinholeCamera.looking_ahead(5000.0, (224, 224))
    world = points(1, 200) + torch.tensor([0, 0, 39.0]).double()
    exact = camera.to(torch.double).project(world)
    assert (camera.project(world.float()).double() - exact)[..., :2].abs().max() < 1e-4


def test_weak_perspective_is_the_limit_of_perspective() -> None:
    camera, world = weak(), points()
    errors = []
    for focal in (1e3, 1e4, 1e5):
        away = camera.perspective(torch.full((3,), focal).double())
        torch.testing.assert_close(away.translation[:, 2], 2 * focal / (224 * camera.scale))
        errors.append((away.project(world) - camera.project(world))[..., :2].abs().max())
    assert errors[1] < errors[0] / 8
    assert errors[2] < errors[1] / 8


def test_weak_to_perspective_and_back() -> None:
    camera = weak()
    again = WeakPerspectiveCamera.of(camera.perspective(torch.full((3,), 5000.0).double()))
    torch.testing.assert_close(again.scale, camera.scale)
    torch.testing.assert_close(again.shift, camera.shift)
    with pytest.raises(ValueError, match="turned"):
        WeakPerspectiveCamera.of(pinhole())


def test_weak_perspective_is_that_of_hmr() -> None:
    camera = WeakPerspectiveCamera(torch.tensor([0.8]), torch.tensor([[0.1, -0.2]]), (224, 224))
    seen = camera.project(torch.tensor([[[0.3, 0.4, 7.0]]]))[0, 0]
    normalised = 0.8 * (torch.tensor([0.3, 0.4]) + torch.tensor([0.1, -0.2]))  # in [-1, 1] over the crop
    torch.testing.assert_close(seen[:2], 112 * (normalised + 1))


def test_cameras_that_do_not_fit_make_no_rig() -> None:
    with pytest.raises(ValueError, match="same picture size"):
        CameraRig((pinhole(2), pinhole(3)))
    with pytest.raises(ValueError, match="at least one"):
        CameraRig(())
    with pytest.raises(ValueError, match="cannot be shared"):
        CameraRig((pinhole(2), pinhole(2))).rays(torch.zeros(2, 3, 2).double())


def crop(batch: int = 3, turned: bool = True, dtype: torch.dtype = torch.double) -> Crop:
    centre = torch.tensor([300.0, 220.0]) + 20 * torch.randn(batch, 2)
    angle = torch.randn(batch).to(dtype) if turned else None
    return Crop(centre.to(dtype), (150 + 200 * torch.rand(batch)).to(dtype), (192, 224), angle)


@pytest.mark.parametrize("turned", [False, True])
def test_pixels_come_back_from_a_crop(turned: bool) -> None:
    box, pixels = crop(turned=turned), 500 * torch.rand(3, 9, 2).double()
    torch.testing.assert_close(box.back(box.into(pixels)), pixels)
    assert torch.autograd.gradcheck(box.into, pixels.requires_grad_())
    torch.testing.assert_close(box[1].into(pixels[1:2]), box.into(pixels)[1:2])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.double, 1e-10), (torch.float, 1e-4)])
@pytest.mark.parametrize("distance", [3.0, 40.0])
def test_the_cropped_camera_sees_the_crop(dtype: torch.dtype, tolerance: float, distance: float) -> None:
    camera = dataclasses.replace(pinhole(), focal=torch.full((3, 2), 120.0 * distance).double())
    camera = dataclasses.replace(camera, rotation=axis_angle_to_matrix(torch.full((3, 3), 0.2 / distance).double())).to(
        dtype
    )
    world = (points() + torch.tensor([0, 0, distance - 5])).to(dtype)
    box = crop(turned=False, dtype=dtype)
    of_crop = box.into(camera.project(world)[..., :2])
    by_camera = box.camera(camera).project(world)[..., :2]
    assert box.camera(camera).size == (192, 224)
    torch.testing.assert_close(by_camera, of_crop, atol=tolerance, rtol=0)
    with pytest.raises(ValueError, match="turned"):
        crop(dtype=dtype).camera(camera)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("width", [100.0, 350.0, 900.0])
def test_a_constant_picture_stays_constant(turned: bool, width: float) -> None:
    box = crop(turned=turned, dtype=torch.float)
    box = dataclasses.replace(box, width=torch.full((3,), width))
    torch.testing.assert_close(box.warp(torch.full((3, 2, 480, 640), 0.7)), torch.full((3, 2, 192, 224), 0.7))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("width", [100.0, 224.0, 350.0])
def test_a_slope_is_warped_to_where_the_pixels_come_from(turned: bool, width: float) -> None:
    v, u = torch.meshgrid(torch.arange(480) + 0.5, torch.arange(640) + 0.5, indexing="ij")
    box = dataclasses.replace(crop(turned=turned, dtype=torch.float), width=torch.full((3,), width))
    warped = box.warp(torch.stack([u, v]).repeat(3, 1, 1, 1))
    rows, columns = torch.meshgrid(torch.arange(192) + 0.5, torch.arange(224) + 0.5, indexing="ij")
    expected = box.back(torch.stack([columns, rows], dim=-1).flatten(0, 1).repeat(3, 1, 1)).mT.unflatten(2, (192, 224))
    inside = (expected[:, 0] > 3) & (expected[:, 0] < 637) & (expected[:, 1] > 3) & (expected[:, 1] < 477)
    error = (warped - expected).abs().amax(1)
    assert error[inside].max() < 2e-3


def test_a_crop_of_whole_pixels_is_a_slice() -> None:
    picture = torch.rand(1, 3, 60, 80)
    box = Crop(torch.tensor([[40.0, 30.0]]), torch.tensor([20.0]), (10, 20))
    torch.testing.assert_close(box.warp(picture), picture[..., 25:35, 30:50], atol=1e-5, rtol=0)
    half = Crop(torch.tensor([[40.0, 30.0]]), torch.tensor([20.0]), (5, 10))
    means = torch.nn.functional.avg_pool2d(picture[..., 25:35, 30:50], 2)
    torch.testing.assert_close(half.warp(picture), means, atol=0.5, rtol=0)
    assert Crop(torch.tensor([[0.0, 0.0]]), torch.tensor([8.0]), (8, 8)).warp(picture + 1, "zeros")[0, 0, 0, 0] == 0


def test_a_crop_around_a_box_holds_it() -> None:
    boxes = torch.tensor([[10.0, 20, 110, 60], [0, 0, 10, 90]])
    box = Crop.around(boxes, (128, 64), margin=1.0)
    corners = box.into(boxes.unflatten(1, (2, 2)))
    assert (corners > -1e-3).all()
    assert (corners <= torch.tensor([64.0, 128.0]) + 1e-3).all()


def test_a_camera_at_the_origin_has_no_weak_likeness() -> None:
    with pytest.raises(ValueError, match="origin"):
        WeakPerspectiveCamera.of(PinholeCamera.looking_ahead(100.0, (64, 64)))
