"""Readers of pictures: what untrained ones tell, frames of rotations and places, and files."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.errors import BadInput
from probbody.extractors.guess_errors import GuessErrors
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.looks import Look, Looks
from probbody.extractors.part_attention import PartAttention, attended, over_places, places
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.rest_joints import RestJoints
from probbody.extractors.shipped import load_features, save_features, shipped_features
from probbody.extractors.small_unet import SmallUNet
from probbody.extractors.spots import likeliest_spots
from probbody.extractors.trunk import Maps, Trunk
from probbody.extractors.view import facing, placed, view_of
from probbody.features.backgrounds import MixtureBackground
from probbody.features.directions import CircleDirections
from probbody.features.fields import DirectedFeatures
from probbody.features.limbs import limbs_of
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose

BODY = open_body()


def small_trunk() -> Trunk:
    return SmallUNet(widths=(16, 16, 32, 32, 48), blocks=(0, 1, 1, 1))


def small_reader(size: tuple[int, int] = (64, 64)) -> PersonReader:
    return PersonReader(small_trunk(), RestJoints.of(BODY), channels=16, size=size).eval()


def some_camera(size: tuple[int, int] = (64, 64)) -> PinholeCamera:
    focal, centre = torch.tensor([[90.0, 90.0], [200.0, 200.0]]), torch.tensor([[10.0, 60.0], [90.0, -30.0]])
    turned = axis_angle_to_matrix(torch.tensor([[0.1, 0.4, -0.2], [0.0, 0.0, 0.0]]))
    return PinholeCamera(focal, centre, turned, torch.tensor([[0.3, -0.2, 0.5], [0.0, 0.0, 0.0]]), size)


def some_learnt() -> LearntFeatures:
    limbs = limbs_of(BODY)
    rows = torch.nn.functional.normalize(torch.randn(len(limbs.vertex), 4, 16), dim=-1)
    rows[7] = 0
    clutter = torch.nn.functional.normalize(torch.randn(200, 16), dim=-1)
    field = DirectedFeatures(rows, limbs, CircleDirections(4))
    drawn = torch.randn(200, 2, 3 * len(BODY.parents), generator=torch.Generator().manual_seed(5))
    errors, reader = GuessErrors.fit(drawn, 0.1 + torch.rand(200)), small_reader()
    return LearntFeatures(
        reader, field, 31.5, MixtureBackground.fit(clutter, 3), 0.07, "CC0-1.0", 0.5, 0.9, (errors,),
        Looks(reader.rest, (Look(mirrored=True), Look(zoom=1.2))),
    )  # fmt: skip


def test_features_are_unit_vectors_of_a_quarter_of_the_resolution() -> None:
    reader = small_reader((64, 96))
    features = reader(torch.rand(2, 3, 64, 96))
    assert features.shape == (2, 16, 16, 24)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2, 16, 24))


def test_a_batch_is_a_loop() -> None:
    reader, camera, images = small_reader(), some_camera(), torch.rand(2, 3, 64, 64)
    both = reader.read(images, camera)
    for number in range(2):
        alone = reader.read(images[number : number + 1], camera[number])
        torch.testing.assert_close(alone.features, both[number].features, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(alone.pose.translation, both[number].pose.translation, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone.parts.sum(1), torch.ones(1, 16, 16))


def test_an_untrained_reader_tells_the_means_in_the_frame_of_the_crop() -> None:
    reader, camera = small_reader(), some_camera()
    turns = axis_angle_to_matrix(0.3 * torch.randn(24, 3)).expand(2, -1, -1, -1).clone()
    turns[:, 0] = camera.rotation.mT @ facing(camera) @ turns[:, 0]
    view, shape = torch.tensor([[-0.3, 0.1, 0.2]]).expand(2, -1), torch.randn(10).expand(2, -1)
    truth = Pose(turns, shape, placed(view, camera) - reader.rest(shape)[:, 0])
    reader.begin_at(truth, camera)
    told = reader.read(torch.rand(2, 3, 64, 64), camera).pose
    torch.testing.assert_close(told.rotations, truth.rotations, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(told.translation, truth.translation, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(told.shape, truth.shape)


def test_places_and_views_undo_each_other() -> None:
    camera, view = some_camera(), torch.tensor([[0.2, 0.3, -0.4], [-0.5, -0.2, 0.1]])
    torch.testing.assert_close(view_of(placed(view, camera), camera), view, atol=1e-5, rtol=1e-5)
    pixel = camera.project(placed(view, camera).unsqueeze(1))[:, 0, :2]
    torch.testing.assert_close(pixel, 32 + 32 * view[:, 1:], atol=1e-3, rtol=1e-5)


def test_facing_turns_the_axis_to_the_middle_of_the_crop_by_the_smallest_angle() -> None:
    camera = some_camera()
    turn = facing(camera)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).expand(2, 3, 3), atol=1e-6, rtol=0)
    ahead = camera.turned(camera.rays(torch.full((2, 1, 2), 32.0))[1])[:, 0]
    torch.testing.assert_close(turn[:, :, 2], ahead, atol=1e-6, rtol=0)
    cosine = (turn.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    torch.testing.assert_close(cosine, ahead[:, 2], atol=1e-6, rtol=0)


def test_the_same_crop_of_a_shifted_camera_is_the_same_body_seen_alike() -> None:
    """A guess depends on the picture alone; where the crop was taken turns and moves the body with its ray."""
    reader, images = small_reader(), torch.rand(1, 3, 64, 64)
    middle = PinholeCamera.looking_ahead(80.0, (64, 64))
    aside = PinholeCamera.looking_ahead(80.0, (64, 64), centre=(90.0, 20.0))
    ahead, off = (reader.read(images, camera).pose for camera in (middle, aside))
    torch.testing.assert_close(ahead.rotations[:, 1:], off.rotations[:, 1:])
    torch.testing.assert_close(off.rotations[:, 0], facing(aside) @ ahead.rotations[:, 0], atol=1e-5, rtol=1e-5)


def test_rest_joints_are_those_of_the_body() -> None:
    rest, pose = RestJoints.of(BODY), Pose(
        axis_angle_to_matrix(0.5 * torch.randn(3, 24, 3)), torch.randn(3, 10), torch.randn(3, 3)
    )  # fmt: skip
    torch.testing.assert_close(rest.posed(pose), BODY(pose).joints, atol=1e-5, rtol=1e-5)


def test_attention_to_a_constant_map_is_the_constant() -> None:
    constant = torch.randn(1, 5, 1, 1)
    weights = torch.randn(1, 3, 64).softmax(-1).view(1, 3, 8, 8)
    for size in (8, 2):
        seen = attended(constant.expand(1, 5, size, size), weights)
        torch.testing.assert_close(seen, constant.view(1, 1, 5).expand(1, 3, 5))


def test_attention_does_not_mind_where_places_are() -> None:
    maps, weights, order = torch.randn(2, 5, 4, 4), torch.randn(2, 3, 16).softmax(-1), torch.randperm(16)
    moved = maps.flatten(2)[:, :, order].view(2, 5, 4, 4)
    torch.testing.assert_close(
        attended(moved, weights[:, :, order].view(2, 3, 4, 4)), attended(maps, weights.view(2, 3, 4, 4))
    )


def test_places_without_attention_change_nothing() -> None:
    maps, weights = torch.randn(1, 5, 4, 4), torch.rand(1, 3, 4, 4)
    weights[..., 2:, :] = 0
    changed = maps.clone()
    changed[..., 2:, :] = 100.0
    torch.testing.assert_close(attended(changed, weights), attended(maps, weights))


def test_an_untrained_head_tells_no_difference() -> None:
    told = PartAttention(fine=6, deep=7, joints=4, shape=3)(Maps(torch.randn(2, 6, 8, 8), torch.randn(2, 7, 2, 2)))
    for part in (told.six, told.shape, told.view):
        assert not part.any()


def test_pictures_and_cameras_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 64 x 64"):
        small_reader()(torch.rand(1, 3, 96, 96))
    with pytest.raises(ValueError, match="camera: expected 1"):
        small_reader().read(torch.rand(1, 3, 64, 64), some_camera())
    with pytest.raises(ValueError, match="multiples of 32"):
        small_reader((70, 64))


def test_the_default_is_small() -> None:
    reader = PersonReader(SmallUNet(), RestJoints.of(BODY))
    assert sum(part.numel() for part in reader.parameters()) < 6e6


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[LearntFeatures, bytes]:
    """Learnt features, and the bytes of their file."""
    learnt, path = some_learnt(), tmp_path_factory.mktemp("learnt") / "features.safetensors"
    save_features(path, learnt, {"seed": "3"})
    return learnt, path.read_bytes()


def test_features_come_back_from_their_file(written: tuple[LearntFeatures, bytes], tmp_path: Path) -> None:
    (learnt, content), path, images = written, tmp_path / "features.safetensors", torch.rand(2, 3, 64, 64)
    path.write_bytes(content)
    again = load_features(path)
    assert (again.concentration, again.temper, again.licence) == (31.5, 0.07, "CC0-1.0")
    assert (again.reader(images) * learnt.reader(images)).sum(1).min() > 0.99
    torch.testing.assert_close(again.features.features, learnt.features.features, atol=1e-3, rtol=0)
    assert not again.features.features[7].any()
    assert (again.spot_weight, again.guess_weight) == (0.5, 0.9)
    (errors,), (wanted,) = again.guesses, learnt.guesses
    torch.testing.assert_close(errors.scale, wanted.scale)
    assert errors.usual == wanted.usual
    assert again.times == 3
    assert again.looks is not None
    assert again.looks.further == (Look(mirrored=True), Look(zoom=1.2))
    assert again.features.limbs.names == learnt.features.limbs.names
    torch.testing.assert_close(
        again.background.marginal().log_prob(again.features.features[0, 0]),
        learnt.background.marginal().log_prob(learnt.features.features[0, 0]),
        atol=0.05, rtol=0.01,
    )  # fmt: skip
    torch.testing.assert_close(
        again.reader.read(images, some_camera()).pose.rotations,
        learnt.reader.read(images, some_camera()).pose.rotations, atol=1e-3, rtol=0,
    )  # fmt: skip


@pytest.mark.parametrize("harm", ["cut", "damaged", "foreign", "missing"])
def test_a_file_that_holds_no_features_is_refused_in_one_sentence(
    written: tuple[LearntFeatures, bytes], tmp_path: Path, harm: str
) -> None:
    path = tmp_path / "features.safetensors"
    path.write_bytes(written[1])
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "damaged":
        path.write_bytes(b"\xff" * 40 + path.read_bytes()[40:])
    elif harm == "foreign":
        path.write_bytes(Path("probbody/assets/pose_prior_vae.safetensors").read_bytes())
    else:
        path.unlink()
    with pytest.raises(BadInput, match=r"expected .*, found .*\.$") as refused:
        load_features(path)
    assert "\n" not in str(refused.value)


def test_features_with_a_guess_of_another_code_are_refused(
    written: tuple[LearntFeatures, bytes], tmp_path: Path
) -> None:
    learnt, path = written[0], tmp_path / "features.safetensors"
    save_features(path, replace(learnt, guesses=(GuessErrors(torch.eye(69)),)))
    with pytest.raises(BadInput, match=r"expected 'guess.scale' of shape \(72, 72\), found \(69, 69\)\.$"):
        load_features(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"temper": math.nan}, {"temper": 0.0}, {"concentration": -3.0}, {"spot_weight": math.inf}, {"guess_weight": -1.0},
        {"guesses": (GuessErrors(torch.zeros(72, 72)),)}, {"guesses": (GuessErrors(torch.eye(72), math.nan),)},
    ],
)  # fmt: skip
def test_features_with_numbers_that_cannot_be_are_refused(
    written: tuple[LearntFeatures, bytes], tmp_path: Path, changed: dict[str, Any]
) -> None:
    path = tmp_path / "features.safetensors"
    save_features(path, replace(written[0], **changed))
    with pytest.raises(BadInput, match=r"expected .* with words for all parts, found some that do not fit\.$"):
        load_features(path)


def test_features_without_looks_are_read_once(written: tuple[LearntFeatures, bytes], tmp_path: Path) -> None:
    path = tmp_path / "features.safetensors"
    save_features(path, replace(written[0], looks=None))
    learnt, images = load_features(path), torch.rand(2, 3, 64, 64)
    assert learnt.times == 1
    assert learnt.read(images, some_camera()).others == ()


def test_parts_tell_where_they_are() -> None:
    logits = torch.full((1, 3, 8, 16), -50.0)
    logits[0, 1, 2, 12] = 0.0  # the first joint's part is one place
    logits[0, 2, :, :8] = 0.0  # the second's is the left half
    x, y, wide, tall = places(over_places(logits[:, 1:]))[0].unbind(-1)
    torch.testing.assert_close(x, torch.tensor([2 * 12.5 / 16 - 1, -0.5]))
    torch.testing.assert_close(y, torch.tensor([2 * 2.5 / 8 - 1, 0.0]), atol=1e-5, rtol=0)
    assert wide[0] < 0.02
    assert tall[0] < 0.02
    assert float(wide[1]) == pytest.approx(float((torch.arange(8.0) / 8).std(correction=0)), abs=1e-2)
    assert tall[1] > wide[1]


def test_the_features_that_ship_are_those_of_the_open_body() -> None:
    learnt = shipped_features()
    reader = learnt.reader
    assert learnt.features.features.shape == (len(BODY.weights), 4, reader.channels)
    assert "CMU" in learnt.licence
    assert 0 < learnt.temper < 1
    camera = PinholeCamera.looking_ahead(300.0, reader.size)
    reading = reader.read(torch.rand(1, 3, *reader.size), camera)
    torch.testing.assert_close(reading.features.norm(dim=1), torch.ones(1, 48, 48))
    assert reading.pose.rotations.shape == (1, 24, 3, 3)
    assert camera.project(reading.pose.translation.unsqueeze(1))[0, 0, 2] > 0.5


def test_the_likeliest_spot_is_the_mean_about_the_peak() -> None:
    spots = torch.zeros(1, 3, 8, 10)
    spots[0, 0, 2, 6], spots[0, 0, 2, 7], spots[0, 0, 7, 0] = 0.5, 0.25, 0.25  # the last one is another place
    spots[0, 1, 7, 9] = 1.0  # a corner
    spots[0, 2] = 1 / 80  # anywhere
    found = likeliest_spots(spots, (16, 20))[0]
    torch.testing.assert_close(found[0], torch.tensor([2 * (6.5 + 1 / 3), 5.0, 0.75]))
    torch.testing.assert_close(found[1], torch.tensor([19.0, 15.0, 1.0]))
    assert float(found[2, 2]) <= 25 / 80
