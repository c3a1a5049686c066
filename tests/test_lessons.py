"""What is taken from maps of drawn pictures, and how pictures vary from visit to visit."""

import torch
from torch.nn.functional import normalize

from probbody.extractors.person_reader import PersonReader
from probbody.extractors.rest_joints import RestJoints
from probbody.features.directions import CircleDirections
from probbody.features.limbs import limbs_of
from probbody.inference.learn.feature_sampling import Marking, at_all_visible, at_pixels, elsewhere, of_map
from probbody.inference.learn.variation import Variation
from tests.learning_scenes import BODY, SIZE, drawn, small_trunk

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def test_features_are_taken_where_vertices_are_projected() -> None:
    lesson = drawn(1, 2)
    v, u = torch.meshgrid(torch.arange(16) + 0.5, torch.arange(16) + 0.5, indexing="ij")
    ramp = torch.stack([u, v, torch.full_like(u, 8.0)]).expand(2, -1, -1, -1)  # says in which direction a place is
    points = at_all_visible(ramp, lesson, Marking(limbs_of(BODY), CircleDirections(4)))
    pixels = lesson.pixels[lesson.visible] / 4
    expected = normalize(torch.cat([pixels, torch.full_like(pixels[:, :1], 8.0)], dim=1), dim=1)
    inside = ((pixels > 0.5) & (pixels < 15.5)).all(1)  # beyond the centres of the outermost places the map is constant
    assert inside.float().mean() > 0.8
    torch.testing.assert_close(points.features[inside], expected[inside], **CLOSE)
    assert torch.equal(points.vertex, lesson.visible.nonzero()[:, 1])
    torch.testing.assert_close(points.shares.sum(1), torch.ones(len(points)))


def test_only_visible_vertices_are_drawn_and_a_hidden_body_has_none() -> None:
    lesson = drawn(1, 3)
    lesson.visible[1] = False
    marking, features = Marking(limbs_of(BODY), CircleDirections(4)), torch.randn(3, 8, 16, 16)
    points = marking.points(of_map(features), lesson, 50, torch.Generator().manual_seed(0))
    assert len(points) == 100
    assert lesson.visible[0, points.vertex[:50]].all()
    assert lesson.visible[2, points.vertex[50:]].all()


def test_clutter_is_taken_where_no_body_is_seen() -> None:
    lesson = drawn(1, 3)
    lesson.occluder[2] = True  # what stands before a body is clutter
    where = lesson.shown.unsqueeze(1).float() + torch.tensor([0.0, 1.0])[:, None, None]
    found = elsewhere(of_map(where), lesson, 40, torch.Generator().manual_seed(0))
    assert found.shape == (120, 2)
    assert not found[:, 0].any()
    lesson.mask[0], lesson.occluder[0] = True, False
    assert len(elsewhere(of_map(where), lesson, 40, torch.Generator().manual_seed(0))) == 80


def test_half_of_clutter_is_what_hides_a_body() -> None:
    lesson = drawn(1, 2)
    lesson.occluder[0, :, :8] = True
    hiding = (lesson.mask & lesson.occluder).unsqueeze(1).float()
    found = elsewhere(of_map(hiding), lesson, 400, torch.Generator().manual_seed(0)).unflatten(0, (2, 400))
    assert 0.03 < hiding[0].mean() < 0.2
    assert 0.5 < found[0].mean() < 0.65
    assert not found[1].any()


def test_features_at_pixels_follow_the_map_at_its_centres() -> None:
    features = normalize(torch.randn(1, 8, 4, 4), dim=1)
    centres = torch.tensor([[[2.0, 2.0], [14.0, 6.0]]])
    torch.testing.assert_close(at_pixels(features, centres, (16, 16))[0], features[0, :, [0, 1], [0, 3]].mT, **CLOSE)


def test_a_reader_tells_the_same_at_pixels_as_a_whole_map_does() -> None:
    size = (SIZE, SIZE)
    reader = PersonReader(small_trunk(), RestJoints.of(BODY), 8, size).double().eval()
    maps = reader.maps(drawn(1, 3).images.double())
    pixels = SIZE * (1.2 * torch.rand(3, 50, 2, dtype=torch.float64) - 0.1)  # some of them beyond the edges
    told = [reader.features_at(maps, pixels, size), of_map(reader.features(maps))(pixels, size)]
    torch.testing.assert_close(*told)
    weights = [reader.head.weight, reader.trunk.stem[0].convolution.weight]
    slopes = [torch.autograd.grad(each.square().cumsum(-1).sin().sum(), weights, retain_graph=True) for each in told]
    torch.testing.assert_close(*slopes)


def test_variation_changes_the_look_alone_but_for_what_patches_hide() -> None:
    lesson, vary = drawn(1, 6), Variation(patch=1.0, sides=(16, 32))
    told = vary(lesson, torch.Generator().manual_seed(0))
    assert torch.equal(told.images, vary(lesson, torch.Generator().manual_seed(0)).images)
    assert float(told.images.min()) >= 0
    assert float(told.images.max()) <= 1
    assert told.pose is lesson.pose
    assert told.occluder.flatten(1).any(1).all()
    cell = (lesson.pixels / 4).long().clamp(0, 15)
    hidden = told.occluder.flatten(1).gather(1, 16 * cell[..., 1] + cell[..., 0])
    assert torch.equal(told.visible, lesson.visible & ~hidden)
