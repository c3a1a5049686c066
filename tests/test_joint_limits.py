"""What joints can do: the limits that captured poses keep to."""

import pytest
import torch

from probbody.data.motion import mirrored
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.priors.limits import JointLimits, log_hinges
from probbody.priors.shipped import joint_limits


def test_limits_hold_what_people_do() -> None:
    limits = joint_limits()
    rest = torch.eye(3).expand(1, 21, 3, 3)
    assert limits.inside(rest).all()
    assert limits.log_factor(rest).item() == 0
    inside = limits.uniform(200, torch.Generator().manual_seed(0))
    assert limits.inside(inside).float().mean() > 0.99


@pytest.mark.parametrize(
    ("joint", "axis", "backwards"), [(17, 1, 0.7), (18, 1, -0.7), (3, 0, -0.7), (4, 0, -0.7)], ids=str
)
def test_elbows_and_knees_bend_one_way(joint: int, axis: int, backwards: float) -> None:
    limits = joint_limits()
    angles = torch.zeros(2, 21, 3)
    angles[0, joint, axis], angles[1, joint, axis] = backwards, -backwards
    inside = limits.inside(axis_angle_to_matrix(angles))
    assert not inside[0, joint]
    assert inside[1, joint]
    assert inside.sum() == 41
    wrong, right = limits.log_factor(axis_angle_to_matrix(angles))
    assert wrong < right - 2
    assert log_hinges(angles)[0] < log_hinges(angles)[1]


def test_limits_are_those_of_a_mirrored_body() -> None:
    limits = joint_limits()
    angles = 0.8 * torch.randn(300, 21, 3)
    one, other = (
        limits.log_factor(axis_angle_to_matrix(angles)),
        limits.log_factor(axis_angle_to_matrix(mirrored(angles))),
    )
    assert ((one - other).abs() < 0.05 * one.abs() + 1).float().mean() > 0.97


def test_the_gradient_of_the_limits() -> None:
    limits = joint_limits().double()
    angles = torch.randn(3, 21, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: limits.log_factor(axis_angle_to_matrix(a)), angles, fast_mode=True)


def test_limits_are_found_again() -> None:
    known = joint_limits()
    drawn = known.uniform(5000)
    found = JointLimits.fitted(drawn, known.bone, margin=0.0)
    wrist = 19
    torch.testing.assert_close(found.low[wrist], known.low[wrist], atol=0.05, rtol=0)
    torch.testing.assert_close(found.high[wrist], known.high[wrist], atol=0.05, rtol=0)
