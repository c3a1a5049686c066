"""Drawn pictures: each a function of its number alone, with labels that agree with what was drawn."""

import pytest
import torch
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.bodies.tubes import tubes
from probbody.priors.shipped import vae_prior
from probbody.render.mesh import MeshRenderer
from probbody.synth.labels import LabelledPictures
from probbody.synth.pictures import Pictures
from probbody.synth.poses import CapturedPoses, PriorPoses
from probbody.synth.scenery import DrawnBackdrops

SIDE = 96


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return Pictures(open_body(), PriorPoses(vae_prior()), DrawnBackdrops(), (SIDE, SIDE))


@pytest.fixture(scope="module")
def drawn(pictures: Pictures) -> LabelledPictures:
    return pictures.draw(0, torch.arange(40))


def at(pictures: LabelledPictures, points: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Which points are in the frame, and what a map has at those that are."""
    u, v = pictures.camera.project(points)[..., :2].floor().long().unbind(-1)
    inside = (u >= 0) & (v >= 0) & (u < maps.shape[2]) & (v < maps.shape[1])
    row = torch.arange(len(maps))[:, None].expand_as(u)[inside]
    return inside, maps[row, v[inside], u[inside]]


def test_a_picture_is_the_same_alone_as_among_others(pictures: Pictures, drawn: LabelledPictures) -> None:
    alone = pictures.draw(0, torch.tensor([33]))
    some = pictures.draw(0, torch.tensor([39, 33, 2, 33]))
    for name in ("images", "parts", "depth", "mask", "occluder", "visible", "joints"):
        assert torch.equal(getattr(alone, name)[0], getattr(drawn, name)[33]), name
        assert torch.equal(getattr(some, name), getattr(drawn, name)[[39, 33, 2, 33]]), name
    assert torch.equal(alone.pose.rotations[0], drawn.pose.rotations[33])
    assert torch.equal(alone.camera.centre[0], drawn.camera.centre[33])


def test_drawing_leaves_the_callers_random_numbers_alone(pictures: Pictures) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    pictures.draw(0, torch.tensor([7]))
    assert torch.equal(torch.rand(3), expected)


def test_other_seeds_give_other_pictures(pictures: Pictures, drawn: LabelledPictures) -> None:
    other = pictures.draw(1, torch.arange(3))
    assert float((other.images - drawn.images[:3]).abs().mean()) > 0.05
    assert float((other.pose.rotations - drawn.pose.rotations[:3]).abs().mean()) > 0.05


def test_pictures_of_another_precision_are_the_same_but_for_rounding(drawn: LabelledPictures) -> None:
    double = Pictures(open_body().double(), PriorPoses(vae_prior()), DrawnBackdrops(), (SIDE, SIDE))
    fine = double.draw(0, torch.arange(8))
    assert fine.images.dtype == fine.joints.dtype == torch.float64
    torch.testing.assert_close(fine.joints.float(), drawn.joints[:8], atol=1e-5, rtol=1e-5)
    assert float((fine.mask != drawn.mask[:8]).float().mean()) < 1e-3
    assert float((fine.parts != drawn.parts[:8]).float().mean()) < 2e-3
    assert float((fine.images - drawn.images[:8]).abs().mean()) < 0.003


def test_labels_belong_to_the_pose_and_the_camera(pictures: Pictures, drawn: LabelledPictures) -> None:
    surface = pictures.body(drawn.pose)
    torch.testing.assert_close(surface.joints, drawn.joints, atol=1e-5, rtol=0)
    assert bool((drawn.joints[..., 2] > 0.3).all())
    assert torch.equal(drawn.mask, drawn.parts > 0)
    assert torch.equal(drawn.mask, drawn.depth > 0)
    assert drawn.camera.size == (SIDE, SIDE)
    assert 0 <= float(drawn.images.min()) < float(drawn.images.max()) <= 1
    assert float(drawn.pose.shape.abs().max()) <= 3
    steps = drawn.images * 255
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)


def test_joints_inside_the_body_lie_on_its_mask_and_behind_its_surface(drawn: LabelledPictures) -> None:
    trunk = [0, 3, 6, 9, 12, 15]  # those that are deep inside
    _, depth = at(drawn, drawn.joints[:, trunk], drawn.depth)
    inside, mask = at(drawn, drawn.joints[:, trunk], drawn.mask)
    assert float(mask.float().mean()) > 0.99
    assert float((drawn.joints[:, trunk, 2][inside] > depth)[mask].float().mean()) > 0.97


def test_visible_vertices_are_where_the_person_is_shown(pictures: Pictures, drawn: LabelledPictures) -> None:
    vertices = pictures.body(drawn.pose).vertices
    inside, shown = at(drawn, vertices, drawn.mask & ~drawn.occluder)
    assert float((inside | ~drawn.visible).float().mean()) > 0.9999  # on a pixel's edge rounding may decide
    assert float(shown[drawn.visible[inside]].float().mean()) > 0.999
    assert 0.1 < float(drawn.visible.float().mean()) < 0.5


def test_visible_vertices_are_those_that_an_independent_renderer_sees(
    pictures: Pictures, drawn: LabelledPictures
) -> None:
    """Of bare bodies: those that fill half a pixel and face the camera, where nothing stands before them."""
    some = drawn[list(range(12))]
    surface = pictures.body(some.pose)
    _, sees = MeshRenderer(samples=3).sample(surface, torch.zeros(12, 1, SIDE, SIDE), some.camera)
    inside, occluded = at(some, surface.vertices, some.occluder)
    free = torch.zeros_like(inside)
    free[inside] = ~occluded
    assert float((sees > 0.05)[some.visible].float().mean()) > 0.97
    assert float(some.visible[(sees > 1) & free].float().mean()) > 0.85


def test_parts_agree_with_an_independent_raster_of_the_bare_body(pictures: Pictures, drawn: LabelledPictures) -> None:
    maps = MeshRenderer().maps(pictures.body(drawn.pose), drawn.camera)
    bare = torch.where(maps.vertex >= 0, pictures.body.weights.argmax(-1)[maps.vertex.clamp_min(0)] + 1, 0)
    both = (bare > 0) & drawn.mask
    assert float(drawn.mask[bare > 0].float().mean()) > 0.985  # clothes add to the body and take nothing away
    assert float((bare == drawn.parts)[both].float().mean()) > 0.85
    tight = (both & (maps.depth - drawn.depth < 0.005)).logical_and(maps.depth - drawn.depth > -0.005)
    assert float((bare == drawn.parts)[tight].float().mean()) > 0.97


def test_enough_of_every_person_is_left(drawn: LabelledPictures) -> None:
    hidden = (drawn.occluder & drawn.mask).sum((1, 2)) / drawn.mask.sum((1, 2))
    assert float(hidden.max()) < 0.66
    assert 0.3 < float((hidden == 0).float().mean()) < 0.7
    assert float((hidden > 0.15).float().mean()) > 0.1
    assert float(drawn.mask.float().mean()) > 0.08


def test_an_occluder_changes_what_is_seen_and_not_who_is_there(pictures: Pictures, drawn: LabelledPictures) -> None:
    """Depth, mask and parts are told behind it as well: the same as if it were not there."""
    rows = (drawn.occluder & drawn.mask).sum((1, 2)) > 40
    behind = (drawn.parts > 0) & drawn.occluder
    assert bool(rows.any())
    assert bool((drawn.depth[behind] > 0.3).all())
    assert not bool(drawn.visible.all(-1).any())


def test_people_are_of_many_distances_and_perspectives(drawn: LabelledPictures) -> None:
    lens = drawn.camera.focal[:, 0] / SIDE
    assert float(lens.max() / lens.min()) > 3
    off = (drawn.camera.centre - SIDE / 2).abs().amax(-1)
    assert float(off.max()) > SIDE / 2  # the principal point may lie outside of the crop
    torch.testing.assert_close(drawn.camera.focal[:, 0], drawn.camera.focal[:, 1])


def test_a_body_that_is_no_human_is_drawn_too() -> None:
    arm = tubes([[0.0, 0, 0], [0.2, 0, 0], [0.4, 0, 0], [0.5, 0.05, 0]], (-1, 0, 1, 2))
    poses = CapturedPoses(0.6 * torch.randn(9, 3, 3), torch.ones(9))
    pictures = Pictures(arm, poses, DrawnBackdrops(), (64, 48))
    drawn = pictures.draw(0, torch.arange(6))
    assert drawn.images.shape == (6, 3, 64, 48)
    assert drawn.visible.shape == (6, len(arm.weights))
    assert bool(drawn.mask.flatten(1).any(-1).all())
    assert int(drawn.parts.max()) <= 4


def test_what_cannot_be_drawn_is_refused_in_a_sentence(pictures: Pictures) -> None:
    with pytest.raises(ValueError, match="at least one number of a picture"):
        pictures.draw(0, torch.zeros(0, dtype=torch.long))
    with pytest.raises(ValueError, match="at least 16 x 16 pixels"):
        Pictures(open_body(), PriorPoses(vae_prior()), DrawnBackdrops(), (8, 8))
    arm = tubes([[0.0, 0, 0], [0.2, 0, 0]], (-1, 0))
    with pytest.raises(ValueError, match="poses: expected at most 1 joints"):
        Pictures(arm, PriorPoses(vae_prior()), DrawnBackdrops(), (32, 32)).draw(0, torch.arange(1))
