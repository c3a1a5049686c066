"""Data sets that a user has: written here in their published layouts, pictures included, and measured on."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from probbody.adversary import read_patches
from probbody.bodies.joints import COCO17, H36M17, OPENPOSE25
from probbody.bodies.open_body import open_body
from probbody.data.hmr_npz import read_hmr_npz
from probbody.data.joint_sets import OPENPOSE18, SPIN24
from probbody.data.pw3d import read_pw3d
from probbody.errors import BadInput
from probbody.extractors.shipped import save_features
from probbody.geometry.cameras import PinholeCamera
from probbody.inference.cli.sets import SETS, posed_by_smpl, trial_on_set
from probbody.inference.evaluate.judged import LSP14, SMPL22, Judged
from probbody.inference.evaluate.measured import MEASURES, OF_BOXES, Measured
from probbody.inference.evaluate.method import Answer, Method, Seen
from probbody.inference.evaluate.on_set import OnSet
from probbody.inference.evaluate.results import read_results
from probbody.quantities import Pose
from probbody.synthocc import Attacked, Clean, Natural
from tests.conftest import Ask
from tests.evaluation_scenes import untaught
from tests.test_fitted_sets import eft, oh3d
from tests.test_hmr_sets import hmr
from tests.test_pw3d import pw3d
from tests.test_smpl import model_file

BODY = open_body()
WIDE, HIGH = 160, 120


def picture(path: Path, number: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 255, (HIGH, WIDE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def some_bodies(count: int) -> tuple[Pose, PinholeCamera]:
    """People 4 m before a camera, upright in its frame."""
    chance = torch.Generator().manual_seed(0)
    rotations = torch.eye(3).repeat(count, 24, 1, 1)
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    shape = 0.3 * torch.randn(count, BODY.num_shape, generator=chance)
    camera = PinholeCamera(
        torch.full((count, 2), 150.0),
        torch.tensor([[WIDE / 2, HIGH / 2]]).repeat(count, 1),
        torch.eye(3).repeat(count, 1, 1),
        torch.zeros(count, 3),
        (HIGH, WIDE),
    )
    return Pose(rotations, shape, torch.tensor([[0.1, 0.0, 4.0]]).repeat(count, 1)), camera


def put_3dpw(folder: Path) -> tuple[Pose, Path]:
    """Three frames of one person, whose joints and keypoints are the open body's."""
    pose, camera = some_bodies(3)
    content = pw3d(people=1)
    surface = BODY(pose)
    turn = Rotation.random(rng=np.random.default_rng(1)).as_matrix()
    cameras = np.tile(np.eye(4), (3, 1, 1))
    cameras[:, :3, :3], cameras[:, :3, 3] = turn, [0.1, 0.2, 0.5]
    world = (surface.joints.numpy() - [0.1, 0.2, 0.5]) @ turn
    points = BODY.keypoints(surface, OPENPOSE25.name)[:, [OPENPOSE25.index(name) for name in OPENPOSE18.names]]
    seen = np.ones((3, 3, 18))
    seen[:, :2] = np.moveaxis(camera.project(points)[..., :2].numpy() - 0.5, 1, 2)
    lens = np.array([[150.0, 0, WIDE / 2 - 0.5], [0, 150.0, HIGH / 2 - 0.5], [0, 0, 1]])
    told = {name: [content[name][0][:3]] for name in ("poses", "trans", "betas_clothed")}
    content |= told | {"poses2d": [seen], "jointPositions": [world.reshape(3, 72)], "cam_poses": cameras}
    content |= {"cam_intrinsics": lens, "campose_valid": [np.ones(3)], "genders": ["f"]}
    place = folder / "sequenceFiles" / "test" / "downtown_cafe_00.pkl"
    place.parent.mkdir(parents=True)
    place.write_bytes(pickle.dumps(content, protocol=2))
    for frame in range(3):
        picture(folder / "imageFiles" / "downtown_cafe_00" / f"image_{frame:05d}.jpg", frame)
    return pose, folder


