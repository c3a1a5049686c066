"""Every sample shows the face that a ray through it meets first."""

import math

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor
from trimesh.ray.ray_triangle import ray_triangle_id

from probbody.bodies.open_body import open_body
from probbody.bodies.tubes import tubes
from probbody.contracts import ArticulatedBody, Camera
from probbody.geometry.cameras import NEAREST, PinholeCamera, WeakPerspectiveCamera
from probbody.geometry.meshes import edges, face_normals, vertex_normals
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose, Surface
from probbody.render import raster
from probbody.render.mesh import MeshRenderer
from probbody.render.raster import Screen, rasterise

F64 = torch.float64
ARM = tubes([[0.0, 0, 0], [0.3, 0, 0], [0.5, 0.2, 0.1], [0.5, 0.4, 0.3]], (-1, 0, 1, 2), radius=0.2)


class Boxes:
    """Stands in for the search tree that trimesh would get from another library."""

    def __init__(self, mesh: trimesh.Trimesh) -> None:
        self.bounds = mesh.bounds.flatten()
        self.low, self.high = mesh.triangles.min(1), mesh.triangles.max(1)

    def intersection(self, bounds: np.ndarray) -> list[int]:
        meet = (self.low <= bounds[3:]).all(-1) & (self.high >= bounds[:3]).all(-1)
        return meet.nonzero()[0].tolist()


