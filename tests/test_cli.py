"""What a person gets from the command line: numbers that fit together, pictures, meshes, and nothing half-written."""

import hashlib
import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from scipy.spatial.transform import Rotation

from probbody.bodies.open_body import open_body
from probbody.geometry.cameras import PinholeCamera
from probbody.inference.cli.fit import names_of_results, run_fit
from probbody.inference.cli.outputs import CARD
from probbody.inference.cli.people import Settings, _turns
from probbody.inference.start import TURNS
from probbody.quantities import Pose, Surface
from tests.conftest import ROOT, Ask, environment

ASSETS = ROOT / "probbody" / "assets"
DATA = Path(os.environ.get("PROBBODY_DATA", ROOT / ".." / "shared" / "data"))
COCO = DATA / "photos" / "coco_ccby"
QUICK = ("--steps", "4", "--starts", "1")
REPORT = {
    "person", "reprojection_error", "reprojection_error_px", "converged", "keypoints_used", "keypoints_missing",
    "keypoints_not_believed", "not_seen_so_guessed_by_the_prior", "height_m", "distance_m", "focal_px", "focal_known",
    "loss_nats", "start", "seed", "steps", "licences",
}  # fmt: skip


def person(scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0), keep: int = 25) -> list[float]:
    """The keypoints of the picture that ships, moved, and only the first ``keep`` that are seen."""
    shipped = json.loads((ASSETS / "demo_keypoints.json").read_text())["people"][0]["pose_keypoints_2d"]
    points = np.array(shipped).reshape(25, 3)
    seen = points[:, 2] > 0
    points[seen, :2] = scale * points[seen, :2] + shift
    points[seen.nonzero()[0][keep:]] = 0
    return [float(number) for number in points.flatten()]


def openpose(path: Path, *people: list[float]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"people": [{"pose_keypoints_2d": numbers} for numbers in people]}))
    return path


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (720, 540), (120, 140, 120)).save(path)
    return path


