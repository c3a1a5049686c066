"""Features learnt by contrast: banks, the loss, what is drawn from maps, how pictures vary, and a training that goes on."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.errors import BadInput
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.reading import PictureReader, Reading
from probbody.extractors.small_unet import SmallUNet
from probbody.features.backgrounds import UniformBackground
from probbody.features.directions import CircleDirections
from probbody.features.emissions import VonMisesFisherEmission
from probbody.features.fields import ExpectedFeatures
from probbody.features.likelihoods import LogMixture
from probbody.features.limbs import limbs_of
from probbody.features.random_features import random_features
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.kernels import surface_kernels
from probbody.geometry.rest import at_rest
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.inference.learn.company import Alone
from probbody.inference.learn.contrast import FeatureBank, clutter_likeness, info_nce, near_vertices
from probbody.inference.learn.feature_checkpoint import begin_with, resume_run, run_of
from probbody.inference.learn.feature_fitting import FeatureFitting, fitted_features
from probbody.inference.learn.feature_measures import ranked_apart
from probbody.inference.learn.feature_pictures import progress_sheet
from probbody.inference.learn.feature_sampling import Marking, PointFeatures, at_all_visible, at_pixels, elsewhere
from probbody.inference.learn.feature_settings import ContrastWeights, FeatureTraining, training_of
from probbody.inference.learn.feature_training import examined, new_run, train_features
from probbody.inference.learn.guess_fitting import fitted_guess, guess_errors
from probbody.inference.learn.lesson import Lesson
from probbody.inference.learn.norms import settle_norms
from probbody.inference.learn.regression import missed_spots, regression_losses
from probbody.inference.learn.temper import fitted_temper
from probbody.inference.learn.variation import Variation
from probbody.quantities import Pose
from probbody.render.mesh import MeshRenderer
from probbody.render.volume import VolumeRenderer

BODY = open_body()
SIZE = 64
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def drawn(seed: int, count: int) -> Lesson:
    """Bodies whose colour tells where on the body a point is, before a plain wall: easy to learn from."""
    generator = torch.Generator().manual_seed(seed)
    turns = 0.3 * torch.randn(count, 24, 3, generator=generator)
    turns[:, 0] = 0
    rotations = axis_angle_to_matrix(turns)
    yaw = torch.zeros(count, 3)
    yaw[:, 1] = 0.8 * torch.randn(count, generator=generator)
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ axis_angle_to_matrix(yaw)
    pose = Pose(
        rotations, torch.randn(count, 10, generator=generator), torch.tensor([[0.0, 0.1, 4.5]]).repeat(count, 1)
    )
    surface, camera = BODY(pose), PinholeCamera.looking_ahead(130.0, (SIZE, SIZE), count)
    place = at_rest(BODY).vertices[0]
    colours = ((place - place.amin(0)) / (place.amax(0) - place.amin(0))).expand(count, -1, -1)
    seen = MeshRenderer(2)(surface, colours, camera)
    maps = MeshRenderer(1).maps(surface, camera.resized((SIZE // 4, SIZE // 4)))
    part = 1 + BODY.weights.argmax(1)[maps.vertex.clamp_min(0)]
    points = camera.project(surface.vertices)
    pixel = points[..., :2].floor().long().clamp(0, SIZE - 1)
    front = MeshRenderer(1).maps(surface, camera).depth.flatten(1).gather(1, SIZE * pixel[..., 1] + pixel[..., 0])
    images = seen.features + 0.5 * (1 - seen.coverage.unsqueeze(1))
    mask = maps.face >= 0
    visible = (points[..., 2] < front + 0.03) & (front > 0)
    return Lesson(images, camera, pose, surface, torch.where(mask, part, 0), mask, torch.zeros_like(mask), visible)


POOL = drawn(0, 24)


def lessons(step: int, size: int) -> Lesson:
    return POOL[torch.randperm(len(POOL), generator=torch.Generator().manual_seed(step))[:size]]


def small_trunk() -> SmallUNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SmallUNet(widths=(16, 16, 32, 32, 48), blocks=(0, 0, 1, 1))


def settings(**changes: object) -> FeatureTraining:
    quick = FeatureTraining(steps=4, batch=4, save_every=2, measure_every=100, log_every=2, show_every=100)
    return replace(quick, **changes)


def some_points(count: int, vertices: int, directions: int = 3, channels: int = 8) -> PointFeatures:
    features = normalize(torch.randn(count, channels), dim=-1)
    return PointFeatures(features, torch.randint(vertices, (count,)), torch.rand(count, directions).softmax(-1))


def test_seen_rows_stay_unit_vectors_and_unseen_rows_stay_as_they_are() -> None:
    bank, points = FeatureBank(10, 3, 8), some_points(20, 5)
    points = replace(points, shares=torch.tensor([[0.7, 0.3, 0.0]]).repeat(20, 1))
    before = bank.rows.clone()
    bank.follow(points)
    torch.testing.assert_close(bank.rows.norm(dim=-1), torch.ones(10, 3))
    assert torch.equal(bank.rows[5:], before[5:])
    assert torch.equal(bank.rows[:, 2], before[:, 2])
    seen = torch.unique(points.vertex)
    assert (bank.rows[seen, :2] != before[seen, :2]).any(-1).all()


def test_rows_come_to_rest_at_the_mean_direction_of_what_is_seen() -> None:
    bank, points = FeatureBank(2, 1, 8), some_points(30, 2, directions=1)
    for _ in range(200):
        bank.follow(points, momentum=0.8)
    for vertex in range(2):
        torch.testing.assert_close(
            bank.rows[vertex, 0], normalize(points.features[points.vertex == vertex].sum(0), dim=0), **CLOSE
        )


def test_a_step_of_a_row_is_the_moving_mean() -> None:
    bank, points = FeatureBank(1, 2, 8), some_points(1, 1, directions=2)
    keep = 0.9 ** points.shares[0].unsqueeze(1)  # a direction that has little of a sight hardly moves
    expected = normalize(keep * bank.rows[0] + (1 - keep) * points.features, dim=-1)
    bank.follow(points, momentum=0.9)
    torch.testing.assert_close(bank.rows[0], expected, **CLOSE)


def test_clutter_takes_the_place_of_the_oldest() -> None:
    bank, clutter = FeatureBank(1, 1, 8, clutter=5), normalize(torch.randn(9, 8), dim=-1)
    assert len(bank.remembered) == 0
    bank.remember(clutter[:3])
    assert torch.equal(bank.remembered, clutter[:3])
    bank.remember(clutter[3:7])
    assert torch.equal(bank.remembered, clutter[[5, 6, 2, 3, 4]])
    bank.remember(clutter)  # more than there is room for: the latest stay
    assert {tuple(row.tolist()) for row in bank.remembered} == {tuple(row.tolist()) for row in clutter[4:]}


def test_the_loss_and_its_gradient_are_those_of_the_formula() -> None:
    bank, points = FeatureBank(12, 3, 8, clutter=6).double(), some_points(10, 12)
    near = torch.rand(12, 12) < 0.3
    near.fill_diagonal_(False)
    bank.remember(normalize(torch.randn(4, 8), dim=-1).double())
    features = points.features.double().requires_grad_()
    points = PointFeatures(features, points.vertex, points.shares.double())
    slow = features.new_zeros(())
    for feature, vertex, share in zip(features, points.vertex, points.shares, strict=True):
        others = (bank.rows[~near[vertex]].flatten(0, 1) @ feature / 0.1).exp().sum()
        clutter = 0.02 * (bank.remembered @ feature / 0.1).exp().sum()
        slow = slow - (share * (bank.rows[vertex] @ feature / 0.1 - (others + clutter).log())).sum() / 10
    quick = info_nce(points, bank, near, temperature=0.1, clutter_weight=0.02)
    torch.testing.assert_close(quick, slow)
    torch.testing.assert_close(torch.autograd.grad(quick, features)[0], torch.autograd.grad(slow, features)[0])


def test_near_vertices_do_not_change_the_loss() -> None:
    bank, points = FeatureBank(12, 3, 8), some_points(10, 6)
    near = torch.zeros(12, 12, dtype=torch.bool)
    near[:6, 6:] = True
    before = info_nce(points, bank, near)
    bank.rows[6:] = normalize(
        points.features[:6].unsqueeze(1).expand(-1, 3, -1), dim=-1
    )  # the hardest negatives there are
    torch.testing.assert_close(info_nce(points, bank, near), before)


def test_where_all_are_alike_the_loss_is_the_log_of_the_number_of_negatives() -> None:
    bank, alike = FeatureBank(12, 3, 8, clutter=20), normalize(torch.randn(1, 8), dim=-1)
    bank.rows[:] = alike
    bank.remember(alike.expand(20, -1))
    points = PointFeatures(alike.expand(5, -1), torch.arange(5), torch.rand(5, 3).softmax(-1))
    near = torch.zeros(12, 12, dtype=torch.bool)
    near[:, 8:] = True
    loss = info_nce(points, bank, near, clutter_weight=5e-3)
    assert float(loss) == pytest.approx(math.log(3 * (12 - 4) + 20 * 5e-3), rel=1e-5)


def test_likeness_of_clutter_lies_between_the_mean_and_the_greatest_cosine() -> None:
    bank, clutter = FeatureBank(12, 3, 8), normalize(torch.randn(5, 8), dim=-1)
    cosines = clutter @ bank.rows.flatten(0, 1).mT
    assert float(cosines.mean()) <= float(clutter_likeness(clutter, bank)) <= float(cosines.amax(1).mean())


def test_near_vertices_are_near_along_the_skin_and_never_oneself() -> None:
    near, place = near_vertices(BODY, 0.08), at_rest(BODY).vertices[0]
    assert torch.equal(near, near.mT)
    assert not near.diagonal().any()
    assert (near.sum(1) >= 3).all()
    apart = torch.cdist(place, place)
    assert float(apart[near].max()) < 0.08
    assert not near[apart >= 0.08].any()


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
    points = marking.points(features, lesson, 50, torch.Generator().manual_seed(0))
    assert len(points) == 100
    assert lesson.visible[0, points.vertex[:50]].all()
    assert lesson.visible[2, points.vertex[50:]].all()


def test_clutter_is_taken_where_no_body_is_seen() -> None:
    lesson = drawn(1, 3)
    lesson.occluder[2] = True  # what stands before a body is clutter
    where = lesson.shown.unsqueeze(1).float() + torch.tensor([0.0, 1.0])[:, None, None]
    found = elsewhere(where, lesson, 40, torch.Generator().manual_seed(0))
    assert found.shape == (120, 2)
    assert not found[:, 0].any()
    lesson.mask[0], lesson.occluder[0] = True, False
    assert len(elsewhere(where, lesson, 40, torch.Generator().manual_seed(0))) == 80


def test_features_at_pixels_follow_the_map_at_its_centres() -> None:
    features = normalize(torch.randn(1, 8, 4, 4), dim=1)
    centres = torch.tensor([[[2.0, 2.0], [14.0, 6.0]]])
    torch.testing.assert_close(at_pixels(features, centres, (16, 16))[0], features[0, :, [0, 1], [0, 3]].mT, **CLOSE)


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


def test_the_truth_has_no_loss() -> None:
    lesson, run = drawn(1, 2), new_run(BODY, settings(), small_trunk(), lessons)
    told = run.reader.body(run.reader.maps(lesson.images))
    losses = regression_losses(run.reader, told, lesson)
    assert all(float(losses[name].detach()) > 0.01 for name in ("joints", "pixels", "rotations", "shape"))
    run.reader.begin_at(lesson.pose[0], lesson.camera[0])  # now the first body is what an untrained reader tells
    losses = regression_losses(run.reader, told[0], lesson[0])
    for name in ("joints", "pixels", "rotations", "shape", "view"):
        assert float(losses[name].detach()) < 2e-3, name


def test_a_missed_spot_is_what_the_places_around_it_are_told() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, size = torch.randn(2, 3, 4, 6, generator=generator), torch.tensor([6.0, 4.0])
    places = torch.rand(2, 3, 2, generator=generator)
    places[0, 0] = torch.tensor([0.0, 1.0])  # at a corner there is one place
    told = logits.flatten(2).log_softmax(-1).view(2, 3, 4, 6)
    for body in range(2):
        for joint in range(3):
            at = (places[body, joint] * size - 0.5).maximum(torch.zeros(2)).minimum(size - 1)
            slow = sum(
                float((1 - (at[0] - x).abs()).clamp_min(0) * (1 - (at[1] - y).abs()).clamp_min(0) * told[body, joint, y, x])
                for x in range(6) for y in range(4)
            )  # fmt: skip
            assert float(missed_spots(logits, places)[body, joint]) == pytest.approx(-slow, rel=1e-5)


def test_a_training_learns(tmp_path: Path) -> None:
    training = settings(steps=40, batch=8, rate=4e-3, variation=None, log_every=5, save_every=40)
    run = train_features(lessons, BODY, tmp_path / "c", training, trunk=small_trunk(), progress=False)
    first, last = run.log[0], run.log[-1]
    for name in ("parts", "joints", "points"):
        assert last[name] < first[name], name
    measured = examined(run, BODY, lessons, 16)
    assert measured.told_apart > 0.8
    assert measured.nearest > 0.05  # by chance 0.015


def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = train_features(lessons, BODY, tmp_path / "a", settings(), trunk=small_trunk(), progress=False)

    def dying(step: int, size: int) -> Lesson:
        if step == 3 and size == 4 and (tmp_path / "b").exists():
            raise KeyboardInterrupt
        return lessons(step, size)

    with pytest.raises(KeyboardInterrupt):
        train_features(dying, BODY, tmp_path / "b", settings(), trunk=small_trunk(), progress=False)
    torch.manual_seed(17)  # of no consequence
    again = train_features(lessons, BODY, tmp_path / "b", settings(), trunk=small_trunk(), resume=True, progress=False)
    assert again.log == whole.log
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, again.average.state_dict()[name]), name
    assert torch.equal(whole.bank.rows, again.bank.rows)
    rows = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]


def test_a_checkpoint_of_another_training_or_of_none_is_refused(tmp_path: Path) -> None:
    train_features(lessons, BODY, tmp_path / "a", settings(steps=2), trunk=small_trunk(), progress=False)
    other = new_run(BODY, settings(steps=2, seed=1), small_trunk(), lessons)
    with pytest.raises(BadInput, match="other settings"):
        resume_run(other, tmp_path / "a")
    (tmp_path / "b").write_bytes((tmp_path / "a").read_bytes()[:1000])
    for path in (tmp_path / "b", tmp_path / "nothing"):
        with pytest.raises(BadInput, match=r"expected a checkpoint, found .*\.$"):
            run_of(path, BODY)
    assert run_of(tmp_path / "a", BODY).step == 2


def test_settings_come_back_from_what_was_written_of_them() -> None:
    from dataclasses import asdict

    for training in (settings(), settings(contrast=None, variation=None, directions=1)):
        assert training_of(asdict(training)) == training


@pytest.mark.parametrize(("contrast", "directions"), [(None, 4), (ContrastWeights(), 1)])
def test_contrast_and_directions_can_be_left_out(
    tmp_path: Path, contrast: ContrastWeights | None, directions: int
) -> None:
    training = settings(steps=2, contrast=contrast, directions=directions)
    run = new_run(BODY, training, small_trunk(), lessons)
    head = run.reader.head.weight.detach().clone()
    run.advance(lessons(0, 4))
    assert torch.equal(head, run.reader.head.weight) == (contrast is None)
    fitting = FeatureFitting(pictures=16, kept_out=16, batch=8, components=3)
    learnt = fitted_features(run.average, run.marking, lessons, lessons, "CC0-1.0", fitting)
    rows = learnt.features.features
    assert rows.shape == (1199, directions, 64)
    length = rows.norm(dim=-1)
    assert ((length - 1).abs() < 1e-4).logical_or(length == 0).all()
    assert (length[POOL.visible.any(0)] > 0).float().mean() > 0.9
    assert learnt.concentration > 1


def test_errors_of_the_guess_are_those_of_the_joints() -> None:
    reader, lesson = new_run(BODY, settings(steps=1), small_trunk(), lessons).average, lessons(0, 8)
    errors = guess_errors(reader, lesson)
    reading = reader.read(lesson.images, lesson.camera)
    joints = BODY(reading.pose).joints
    off = (joints - joints[:, :1]) - (lesson.surface.joints - lesson.surface.joints[:, :1])
    torch.testing.assert_close(errors.norm(dim=1), off.flatten(1).norm(dim=1), atol=0.01, rtol=0.01)
    assert fitted_guess(reader, lessons, None, FeatureFitting(kept_out=8, batch=8)) is None
    found = fitted_guess(reader, lessons, Variation(), FeatureFitting(kept_out=144, batch=8))
    assert found is not None
    assert found.scale.shape == (3 * len(BODY.parents) - 3,) * 2


def test_ranks_tell_how_well_two_kinds_are_told_apart() -> None:
    scores = torch.tensor([0.1, 0.4, 0.4, 0.9, 0.2])
    positive = torch.tensor([False, False, True, True, False])
    slow = sum(
        float(a > b) + 0.5 * float(a == b) for a in scores[positive] for b in scores[~positive]
    ) / 6  # fmt: skip
    assert ranked_apart(scores, positive) == pytest.approx(slow)
    assert ranked_apart(scores, torch.zeros(5, dtype=torch.bool)) == 0.5


def test_the_rate_warms_up_and_cools_down() -> None:
    training = FeatureTraining(steps=1000, rate=1.0, warm_up=50)
    rates = [training.rate_at(step) for step in range(1000)]
    assert rates[:50] == sorted(rates[:50])
    assert rates[49] == pytest.approx(1.0)
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] < 0.02


def test_norms_of_a_mean_of_weights_are_those_of_its_own_maps() -> None:
    reader = new_run(BODY, settings(), small_trunk(), lessons).average
    settle_norms(reader, lessons, None, pictures=24, batch=24)
    seen: list[torch.Tensor] = []
    first = reader.trunk.stem[0]
    first.convolution.register_forward_hook(lambda _, given, told: seen.append(told))
    reader(lessons(0, 24).images)
    torch.testing.assert_close(first.norm.running_mean, seen[0].mean((0, 2, 3)), atol=2e-2, rtol=2e-2)  # in bfloat16
    torch.testing.assert_close(first.norm.running_var, seen[0].var((0, 2, 3)), atol=2e-2, rtol=5e-2)
    assert not first.norm.training


def test_progress_shows_a_row_for_each_picture() -> None:
    run = new_run(BODY, settings(), small_trunk(), lessons)
    sheet = progress_sheet(run, lessons(0, 3))
    assert sheet.height == 3 * 192 + 2 * 6
    assert sheet.width == 4 * 192 + 3 * 6


class Told(PictureReader):
    """Says of pictures what it was told."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.told, self.channels, self.size = features, features.shape[1], (SIZE, SIZE)

    def forward(self, images: Tensor) -> Tensor:
        return self.told

    def read(self, images: Tensor, camera: PinholeCamera) -> Reading:
        raise NotImplementedError


