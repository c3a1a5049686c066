"""A reader learnt from pictures: its losses, a training that goes on where it was, and what is fitted afterwards."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from probbody.errors import BadInput
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.looks import Look, Looks
from probbody.extractors.reading import PictureReader, Reading
from probbody.extractors.shipped import save_features
from probbody.extractors.small_unet import SmallUNet
from probbody.features.backgrounds import UniformBackground
from probbody.features.directions import CircleDirections
from probbody.features.emissions import VonMisesFisherEmission
from probbody.features.fields import DirectedFeatures, ExpectedFeatures
from probbody.features.likelihoods import LogMixture
from probbody.features.random_features import random_features
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.kernels import surface_kernels
from probbody.inference.learn.company import Alone
from probbody.inference.learn.feature_checkpoint import begin_with, resume_run, run_of
from probbody.inference.learn.feature_fitting import FeatureFitting, fitted_features
from probbody.inference.learn.feature_measures import ranked_apart
from probbody.inference.learn.feature_pictures import progress_sheet
from probbody.inference.learn.feature_settings import ContrastWeights, FeatureTraining, training_of
from probbody.inference.learn.feature_training import examined, new_run, train_features
from probbody.inference.learn.guess_fitting import fitted_guess, guesses_and_truth
from probbody.inference.learn.lesson import Lesson
from probbody.inference.learn.norms import settle_norms
from probbody.inference.learn.regression import missed_spots, regression_losses
from probbody.inference.learn.temper import fitted_temper
from probbody.inference.learn.variation import Variation
from probbody.render.volume import VolumeRenderer
from tests.learning_scenes import BODY, POOL, SIZE, drawn, lessons, settings, small_trunk


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


def behind_a_board(step: int, size: int) -> Lesson:
    """Pictures whose left half is covered by something as plain as the wall."""
    lesson = lessons(step, size)
    images, occluder = lesson.images.clone(), lesson.occluder.clone()
    images[..., : images.shape[3] // 2], occluder[..., : occluder.shape[2] // 2] = 0.5, True
    shown = lesson.visible & (lesson.pixels[..., 0] >= images.shape[3] / 2)
    return replace(lesson, images=images, occluder=occluder, visible=shown)


def test_a_training_learns(tmp_path: Path) -> None:
    training = settings(steps=40, batch=8, rate=4e-3, variation=None, log_every=5, save_every=40)
    run = train_features(lessons, BODY, tmp_path / "c", training, trunk=small_trunk(), progress=False)
    first, last = run.log[0], run.log[-1]
    for name in ("parts", "joints", "points"):
        assert last[name] < first[name], name
    measured = examined(run, BODY, lessons, 16)
    assert measured.told_apart > 0.8
    assert measured.nearest > 0.05  # by chance 0.015
    assert measured.hidden_apart == 0.5  # nothing is hidden
    assert examined(run, BODY, behind_a_board, 16).hidden_apart > 0.7


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


def test_guesses_are_told_look_by_look_in_the_code_of_the_joints() -> None:
    reader, lesson = new_run(BODY, settings(steps=1), small_trunk(), lessons).average, lessons(0, 8)
    looks = Looks(reader.rest, (Look(mirrored=True),))
    guessed, true = guesses_and_truth(reader, looks, lesson)
    assert guessed.shape == (8, 2, 3 * len(BODY.parents))
    errors = guessed[:, 0] - true
    joints = BODY(reader.read(lesson.images, lesson.camera).pose).joints
    off = (joints - joints[:, :1]) - (lesson.surface.joints - lesson.surface.joints[:, :1])
    torch.testing.assert_close(errors[:, :-3].norm(dim=1), off.flatten(1).norm(dim=1), atol=0.01, rtol=0.01)
    places, truths = (lesson.camera.project(each[:, :1])[:, 0] for each in (joints, lesson.surface.joints))
    across = (places - truths)[:, :2] / lesson.camera.focal * places[:, 2:]
    torch.testing.assert_close(errors[:, -3:-1], across, atol=0.01, rtol=0.01)
    torch.testing.assert_close(errors[:, -1], (places[:, 2] / truths[:, 2]).log(), atol=0.01, rtol=0.01)
    assert fitted_guess(reader, looks, lessons, None, FeatureFitting(kept_out=8, batch=8)) is None
    found = fitted_guess(reader, looks, lessons, Variation(), FeatureFitting(kept_out=144, batch=8))
    assert found is not None
    assert found.scale.shape == (3 * len(BODY.parents),) * 2
    assert found.usual > 0


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


def test_a_training_can_begin_with_learnt_features(tmp_path: Path) -> None:
    first = train_features(lessons, BODY, tmp_path / "a", settings(steps=2), trunk=small_trunk(), progress=False)
    fitting = FeatureFitting(pictures=4, kept_out=4, batch=4, components=2)
    learnt = fitted_features(first.average, first.marking, lessons, lessons, "CC0-1.0", fitting)
    rows = learnt.features.features.clone()
    rows[0] = 0  # never seen
    field = DirectedFeatures(rows, first.marking.limbs, first.marking.directions)
    save_features(tmp_path / "f.safetensors", replace(learnt, features=field))
    other = new_run(BODY, settings(steps=8, seed=3), small_trunk(), lessons)
    own = other.bank.rows.clone()
    begin_with(other, tmp_path / "f.safetensors")
    for name, value in first.average.state_dict().items():  # in the file they are in half precision
        assert torch.allclose(other.reader.state_dict()[name].double(), value.double(), atol=1e-3), name
    known = (rows != 0).any(-1, keepdim=True)
    assert torch.equal(other.bank.rows[0], own[0])
    assert torch.allclose(other.bank.rows, torch.where(known, rows, own), atol=1e-3)
    assert not len(other.bank.remembered)
    assert other.advance(lessons(0, 4))["points"] > 0
    assert len(other.bank.remembered)
    (tmp_path / "broken.safetensors").write_bytes(b"no features")
    with pytest.raises(BadInput, match=r"broken.safetensors: expected a safetensors file"):
        begin_with(other, tmp_path / "broken.safetensors")


def test_a_training_can_begin_with_what_another_has_learnt(tmp_path: Path) -> None:
    first = train_features(lessons, BODY, tmp_path / "a", settings(steps=2), trunk=small_trunk(), progress=False)
    other = new_run(BODY, settings(steps=8, seed=3), small_trunk(), lessons)
    begin_with(other, tmp_path / "a")
    assert other.step == 0
    assert (other.begun, first.begun, first.visits) == ("a", "", 8)
    two = new_run(BODY, settings(steps=2), small_trunk(), lessons, Doubled())
    two.company.count = 2
    with pytest.raises(BadInput, match=r"expected a checkpoint of 2 process\(es\), found one of 1"):
        resume_run(two, tmp_path / "a")
    for name, value in first.average.state_dict().items():
        assert torch.equal(other.reader.state_dict()[name], value), name
    assert torch.equal(other.bank.rows, first.bank.rows)
    undirected = new_run(BODY, settings(directions=1), small_trunk(), lessons)
    begin_with(undirected, tmp_path / "a")
    rows = normalize(first.bank.rows.mean(1, keepdim=True), dim=-1)
    assert torch.equal(undirected.bank.rows, rows)
    assert torch.equal(undirected.bank.clutter, first.bank.clutter)
    regressed = new_run(BODY, settings(contrast=None), small_trunk(), lessons)
    begin_with(regressed, tmp_path / "a")  # keeps less clutter
    assert torch.equal(regressed.bank.rows, first.bank.rows)
    assert not len(regressed.bank.remembered)
    state = torch.load(tmp_path / "a", weights_only=True)
    del state["average"]["body.spots.weight"]
    state["average"]["body.brief.weight"] = torch.zeros(3, 3)
    torch.save(state, tmp_path / "older")  # a head of another form
    later = new_run(BODY, settings(), small_trunk(), lessons)
    own = later.reader.body.brief.weight.clone()
    begin_with(later, tmp_path / "older")
    assert torch.equal(later.reader.body.brief.weight, own)
    assert torch.equal(later.reader.body.parts.weight, first.average.body.parts.weight)
    with pytest.raises(BadInput, match="expected what a reader of this trunk learnt"):
        begin_with(new_run(BODY, settings(), SmallUNet((16, 16, 16, 16, 16)), lessons), tmp_path / "a")
