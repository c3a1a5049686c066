"""Trees: the quick kinematics equal a walk from joint to joint, on any tree."""

import pytest
import torch

from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.geometry.trees import forward_kinematics, rest_to_posed

SMPL = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
TREES = {
    "one joint": (-1,),
    "a bone": (-1, 0),
    "chain": tuple(range(-1, 16)),
    "star": (-1, 0, 0, 0, 0),
    "smpl": SMPL,
    "hand": (-1, *(joint if joint % 4 else 0 for joint in range(20))),
    "depth not in order": (-1, 0, 1, 2, 0, 4, 3, 0, 6, 8, 9),
}


def walk(rotations: torch.Tensor, joints: torch.Tensor, parents: tuple[int, ...]) -> torch.Tensor:
    """The readable twin: from each joint to its children, as 4 x 4 matrices."""
    world: list[torch.Tensor] = []
    for joint, parent in enumerate(parents):
        bone = joints[:, joint] - (0 if parent < 0 else joints[:, parent])
        local = torch.eye(4, dtype=joints.dtype).repeat(len(joints), 1, 1)
        local[:, :3, :3] = rotations[:, joint]
        local[:, :3, 3] = bone
        world.append(local if parent < 0 else world[parent] @ local)
    return torch.stack(world, dim=1)


def stance(parents: tuple[int, ...], batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rotations = axis_angle_to_matrix(torch.randn(batch, len(parents), 3, dtype=torch.double))
    return rotations, torch.randn(batch, len(parents), 3, dtype=torch.double)


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("batch", [0, 1, 5])
def test_equals_the_walk(name: str, batch: int) -> None:
    rotations, joints = stance(TREES[name], batch)
    world = forward_kinematics(rotations, joints, TREES[name])
    torch.testing.assert_close(world, walk(rotations, joints, TREES[name]), atol=1e-12, rtol=0)
    single = forward_kinematics(rotations.float(), joints.float(), TREES[name])
    torch.testing.assert_close(single.double(), world, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", TREES)
def test_gradients(name: str) -> None:
    rotations, joints = stance(TREES[name], 2)
    inputs = (rotations.requires_grad_(), joints.requires_grad_())
    run = lambda r, j: forward_kinematics(r, j, TREES[name])  # noqa: E731
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("name", TREES)
def test_at_rest_every_joint_stays(name: str) -> None:
    _, joints = stance(TREES[name])
    still = torch.eye(3, dtype=torch.double).expand(3, len(TREES[name]), 3, 3)
    world = forward_kinematics(still, joints, TREES[name])
    torch.testing.assert_close(world[..., :3, 3], joints)
    identity = torch.eye(4, dtype=torch.double).expand_as(world)
    torch.testing.assert_close(rest_to_posed(world, joints), identity, atol=1e-14, rtol=0)


@pytest.mark.parametrize("name", TREES)
def test_bones_keep_their_lengths_and_frames_carry_the_joints(name: str) -> None:
    parents = TREES[name]
    rotations, joints = stance(parents)
    world = forward_kinematics(rotations, joints, parents)
    places = world[..., :3, 3]
    carried = rest_to_posed(world, joints)
    at_rest = torch.nn.functional.pad(joints, (0, 1), value=1.0).unsqueeze(-1)
    torch.testing.assert_close((carried @ at_rest)[..., :3, 0], places)
    for joint, parent in enumerate(parents[1:], start=1):
        bone = (places[:, joint] - places[:, parent]).norm(dim=-1)
        torch.testing.assert_close(bone, (joints[:, joint] - joints[:, parent]).norm(dim=-1))


def test_the_first_call_may_be_without_gradients() -> None:
    parents = (-1, 0, 1, 0, 3, 4)  # a tree that no other test uses, so that its constants are made here
    rotations, joints = stance(parents)
    with torch.inference_mode():
        forward_kinematics(rotations, joints, parents)
    rotations.requires_grad_()
    forward_kinematics(rotations, joints, parents).sum().backward()
    assert rotations.grad is not None


def test_a_batch_under_vmap_is_a_loop() -> None:
    rotations, joints = stance(SMPL)
    mapped = torch.func.vmap(lambda r, j: forward_kinematics(r[None], j[None], SMPL)[0])(rotations, joints)
    torch.testing.assert_close(mapped, forward_kinematics(rotations, joints, SMPL))


@pytest.mark.parametrize("parents", [(0, 0), (-1, 2, 0), (-1, -1), (-1, 1), (-1, 0, -2)])
def test_what_is_no_tree_is_refused(parents: tuple[int, ...]) -> None:
    rotations, joints = stance(parents)
    with pytest.raises(ValueError, match="parent"):
        forward_kinematics(rotations, joints, parents)


def test_parents_that_do_not_fit_are_refused() -> None:
    rotations, joints = stance((-1, 0, 1))
    with pytest.raises(ValueError, match="3 rotations came with 2 parents"):
        forward_kinematics(rotations, joints, (-1, 0))