def put_h36m(folder: Path, **changed: Any) -> Path:
    content = hmr(center=np.full((3, 2), 60.0), scale=np.full(3, 0.5), pose=None, shape=None, part=None, **changed)
    np.savez(folder / "h36m_valid_protocol2.npz", **content)
    for name in content["imgname"]:
        picture(folder / str(name))
    return folder


def put_coco(folder: Path) -> Path:
    content = eft(bbox_scale=0.5, bbox_center=[80.0, 60.0])
    (folder / "COCO2014-All-ver01.json").write_text(json.dumps(content))
    (folder / "annotations").mkdir()
    marks = [{"id": 1000 + number, "keypoints": [80 + number, 60, 2] * 17} for number in (1, 2)]
    (folder / "annotations" / "person_keypoints_train2014.json").write_text(json.dumps({"annotations": marks}))
    for number in (1, 2):
        picture(folder / "train2014" / f"COCO_train2014_00000000000{number}.jpg", number)
    return folder


def put_3doh(folder: Path) -> Path:
    (folder / "testset").mkdir()
    (folder / "testset" / "annots.json").write_text(json.dumps(oh3d(bbox=[[30.0, 10.0], [90.0, 110.0]])))
    for number in (1, 2):
        picture(folder / "testset" / "images" / f"0000{number}.jpg", number)
    return folder


