"""Skinned bodies: equal to smplx, and laws that every body keeps, whatever it was made from."""

import math

import pytest
import torch
import trimesh

from probbody.bodies.regressors import KeypointRegressor
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.tubes import tubes
from probbody.errors import BadInput
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.geometry.skinning import linear_blend_skinning
from probbody.quantities import Pose

SMPL = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)


def arm() -> SkinnedBody:
    joints = torch.tensor([[0.2, 1.4, 0], [0.5, 1.4, 0], [0.75, 1.38, 0.02], [0.84, 1.37, 0.03]]).double()
    return tubes(joints, (-1, 0, 1, 2), names=("shoulder", "elbow", "wrist", "hand"))


def hand() -> SkinnedBody:
    joints = [[0.0, 0.0, 0.0]]
    for finger in range(5):
        joints += [[0.02 * (finger - 2), 0.0, 0.08 + 0.02 * part] for part in range(4)]
    parents = [-1, *(joint if joint % 4 else 0 for joint in range(20))]
    return tubes(torch.tensor(joints).double(), parents, radius=0.25, rings=4, sides=6)


def joint_regressor(count: int, points: int) -> torch.Tensor:
    """Joints as means of vertices, as in a file of SMPL; the same each time."""
    regressor = torch.rand(count, points, generator=torch.Generator().manual_seed(4), dtype=torch.double)
    return regressor / regressor.sum(1, keepdim=True)


def anybody(points: int = 40, parents: tuple[int, ...] = SMPL, bent: bool = True, shapes: int = 10) -> SkinnedBody:
    """A body of random numbers, the same each time."""
    generator = torch.Generator().manual_seed(3)
    rand = lambda *size: torch.rand(*size, generator=generator, dtype=torch.double)  # noqa: E731
    count = len(parents)
    template, directions = rand(points, 3), 0.1 * rand(points, 3, shapes)
    weights, regressor = rand(points, count) ** 8, joint_regressor(count, points)
    weights[:count] = torch.eye(count)[:points]  # the first vertices hang on one joint alone
    keypoints = KeypointRegressor(torch.tensor([2, count + 5, count + points - 1, 0]), torch.eye(4).double())
    mixed = KeypointRegressor(torch.tensor([count + 7, 1, count]), torch.tensor([[0.2, 0.3, 0.5]]).double())
    joints_only = KeypointRegressor(torch.arange(count), torch.eye(count).double())
    return SkinnedBody(
        template=template,
        faces=torch.tensor([[0, 1, 2], [2, 3, points - 1]]),
        weights=weights / weights.sum(1, keepdim=True),
        parents=parents,
        joint_names=tuple(f"j{joint}" for joint in range(count)),
        joint_template=regressor @ template,
        shape_directions=directions,
        joint_directions=torch.einsum("jv,vds->jds", regressor, directions),
        pose_directions=0.05 * (rand(points, 3, 9 * (count - 1)) - 0.5) if bent else None,
        regressors={"four": keypoints, "mixed": mixed, "joints": joints_only},
        licence="random numbers",
    )


BODIES = {"arm": arm, "hand": hand, "bent": anybody, "plain": lambda: anybody(parents=(-1, 0, 0, 1), bent=False)}


def any_pose(body: SkinnedBody, batch: int = 3) -> Pose:
    return Pose(
        axis_angle_to_matrix(0.7 * torch.randn(batch, len(body.parents), 3, dtype=torch.double)),
        torch.randn(batch, body.num_shape, dtype=torch.double),
        torch.randn(batch, 3, dtype=torch.double),
    )


def at_rest(body: SkinnedBody, batch: int = 2) -> Pose:
    still = torch.eye(3, dtype=torch.double).repeat(batch, len(body.parents), 1, 1)
    return Pose(still, torch.zeros(batch, body.num_shape).double(), torch.zeros(batch, 3).double())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float, 1e-5), (torch.double, 1e-12)])
