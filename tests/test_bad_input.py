"""What cannot be used is refused in one sentence, with exit code 2, before anything is written."""

import errno
import json
import math
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from probbody.inference.cli.main import main

ASSETS = Path(__file__).parents[1] / "probbody" / "assets"
QUICK = ["--steps", "4", "--starts", "1"]


def people(*changed: dict[int, Any], count: int = 25) -> dict[str, Any]:
    """OpenPose's JSON; each dictionary is a person and changes some of the 3 x ``count`` numbers of a plausible one."""
    numbers = [value for j in range(count) for value in (200 + 9 * (j % 5), 100 + 12 * j, 0.9)]
    return {
        "people": [
            {"pose_keypoints_2d": [change.get(i, n) for i, n in enumerate(numbers)]} for change in (changed or ({},))
        ]
    }


def every_third(value: float, first: int = 2, start: int = 0) -> dict[int, float]:
    return dict.fromkeys(range(3 * start + first, 75, 3), value)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder with a picture, its keypoints, and things that are neither."""
    Image.new("RGB", (640, 480), (90, 120, 90)).save(tmp_path / "a.png")
    (tmp_path / "k.json").write_text(json.dumps(people()))
    (tmp_path / "text.txt").write_text("no picture, no keypoints\n")
    (tmp_path / "empty").mkdir()
    return tmp_path


def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    """The sentence with which the command ends."""
    monkeypatch.setattr(sys, "argv", ["probbody", *words])
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr()
    assert left.value.code == 2, told
    assert told.err.startswith("probbody: "), told.err
    assert told.err.count("\n") == 1, told.err
    assert told.err.endswith((".\n", "?\n"))
    assert "Traceback" not in told.err
    return told.err.removeprefix("probbody: ").rstrip("\n")


@pytest.fixture
def refused(
    room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[str]], str]:
    def run(words: list[str]) -> str:
        monkeypatch.chdir(room)
        before = sorted(room.rglob("*"))
        told = refusal(monkeypatch, capsys, words)
        assert sorted(room.rglob("*")) == before, "something was left behind"
        return told

    return run


def fit(**changed: str | None) -> list[str]:
    """The words of a fit that would do, some of them changed or left out."""
    words = {"image": "a.png", "keypoints": "k.json", "out": "out"} | changed
    image = words.pop("image")
    options = [word for name, value in words.items() if value is not None for word in (f"--{name}", value)]
    return ["fit", *([image] if image else []), *QUICK, *options]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (fit(image="none.jpg"), "none.jpg: expected a picture, found no such file."),
        (fit(image="text.txt"), "text.txt: expected a picture (JPEG, PNG, ...), found something else."),
        (fit(image="k.json"), "k.json: expected a picture (JPEG, PNG, ...), found something else."),
        (fit(image="empty"), "empty: expected pictures ("),
        (fit(image=None), "fit: expected a picture and a place for results, found no IMAGE."),
        (fit(img_folder="empty"), "fit: expected IMAGE or --img_folder, found both, a.png and empty."),
        (fit(keypoints=None, layout="nope"), "--layout: expected --keypoints beside it, found 'nope' alone."),
        (fit(keypoints=None, model="keypoints"), "--model keypoints: expected --keypoints, found none."),
        (fit(out=None), "found no --out."),
        (fit(keypoints="none.json"), "none.json: cannot be read (No such file"),
        (fit(keypoints="a.png"), "a.png: expected JSON, but it cannot be understood"),
        (fit(keypoints="text.txt"), "text.txt: expected JSON, but it cannot be understood"),
        (fit(keypoints="empty"), "empty: expected a_keypoints.json or a.json for a.png, found neither."),
        (fit(out="text.txt"), "text.txt"),
        (fit(out="text.txt/below/it"), "text.txt/below/it: cannot be written, because a part of the path is a file"),
        (fit(mesh="xyz"), "--mesh: expected some of glb, obj, ply, found 'xyz'."),
        (fit(prior="xyz"), "--prior: expected one of vae, freed, mixture, gaussian, found 'xyz'."),
        (fit(device="nonsense"), "--device: expected auto, cpu or a device that torch finds here, found 'nonsense'."),
        (fit(device="cuda:99"), "--device: expected auto, cpu or a device that torch finds here, found 'cuda:99'."),
        (fit(device="meta"), "--device: expected auto, cpu or a device that torch finds here, found 'meta'."),
        (fit(focal="0"), "'--focal'"),
        (fit(focal="-700"), "'--focal'"),
        (fit(focal="nan"), "--focal"),
        (fit(focal="inf"), "'--focal'"),
        (fit(focal="1e300"), "'--focal'"),
        (fit(focal="long"), "'--focal'"),
        (fit(steps="0"), "'--steps'"),
        (fit(starts="0"), "'--starts'"),
        (fit(seed="-1"), "'--seed'"),
        (fit(seed=str(1 << 70)), "'--seed'"),
        (fit(layout="coco18"), "layout: 'coco18' is no joint set known here"),
        (fit(layout="coco17"), "expected the 17 keypoints of coco17, found 25 keypoints"),
        (fit(body="tall"), "--body: expected coarse, fine or a file of the SMPL family (.npz, .pkl), found 'tall'."),
        (fit(body="none.npz"), "none.npz"),
        (fit(body="none.pkl"), "none.pkl"),
        (fit(nonsense="1"), "No such option: --nonsense"),
        (["fir"], "No such command 'fir'"),
        (["train", "pose-prior", "empty", "--out", "w.safetensors"], "empty"),
        (["train", "pose-prior", "text.txt", "--out", "w.safetensors"], "text.txt"),
        (["train", "pose-prior", "none.npz", "--out", "w.safetensors"], "none.npz"),
        (["train", "pose-densities", "empty", "--out", "w"], "empty"),
        (["train", "pose-prior", "empty"], "Missing option '--out'"),
        (["import-smpl", "text.txt"], "text.txt"),
        (["import-smpl", "none.npz"], "none.npz"),
        (["import-smpl", "empty"], "empty"),
        (["import-smpl"], "Missing argument"),
    ],
    ids=lambda value: " ".join(value).replace(" --steps 4 --starts 1", "") if isinstance(value, list) else "",
)
def test_words_that_cannot_be_followed(refused: Callable[[list[str]], str], words: list[str], told: str) -> None:
    assert told in refused(words)


SMALL_PERSON = {i: 10.0 for i in range(75)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"people": []}, "expected the keypoints of at least one person, found none."),
        (people(count=17), "expected the 25 keypoints of openpose25, found 17 keypoints"),
        (people({0: math.nan}), "expected finite coordinates for nose"),
        (people({4: math.inf}), "expected finite coordinates for mid_shoulder"),
        (people({5: -0.5}), "expected a confidence from 0 to 1 for mid_shoulder"),
        (people(every_third(0.0)), "expected keypoints with some confidence, found only zeros."),
        (people(every_third(9000.0, 0)), "a picture of 640 x 480 pixels, but all of person 0 lie outside."),
        (people(every_third(0.0, 2, 1)), "at least 4 keypoints of confidence 0.2 or more, found at most 1."),
        (people(every_third(0.0, 2, 3), every_third(0.0, 2, 2)), "confidence 0.2 or more, found at most 3."),
        (people(every_third(0.1)), "confidence 0.2 or more, found at most 0."),
        (people({0: "1"}), "expected a flat list of numbers"),
        ({"people": [{}]}, "expected 'pose_keypoints_2d'"),
        ({"a": 1}, "expected OpenPose JSON"),
        ([[1]], "expected OpenPose JSON"),
        ("{", "expected JSON, but it cannot be understood"),
        ("", "expected JSON, but it cannot be understood"),
        ("\x00\x01", "expected JSON, but it cannot be understood"),
        ({"images": [{"id": 1, "file_name": "b.png"}], "annotations": []}, "expected the picture a.png, found b.png."),
    ],
)
def test_keypoints_that_cannot_be_used(
    refused: Callable[[list[str]], str], room: Path, content: Any, told: str
) -> None:
    (room / "k.json").write_text(content if isinstance(content, str) else json.dumps(content))
    assert told in refused(fit())


@pytest.mark.parametrize("size", [0, 1, 20, 300, 1500])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_picture_cut_off(refused: Callable[[list[str]], str], room: Path, ending: str, size: int) -> None:
    Image.effect_noise((640, 480), 50).convert("RGB").save(room / f"b.{ending}")
    whole = (room / f"b.{ending}").read_bytes()
    (room / f"b.{ending}").write_bytes(whole[:size])
    assert f"b.{ending}: expected a" in refused(fit(image=f"b.{ending}"))


class Harm:
    """A pickle that would make a folder when it is read."""

    def __init__(self, where: Path) -> None:
        self.where = where

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.where),))


@pytest.mark.parametrize("words", [fit(body="smpl.pkl"), ["import-smpl", "smpl.pkl"]], ids=["fit", "import-smpl"])
def test_a_pickle_that_would_run_code_does_not(
    refused: Callable[[list[str]], str], room: Path, words: list[str]
) -> None:
    harm = {"v_template": np.zeros((4, 3)), "f": Harm(room / "harmed")}
    (room / "smpl.pkl").write_bytes(pickle.dumps(harm))
    assert "smpl.pkl" in refused(words)
    assert not (room / "harmed").exists()


def smpl(**changed: Any) -> dict[str, Any]:
    """A small body under the names of SMPL's files, right unless changed."""
    parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    rng = np.random.default_rng(0)
    right: dict[str, Any] = {
        "v_template": rng.normal(size=(40, 3)),
        "shapedirs": 0.01 * rng.normal(size=(40, 3, 10)),
        "posedirs": 0.001 * rng.normal(size=(40, 3, 207)),
        "weights": np.full((40, 24), 1 / 24),
        "J_regressor": np.full((24, 40), 1 / 40),
        "f": rng.integers(0, 40, (30, 3)),
        "kintree_table": np.array([parents, range(24)]),
    }
    return {name: value for name, value in (right | changed).items() if value is not None}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"posedirs": None}, "lacks posedirs"),
        ({"v_template": None, "f": None}, "lacks"),
        ({"weights": np.full((39, 24), 1 / 24)}, "weights"),
        ({"J_regressor": np.zeros((23, 40))}, "J_regressor"),
        ({"v_template": np.full((40, 3), np.nan)}, "v_template"),
        ({"kintree_table": np.full((2, 24), 30)}, "kintree_table"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "import-smpl"])