def put_3dhp(folder: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    chance = np.random.default_rng(3)
    (folder / "TS1").mkdir()
    with h5py.File(folder / "TS1" / "annot_data.mat", "w") as file:
        file["annot2"] = chance.uniform(20, 100, (2, 1, 17, 2))
        file["univ_annot3"] = chance.normal(0, 300, (2, 1, 17, 3)) + np.array([0, 0, 3000])
        file["valid_frame"] = np.ones((2, 1))
    for number in (1, 2):
        picture(folder / "TS1" / "imageSequence" / f"img_00000{number}.jpg", number)
    return folder


PUT: dict[str, Callable[[Path], object]] = {
    "3dpw": put_3dpw, "h36m-p2": put_h36m, "coco-eft": put_coco, "3doh": put_3doh, "3dhp": put_3dhp,
}  # fmt: skip


@pytest.fixture
def attack(ask: Ask, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """``adv-occ`` on every person of a tiny 3DPW."""
    monkeypatch.setitem(SETS, "3dpw", replace(SETS["3dpw"], every=1))
    return lambda *words: ask("adv-occ", "--features", tiny, "--set", "3dpw", *words)


@pytest.fixture
def ask_eval(ask: Ask) -> Ask:
    return lambda *words: ask("eval", *words)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("features") / "tiny.safetensors"
    save_features(path, untaught())
    return path


def set_of(folder: Path, judged: Judged, read: Callable[[Path], Any], **changed: Any) -> OnSet:
    people = replace(read(folder), **changed)
    return OnSet("A set", people, folder, judged, margin=1.4, size=(64, 64), body=BODY, measures=OF_BOXES)


def numbers(held: Measured) -> dict[str, float]:
    return {measure.name: measure.of(held).value() for measure in MEASURES}


def test_who_tells_the_truth_of_3dpw_makes_no_error(tmp_path: Path) -> None:
    pose, folder = put_3dpw(tmp_path)
    trial = set_of(folder, SMPL22, read_pw3d)
    cases = trial.cases(Clean(), slice(1, 3))
    seen = cases.seen()
    assert seen.names == ("clean/000001", "clean/000002")
    nose = cases.camera.project(BODY.keypoints(BODY(pose[[1, 2]]), COCO17.name))[:, 0, :2]
    torch.testing.assert_close(seen.keypoints[:, 0, :2], nose, atol=1e-2, rtol=0)
    held = cases.measured(Answer(BODY(pose[[1, 2]]).joints, pose[[1, 2]]), 1.0)
    found = numbers(held)
    assert found["MPJPE"] == pytest.approx(0, abs=0.02)
    assert found["PCK at 0.1 of the box"] == 100
    assert float(held.near.nan_to_num().max()) < 1e-3
    assert bool(held.known.all())
    moved = replace(pose[[1, 2]], translation=pose.translation[1:] + torch.tensor([0.2, 0.0, 0.0]))
    off = cases.measured(Answer(BODY(moved).joints, moved), 1.0)
    assert numbers(off)["MPJPE"] == pytest.approx(0, abs=0.02)
    box = trial.people.boxes
    assert box is not None
    side = float((box[1, 2:] - box[1, :2]).max())
    assert float(off.near[0].nanmean()) == pytest.approx(0.2 * 150 / 4 / side, rel=0.1)
    with pytest.raises(BadInput, match="expected clean, @40 or @80 on A set, found 'natural'"):
        trial.cases(Natural(), slice(0, 1))


def test_joints_known_from_their_root_are_compared_by_the_fourteen_of_lsp(tmp_path: Path) -> None:
    pose, _ = some_bodies(3)
    own = BODY.keypoints(BODY(pose), H36M17.name)
    labels = np.zeros((3, 24, 4))
    for joint, name in enumerate(H36M17.names):
        labels[:, SPIN24.index(name)] = torch.cat([own[:, joint] - own[:, 0], torch.ones(3, 1)], 1)
    folder = put_h36m(tmp_path, S=labels)
    trial = set_of(folder, LSP14, lambda place: read_hmr_npz(place / "h36m_valid_protocol2.npz", "H", "none"))
    cases = trial.cases(Clean(), slice(0, 3))
    told = Answer(BODY(pose).joints, pose)
    assert numbers(cases.measured(told, 1.0))["MPJPE"] == pytest.approx(0, abs=0.02)
    assert cases.measured(told, 1.0).known.sum(1).tolist() == [14] * 3
    with pytest.raises(BadInput, match="found joints of SMPL alone"):
        cases.measured(Answer(BODY(pose).joints), 1.0)


class Dazzled(Method):
    """The truth, more and more wrong at the hands the brighter the picture."""

    name = "dazzled"

    def __init__(self, pose: Pose) -> None:
        self.pose = pose

    def __call__(self, seen: Seen) -> Answer:
        joints = BODY(self.pose[[int(name[-1]) for name in seen.names]]).joints
        joints[:, 15:] += 0.1 * seen.images.mean((1, 2, 3))[:, None, None]
        return Answer(joints)

    def card(self) -> dict[str, object]:
        return {}


def test_patches_are_put_where_they_harm_most(tmp_path: Path) -> None:
    pose, folder = put_3dpw(tmp_path / "set")
    people = read_pw3d(folder)
    trial = OnSet(
        "A set", people, folder, SMPL22, margin=1.4, size=(64, 64), body=BODY, measures=OF_BOXES, victim=Dazzled(pose)
    )
    worst = Attacked(150, lambda scenes: scenes.joints, "dazzled", tmp_path / "patches")
    clean, patched = (trial.cases(condition, slice(1, 3)) for condition in (Clean(), worst))
    assert patched.seen().names == ("patch150/000001", "patch150/000002")
    assert sorted(path.name for path in (tmp_path / "patches").iterdir()) == ["000001.json", "000002.json"]
    assert patched.patches is not None
    left, top, right, bottom = patched.patches[0].tolist()
    changed = (patched.images[0] != clean.images[0]).any(0)
    assert not bool(
        changed[:top].any() or changed[bottom:].any() or changed[:, :left].any() or changed[:, right:].any()
    )
    answer = Answer(BODY(pose[[1, 2]]).joints, pose[[1, 2]])
    before, after = (cases.measured(answer, 1.0) for cases in (clean, patched))
    hidden = patched.behind(patched.places())
    assert bool(hidden.any())
    assert torch.equal(after.shown, before.shown & ~hidden)
    found = patched.seen().keypoints
    assert bool((found[..., 2][patched.behind(found[..., :2])] == 0).all())
    again = trial.cases(worst, slice(1, 3))
    assert torch.equal(again.images, patched.images)
    assert trial.condition_card(worst)["victim"] == "dazzled"


def test_patches_on_a_set_are_kept_gone_on_with_and_replayed(
    attack: Ask, ask_eval: Ask, tiny: Path, tmp_path: Path
) -> None:
    _, folder = put_3dpw(tmp_path / "set")
    words = ("--folder", folder, "--side", "80", "--out")
    code, out, _ = attack(*words, tmp_path / "one", "--maps", "1")
    assert code == 0
    assert "3 patches; " in out
    assert "no sensitivity.glb, as the set knows no bodies" in out
    assert (tmp_path / "one" / "map_000000.png").exists()
    kept = tmp_path / "one" / "patches_80_regressor.json"
    first, found = kept.read_text(), read_patches(kept)
    assert attack(*words, tmp_path / "two", "--at-once", "50")[0] == 0
    assert (tmp_path / "two" / "patches_80_regressor.json").read_text() == first
    (tmp_path / "one" / "patches" / "80_regressor" / "000001.json").unlink()
    before = (tmp_path / "one" / "patches" / "80_regressor" / "000000.json").stat().st_mtime_ns
    assert attack(*words, tmp_path / "one")[0] == 0
    assert kept.read_text() == first
    assert (tmp_path / "one" / "patches" / "80_regressor" / "000000.json").stat().st_mtime_ns == before
    shown = ("--features", tiny, "--set", "3dpw", "--folder", folder, "--method", "regressor", "--condition", "@80")
    assert ask_eval(*shown, "--out", tmp_path / "one")[0] == 0
    (result,) = read_results(tmp_path / "one" / "results.json").results
    mean = result.means["MPJPE"]
    errors = (mean.sums / mean.counts).squeeze(1).tolist()
    assert errors == pytest.approx([patch.error for patch in found.patches], abs=1e-3)


def test_what_patches_cannot_be_on_a_set(attack: Ask, tmp_path: Path) -> None:
    _, folder = put_3dpw(tmp_path / "set")

    def refused(*words: object) -> str:
        code, _, err = attack("--side", "150", "--out", tmp_path / "o", *words)
        assert code == 2
        return err

    assert "expected --folder, where the data set is" in refused()
    assert "expected a folder with textures" in refused("--folder", folder, "--textures", tmp_path / "nowhere")
    (tmp_path / "coco").mkdir()
    coco = ("--set", "coco-eft", "--folder", put_coco(tmp_path / "coco"))
    assert "expected joints in metres that are placed in the pictures" in refused(*coco)
    assert attack("--side", "150", "--out", tmp_path / "o", "--folder", folder)[0] == 0
    photographs = tmp_path / "photographs"
    for number in range(2):
        picture(photographs / f"{number}.png", number)
    assert "patches: expected textures folder 1, found procedural 1" in refused(
        "--folder", folder, "--textures", photographs
    )
    code, out, _ = attack("--side", "150", "--out", tmp_path / "p", "--folder", folder, "--textures", photographs)
    assert code == 0
    assert "3 patches" in out


@pytest.mark.parametrize("name", PUT)
def test_sets_are_measured_in_their_published_layouts(name: str, ask_eval: Ask, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    PUT[name](tmp_path / "set")
    words = ("--features", tiny, "--set", name, "--folder", tmp_path / "set", "--method", "regressor")
    code, out, _ = ask_eval(*words, "--out", tmp_path / "out")
    assert code == 0
    assert SETS[name].title in out
    assert "licence: " in out
    assert "not known: " in out
    held = read_results(tmp_path / "out" / "results.json")
    assert held.protocol["set"] == SETS[name].title
    assert set(held.results[0].means) >= {m.name for m in SETS[name].measures} - {"MPJPE", "PA-MPJPE"}
    assert ("MPJPE" in held.results[0].means) == (name not in ("coco-eft", "3doh"))
    assert "<img" in (tmp_path / "out" / "results.html").read_text()


def test_a_part_of_a_set_has_its_people(tmp_path: Path) -> None:
    folder = put_h36m(tmp_path)
    whole, part = (trial_on_set("h36m-p2", folder, None, which, (64, 64)).people for which in (None, (1, 3)))
    assert part.names == whole.names[1:3]
    with pytest.raises(
        BadInput, match=r"--pictures: expected some of the 3 people of Human3.6M, protocol 2, found 3:9\."
    ):
        trial_on_set("h36m-p2", folder, None, (3, 9), (64, 64))


def test_what_is_wrong_with_a_set_is_one_sentence(ask_eval: Ask, tiny: Path, tmp_path: Path) -> None:
    folder = put_coco(tmp_path)
    words = (
        "--features",
        tiny,
        "--set",
        "coco-eft",
        "--folder",
        folder,
        "--method",
        "regressor",
        "--out",
        tmp_path / "o",
    )

    def refused(*more: object) -> str:
        code, _, err = ask_eval(*words, *more)
        assert code == 2
        told = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("probbody: ")]
        assert len(told) == 1
        assert err.endswith(told[0] + "\n")
        return told[0]

    assert ask_eval(*words)[0] == 0
    code, out, _ = ask_eval(*words, "--against", tmp_path / "o" / "results.json")
    assert code == 0
    assert "regressor, clean: PCK at 0.2 of the box +0.0 [+0.0, +0.0]" in out
    fits = folder / "COCO2014-All-ver01.json"
    right = fits.read_text()
    fits.write_text(json.dumps(eft(bbox_scale=0.0, bbox_center=[80.0, 60.0])))
    assert "expected a box of some extent around" in refused()
    fits.write_text(right)
    first = folder / "train2014" / "COCO_train2014_000000000001.jpg"
    whole = first.read_bytes()
    assert "expected clean, @40 or @80" in refused("--condition", "natural")
    assert "found none in COCO-EFT" in refused("--condition", "@40")
    first.write_bytes(whole[:700])
    assert "expected a whole picture" in refused()
    first.unlink()
    assert "1 missing, the first train2014/COCO_train2014_000000000001.jpg" in refused()
    marks = folder / "annotations" / "person_keypoints_train2014.json"
    marks.write_text("{")
    assert "expected JSON" in refused()
    marks.unlink()
    assert "cannot be read" in refused()
    (folder / "COCO2014-All-ver01.json").unlink()
    assert "expected one file of EFT fits" in refused()
    assert "the .pkl files of 3DPW, found none" in refused("--set", "3dpw")
    assert "h36m_valid_protocol1.npz" in refused("--set", "h36m-p1")
    assert "test sequences of MPI-INF-3DHP" in refused("--set", "3dhp")
    assert "expected a folder with 3DOH50K" in refused("--set", "3doh", "--folder", tmp_path / "nowhere")
    assert "expected one of 3dpw" in refused("--set", "small")
    assert "expected one of small, standard, large, 3dpw" in refused("--set", "4dpw")


def test_methods_that_look_at_keypoints_need_some_and_other_protocols_are_not_compared(
    ask_eval: Ask, tiny: Path, tmp_path: Path
) -> None:
    put_h36m(tmp_path)
    words = ("--features", tiny, "--set", "h36m-p2", "--folder", tmp_path, "--out", tmp_path / "o")
    code, _, err = ask_eval(*words, "--method", "eft")
    assert code == 2
    assert "expected keypoints for EFT, found none in the set" in err
    assert ask_eval(*words, "--method", "regressor")[0] == 0
    (tmp_path / "doh").mkdir()
    put_3doh(tmp_path / "doh")
    other = ("--features", tiny, "--set", "3doh", "--folder", tmp_path / "doh", "--out", tmp_path / "p")
    code, _, err = ask_eval(*other, "--method", "regressor", "--against", tmp_path / "o" / "results.json")
    assert code == 2
    assert "expected results under the protocol" in err


def test_with_smpl_files_the_truth_is_posed(tmp_path: Path) -> None:
    people = SETS["3doh"].read(put_3doh(tmp_path))
    with pytest.raises(BadInput, match=r"expected one SMPL file .* with neutral in its name, found 0"):
        posed_by_smpl(people, tmp_path)
    model_file("smpl", tmp_path).rename(tmp_path / "SMPL_NEUTRAL.pkl")
    with pytest.raises(BadInput, match=r"expected J_regressor_h36m\.npy"):
        posed_by_smpl(people, tmp_path)
    np.save(tmp_path / "J_regressor_h36m.npy", np.full((17, 60), 1 / 60))
    posed = posed_by_smpl(people, tmp_path)
    assert posed.joints is not None
    assert posed.joints.places.shape == (2, 17, 3)
    assert posed.joints.rooted
    assert "joints" not in posed.missing()
    assert "Max Planck" in posed.licence