def cast(surface: Surface, camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Of one body the first face (-1: none), its barycentric coordinates and depth at the centres of pixels."""
    height, width = camera.size
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    origins, directions = camera.rays(torch.stack([columns, rows], -1).view(1, -1, 2).to(surface.vertices))
    mesh = trimesh.Trimesh(surface.vertices[0].double().numpy(), surface.faces.numpy(), process=False)
    face, ray, place = ray_triangle_id(
        mesh.triangles,
        origins[0].double().numpy(),
        directions[0].double().numpy(),
        triangles_normal=mesh.face_normals,
        tree=Boxes(mesh),
        multiple_hits=False,
    )
    faces = torch.full((height * width,), -1)
    shares = torch.zeros(height * width, 3, dtype=torch.float64)
    depth = torch.zeros(height * width, dtype=torch.float64)
    faces[ray] = torch.from_numpy(face)
    shares[ray] = torch.from_numpy(trimesh.triangles.points_to_barycentric(mesh.triangles[face], place))
    depth[ray] = camera.project(torch.from_numpy(place).to(surface.vertices)[None])[0, :, 2].double()
    return faces.view(height, width), shares.view(height, width, 3), depth.view(height, width)


def posed(body: ArticulatedBody, away: float = 3.0, batch: int = 1) -> Surface:
    joints = len(body.parents)
    turns = axis_angle_to_matrix(0.5 * torch.randn(batch, joints, 3))
    turns[:, 0] = turns[:, 0] @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    return body(Pose(turns, torch.zeros(batch, body.num_shape), torch.tensor([[0.0, 0.1, away]]).repeat(batch, 1)))


def mesh(vertices: Tensor, faces: Tensor) -> Surface:
    batch = len(vertices)
    return Surface(vertices, vertices[:, :1], torch.eye(4).to(vertices).repeat(batch, 1, 1, 1), faces)


def flat(places: list[list[float]], depth: float = 1.0) -> Screen:
    points = torch.tensor([[*place, depth] for place in places], dtype=F64)[None]
    near = 1 / points[..., 2]
    return Screen(points, near, near, near > 0)


def shown(places: list[list[float]], faces: list[list[int]], size: tuple[int, int]) -> Tensor:
    place, face, _ = rasterise(flat(places), torch.tensor(faces), size)
    return torch.full((size[0] * size[1],), -1).index_copy(0, place, face).view(size)


def turned(size: tuple[int, int]) -> Camera:
    turn = axis_angle_to_matrix(torch.tensor([[0.1, -0.2, 0.3]]))
    return PinholeCamera(
        torch.tensor([[45.0, 60.0]]), torch.tensor([[14.0, 19.0]]), turn, torch.tensor([[0.3, 0.1, 0.2]]), size
    )


@pytest.mark.parametrize(
    ("body", "away", "camera"),
    [
        (ARM, 1.2, turned((36, 28))),
        (ARM, 1.2, WeakPerspectiveCamera(torch.tensor([1.6]), torch.tensor([[-0.2, 0.0]]), (30, 37))),
        (open_body(), 3.0, turned((36, 28))),
        (open_body(), 2.0, WeakPerspectiveCamera(torch.tensor([0.9]), torch.tensor([[0.0, 0.1]]), (33, 33))),
    ],
    ids=["tubes", "tubes from afar", "body", "body from afar"],
)
def test_pixels_are_those_of_ray_casting(body: ArticulatedBody, away: float, camera: Camera) -> None:
    surface = posed(body, away)
    face, shares, depth = cast(surface, camera)
    maps = MeshRenderer().maps(surface, camera)
    assert (face >= 0).sum() > 60
    assert (maps.face[0] == face).all()
    torch.testing.assert_close(maps.depth[0].double(), depth, rtol=2e-6, atol=2e-6)
    torch.testing.assert_close(maps.shares[0].double(), shares, rtol=0, atol=2e-3)  # of faces seen from the side
    middle = (maps.shares[0].double() - shares).abs().flatten().median()
    assert middle < 1e-5


def test_a_square_on_the_samples_covers_as_many_as_its_area() -> None:
    corners = [[1.5, 2.5], [6.5, 2.5], [6.5, 7.5], [1.5, 7.5]]
    for faces in ([[0, 1, 2], [0, 2, 3]], [[1, 0, 3], [1, 2, 3]], [[2, 1, 0], [3, 2, 0]]):
        assert (shown(corners, faces, (10, 10)) >= 0).sum() == 25


def test_faces_that_meet_share_no_sample_and_leave_none() -> None:
    """A fan around a sample, with corners and edges on samples: every sample in one face and one only."""
    rim = [[0.5, 0.5], [4.5, 0.5], [9.5, 0.5], [9.5, 6.5], [9.5, 9.5], [5.5, 9.5], [0.5, 9.5], [0.5, 3.5]]
    for hub in ([4.5, 4.5], [3.5, 6.5], [4.123, 5.77]):
        fan = [[8, k, (k + 1) % 8][:: 1 - 2 * (k % 2)] for k in range(8)]
        alone = torch.stack([shown([*rim, hub], [face], (11, 11)) >= 0 for face in fan]).sum(0)
        assert (alone[:9, :9] == 1).all()
        assert alone.sum() == 81


def test_a_closed_surface_has_no_holes() -> None:
    """Corners of a random lattice in float32, many of them on samples."""
    grid = torch.stack(torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="xy"), -1)
    inner = (grid > 0).all(-1) & (grid < 8).all(-1)
    for scale in (2.0, 3.7):
        places = scale * grid + 0.5 + torch.where(inner[..., None], 0.5 * torch.randint(-1, 2, grid.shape), 0)
        points = torch.cat([places.flatten(0, 1), 1 + torch.rand(81, 1)], -1)[None]
        near = 1 / points[..., 2]
        corner = torch.arange(81).view(9, 9)
        a, b, c, d = (part.flatten() for part in (corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]))
        faces = torch.cat([torch.stack([a, b, c], -1), torch.stack([a, c, d], -1)])
        size = (int(8 * scale), int(8 * scale))
        assert len(rasterise(Screen(points, near, near, near > 0), faces, size)[0]) == size[0] * size[1]


def test_of_equals_the_first_is_seen() -> None:
    corners = [[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]]
    assert (shown(corners, [[0, 1, 2], [1, 2, 0], [2, 1, 0]], (8, 8)).unique() == torch.tensor([-1, 0])).all()


def test_faces_without_area_are_not_seen() -> None:
    corners = [[0.5, 0.5], [4.5, 4.5], [8.5, 8.5], [3.5, 0.5], [8.1, 0.5]]
    assert (shown(corners, [[0, 1, 2], [0, 0, 1], [2, 2, 2], [0, 3, 4], [0, 1, 0]], (9, 9)) == -1).all()


def test_what_does_not_fit_at_once_is_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    surface, camera = posed(open_body()), turned((36, 28))
    whole = MeshRenderer().maps(surface, camera)
    monkeypatch.setattr(raster, "_AT_ONCE", 300)
    parts = MeshRenderer().maps(surface, camera)
    assert (whole.face == parts.face).all()


def test_a_batch_is_a_loop() -> None:
    surface, camera = posed(ARM, 1.2, batch=3), PinholeCamera.looking_ahead(30.0, (20, 31), batch=3)
    together = MeshRenderer().maps(surface, camera)
    for body in range(3):
        alone = MeshRenderer().maps(surface[body], camera[body])
        for name in ("face", "depth", "normals", "shares", "vertex"):
            torch.testing.assert_close(getattr(together, name)[body], getattr(alone, name)[0])


def test_faces_behind_the_camera_or_on_it_are_left_out_and_counted() -> None:
    places = [[-1.0, -1, 2], [1, -1, 2], [0, 1, 2], [-1, -1, -2], [1, -1, -2], [0, 1, -2], [0, 0, NEAREST / 2]]
    faces = torch.tensor([[0, 1, 2], [3, 4, 5], [0, 1, 5], [0, 1, 6]])
    surface = mesh(torch.tensor([places]), faces)
    maps = MeshRenderer().maps(surface, PinholeCamera.looking_ahead(16.0, (16, 16)))
    assert maps.cut_off.tolist() == [3]
    assert maps.face.unique().tolist() == [-1, 0]
    afar = MeshRenderer().maps(surface, WeakPerspectiveCamera(torch.ones(1), torch.zeros(1, 2), (16, 16)))
    assert afar.cut_off.tolist() == [0]  # parallel rays have no behind
    assert 1 in afar.face.unique()


def test_normals_of_a_ball_point_away_from_its_middle() -> None:
    surface = ball()
    across = vertex_normals(surface.vertices, surface.faces)
    away = torch.nn.functional.normalize(surface.vertices - torch.tensor([0.0, 0, 3]), dim=-1)
    assert (across * away).sum(-1).min() > 0.999
    assert abs(face_normals(surface.vertices, surface.faces).norm(dim=-1).sum() / 2 - math.pi) < 0.02 * math.pi
    maps = MeshRenderer().maps(surface, PinholeCamera.looking_ahead(32.0, (32, 32)))
    assert (maps.normals[0, 2][maps.face[0] >= 0] < 0).all()
    torch.testing.assert_close(maps.normals.norm(dim=1), (maps.face >= 0).to(maps.normals))


def test_a_vertex_without_faces_has_no_normal() -> None:
    vertices = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 5, 5]]], requires_grad=True)
    across = vertex_normals(vertices, torch.tensor([[0, 1, 2]]))
    assert (across == 0).all()
    across.sum().backward()
    assert vertices.grad is not None
    assert vertices.grad.isfinite().all()


def test_every_edge_of_a_closed_mesh_has_two_faces_that_run_along_it_both_ways() -> None:
    hang = edges(open_body().faces)
    assert len(hang) == 3 * len(open_body().faces) // 2
    balance = torch.zeros(len(hang)).index_add(0, hang.of.flatten(), hang.along.flatten().float())
    assert (balance == 0).all()


def ball() -> Surface:
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    vertices = torch.tensor(sphere.vertices, dtype=torch.float32)[None] + torch.tensor([0.0, 0, 3])
    return mesh(vertices, torch.tensor(sphere.faces).long())