def hidden_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The picture that ships with three people, one of whom is hardly seen; all three meshes."""
    place = tmp_path_factory.mktemp("shipped")
    keypoints = openpose(place / "k.json", person(), person(keep=3), person(0.5, (250.0, 20.0)))
    run_fit(
        ASSETS / "demo.png",
        keypoints,
        place / "out",
        settings=Settings(steps=6, starts=1),
        meshes=("glb", "obj", "ply"),
    )
    return place / "out" / "demo"


def arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "fit.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def posed_again(numbers: dict[str, np.ndarray]) -> Surface:
    """The open body in the pose of a result, the rotation vectors turned into matrices by scipy."""
    vectors = np.concatenate([numbers["global_orient"], numbers["body_pose"]]).reshape(24, 3)
    turns = torch.tensor(Rotation.from_rotvec(vectors).as_matrix(), dtype=torch.float32)
    shape, place = torch.tensor(numbers["betas"]), torch.tensor(numbers["transl"])
    surface = open_body("coarse")(Pose(turns[None], shape[None], place[None]))
    assert isinstance(surface, Surface)
    return surface


@pytest.mark.parametrize("who", ["person_0", "person_1"])
def test_the_numbers_have_their_shapes(results: Path, who: str) -> None:
    numbers = arrays(results / who)
    shapes = {
        "global_orient": (3,), "body_pose": (69,), "betas": (10,), "transl": (3,), "camera": (3, 3), "loss": (),
        "converged": (), "seed": (), "joints3d_smpl24": (24, 3), "joints3d_coco17": (17, 3), "joints2d_coco17": (17, 2),
        "joints3d_openpose25": (25, 3), "joints2d_openpose25": (25, 2),
    }  # fmt: skip
    assert {name: value.shape for name, value in numbers.items()} == shapes
    assert all(np.isfinite(value).all() for value in numbers.values())
    assert numbers["converged"].dtype == bool
    assert np.linalg.norm(np.reshape(numbers["body_pose"], (23, 3)), axis=1).max() <= math.pi + 1e-5


@pytest.mark.parametrize("who", ["person_0", "person_1"])
def test_the_body_posed_again_is_the_body_that_was_fitted(results: Path, who: str) -> None:
    numbers = arrays(results / who)
    surface = posed_again(numbers)
    assert np.abs(surface.joints[0].numpy() - numbers["joints3d_smpl24"]).max() < 1e-4
    for layout in ("coco17", "openpose25"):
        points = open_body("coarse").keypoints(surface, layout)[0].numpy()
        assert np.abs(points - numbers[f"joints3d_{layout}"]).max() < 1e-4
        pixels = numbers[f"joints3d_{layout}"] @ numbers["camera"].T
        assert np.abs(pixels[:, :2] / pixels[:, 2:] - numbers[f"joints2d_{layout}"]).max() < 0.02
    told = json.loads((results / who / "fit.json").read_text())
    assert told["focal_px"] == pytest.approx(numbers["camera"][0, 0], abs=0.1)
    assert numbers["camera"][:2, 2].tolist() == [360, 270]


def test_the_report_says_what_a_person_wants_to_know(results: Path) -> None:
    told = json.loads((results / "person_0" / "fit.json").read_text())
    assert set(told) == REPORT
    assert set(told["keypoints_missing"]) >= {"left_knee", "right_ankle", "left_big_toe"}
    assert "nose" not in told["keypoints_missing"]
    assert set(told["keypoints_missing"]) <= set(told["not_seen_so_guessed_by_the_prior"])
    assert told["keypoints_used"] + len(told["not_seen_so_guessed_by_the_prior"]) == 25
    assert 1.2 < told["height_m"] < 2.2
    assert all(isinstance(licence, str) and licence for licence in told["licences"])


def test_those_hardly_seen_are_passed_over_and_listed(results: Path) -> None:
    assert sorted(path.name for path in results.iterdir()) == [CARD, "person_0", "person_1"]
    card = json.loads((results / CARD).read_text())
    asked = card.pop("asked")
    assert (asked["mesh"], asked["steps"], asked["prior"]) == (["glb", "obj", "ply"], 6, "vae")
    assert card == {
        "picture": "demo.png",
        "sha256": hashlib.sha256((ASSETS / "demo.png").read_bytes()).hexdigest(),
        "people": {"person_0": "0", "person_1": "2"},
        "passed_over": [{"person": "1", "keypoints": 3}],
    }
    assert json.loads((results / "person_1" / "fit.json").read_text())["person"] == "2"


def glb_tree(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[12:16])
    tree: dict[str, Any] = json.loads(content[20 : 20 + length])
    return tree


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_the_mesh_is_the_body_in_the_axes_of_viewers(results: Path, kind: str) -> None:
    surface = posed_again(arrays(results / "person_0"))
    solid = trimesh.load(results / "person_0" / f"body.{kind}", force="mesh", process=False)
    assert np.array_equal(solid.faces, surface.faces.numpy())
    assert np.abs(solid.vertices * [1, -1, -1] - surface.vertices[0].numpy()).max() < 2e-4
    assert solid.vertices[:, 2].max() < 0  # before a camera that looks along -z
    assert solid.is_watertight == trimesh.Trimesh(surface.vertices[0], surface.faces, process=False).is_watertight


def test_the_camera_of_the_mesh_took_the_picture(results: Path) -> None:
    numbers = arrays(results / "person_0")
    seen = glb_tree(results / "person_0" / "body.glb")["cameras"][0]["perspective"]
    assert seen["aspectRatio"] == pytest.approx(720 / 540)
    assert seen["yfov"] == pytest.approx(2 * math.atan(270 / numbers["camera"][1, 1]), abs=1e-6)
    solid = trimesh.load(results / "person_0" / "body.glb", force="mesh", process=False)
    x, y, z = solid.vertices.T
    up = math.tan(seen["yfov"] / 2)
    u = 360 * (1 + x / -z / (up * seen["aspectRatio"]))  # as glTF projects
    v = 270 * (1 - y / -z / up)
    camera = PinholeCamera.looking_ahead(float(numbers["camera"][0, 0]), (540, 720))
    pixels = camera.project(posed_again(numbers).vertices)[0, :, :2].numpy()
    assert np.abs(np.stack([u, v], 1) - pixels).max() < 0.1


def test_the_overlay_shows_the_body_where_it_projects_to(results: Path) -> None:
    numbers = arrays(results / "person_1")
    camera = PinholeCamera.looking_ahead(float(numbers["camera"][0, 0]), (540, 720))
    pixels = camera.project(posed_again(numbers).vertices)[0, :, :2].numpy() * 720 / 540
    sheet = np.asarray(Image.open(results / "person_1" / "overlay.png").convert("RGB")).astype(int)
    assert sheet.shape == (720, 3 * 960 + 12, 3)
    body = sheet[:, 966:1926]
    plain = Image.open(ASSETS / "demo.png").convert("RGB").resize((960, 720), Image.Resampling.LANCZOS)
    rows, columns = np.nonzero(np.abs(body - np.asarray(plain).astype(int)).max(-1) > 25)
    low, high = np.clip(pixels.min(0), 0, [960, 720]), np.clip(pixels.max(0), 0, [960, 720])
    found = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
    # a fit of few steps leaves given keypoints outside of the body: they are drawn too
    assert np.abs(found - np.array([*low, *high])).max() < 25


def test_one_picture_through_the_command(ask: Ask, tmp_path: Path) -> None:
    words = ("fit", photo(tmp_path / "a.png"), "--keypoints", openpose(tmp_path / "k.json", person()), "--out")
    code, out, err = ask(*words, tmp_path / "out", *QUICK, "--focal", "700", "--seed", "3")
    assert (code, err) == (0, "")
    assert out.startswith(f"{tmp_path / 'out' / 'a' / 'person_0'}: keypoints within")
    told = json.loads((tmp_path / "out" / "a" / "person_0" / "fit.json").read_text())
    assert (told["focal_px"], told["focal_known"], told["seed"]) == (700.0, True, 3)
    before = (tmp_path / "out" / "a" / CARD).stat().st_mtime_ns
    code, out, _ = ask(*words, tmp_path / "out", *QUICK)
    assert code == 0
    assert out.endswith("finished before with other --focal, --seed, left as it is (--again fits anew)\n")
    assert (tmp_path / "out" / "a" / CARD).stat().st_mtime_ns == before
    code, out, _ = ask(*words, tmp_path / "out", *QUICK, "--focal", "700", "--seed", "3", "--device", "cpu")
    assert out.endswith("a: finished before, left as it is (--again fits anew)\n")
    code, out, _ = ask(*words, tmp_path / "out", *QUICK, "--again", "--mesh", "ply", "--prior", "gaussian")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "out" / "a" / "person_0").iterdir()) == [
        "body.ply", "fit.json", "fit.npz", "overlay.png",
    ]  # fmt: skip
    assert not hidden_files(tmp_path)


def test_the_same_seed_gives_the_same_numbers(ask: Ask, tmp_path: Path) -> None:
    words = ("fit", photo(tmp_path / "a.png"), "--keypoints", openpose(tmp_path / "k.json", person()), *QUICK)
    for out in ("one", "two"):
        assert ask(*words, "--out", tmp_path / out)[0] == 0
    one, two = (arrays(tmp_path / out / "a" / "person_0") for out in ("one", "two"))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_people_in_one_picture_do_not_see_each_other(ask: Ask, tmp_path: Path, results: Path) -> None:
    keypoints = openpose(tmp_path / "k.json", person(0.5, (250.0, 20.0)))
    words = ("fit", ASSETS / "demo.png", "--keypoints", keypoints, "--out", tmp_path / "out")
    assert ask(*words, "--steps", "6", "--starts", "1")[0] == 0
    alone, among = arrays(tmp_path / "out" / "demo" / "person_0"), arrays(results / "person_1")
    assert np.abs(alone["joints2d_coco17"] - among["joints2d_coco17"]).max() < 0.1


def test_a_folder_with_a_folder_of_keypoints(ask: Ask, tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "b.png"):
        photo(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    (tmp_path / "in" / "._a.png").write_bytes(b"what macOS writes beside it")
    openpose(tmp_path / "k" / "a_keypoints.json", person())
    openpose(tmp_path / "k" / "b.jpg_keypoints.json", person(), person(0.6))
    openpose(tmp_path / "k" / "b.json", person(0.8))
    words = ("fit", "--img_folder", tmp_path / "in", "--keypoints", tmp_path / "k", "--out_folder", tmp_path / "out")
    code, out, err = ask(*words, *QUICK)
    assert (code, err) == (0, "")
    people = {
        path.parent.name: len(json.loads(path.read_text())["people"]) for path in (tmp_path / "out").glob(f"*/{CARD}")
    }
    assert people == {"a": 1, "b.jpg": 2, "b.png": 1}
    shutil.rmtree(tmp_path / "out" / "a")
    stood = (tmp_path / "out" / "b.jpg" / CARD).stat().st_mtime_ns
    code, out, _ = ask(*words, *QUICK)
    assert code == 0
    assert out.count("keypoints within") == 1  # only what was missing
    assert (tmp_path / "out" / "b.jpg" / CARD).stat().st_mtime_ns == stood
    code, out, _ = ask(*words, *QUICK, "--prior", "gaussian")
    told = "3 of 3 pictures finished before with other --prior, left as they are (--again fits anew)"
    assert out == f"{tmp_path / 'out'}: {told}\n"


def test_a_picture_that_cannot_be_used_does_not_end_a_folder(ask: Ask, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        photo(tmp_path / "in" / f"{name}.png")
        openpose(tmp_path / "k" / f"{name}_keypoints.json", person())
    (tmp_path / "in" / "a.png").write_bytes(b"no picture")
    openpose(tmp_path / "k" / "b_keypoints.json", person(keep=2))
    words = ("fit", tmp_path / "in", "--keypoints", tmp_path / "k", "--out", tmp_path / "out", *QUICK)
    code, _, err = ask(*words)
    assert code == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["c"]
    lines = err.splitlines()
    assert "a.png: expected a picture" in lines[0]
    assert "b.png: expected a person with at least 4 keypoints" in lines[1]
    assert lines[2].endswith("2 of 3 pictures could not be used: a.png, b.png.")
    assert len(lines) == 3


def test_a_bar_shows_how_far_a_folder_is(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "in" / "a.png")
    keypoints = openpose(tmp_path / "k.json", person())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    _, _, err = ask("fit", tmp_path / "in", "--keypoints", keypoints, "--out", tmp_path / "out", *QUICK)
    assert "pictures" in err
    assert "1/1" in err
    picture = tmp_path / "in" / "a.png"
    _, _, err = ask("fit", picture, "--keypoints", keypoints, "--out", tmp_path / "other", *QUICK)
    assert "a.png" in err
    assert "steps" in err


@pytest.mark.skipif(not COCO.exists(), reason="the shared COCO photographs are not here")
def test_a_folder_with_one_coco_file(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("000000397133", "000000214753"):
        shutil.copy(COCO / f"{name}.jpg", tmp_path / "in")
    words = ("fit", tmp_path / "in", "--keypoints", COCO / "person_keypoints.json", "--out", tmp_path / "out", *QUICK)
    code, out, err = ask(*words)
    assert (code, err) == (0, "")
    cards = {path.parent.name: json.loads(path.read_text()) for path in (tmp_path / "out").glob(f"*/{CARD}")}
    assert len(cards["000000397133"]["people"]) == 1  # of the second person a hand alone is seen
    assert [lost["keypoints"] for lost in cards["000000397133"]["passed_over"]] == [1]
    assert "passed over" in out
    assert len(cards["000000214753"]["people"]) == 2


def test_folders_of_results_have_names_of_their_own() -> None:
    pictures = [Path(name) for name in ("a.jpg", "a.png", "a.jpg.png", "b.png", "c.d.png")]
    assert names_of_results(pictures) == ["a.jpg", "a.png", "a.jpg.png", "b", "c.d"]


def test_more_starts_are_other_turns() -> None:
    turns = _turns(32)
    assert turns[:4] == TURNS
    assert len({round(turn % math.tau, 6) for turn in turns}) == 32


@pytest.mark.parametrize("standing", ["other.txt", CARD])
def test_a_folder_of_somebody_else_is_not_replaced(ask: Ask, standing: str, tmp_path: Path) -> None:
    own = tmp_path / "out" / "a"
    own.mkdir(parents=True)
    (own / standing).write_text('{"picture": "a.jpg"}')
    words = ("fit", photo(tmp_path / "a.png"), "--keypoints", openpose(tmp_path / "k.json", person()), "--again")
    code, _, err = ask(*words, "--out", tmp_path / "out", *QUICK)
    assert code == 2
    assert "choose another --out" in err
    assert [path.name for path in own.iterdir()] == [standing]


def test_another_picture_of_the_same_name_is_not_finished(ask: Ask, tmp_path: Path) -> None:
    words = ("--keypoints", openpose(tmp_path / "k.json", person()), "--out", tmp_path / "out", *QUICK)
    assert ask("fit", photo(tmp_path / "a.png"), *words)[0] == 0
    (tmp_path / "other").mkdir()
    Image.new("RGB", (720, 540)).save(tmp_path / "other" / "a.png")
    card = tmp_path / "out" / "a" / CARD
    before = card.read_text()
    for again in ((), ("--again",)):
        code, _, err = ask("fit", tmp_path / "other" / "a.png", *words, *again)
        told = "expected results of a.png, or nothing yet, found those of another a.png; choose another --out."
        assert (code, err) == (2, f"probbody: {card.parent}: {told}\n")
    assert card.read_text() == before
    older = {name: value for name, value in json.loads(before).items() if name not in ("sha256", "asked")}
    card.write_text(json.dumps(older))  # as it was written before results knew this
    code, out, _ = ask("fit", tmp_path / "other" / "a.png", *words)
    assert (code, out) == (0, f"{card.parent}: finished before, left as it is (--again fits anew)\n")


# whoever runs the tests in the background may have told them, and whom they start, to ignore interrupts
_HEEDING_INTERRUPTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from probbody.inference.cli import main
main()
"""