def test_equals_smplx(dtype: torch.dtype, tolerance: float) -> None:
    lbs = pytest.importorskip("smplx.lbs")
    body = anybody(points=60).to(dtype)
    axis_angle, shape, away = torch.randn(5, 24, 3).to(dtype), torch.randn(5, 10).to(dtype), torch.randn(5, 3).to(dtype)
    assert body.pose_directions is not None
    vertices, joints = lbs.lbs(
        shape,
        axis_angle.flatten(1),
        body.template,
        body.shape_directions,
        body.pose_directions.flatten(0, 1).mT,
        joint_regressor(24, 60).to(dtype),
        torch.tensor(SMPL),
        body.weights,
    )
    # smplx's own Rodrigues adds 1e-8 to the vector, which is all the difference that is left in float64
    surface = body(Pose(lbs.batch_rodrigues(axis_angle.flatten(0, 1)).unflatten(0, (5, 24)), shape, away))
    torch.testing.assert_close(surface.vertices, vertices + away[:, None], atol=tolerance, rtol=0)
    torch.testing.assert_close(surface.joints, joints + away[:, None], atol=tolerance, rtol=0)
    ours = body(Pose(axis_angle_to_matrix(axis_angle), shape, away))
    torch.testing.assert_close(ours.vertices, vertices + away[:, None], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", BODIES)
def test_at_rest_it_is_the_template(name: str) -> None:
    body = BODIES[name]()
    surface = body(at_rest(body))
    torch.testing.assert_close(surface.vertices, body.template.expand(2, -1, 3))
    torch.testing.assert_close(surface.joints, body.joint_template.expand(2, -1, 3))
    identity = torch.eye(4, dtype=torch.double).expand_as(surface.frames)
    torch.testing.assert_close(surface.frames, identity, atol=1e-14, rtol=0)
    assert torch.equal(surface.faces, body.faces)
    assert all(part.is_contiguous() for part in (surface.vertices, surface.joints, surface.frames))


@pytest.mark.parametrize("name", BODIES)
def test_equals_the_readable_twin(name: str) -> None:
    body = BODIES[name]()
    pose = any_pose(body)
    surface = body(pose)
    for one in range(3):
        vertices = body.template + body.shape_directions @ pose.shape[one]
        if body.pose_directions is not None:
            bend = pose.rotations[one, 1:] - torch.eye(3, dtype=torch.double)
            vertices = vertices + body.pose_directions @ bend.flatten()
        frames = surface.frames[one]
        for vertex in range(0, len(vertices), 7):
            moved = sum(
                weight * (frame[:3, :3] @ vertices[vertex] + frame[:3, 3])
                for weight, frame in zip(body.weights[vertex], frames, strict=True)
            )
            torch.testing.assert_close(surface.vertices[one, vertex], moved)
    skinned = linear_blend_skinning(vertices[None], surface.frames[2:], body.weights)
    torch.testing.assert_close(skinned, surface.vertices[2:])


@pytest.mark.parametrize("name", BODIES)
def test_turning_the_root_turns_everything_about_it(name: str) -> None:
    body = BODIES[name]()
    pose = any_pose(body)
    turn = axis_angle_to_matrix(torch.randn(3, 1, 3, dtype=torch.double))
    turned = Pose(torch.cat([turn @ pose.rotations[:, :1], pose.rotations[:, 1:]], 1), pose.shape, pose.translation)
    before, after = body(pose), body(turned)
    root = before.joints[:, :1]
    torch.testing.assert_close(after.joints[:, :1], root)
    for points, moved in ((before.vertices, after.vertices), (before.joints, after.joints)):
        torch.testing.assert_close(moved, (points - root) @ turn[:, 0].mT + root)
    torch.testing.assert_close(after.frames[..., :3, :3], turn @ before.frames[..., :3, :3])


@pytest.mark.parametrize("name", BODIES)
def test_translation_shifts_everything(name: str) -> None:
    body = BODIES[name]()
    pose, step = any_pose(body), torch.randn(3, 3, dtype=torch.double)
    before, after = body(pose), body(Pose(pose.rotations, pose.shape, pose.translation + step))
    torch.testing.assert_close(after.vertices, before.vertices + step[:, None])
    torch.testing.assert_close(after.joints, before.joints + step[:, None])
    torch.testing.assert_close(after.frames[..., :3, 3], before.frames[..., :3, 3] + step[:, None])


@pytest.mark.parametrize("name", BODIES)
def test_frames_carry_the_joints(name: str) -> None:
    body = BODIES[name]()
    pose = any_pose(body)
    surface = body(pose)
    joints = body.joint_template + torch.einsum("jds,bs->bjd", body.joint_directions, pose.shape)
    at_home = torch.nn.functional.pad(joints, (0, 1), value=1.0).unsqueeze(-1)
    torch.testing.assert_close((surface.frames @ at_home)[..., :3, 0], surface.joints)
    torch.testing.assert_close(surface.joints[:, 0], joints[:, 0] + pose.translation)


def test_a_vertex_on_one_joint_follows_it_rigidly() -> None:
    body = anybody(bent=False)
    pose = any_pose(body)
    surface = body(pose)
    rest = body.template + torch.einsum("vds,bs->bvd", body.shape_directions, pose.shape)
    for joint in range(24):
        frame = surface.frames[:, joint]
        moved = (frame[:, :3, :3] @ rest[:, joint, :, None]).squeeze(-1) + frame[:, :3, 3]
        torch.testing.assert_close(surface.vertices[:, joint], moved)


@pytest.mark.parametrize("name", BODIES)
def test_a_batch_is_a_loop_and_may_be_empty(name: str) -> None:
    body = BODIES[name]()
    pose = any_pose(body)
    surface = body(pose)
    for one in range(3):
        alone = body(pose[one])
        torch.testing.assert_close(alone.vertices, surface.vertices[one : one + 1])
        torch.testing.assert_close(alone.frames, surface.frames[one : one + 1])
    assert body(pose[:0]).vertices.shape == (0, len(body.template), 3)


@pytest.mark.parametrize("name", BODIES)
def test_single_precision_is_enough(name: str) -> None:
    body = BODIES[name]()
    pose = any_pose(body)
    single = BODIES[name]().float()(pose.to(torch.float))
    assert single.vertices.dtype == torch.float
    torch.testing.assert_close(single.vertices.double(), body(pose).vertices, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", BODIES)
def test_gradients(name: str) -> None:
    body = BODIES[name]()
    pose = any_pose(body, 2)
    inputs = tuple(x.requires_grad_() for x in (pose.rotations, pose.shape, pose.translation))

    def run(*parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        surface = body(Pose(*parts))
        return surface.vertices, surface.joints, surface.frames

    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda *parts: run(*parts)[0].sum((1, 2)), inputs, fast_mode=True)


@pytest.mark.parametrize("name", BODIES)
def test_a_reduced_body_has_the_same_keypoints(name: str) -> None:
    body = BODIES[name]()
    pose = any_pose(body)
    for layout in body.regressors:
        small = body.reduced(layout)
        surface = small(pose)
        torch.testing.assert_close(small.keypoints(surface, layout), body.keypoints(body(pose), layout))
        torch.testing.assert_close(surface.joints, body(pose).joints)
        assert len(small.template) <= 4
        assert small.faces.shape == (0, 3)
        assert list(small.regressors) == [layout]
        assert torch.autograd.gradcheck(
            lambda t, s=small, k=layout: s.keypoints(s(Pose(pose.rotations, pose.shape, t)), k),
            pose.translation.clone().requires_grad_(),
            fast_mode=True,
        )


def test_a_layout_that_it_lacks_is_refused_with_those_it_has() -> None:
    body = anybody()
    for ask in (lambda: body.keypoints(body(at_rest(body)), "coco17"), lambda: body.reduced("coco17")):
        with pytest.raises(BadInput, match=r"four, joints, mixed, not for 'coco17'"):
            ask()


def parts(**changes: object) -> dict[str, object]:
    body = arm()
    names = ("template", "faces", "weights", "parents", "joint_names", "joint_template", "shape_directions")
    names += ("joint_directions", "pose_directions", "regressors", "licence")
    return {name: getattr(body, name) for name in names} | changes


WRONG = {
    "sum to 1": {"weights": arm().weights * 1.01},
    "root": {"parents": (0, 0, 1, 2)},
    "as many names": {"joint_names": ("a", "b")},
    "joint_template must be finite": {"joint_template": torch.full((4, 3), math.nan).double()},
    "vertices 0 to [0-9]*, not -1": {"faces": torch.tensor([[0, 1, -1]])},
    "faces must have the shape": {"faces": torch.zeros(1, 4, dtype=torch.int64)},
    "faces must name vertices": {"faces": torch.tensor([[0, 1, 10**6]])},
    "pose_directions must have the shape": {"pose_directions": torch.zeros(len(arm().template), 3, 5).double()},
    "regressor of 'x'": {"regressors": {"x": KeypointRegressor(torch.tensor([10**6]), torch.ones(1, 1))}},
    "joint_directions must have the shape": {"joint_directions": torch.zeros(3, 3, 2).double()},
}


@pytest.mark.parametrize("sentence", WRONG)
def test_parts_that_do_not_fit_are_refused(sentence: str) -> None:
    SkinnedBody(**parts())  # type: ignore[arg-type]
    with pytest.raises(Exception, match=sentence if "shape" not in sentence else "shape") as refusal:
        SkinnedBody(**parts(**WRONG[sentence]))  # type: ignore[arg-type]
    if isinstance(refusal.value, BadInput):
        assert str(refusal.value).startswith("SkinnedBody: ")
        assert str(refusal.value).count("\n") == 0


@pytest.mark.parametrize(
    "body", [arm(), hand(), tubes([[0.0, 0, 0], [0, 0.1, 0]], (-1, 0))], ids=["arm", "hand", "stick"]
)
def test_tubes_are_closed_and_face_outwards(body: SkinnedBody) -> None:
    mesh = trimesh.Trimesh(body.template.numpy(), body.faces.numpy(), process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert all(piece.volume > 0 for piece in mesh.split())
    assert len(mesh.split()) == len(body.parents) - 1
    assert mesh.bounds[0].min() < body.joint_template.min()


def test_joints_may_be_whole_numbers_and_tubes_must_have_girth() -> None:
    whole = tubes(torch.tensor([[0, 0, 0], [0, 2, 0]]), [-1, 0])
    assert torch.equal(whole.template, tubes([[0.0, 0, 0], [0, 2.0, 0]], [-1, 0]).template)
    with pytest.raises(BadInput, match="a positive radius"):
        tubes([[0.0, 0, 0], [0, 2.0, 0]], [-1, 0], radius=-1.0)


def test_a_tube_is_as_thick_as_told_and_grows() -> None:
    body = tubes(torch.tensor([[0.0, 0, 0], [0, 2.0, 0]]).double(), [-1, 0], radius=0.1, rings=5)
    radius = body.template[:, [0, 2]].norm(dim=-1)
    torch.testing.assert_close(radius.max(), torch.tensor(0.2).double())
    still = torch.eye(3, dtype=torch.double).repeat(2, 2, 1, 1)
    surface = body(Pose(still, torch.eye(2).double(), torch.zeros(2, 3).double()))
    torch.testing.assert_close(surface.vertices[0], 1.05 * body.template)
    torch.testing.assert_close(surface.joints[1], body.joint_template)
    torch.testing.assert_close(surface.vertices[1, :, [0, 2]].norm(dim=-1).max(), torch.tensor(0.23).double())


@pytest.mark.parametrize(
    ("joints", "parents", "sentence"),
    [
        ([[0.0, 0, 0]], (-1,), "one place"),
        ([[0.0, 0, 0], [0.0, 0, 0]], (-1, 0), "one place"),
        ([[0.0, 0, 0], [0.0, 1, 0]], (-1, 0, 1), r"shape \(3, 3\)"),
        ([[0.0, 0, 0], [0.0, 1, 0]], (-1, 1), "parent of joint 1"),
        ([[0.0, 0, 0], [0.0, math.inf, 0]], (-1, 0), "finite"),
    ],
)
def test_joints_without_a_skeleton_are_refused(joints: list, parents: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        tubes(joints, parents)