def test_evidence_counts_in_full_where_pixels_are_independent_and_less_where_neighbours_are_wrong_together() -> None:
    lesson, renderer = drawn(2, 16), VolumeRenderer(surface_kernels(BODY))
    camera = lesson.camera.resized((16, 16))
    rows = random_features(BODY, CircleDirections(4), 8, torch.Generator().manual_seed(0), wavelength=1.0)
    field, background = ExpectedFeatures(rows, VonMisesFisherEmission(20.0)), UniformBackground(8)
    rendering = renderer(lesson.surface, field.attributes(lesson.surface, camera), camera)
    density = LogMixture().density(rendering, field, background)
    found = []
    for block in (1, 2):
        drawn_features = density.sample()[..., ::block, ::block]
        features = drawn_features.repeat_interleave(block, 2).repeat_interleave(block, 3)
        learnt = LearntFeatures(Told(features), rows, 20.0, background, 1.0, "CC0-1.0")
        found.append(fitted_temper(learnt, BODY, [lesson], renderer))
    assert found[0].temper > 0.5
    assert found[1].temper < 0.6 * found[0].temper
    assert found[1].covered < 0.9


class Doubled(Alone):
    """Two processes that happen to have the same pictures."""

    def gather(self, rows: Tensor) -> Tensor:
        return torch.cat([rows, rows])


