"""Limbs know their joints, their skin and how they are turned to the camera."""

import math

import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.bodies.rigid import rigid
from probbody.bodies.tubes import tubes
from probbody.features.limbs import Limbs, at_rest, limbs_of
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose, Surface

F64 = torch.float64
NINE = ["torso", *(f"{s}_{x}" for s in ("left", "right") for x in ("lower_arm", "upper_arm", "thigh", "calf"))]
HAND = [[0.0, 0.0, 0.0], *([0.06 * i, 0.08 + 0.03 * k, 0.0] for i in (-1, 0, 1) for k in range(3))]
HAND_TREE = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8]


def view(batch: int = 1) -> PinholeCamera:
    """In front of a body that faces it: its y points down, its z from the body's front to its back."""
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0])).repeat(batch, 1, 1)
    return PinholeCamera(
        torch.full((batch, 2), 80.0),
        torch.full((batch, 2), 32.0),
        flip,
        torch.tensor([[0.0, 0.0, 4.0]] * batch),
        (64, 64),
    )


def test_a_human_has_nine_limbs_between_the_joints_of_their_names() -> None:
    body = open_body()
    limbs = limbs_of(body)
    assert list(limbs.names) == NINE
    ends = {
        n: (body.joint_names[a], body.joint_names[b])
        for n, a, b in zip(limbs.names, limbs.start, limbs.end, strict=True)
    }
    assert ends["torso"] == ("pelvis", "neck")
    assert ends["left_lower_arm"] == ("left_elbow", "left_wrist")
    assert ends["right_calf"] == ("right_knee", "right_ankle")


@pytest.mark.parametrize("detail", ["coarse", "fine"])
def test_skin_goes_with_its_own_limb_on_its_own_side(detail: str) -> None:
    body = open_body(detail)  # type: ignore[arg-type]
    limbs = limbs_of(body)
    rest = at_rest(body)
    place = {name: rest.joints[0, joint] for joint, name in enumerate(body.joint_names)}
    points = {name: rest.vertices[0, limbs.vertex == index] for index, name in enumerate(limbs.names)}
    for name, skin in points.items():
        assert len(skin) > 30, name
        if name != "torso":
            assert ((skin[:, 0] > 0) == name.startswith("left")).float().mean() > 0.99, name
    assert points["torso"][:, 1].max() == rest.vertices[0, :, 1].max()  # the top of the head
    assert points["left_lower_arm"][:, 0].max() == rest.vertices[0, :, 0].max()  # finger tips
    assert points["right_calf"][:, 1].min() < place["right_ankle"][1] < points["right_calf"][:, 1].max()  # the foot
    assert points["left_thigh"][:, 1].min() > place["left_ankle"][1]
    middle = points["right_upper_arm"].mean(dim=0)
    assert place["right_elbow"][0] < middle[0] < place["right_shoulder"][0]


def test_any_tree_has_a_limb_for_each_bone_and_the_skin_of_a_tube_is_its_own() -> None:
    body = tubes(HAND, HAND_TREE)
    limbs = limbs_of(body)
    assert limbs.names == tuple(f"joint{j}" for j in range(1, 10))
    assert limbs.start.tolist() == HAND_TREE[1:]
    per_tube = limbs.vertex.unflatten(0, (9, -1))  # vertices come tube by tube, ring by ring
    assert (per_tube.mode(dim=1).values == torch.arange(9)).all()
    fingers = per_tube[[1, 2, 4, 5, 7, 8], 8:40]  # beyond the ring that two bones share; the palm's tubes overlap
    assert (fingers == torch.tensor([1, 2, 4, 5, 7, 8])[:, None]).all()


