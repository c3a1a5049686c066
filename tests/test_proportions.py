"""Bones that grow carry what hangs on them, and nothing else changes."""

import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.bodies.proportions import with_bone_lengths
from probbody.bodies.skinned import SkinnedBody
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose

SPREAD = 0.05


@pytest.fixture(scope="module")
def body() -> SkinnedBody:
    return with_bone_lengths(open_body(), SPREAD)


def bent(body: SkinnedBody, shape: torch.Tensor) -> Pose:
    angles = 0.4 * torch.randn(len(shape), 24, 3, generator=torch.Generator().manual_seed(0))
    return Pose(axis_angle_to_matrix(angles), shape, torch.zeros(len(shape), 3))


def test_without_new_coefficients_it_is_the_same_body(body: SkinnedBody) -> None:
    plain = open_body()
    shape = torch.randn(2, plain.num_shape)
    more = torch.cat([shape, torch.zeros(2, body.num_shape - plain.num_shape)], dim=-1)
    one, other = plain(bent(plain, shape)), body(bent(body, more))
    torch.testing.assert_close(one.vertices, other.vertices)
    torch.testing.assert_close(one.joints, other.joints)
    assert body.keypoints(other, "coco17").shape == (2, 17, 3)


def test_each_coefficient_stretches_one_bone_of_each_side_alone(body: SkinnedBody) -> None:
    first = open_body().num_shape
    shape = torch.zeros(1 + body.num_shape - first, body.num_shape)
    shape[1:, first:] = torch.eye(len(shape) - 1)
    rotations = bent(body, shape[:1]).rotations.expand(len(shape), -1, -1, -1)
    joints = body(Pose(rotations, shape, torch.zeros(len(shape), 3))).joints
    bones = joints[:, 1:] - joints[:, torch.tensor(body.parents[1:])]
    lengths = bones.norm(dim=-1)
    grown = lengths[1:] / lengths[0] - 1
    longer = grown > 1e-3
    torch.testing.assert_close(grown[longer], torch.full_like(grown[longer], SPREAD), atol=2e-4, rtol=0)
    assert longer.sum(0).eq(1).all()  # every bone has one coefficient
    names = [name.replace("left_", "").replace("right_", "") for name in body.joint_names[1:]]
    for row in longer:
        assert len({name for name, yes in zip(names, row, strict=True) if yes}) == 1
    assert grown[~longer].abs().max() < 1e-4


def test_the_skin_goes_along(body: SkinnedBody) -> None:
    """A longer thigh: the knee's skin goes with the knee, the foot's by as much, the head's not at all."""
    column = _column(body, "left_knee")
    skin, knee = body.shape_directions[..., column], body.joint_names.index("left_knee")
    down = body.joint_directions[knee, :, column]
    foot = body.weights[:, body.joint_names.index("left_foot")] > 0.99
    torch.testing.assert_close(skin[foot], down.expand(int(foot.sum()), 3), atol=1e-4, rtol=0)
    assert skin[body.weights[:, body.joint_names.index("head")] > 0.99].abs().max() == 0
    thigh = body.weights[:, body.joint_names.index("left_hip")] > 0.99
    share = skin[thigh] @ down / down.square().sum()
    assert share.min() >= -1e-4
    assert share.max() <= 1 + 1e-4
    assert share.max() - share.min() > 0.3


def _column(body: SkinnedBody, end: str) -> int:
    first = open_body().num_shape
    joint = body.joint_names.index(end)
    parent = body.parents[joint]
    grown = body.joint_directions[joint, :, first:] - body.joint_directions[parent, :, first:]
    return first + int(grown.norm(dim=0).argmax())


def test_a_spread_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="spread"):
        with_bone_lengths(open_body(), 0.0)