def test_what_others_see_comes_into_the_bank() -> None:
    alone = new_run(BODY, settings(), small_trunk(), lessons)
    both = new_run(BODY, settings(), small_trunk(), lessons, Doubled())
    for run in (alone, both):
        run.advance(lessons(0, 4))
    assert int(both.bank.seen) == 2 * int(alone.bank.seen)
    moved = (alone.bank.rows != new_run(BODY, settings(), small_trunk(), lessons).bank.rows).any(-1)
    assert torch.equal(moved, (both.bank.rows != new_run(BODY, settings(), small_trunk(), lessons).bank.rows).any(-1))


def test_each_process_has_steps_of_its_own() -> None:
    three = [Doubled(), Doubled()]
    for rank, company in enumerate(three):
        company.rank, company.count = rank, 2
    numbers = [company.number(step) for company in three for step in range(5)]
    assert sorted(numbers) == list(range(10))


def test_a_training_can_begin_with_what_another_has_learnt(tmp_path: Path) -> None:
    first = train_features(lessons, BODY, tmp_path / "a", settings(steps=2), trunk=small_trunk(), progress=False)
    other = new_run(BODY, settings(steps=8, seed=3), small_trunk(), lessons)
    begin_with(other, tmp_path / "a")
    assert other.step == 0
    for name, value in first.average.state_dict().items():
        assert torch.equal(other.reader.state_dict()[name], value), name
    assert torch.equal(other.bank.rows, first.bank.rows)
    state = torch.load(tmp_path / "a", weights_only=True)
    del state["average"]["body.spots.weight"]
    state["average"]["body.brief.weight"] = torch.zeros(3, 3)
    torch.save(state, tmp_path / "older")  # a head of another form
    later = new_run(BODY, settings(), small_trunk(), lessons)
    own = later.reader.body.brief.weight.clone()
    begin_with(later, tmp_path / "older")
    assert torch.equal(later.reader.body.brief.weight, own)
    assert torch.equal(later.reader.body.parts.weight, first.average.body.parts.weight)
    with pytest.raises(BadInput, match="expected a checkpoint of this reader"):
        begin_with(new_run(BODY, settings(), SmallUNet((16, 16, 16, 16, 16)), lessons), tmp_path / "a")
