"""Records travel whole: indexed, joined, cut from their graph, with all that is in them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from probbody.geometry.cameras import CameraRig, PinholeCamera
from probbody.observation import Observation
from probbody.quantities import Pose, joined


def pose(count: int) -> Pose:
    places = torch.arange(3.0 * count).view(count, 3)
    return Pose(torch.eye(3).repeat(count, 4, 1, 1), torch.zeros(count, 10), places)


def rig(count: int) -> CameraRig:
    ahead = PinholeCamera.looking_ahead(100.0, (64, 48), count)
    return CameraRig((ahead, replace(ahead, focal=2 * ahead.focal)))


@pytest.mark.parametrize("number", [2, -2, np.int64(2), torch.tensor(2), torch.tensor([2])], ids=repr)
def test_one_number_keeps_the_body_dimension(number: int) -> None:
    assert torch.equal(pose(4)[number].translation, torch.tensor([[6.0, 7.0, 8.0]]))
    assert len(rig(4)[number]) == 1


def test_the_least_of_many_is_one_body() -> None:
    losses = torch.tensor([3.0, 1.0, 2.0])
    assert torch.equal(pose(3)[losses.argmin()].translation, torch.tensor([[3.0, 4.0, 5.0]]))


def test_joining_keeps_every_body_of_a_rig() -> None:
    both = joined([Observation(rig(2), torch.zeros(2, 6, 3)), Observation(rig(3), torch.ones(3, 6, 3))])
    assert len(both) == len(both.camera) == 5
    assert both.camera.views == 2
    torch.testing.assert_close(both.camera.cameras[1].focal, torch.full((5, 2), 200.0))


def test_evidence_is_not_lost_in_joining() -> None:
    camera = PinholeCamera.looking_ahead(100.0, (64, 48))
    with_some, without = Observation(camera, torch.zeros(1, 3, 3)), Observation(camera)
    for some in ([with_some, without], [without, with_some]):
        with pytest.raises(
            ValueError, match="expected keypoints of all or none of 2 Observation records, found 1 without"
        ):
            joined(some)
    assert joined([without, without]).keypoints is None
    with pytest.raises(ValueError, match="expected one record or more, found none"):
        joined([])


def test_detaching_goes_all_the_way_down() -> None:
    ahead = PinholeCamera.looking_ahead(100.0, (64, 48))
    followed = replace(ahead, focal=ahead.focal.clone().requires_grad_())
    assert not Observation(followed).detach().camera.focal.requires_grad
    assert not Observation(CameraRig((ahead, followed))).detach().camera.cameras[1].focal.requires_grad


def test_a_missing_keypoint_may_be_written_as_nan() -> None:
    camera = PinholeCamera.looking_ahead(100.0, (64, 48))
    keypoints = torch.tensor([[[1.0, 2.0, 0.5], [torch.nan, torch.inf, 0.0]]])
    told = Observation(camera, keypoints).keypoints
    assert torch.equal(told, torch.tensor([[[1.0, 2.0, 0.5], [0.0, 0.0, 0.0]]]))
    for wrong in ([torch.nan, 1.0, 0.5], [1.0, 1.0, torch.nan]):
        keypoints[0, 1] = torch.tensor(wrong)
        with pytest.raises(ValueError, match=r"keypoints must be finite .* as keypoint 1 of body 0"):
            Observation(camera, keypoints)
