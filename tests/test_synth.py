import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.priors.shipped import vae_prior
from probbody.synth.labels import LabelledPictures
from probbody.synth.pictures import Pictures
from probbody.synth.poses import PriorPoses
from probbody.synth.scenery import DrawnBackdrops


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return Pictures(open_body(), PriorPoses(vae_prior()), DrawnBackdrops(), (96, 96))


@pytest.fixture(scope="module")
def drawn(pictures: Pictures) -> LabelledPictures:
    return pictures.draw(0, torch.arange(40))


def test_a_picture_is_the_same_alone_as_among_others(pictures: Pictures, drawn: LabelledPictures) -> None:
    alone = pictures.draw(0, torch.tensor([33]))
    some = pictures.draw(0, torch.tensor([39, 33, 2]))
    for name in ("images", "parts", "depth", "mask", "occluder", "visible", "joints"):
        assert torch.equal(getattr(alone, name)[0], getattr(drawn, name)[33]), name
        assert torch.equal(getattr(some, name), getattr(drawn, name)[[39, 33, 2]]), name
    assert torch.equal(alone.pose.rotations[0], drawn.pose.rotations[33])
    assert torch.equal(alone.camera.centre[0], drawn.camera.centre[33])


def test_other_seeds_give_other_pictures(pictures: Pictures, drawn: LabelledPictures) -> None:
    other = pictures.draw(1, torch.arange(3))
    assert float((other.images - drawn.images[:3]).abs().mean()) > 0.05


def test_labels_belong_to_the_pose_and_the_camera(pictures: Pictures, drawn: LabelledPictures) -> None:
    surface = pictures.body(drawn.pose)
    torch.testing.assert_close(surface.joints, drawn.joints, atol=1e-5, rtol=0)
    assert bool((drawn.joints[..., 2] > 0.3).all())
    assert torch.equal(drawn.mask, drawn.parts > 0)
    assert torch.equal(drawn.mask, drawn.depth > 0)
    assert drawn.images.min() >= 0
    assert drawn.images.max() <= 1


def test_visible_vertices_project_where_the_person_is_shown(pictures: Pictures, drawn: LabelledPictures) -> None:
    places = drawn.camera.project(pictures.body(drawn.pose).vertices)
    shown = drawn.mask & ~drawn.occluder
    body, vertex = drawn.visible.nonzero().T
    u, v = places[body, vertex, :2].floor().long().T
    inside = (u >= 0) & (v >= 0) & (u < 96) & (v < 96)
    assert float(inside.float().mean()) > 0.999  # those on a pixel's edge may round to either side
    assert float(shown[body[inside], v[inside], u[inside]].float().mean()) > 0.999
    assert 0.1 < float(drawn.visible.float().mean()) < 0.5