def test_a_body_file_with_a_fault(
    refused: Callable[[list[str]], str], room: Path, command: str, changed: dict[str, Any], told: str
) -> None:
    np.savez(room / "smpl.npz", **smpl(**changed))
    words = fit(body="smpl.npz") if command == "fit" else ["import-smpl", "smpl.npz", "--cache", "cache"]
    sentence = refused(words)
    assert sentence.startswith("smpl.npz: ")
    assert told in sentence


def test_a_hand_is_no_body_for_the_priors_of_whole_people(refused: Callable[[list[str]], str], room: Path) -> None:
    parents = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]
    hand = smpl(
        weights=np.full((40, 16), 1 / 16),
        J_regressor=np.full((16, 40), 1 / 40),
        posedirs=np.zeros((40, 3, 135)),
        kintree_table=np.array([parents, range(16)]),
    )
    np.savez(room / "MANO_RIGHT.npz", **hand)
    assert "--body: expected a body of" in refused(fit(body="MANO_RIGHT.npz"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive"])
def test_a_broken_archive_of_motion(refused: Callable[[list[str]], str], room: Path, content: bytes) -> None:
    (room / "walk.npz").write_bytes(content)
    assert "walk.npz" in refused(["train", "pose-prior", "walk.npz", "--out", "w.safetensors", "--steps", "2"])


def test_an_archive_of_something_else_is_no_motion(refused: Callable[[list[str]], str], room: Path) -> None:
    np.savez(room / "walk.npz", colours=np.zeros(3))
    assert "walk.npz" in refused(["train", "pose-prior", "walk.npz", "--out", "w.safetensors", "--steps", "2"])


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "where", ["os.fsync", "os.replace", "PIL.Image.Image.save", "numpy.savez_compressed", "pathlib.Path.mkdir"]
)
@pytest.mark.parametrize("folder", [False, True])
def test_a_full_disk_leaves_nothing_half_written(
    refused: Callable[[list[str]], str], room: Path, monkeypatch: pytest.MonkeyPatch, where: str, folder: bool
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (room / "in").mkdir(exist_ok=True)
        Image.new("RGB", (640, 480)).save(room / "in" / name)
        (room / "k").mkdir(exist_ok=True)
        (room / "k" / f"{name}.json").write_text(json.dumps(people()))
    (room / "out").mkdir()
    monkeypatch.setattr(where, full)
    told = refused(fit(image="in", keypoints="k") if folder else fit())
    assert told == "out/a: cannot be written, because the disk is full."  # and the other pictures are not tried


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            fit(image="in"),
            "k.json: expected a folder of keypoint files, or one that names pictures, for in, found people of one picture "
            "for 2.",
        ),
        (fit(image="in", keypoints="results.json"), "results.json: expected a folder of keypoint files, or one"),
        (fit(image="in", keypoints="none.json"), "none.json: cannot be read (No such file"),
        (fit(image="in", keypoints=None, mask="a.png"), "--mask: expected a folder of masks for in, a folder, found a.png."),
        (fit(image="in", keypoints=None, mask="none"), "--mask: expected a folder of masks for in, a folder, found none."),
    ],
)  # fmt: skip
def test_one_file_does_not_say_the_same_of_every_picture(
    refused: Callable[[list[str]], str], room: Path, words: list[str], told: str
) -> None:
    (room / "in").mkdir()
    for name in ("a.png", "12.png"):
        Image.new("RGB", (640, 480)).save(room / "in" / name)
    results = [{"image_id": 1, "keypoints": people(count=17)["people"][0]["pose_keypoints_2d"]}]
    (room / "results.json").write_text(json.dumps(results))
    assert told in refused(words)


def test_a_place_without_permission(refused: Callable[[list[str]], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _, mode, **__: mode != os.W_OK | os.X_OK)
    assert refused(fit()) == "out: cannot be written, because the permission is missing."


def test_keypoints_with_a_fault_do_not_replace_an_older_result(
    room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(room)
    monkeypatch.setattr(sys, "argv", ["probbody", *fit()])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    before = {path: path.read_bytes() for path in (room / "out").rglob("*") if path.is_file()}
    capsys.readouterr()
    (room / "k.json").write_text("{")
    refusal(monkeypatch, capsys, [*fit(), "--again"])
    assert {path: path.read_bytes() for path in (room / "out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3)])
def test_pictures_of_odd_sizes_are_fitted_or_refused(
    room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: tuple[int, int]
) -> None:
    monkeypatch.chdir(room)
    Image.new("RGB", size).save("a.png")
    spread = people({i: (i / 75) * size[i % 3] for i in range(75) if i % 3 < 2})
    (room / "k.json").write_text(json.dumps(spread))
    monkeypatch.setattr(sys, "argv", ["probbody", *fit()])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
