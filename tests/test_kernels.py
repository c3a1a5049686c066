"""Kernels on bodies: where they are, how large, and that they go where the bones go."""

import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.bodies.regressors import KeypointRegressor
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.tubes import tubes
from probbody.geometry.kernels import SurfaceKernels, released_kernels, surface_kernels
from probbody.geometry.registration import log_density, registered, skin
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose, Surface

F64 = torch.float64


def arm() -> SkinnedBody:
    return tubes(
        torch.tensor([[0.2, 1.4, 0], [0.5, 1.4, 0], [0.75, 1.38, 0.02], [0.84, 1.37, 0.03]], dtype=F64), (-1, 0, 1, 2)
    )


def pose(body: SkinnedBody, bodies: int = 1, spread: float = 0.0) -> Pose:
    turns = axis_angle_to_matrix(spread * torch.randn(bodies, len(body.parents), 3, dtype=F64))
    return Pose(turns, torch.zeros(bodies, body.num_shape, dtype=F64), torch.zeros(bodies, 3, dtype=F64))


def moved(surface: Surface, turn: torch.Tensor, shift: torch.Tensor) -> Surface:
    """The whole body turned and shifted."""
    rigid = torch.eye(4, dtype=F64)
    rigid[:3, :3], rigid[:3, 3] = turn, shift
    return Surface(
        surface.vertices @ turn.mT + shift, surface.joints @ turn.mT + shift, rigid @ surface.frames, surface.faces
    )


BODIES = {"coarse": lambda: open_body().double(), "fine": lambda: open_body("fine").double(), "arm": arm}


@pytest.mark.parametrize("name", BODIES)
def test_kernels_lie_evenly_on_the_body_and_flat_on_its_skin(name: str) -> None:
    body = BODIES[name]()
    kernels = surface_kernels(body)
    posed = kernels(body(pose(body)))
    count = min(858, len(torch.unique(body.faces)))
    assert posed.means.shape == (1, count, 3)
    assert len(torch.unique(kernels.vertex)) == count
    torch.testing.assert_close(posed.means, body(pose(body)).vertices[:, kernels.vertex])
    values, axes = torch.linalg.eigh(posed.precisions[0])
    torch.testing.assert_close(values[:, 2], 4 * values[:, 0])  # half as thick as wide
    torch.testing.assert_close(values[:, 1], values[:, 0])
    spacing = (
        torch.cdist(posed.means[0], posed.means[0]).fill_diagonal_(torch.inf).topk(4, largest=False).values.mean(1)
    )
    torch.testing.assert_close(values[:, 0].rsqrt(), 0.5 * spacing)
    vertices = body(pose(body)).vertices[0]
    a, b, c = vertices[body.faces].unbind(1)
    across = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    along = torch.stack(
        [(across[(body.faces == v).any(1)] @ axes[k, :, 2]).abs().mean() for k, v in enumerate(kernels.vertex[:80])]
    )
    assert along.median() > 0.9
    again = surface_kernels(body)
    assert torch.equal(again.vertex, kernels.vertex)


def test_chosen_vertices_are_as_far_apart_as_a_greedy_choice_gets() -> None:
    body = open_body().double()
    vertices = body(pose(body)).vertices[0]
    few, many = surface_kernels(body, count=50).vertex, surface_kernels(body, count=200).vertex
    assert set(few.tolist()) <= set(many.tolist())
    holes = torch.cdist(vertices, vertices[few]).amin(1).max()
    apart = torch.cdist(vertices[few], vertices[few]).fill_diagonal_(torch.inf).min()
    assert apart >= holes  # no vertex is farther from the chosen ones than these from each other


@pytest.mark.parametrize("name", ["coarse", "arm"])
def test_turning_the_body_turns_its_kernels(name: str) -> None:
    body = BODIES[name]()
    given = surface_kernels(body, count=100)
    kernels = SurfaceKernels(
        given.vertex, 0.01 * torch.randn(len(given.vertex), 3, dtype=F64), given.precisions, given.weights
    )
    turn, shift = (
        axis_angle_to_matrix(torch.tensor([0.5, -1.0, 0.3], dtype=F64)),
        torch.tensor([1.0, 2.0, -3.0], dtype=F64),
    )
    surface = body(pose(body, 2, 0.3))
    here, there = kernels(surface), kernels(moved(surface, turn, shift))
    torch.testing.assert_close(there.means, here.means @ turn.mT + shift)
    torch.testing.assert_close(there.precisions, turn @ here.precisions @ turn.mT)


def test_a_kernel_of_one_bone_follows_it_rigidly() -> None:
    body = arm()
    rest, surface = body(pose(body)), body(pose(body, 1, 0.8))
    given = surface_kernels(body)
    kernels = SurfaceKernels(
        given.vertex, 0.02 * torch.randn(len(given.vertex), 3, dtype=F64), given.precisions, given.weights
    )
    alone = given.weights.amax(1) == 1
    assert bool(alone.any())
    still, posed = kernels(rest), kernels(surface)
    frame = surface.frames[0, given.weights.argmax(1)]
    wanted = (frame[:, :3, :3] @ still.means[0].unsqueeze(-1)).squeeze(-1) + frame[:, :3, 3]
    torch.testing.assert_close(posed.means[0][alone], wanted[alone])
    turned = frame[:, :3, :3] @ still.precisions[0] @ frame[:, :3, :3].mT
    torch.testing.assert_close(posed.precisions[0][alone], turned[alone])
    assert bool((torch.linalg.eigvalsh(posed.precisions) > 0).all())