def test_an_interrupted_folder_goes_on_where_it_was(ask: Ask, tmp_path: Path) -> None:
    for number in range(12):
        photo(tmp_path / "in" / f"{number:02}.png")
        openpose(tmp_path / "k" / f"{number:02}.json", person())
    words = [
        "fit",
        str(tmp_path / "in"),
        "--keypoints",
        str(tmp_path / "k"),
        "--out",
        str(tmp_path / "out"),
        "--starts",
        "1",
    ]
    command = [sys.executable, "-c", _HEEDING_INTERRUPTS, *words, "--steps", "160"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        until = time.monotonic() + 60
        while not list(tmp_path.glob(f"out/[!.]*/{CARD}")) and time.monotonic() < until:
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 2
    assert err.strip() == "probbody: interrupted; what was finished is kept, and the next run goes on from there."
    finished = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert 1 <= len(finished) < 12
    assert not hidden_files(tmp_path)
    for name in finished:
        assert arrays(tmp_path / "out" / name / "person_0")
        Image.open(tmp_path / "out" / name / "person_0" / "overlay.png").load()
    for number in range(len(finished) + 2, 12):  # a short rest is enough
        (tmp_path / "in" / f"{number:02}.png").unlink()
    code, out, _ = ask(*words, *QUICK)
    assert code == 0
    assert out.count("keypoints within") == len(list((tmp_path / "in").iterdir())) - len(finished)


def test_a_bad_input_ends_a_real_run_without_a_traceback(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "probbody.inference.cli",
        "fit",
        "none.jpg",
        "--keypoints",
        "none.json",
        "--out",
        "out",
    ]
    run = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "probbody: none.jpg: expected a picture, found no such file.\n"
    assert not list(tmp_path.iterdir())
