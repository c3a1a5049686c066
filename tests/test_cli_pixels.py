"""From a photograph alone to results: where the person is looked for, what is written down, and what is not."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from probbody.bodies.open_body import open_body
from probbody.data.keypoints import People, read_keypoints
from probbody.errors import BadInput
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.looks import Look, Looks
from probbody.extractors.reading import Reading
from probbody.extractors.rest_joints import RestJoints
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.crops import Crop
from probbody.geometry.rotations import axis_angle_to_matrix, geodesic_angle
from probbody.inference.cli import fit, parts
from probbody.inference.cli.boxes import keypoint_boxes, mask_for, painted_box, told_box, whole_picture
from probbody.inference.cli.crops import MARGIN, box_of_parts
from probbody.metrics import pa_mpjpe
from tests.conftest import Ask
from tests.pixel_scenes import TABLE_EDGE, OracleReader, astray, demonstrated, learnt

ASSETS = Path(__file__).parents[1] / "probbody" / "assets"
BOX = "200,140,430,560"
QUICK = ("--steps", "3", "--focal", "700")
PIXELS = {"model", "crop", "explained", "evidence_nats", "share_hidden", "joints_not_seen"}
BODY = {"converged", "height_m", "distance_m"}
COMMON = {"person", "focal_px", "focal_known", "loss_nats", "start", "seed", "steps", "licences"}


def read_by(monkeypatch: pytest.MonkeyPatch, reader: OracleReader) -> OracleReader:
    """Pictures are read by that oracle."""
    monkeypatch.setattr(fit, "features_named", lambda *_: learnt(reader))
    return reader


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> OracleReader:
    """Who knows the person in the picture that ships, and takes them for somebody a little different."""
    return read_by(monkeypatch, OracleReader(demonstrated(), astray(demonstrated()), TABLE_EDGE))


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> OracleReader:
    return read_by(monkeypatch, OracleReader(None, astray(demonstrated())))


def told(folder: Path, person: int = 0) -> dict[str, object]:
    found = json.loads((folder / f"person_{person}" / "fit.json").read_text())
    assert isinstance(found, dict)
    return found


def arrays(folder: Path, person: int = 0) -> dict[str, np.ndarray]:
    with np.load(folder / f"person_{person}" / "fit.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def test_a_picture_and_a_box_are_enough(ask: Ask, reader: OracleReader, tmp_path: Path) -> None:
    code, out, err = ask("fit", ASSETS / "demo.png", "--box", BOX, "--out", tmp_path, *QUICK)
    assert (code, err) == (0, "")
    assert "nats of evidence" in out
    assert reader.calls == [1]
    assert sorted(path.name for path in (tmp_path / "demo" / "person_0").iterdir()) == [
        "body.glb", "fit.json", "fit.npz", "overlay.png",
    ]  # fmt: skip
    said, numbers = told(tmp_path / "demo"), arrays(tmp_path / "demo")
    assert set(said) == COMMON | BODY | PIXELS
    assert said["model"] == "nbv"
    side = MARGIN * 420
    assert said["crop"] == pytest.approx([315 - side / 2, 350 - side / 2, 315 + side / 2, 350 + side / 2], abs=0.1)
    assert numbers["occlusion"].shape == (24, 24)
    assert numbers["guess_body_pose"].shape == (69,)
    camera = PinholeCamera.looking_ahead(700.0, (540, 720))
    places = camera.project(torch.from_numpy(numbers["joints3d_coco17"])[None])[0, :, :2]
    assert np.abs(places.numpy() - numbers["joints2d_coco17"]).max() < 0.05  # of the whole picture, not of the crop
    with Image.open(tmp_path / "demo" / "person_0" / "overlay.png") as sheet:
        assert sheet.size == (968 + 6 + 3 * 360 + 12, 726)


def test_a_fit_mends_the_guess_and_knows_what_it_did_not_see(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    truth = demonstrated()
    guess = astray(truth, turn=math.pi)
    read_by(monkeypatch, OracleReader(truth, guess, TABLE_EDGE))
    words = ("fit", ASSETS / "demo.png", "--box", BOX, "--out", tmp_path, "--focal", "700", "--steps", "24")
    assert ask(*words)[0] == 0
    body = open_body()
    seen = torch.tensor([not any(part in name for part in ("knee", "ankle", "foot")) for name in body.joint_names])[
        None
    ]
    wanted = body(truth).joints
    found = torch.from_numpy(arrays(tmp_path / "demo")["joints3d_smpl24"])[None]
    assert pa_mpjpe(found, wanted, seen) < 0.6 * pa_mpjpe(body(guess).joints, wanted, seen)
    turned = axis_angle_to_matrix(torch.from_numpy(arrays(tmp_path / "demo")["global_orient"]).reshape(1, 3))
    assert float(geodesic_angle(guess.rotations[:, 0], truth.rotations[:, 0])) > 2.9  # radians: it faced the other way
    assert float(geodesic_angle(turned.to(guess.rotations), truth.rotations[:, 0])) < 0.5
    missing = told(tmp_path / "demo")["joints_not_seen"]
    assert isinstance(missing, list)
    assert {"left_ankle", "right_ankle", "left_foot", "right_foot"} <= set(missing)
    assert not {"neck", "spine1", "spine2", "spine3"} & set(missing)


def test_keypoints_are_believed_beside_the_pixels(ask: Ask, reader: OracleReader, tmp_path: Path) -> None:
    words = ("fit", ASSETS / "demo.png", "--keypoints", ASSETS / "demo_keypoints.json", "--model", "neural-smpl")
    code, out, _ = ask(*words, "--out", tmp_path, "--focal", "700")
    assert code == 0
    assert "keypoints within" in out
    assert "nats of evidence" in out
    said = told(tmp_path / "demo")
    assert set(said) > COMMON | BODY | PIXELS | {"reprojection_error", "keypoints_used"}
    assert said["model"] == "neural-smpl"
    assert float(str(said["reprojection_error"])) < 0.05
    assert arrays(tmp_path / "demo")["joints2d_openpose25"].shape == (25, 2)


def test_where_nothing_is_explained_no_body_is_made_up(ask: Ask, nobody: OracleReader, tmp_path: Path) -> None:
    code, out, err = ask("fit", ASSETS / "demo.png", "--out", tmp_path, *QUICK)
    assert (code, err) == (0, "")
    assert "person_0: nothing is explained: " in out
    said = told(tmp_path / "demo")
    assert said["explained"] is False
    assert said["converged"] is False
    assert float(str(said["evidence_nats"])) <= 0
    assert not {"height_m", "distance_m", "joints_not_seen"} & set(said)
    assert sorted(path.name for path in (tmp_path / "demo" / "person_0").iterdir()) == ["fit.json", "overlay.png"]
    assert nobody.calls == [1, 1]  # looked for once, as there is nothing to look at more closely, and read
    assert "finished before" in ask("fit", ASSETS / "demo.png", "--out", tmp_path, *QUICK)[1]


def test_without_a_box_the_person_is_looked_for(ask: Ask, reader: OracleReader, tmp_path: Path) -> None:
    assert ask("fit", ASSETS / "demo.png", "--out", tmp_path, *QUICK)[0] == 0
    assert reader.calls == [1, 1, 1]
    crop = told(tmp_path / "demo")["crop"]
    assert isinstance(crop, list)
    left, top, right, bottom = crop
    assert right - left < 450
    assert left < 230
    assert top < 150
    assert right > 400
    assert bottom > 395


def test_one_look_finds_the_person_whom_all_looks_read(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader = OracleReader(demonstrated(), astray(demonstrated()), TABLE_EDGE)
    twice = replace(learnt(reader), looks=Looks(RestJoints.of(open_body()), (Look(zoom=1.1),)))
    monkeypatch.setattr(fit, "features_named", lambda *_: twice)
    assert ask("fit", ASSETS / "demo.png", "--out", tmp_path, *QUICK)[0] == 0
    assert reader.calls == [1, 1, 2]


def test_two_networks_read_one_picture(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[LearntFeatures] = []

    def once(learnt: LearntFeatures) -> LearntFeatures:
        asked.append(parts.with_second(learnt))
        return replace(asked[0], looks=None)

    monkeypatch.setattr(fit, "with_second", once)
    assert ask("fit", ASSETS / "demo.png", "--box", BOX, "--two-networks", "--out", tmp_path, *QUICK)[0] == 0
    assert told(tmp_path / "demo")["explained"] is True
    assert len(asked[0].guesses) == 2
    assert asked[0].least_sure < parts.shipped_features().least_sure


def test_a_mask_says_where(ask: Ask, reader: OracleReader, tmp_path: Path) -> None:
    mask = Image.new("L", (720, 540))
    ImageDraw.Draw(mask).rectangle((200, 140, 429, 539), fill=255)
    mask.save(tmp_path / "mask.png")
    assert ask("fit", ASSETS / "demo.png", "--mask", tmp_path / "mask.png", "--out", tmp_path / "out", *QUICK)[0] == 0
    side = MARGIN * 400
    found = told(tmp_path / "out" / "demo")["crop"]
    assert found == pytest.approx([315 - side / 2, 340 - side / 2, 315 + side / 2, 340 + side / 2], abs=0.1)


def test_a_folder_is_read_and_fitted_as_one_batch(ask: Ask, reader: OracleReader, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "c.png"):
        shutil.copy(ASSETS / "demo.png", tmp_path / "in" / name)
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    code, out, err = ask("fit", tmp_path / "in", "--out", tmp_path / "out", *QUICK)
    assert code == 2
    assert reader.calls == [2, 2, 2]
    assert "b.png: expected a picture" in err
    assert err.splitlines()[-1].endswith("1 of 3 pictures could not be used: b.png.")
    assert out.count("nats of evidence") == 2
    one, other = (arrays(tmp_path / "out" / name) for name in ("a", "c"))
    assert np.abs(one["joints3d_smpl24"] - other["joints3d_smpl24"]).max() < 1e-3


def test_several_boxes_are_several_people(ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = demonstrated()
    two = replace(
        one,
        rotations=one.rotations.repeat(2, 1, 1, 1),
        shape=one.shape.repeat(2, 1),
        translation=torch.cat([one.translation, one.translation + torch.tensor([0.9, 0.0, 0.0])]),
    )
    read_by(monkeypatch, OracleReader(two, astray(two)))
    words = ("fit", ASSETS / "demo.png", "--box", "200,140,430,560", "--box", "420,140,650,560", "--out", tmp_path)
    assert ask(*words, *QUICK)[0] == 0
    places = [arrays(tmp_path / "demo", person)["transl"] for person in (0, 1)]
    assert 0.6 < places[1][0] - places[0][0] < 1.2


def refusal(ask: Ask, out: Path, *words: object) -> str:
    """The sentence with which the command ends; nothing is written."""
    code, _, err = ask("fit", ASSETS / "demo.png", "--out", out / "out", *words)
    assert code == 2, err
    assert err.count("\n") == 1
    assert err.endswith(".\n")
    assert not (out / "out").exists()
    return err.removeprefix("probbody: ").rstrip("\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--box", "800,10,900,200"), "--box: expected a box in the picture, of 720 x 540 pixels, found '800,10,900,200'."),
        (("--box", "10,-90,90,-10"), "--box: expected a box in the picture"),
        (("--box", "10,10,10,200"), "--box: expected a right and a bottom a pixel or more beyond left and top"),
        (("--box", "200,10,100,200"), "--box: expected a right and a bottom a pixel or more beyond left and top"),
        (("--box", "10,10,100"), "--box: expected left,top,right,bottom in pixels, found '10,10,100'."),
        (("--box", "a,b,c,d"), "--box: expected left,top,right,bottom in pixels, found 'a,b,c,d'."),
        (("--box", "nan,0,9,9"), "--box: expected a right and a bottom a pixel or more beyond left and top"),
        (
            ("--box=-1e39,-1e39,1e39,1e39",),
            "--box: expected a box that reaches at most 2160 pixels beyond the picture, of 720 x 540 pixels, found '-1e39,",
        ),
        (("--box=-1e6,-1e6,1,1",), "--box: expected a box that reaches at most 2160 pixels beyond the picture"),
        (("--box", "0,0,9,2701"), "--box: expected a box that reaches at most 2160 pixels beyond the picture"),
        (("--two-networks", "--keypoints", str(ASSETS / "demo_keypoints.json")), "--box, --mask, --features, --two-networks:"),
        (("--starts", "5"), "--starts: expected at most 4 from pixels (as guessed, turned, mirrored, both), found 5."),
        (("--mask", "none.png"), "none.png: expected a picture, found no such file."),
        (("--box", BOX, "--mask", "none.png"), "--box, --mask: expected one of them, found both."),
        (("--model", "best"), "--model: expected one of nbv, neural-smpl, keypoints, found 'best'."),
        (("--model", "keypoints"), "--model keypoints: expected --keypoints, found none."),
        (
            ("--keypoints", str(ASSETS / "demo_keypoints.json"), "--box", BOX),
            "--box, --mask, --features, --two-networks: expected --model nbv",
        ),
    ],
)  # fmt: skip
def test_words_that_cannot_be_followed(
    ask: Ask, reader: OracleReader, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    assert refusal(ask, tmp_path, *words).startswith(said)


def test_a_box_for_each_of_the_people_with_keypoints(ask: Ask, reader: OracleReader, tmp_path: Path) -> None:
    words = ("--keypoints", ASSETS / "demo_keypoints.json", "--model", "nbv", "--box", BOX, "--box", BOX)
    assert "expected a box for each of 1 people with keypoints, found 2." in refusal(ask, tmp_path, *words)


def test_a_folder_has_no_box(ask: Ask, reader: OracleReader, tmp_path: Path) -> None:
    code, _, err = ask("fit", tmp_path, "--box", BOX, "--out", tmp_path / "out")
    assert code == 2
    assert f"--box: expected one picture, found {tmp_path}, a folder" in err


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_features_that_are_none_are_refused(ask: Ask, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.safetensors").write_bytes(content)
    said = refusal(ask, tmp_path, "--features", tmp_path / "f.safetensors")
    assert said.startswith(f"{tmp_path / 'f.safetensors'}: expected ")
    assert "none.safetensors: expected" in refusal(ask, tmp_path, "--features", "none.safetensors")


def test_features_of_another_body_are_refused(ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    oracle = learnt(OracleReader(None, astray(demonstrated())))
    monkeypatch.setattr(parts, "shipped_features", lambda: oracle)
    said = refusal(ask, tmp_path, "--body", "fine")
    assert said.startswith("--features: expected features of a body with 6")
    assert said.endswith("found 1199 in those that ship.")


def test_masks_of_another_size_and_empty_ones_are_refused(tmp_path: Path) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    with pytest.raises(
        BadInput, match=r"a\.png: expected a mask of 50 x 30 pixels, as the picture has, found one of 40 x"
    ):
        painted_box(tmp_path / "a.png", (30, 50))
    with pytest.raises(BadInput, match=r"a\.png: expected a mask with a person in it, found it empty\."):
        painted_box(tmp_path / "a.png", (30, 40))


@pytest.mark.parametrize("bright", [1, 255])
def test_a_mask_is_the_box_of_what_is_bright(bright: int, tmp_path: Path) -> None:
    mask = np.zeros((30, 40), dtype=np.uint8)
    mask[5:20, 7:9] = bright
    Image.fromarray(mask).save(tmp_path / "a.png")
    assert painted_box(tmp_path / "a.png", (30, 40)).tolist() == [[7.0, 5.0, 9.0, 20.0]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_mask_may_be_what_is_not_clear(mode: str, tmp_path: Path) -> None:
    mask = Image.new(mode, (40, 30), (255,) * (len(mode) - 1) + (0,))
    mask.paste((255,) * len(mode), (7, 5, 9, 20))
    mask.save(tmp_path / "a.png")
    assert painted_box(tmp_path / "a.png", (30, 40)).tolist() == [[7.0, 5.0, 9.0, 20.0]]


def test_a_folder_of_masks_has_one_for_each_picture(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert mask_for(Path("in/a.jpg"), tmp_path) == tmp_path / "a.png"
    with pytest.raises(BadInput, match=r"expected a mask named b\.jpg, b\.jpg\.png, b\.png, found none"):
        mask_for(Path("in/b.jpg"), tmp_path)


def test_boxes_hold_people_and_not_only_their_keypoints() -> None:
    people = read_keypoints(ASSETS / "demo_keypoints.json")
    (left, top, right, bottom) = keypoint_boxes(people)[0].tolist()
    assert 190 < left < 240
    assert 100 < top < 165
    assert 400 < right < 450
    assert 360 < bottom < 400  # the legs were not marked
    marked = People(people.keypoints, people.layout, torch.tensor([[200.0, 100.0, 250.0, 440.0]]), people.names)
    assert keypoint_boxes(marked).tolist() == [[200.0, 100.0, 450.0, 540.0]]


@pytest.mark.parametrize(
    "box",
    [
        [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 9e8, 9e8], [-9e5, -9e5, 10.0, 10.0], [3000.0, 3000.0, 50.0, 50.0],
        [10.0, 20.0, 30.0, 40.0],
    ],
)  # fmt: skip
def test_a_box_that_does_not_hold_its_person_is_not_believed(box: list[float]) -> None:
    people = read_keypoints(ASSETS / "demo_keypoints.json")
    sound = [200.0, 100.0, 250.0, 440.0]
    both = People(
        people.keypoints.repeat(2, 1, 1), people.layout, torch.tensor([box, sound]), ("hardly marked", "well marked")
    )
    boxes = keypoint_boxes(both, (540, 720))
    assert torch.equal(boxes[:1], keypoint_boxes(people))
    assert boxes[1].tolist() == [200.0, 100.0, 450.0, 540.0]


def test_a_box_is_not_drawn_around_a_keypoint_far_away() -> None:
    people = read_keypoints(ASSETS / "demo_keypoints.json")
    astray = people.keypoints.clone()
    left_out = astray.clone()
    astray[0, 0, :2] = torch.tensor([9e8, 100.0])
    left_out[0, 0] = 0.0
    boxes = [keypoint_boxes(replace(people, keypoints=points), (540, 720)) for points in (astray, left_out)]
    assert torch.equal(*boxes)


def test_boxes_that_nobody_believes_do_not_end_a_folder(ask: Ask, reader: OracleReader, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(ASSETS / "demo.png", tmp_path / "in" / name)
    shipped = json.loads((ASSETS / "demo_keypoints.json").read_text())["people"][0]["pose_keypoints_2d"]
    people = [
        {"image_id": image, "id": image, "keypoints": shipped, "bbox": box}
        for image, box in ((1, [200, 100, 250, 440]), (2, [0, 0, 9e8, 9e8]))
    ]
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]
    (tmp_path / "k.json").write_text(json.dumps({"images": images, "annotations": people}))
    words = ("--keypoints", tmp_path / "k.json", "--layout", "openpose25", "--model", "nbv", "--out", tmp_path / "out")
    code, _, err = ask("fit", tmp_path / "in", *words, *QUICK)
    assert (code, err) == (0, "")
    crops = [told(tmp_path / "out" / name)["crop"] for name in ("a", "b")]
    assert all(isinstance(crop, list) and crop[2] - crop[0] < 600 for crop in crops)


@pytest.mark.parametrize("size", [(100, 60), (60, 100)])
def test_the_whole_picture_just_fits_its_crop(size: tuple[int, int]) -> None:
    crop = Crop.around(whole_picture(size), (192, 192), MARGIN)
    assert float(crop.width) == pytest.approx(100)
    assert crop.centre.tolist() == [[size[1] / 2, size[0] / 2]]


def test_a_box_as_it_is_told() -> None:
    assert told_box("-5, 10,50.5,90", (80, 60)).tolist() == [[-5.0, 10.0, 50.5, 90.0]]


def test_parts_say_where_somebody_is() -> None:
    shown = torch.zeros(3, 40, 40)
    shown[0] = 1
    assert box_of_parts(shown) is None
    shown[:, 10:30, 5:15] = torch.tensor([0.0, 0.5, 0.5])[:, None, None]
    shown[:, 39, 39] = torch.tensor([0.0, 1.0, 0.0])  # one pixel alone says nothing
    box = box_of_parts(shown)
    assert box is not None
    assert box.tolist() == pytest.approx([5 / 40, 10 / 40, 15 / 40, 30 / 40], abs=0.02)


def test_a_reader_that_does_not_see_joints_is_believed_only_where_somebody_was_told_of(
    ask: Ask, reader: OracleReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told_of = reader.read

    def unsure(images: torch.Tensor, camera: PinholeCamera) -> Reading:
        spots = torch.full((len(images), 24, 24, 24), 1 / 576)
        return replace(told_of(images, camera), spots=spots)

    monkeypatch.setattr(reader, "read", unsure)
    for box, explained in (((), False), (("--box", BOX), True)):
        folder = tmp_path / str(explained)
        code, out, _ = ask("fit", ASSETS / "demo.png", *box, "--out", folder, *QUICK)
        assert code == 0
        assert told(folder / "demo")["explained"] is explained
        assert ("the reader is 2% sure of where joints are" in out) is not explained
