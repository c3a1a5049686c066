"""A picture looked at again, mirrored or from nearer, shows the same person; what is read in it is read back."""

import pytest
import torch
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.extractors import LearntFeatures, Look, Looks, Reading
from probbody.extractors.rest_joints import RestJoints
from probbody.extractors.shipped import shipped_features
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.inference.evaluate.method import Seen
from probbody.inference.evaluate.regression import MiddleOfLooks
from probbody.quantities import Pose, joined
from probbody.render import MeshRenderer

BODY = open_body()
SIZE = (64, 64)
LOOKS = [Look(), Look(mirrored=True), Look(zoom=1.25), Look(mirrored=True, zoom=1.25)]


def some_pose(count: int = 2) -> Pose:
    generator = torch.Generator().manual_seed(0)
    turned = axis_angle_to_matrix(0.4 * torch.randn(count, len(BODY.parents), 3, generator=generator))
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    turned[:, 0] = upright @ turned[:, 0]
    shape = torch.randn(count, BODY.num_shape, generator=generator)
    return Pose(turned, shape, torch.tensor([0.1, -0.1, 4.0]).expand(count, 3))


def some_camera(count: int = 2) -> PinholeCamera:
    turned = axis_angle_to_matrix(torch.tensor([[0.05, -0.1, 0.2]])).expand(count, 3, 3)
    focal, centre = torch.tensor([[80.0, 80.0]]), torch.tensor([[28.0, 40.0]])
    return PinholeCamera(
        focal.expand(count, 2), centre.expand(count, 2), turned, torch.tensor([[0.1, 0.0, 0.3]]).expand(count, 3), SIZE
    )


def drawn(vertices: Tensor, camera: PinholeCamera, pose: Pose) -> Tensor:
    """Depths and outline, of which nothing is left and right but where it is."""
    surface = BODY(pose)
    surface = type(surface)(vertices, surface.joints, surface.frames, surface.faces)
    found = MeshRenderer(samples=4)(surface, torch.zeros_like(vertices[..., :1]), camera)
    return torch.stack([found.coverage, found.coverage * found.depth / 5, found.coverage], dim=1)


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_is_the_picture_that_its_camera_takes(look: Look) -> None:
    pose, camera = some_pose(), some_camera()
    vertices = BODY(pose).vertices
    images, shown = look.shown(drawn(vertices, camera, pose), camera)
    flip = torch.tensor([-1.0, 1.0, 1.0]) if look.mirrored else 1.0
    wanted = drawn(vertices * flip, shown, pose)
    assert images.shape == wanted.shape
    assert wanted.amax() > 0.5
    off = (images - wanted).abs().mean()
    assert off < 0.25 * wanted.mean()  # the edges are softer where a picture was enlarged
    assert all((images.roll(by, axis) - wanted).abs().mean() > 1.2 * off for axis in (2, 3) for by in (-1, 1))


def test_a_mirror_is_undone_by_a_mirror() -> None:
    rest, pose, camera = RestJoints.of(BODY), some_pose(), some_camera()
    there = rest.mirrored(pose)
    for name in ("rotations", "shape", "translation"):
        torch.testing.assert_close(getattr(rest.mirrored(there), name), getattr(pose, name), atol=1e-5, rtol=1e-5)
        assert name == "shape" or not torch.allclose(getattr(there, name), getattr(pose, name), atol=0.01)
    again = camera.mirrored().mirrored()
    torch.testing.assert_close(again.centre, camera.centre)
    torch.testing.assert_close(again.rotation, camera.rotation)


def test_a_mirrored_body_has_the_other_side_s_joints_on_the_other_side() -> None:
    rest, pose = RestJoints.of(BODY), some_pose()
    other = {"left": "right", "right": "left"}
    names = ["_".join(other.get(word, word) for word in name.split("_")) for name in BODY.joint_names]
    joints = BODY(pose).joints[:, [BODY.joint_names.index(name) for name in names]] * torch.tensor([-1.0, 1.0, 1.0])
    there = BODY(rest.mirrored(pose))
    assert (there.joints - joints).norm(dim=-1).max() < 0.02  # the open body is even to millimetres
    wanted = BODY(pose).vertices * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.cdist(wanted, there.vertices).amin(-1).mean() < 0.015


def test_a_body_that_is_no_mirror_image_of_itself_is_refused() -> None:
    rest = RestJoints.of(BODY)
    uneven = rest.mean.clone()
    uneven[BODY.joint_names.index("left_wrist")] *= 0.5
    with pytest.raises(ValueError, match="expected joints at rest that mirror each other"):
        RestJoints(uneven, rest.directions, rest.parents).mirrored(some_pose())


@pytest.mark.parametrize("zoom", [0.9, float("nan"), float("inf")])
def test_a_look_from_further_away_is_refused(zoom: float) -> None:
    with pytest.raises(ValueError, match="zoom: expected 1 or more"):
        Look(zoom=zoom)


@pytest.fixture(scope="module")
def learnt() -> LearntFeatures:
    return shipped_features()


def test_what_is_read_is_read_back(learnt: LearntFeatures) -> None:
    assert learnt.looks is not None
    assert learnt.times == 4
    reader, camera = learnt.reader, PinholeCamera.looking_ahead(250.0, learnt.reader.size, batch=2)
    images = torch.rand(2, 3, *reader.size, generator=torch.Generator().manual_seed(0))
    found, once = learnt.read(images, camera), reader.read(images, camera)
    assert len(found.others) == 3
    torch.testing.assert_close(found.pose.rotations, once.pose.rotations, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.features, once.features, atol=1e-4, rtol=1e-4)
    mirrored = Looks(learnt.looks.rest, (Look(mirrored=True),)).read(reader, images.flip(3), camera.mirrored())
    wanted = learnt.looks.rest.mirrored(once.pose)  # the further look at the mirrored picture is one at the picture
    for name in ("rotations", "translation"):
        torch.testing.assert_close(getattr(mirrored.others[0], name), getattr(wanted, name), atol=1e-3, rtol=1e-3)


def test_further_guesses_go_with_their_bodies(learnt: LearntFeatures) -> None:
    pose = some_pose(3)
    maps = torch.nn.functional.normalize(torch.rand(3, 4, 2, 2), dim=1)
    reading = Reading(maps, torch.rand(3, 25, 2, 2), pose, None, (pose, some_pose(3)))
    assert torch.equal(reading[1:].others[1].rotations, some_pose(3).rotations[1:])
    again = joined([reading[:1], reading[1:]])
    assert [len(each) for each in again.others] == [3, 3]
    assert torch.equal(again.others[0].translation, pose.translation)
    assert reading.to(torch.float64).others[0].shape.dtype == torch.float64


def test_the_middle_of_looks_is_the_median_about_the_first_root(learnt: LearntFeatures) -> None:
    camera = PinholeCamera.looking_ahead(250.0, learnt.reader.size, batch=2)
    images = torch.rand(2, 3, *learnt.reader.size, generator=torch.Generator().manual_seed(1))
    seen = Seen(images, camera, torch.zeros(2, 17, 3), ("clean/0", "clean/1"))
    found = MiddleOfLooks(learnt, BODY)(seen)
    reading = learnt.read(images, camera)
    guesses = [BODY(pose).joints for pose in (reading.pose, *reading.others)]
    away = torch.stack([joints - joints[:, :1] for joints in guesses]).sort(0).values[1]  # torch's median of four
    torch.testing.assert_close(found.joints, away + guesses[0][:, :1])
    assert found.pose is None