def test_bones_without_length_are_no_limbs_and_a_body_of_one_bone_has_one() -> None:
    body = tubes([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [-1, 0, 1])
    assert limbs_of(body).names == ("joint2",)
    assert set(limbs_of(tubes([[0.0, 0, 0], [1.0, 0, 0]], [-1, 0])).vertex.tolist()) == {0}


def test_directions_are_unit_vectors_along_the_axes_of_the_camera() -> None:
    body = open_body()
    limbs = limbs_of(body)
    named = dict(zip(limbs.names, limbs.direction(at_rest(body), view())[0], strict=True))
    torch.testing.assert_close(torch.stack(list(named.values())).norm(dim=-1), torch.ones(9))
    assert named["torso"][1] < -0.95  # up is -y
    assert named["left_calf"][1] > 0.95
    assert named["left_lower_arm"][0] > 0.95  # its left is on the right of the picture
    assert named["right_lower_arm"][0] < -0.95
    turned = Pose(
        axis_angle_to_matrix(torch.tensor([[0.0, math.pi / 2, 0.0]])).unsqueeze(1).expand(1, 24, 3, 3).clone(),
        torch.zeros(1, body.num_shape),
        torch.zeros(1, 3),
    )
    turned.rotations[:, 1:] = torch.eye(3)
    swung = dict(zip(limbs.names, limbs.direction(body(turned), view())[0], strict=True))
    assert swung["left_lower_arm"][2] > 0.95  # about +y, +x turns to -z of the body's frame: away from the camera


def test_a_batch_of_directions_is_a_loop_and_follows_the_dtype() -> None:
    body = tubes(HAND, HAND_TREE).to(F64)
    limbs = limbs_of(body)
    pose = Pose(
        axis_angle_to_matrix(torch.randn(3, 10, 3, dtype=F64)),
        torch.randn(3, 2, dtype=F64),
        torch.randn(3, 3, dtype=F64),
    )
    surface, camera = body(pose), view(3).to(F64)
    together = limbs.direction(surface, camera)
    assert together.dtype == F64
    apart = torch.cat([limbs.direction(surface[i], camera[i]) for i in range(3)])
    torch.testing.assert_close(together, apart)


def test_a_limb_without_length_has_a_finite_direction_and_gradient() -> None:
    joints = torch.zeros(1, 2, 3, requires_grad=True)
    frames = torch.eye(4).repeat(1, 2, 1, 1)
    limbs = Limbs(("one",), torch.tensor([0]), torch.tensor([1]), torch.zeros(5, dtype=torch.long))
    surface = Surface(torch.zeros(1, 5, 3), joints, frames, torch.zeros(0, 3, dtype=torch.long))
    found = limbs.direction(surface, view())
    assert (found == 0).all()
    found.sum().backward()
    assert joints.grad is not None
    assert joints.grad.isfinite().all()


def test_the_gradient_of_directions_is_right() -> None:
    body = tubes(HAND, HAND_TREE).to(F64)
    limbs = limbs_of(body)

    def turned(angles: torch.Tensor) -> torch.Tensor:
        rest = angles.new_zeros(1, 2), angles.new_zeros(1, 3)
        return limbs.direction(body(Pose(axis_angle_to_matrix(angles), *rest)), view().to(F64))

    assert torch.autograd.gradcheck(turned, torch.randn(1, 10, 3, dtype=F64, requires_grad=True), fast_mode=True)


def test_limbs_refuse_what_does_not_fit() -> None:
    two = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="names"):
        Limbs(("one",), two, two, two)
    with pytest.raises(ValueError, match="vertex"):
        Limbs(("one", "two"), two, two, torch.tensor([0, 2]))


def test_a_body_of_one_joint_has_one_limb_that_points_nowhere() -> None:
    body = rigid(torch.rand(5, 3), torch.tensor([[0, 1, 2], [2, 3, 4]]))
    limbs = limbs_of(body)
    assert (limbs.names, limbs.vertex.tolist()) == (("whole",), [0] * 5)
    turned = axis_angle_to_matrix(torch.tensor([[0.3, 1.0, 0.2]])).unsqueeze(1).requires_grad_()
    surface = body(Pose(turned, torch.zeros(1, 0), torch.tensor([[0.0, 0.0, 1.0]])))
    found = limbs.direction(surface, view())
    assert (found == 0).all()
    (gradient,) = torch.autograd.grad(found.sum(), turned)
    assert gradient.isfinite().all()