def test_gradients_reach_the_pose() -> None:
    body = arm()
    kernels = surface_kernels(body, count=20)
    turns = 0.4 * torch.randn(1, 4, 3, dtype=F64)

    def posed(turns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = kernels(
            body(Pose(axis_angle_to_matrix(turns), torch.zeros(1, 2, dtype=F64), torch.zeros(1, 3, dtype=F64)))
        )
        return found.means, found.precisions * 1e-4

    assert torch.autograd.gradcheck(posed, turns.requires_grad_(), fast_mode=True)


def test_faces_without_area_and_vertices_without_faces_do_no_harm() -> None:
    body = arm()
    points = len(body.template)
    extra = torch.cat([body.template, body.template[:1], torch.full((1, 3), 7.0, dtype=F64)])  # a double, and a stray
    faces = torch.cat([body.faces, torch.tensor([[0, 0, 1], [3, points, 3]])])
    odd = SkinnedBody(
        template=extra,
        faces=faces,
        weights=torch.cat([body.weights, body.weights[:2]]),
        parents=body.parents,
        joint_names=body.joint_names,
        joint_template=body.joint_template,
        shape_directions=torch.zeros(points + 2, 3, 2, dtype=F64),
        joint_directions=body.joint_directions,
        pose_directions=None,
        regressors={"joints": KeypointRegressor(torch.arange(4), torch.eye(4, dtype=F64))},
        licence="",
    )
    for kernels in (surface_kernels(odd, count=10_000), surface_kernels(odd, count=1)):
        assert points + 1 not in kernels.vertex.tolist()
        posed = kernels(odd(pose(odd)))
        assert bool(posed.precisions.isfinite().all())
        assert bool((torch.linalg.eigvalsh(posed.precisions) > 0).all())


def test_a_body_without_faces_has_round_kernels() -> None:
    body = open_body().double().reduced("coco17")
    values = torch.linalg.eigvalsh(surface_kernels(body).precisions)
    torch.testing.assert_close(values[:, 0], values[:, 2])


def test_the_released_kernels_are_all_alike() -> None:
    body = open_body().double()
    kernels = released_kernels(body, count=100)(body(pose(body, 1, 0.5)))
    r = 0.02
    torch.testing.assert_close(
        0.5 * kernels.precisions[..., 0, 0] * r * r, torch.full((1, 100), 4000 * r * r, dtype=F64)
    )
    values = torch.linalg.eigvalsh(kernels.precisions)
    torch.testing.assert_close(values, torch.full_like(values, 1 / 0.01118034**2), rtol=1e-6, atol=0)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one kernel"):
        surface_kernels(arm(), count=0)
    with pytest.raises(ValueError, match="must not be negative"):
        SurfaceKernels(torch.tensor([-1]), torch.zeros(1, 3), torch.eye(3)[None], torch.ones(1, 1))
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="overlap"):
            surface_kernels(arm(), overlap=wrong)
        with pytest.raises(ValueError, match="flatness"):
            surface_kernels(arm(), flatness=wrong)


def test_registered_kernels_explain_poses_that_they_have_not_seen() -> None:
    body = arm()
    given = surface_kernels(body, count=40)
    generator = torch.Generator().manual_seed(9)
    unseen = body(pose(body, 12, 0.6))
    points = skin(unseen, 300, 0.005, generator)
    fitted = registered(given, body, pose(body, 24, 0.6), steps=120, points=300)
    before, after = (float(log_density(kernels(unseen), points).mean()) for kernels in (given, fitted))
    assert after > before + 0.1, f"{before:.3f}, {after:.3f}"
    torch.testing.assert_close(fitted.weights.sum(1), torch.ones(40, dtype=F64))
    assert bool((torch.linalg.eigvalsh(fitted(unseen).precisions) > 0).all())
    assert torch.equal(fitted.vertex, given.vertex)


def test_the_density_of_kernels_integrates_to_one() -> None:
    body = arm()
    kernels = surface_kernels(body, count=12)(body(pose(body)))
    low, high = kernels.means[0].amin(0) - 0.3, kernels.means[0].amax(0) + 0.3
    points = low + (high - low) * torch.rand(1, 200_000, 3, dtype=F64)
    mass = log_density(kernels, points).exp().mean() * (high - low).prod()
    torch.testing.assert_close(mass, torch.ones((), dtype=F64), rtol=0.05, atol=0)


def test_registering_nothing_is_refused() -> None:
    body = arm()
    with pytest.raises(ValueError, match="needs faces, poses and steps"):
        registered(surface_kernels(body, count=5), body, pose(body, 3), steps=0)
