"""``probbody synth``: what a person gets for pictures to look at, and for pictures to learn from."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from probbody.inference.learn.picture_pool import PicturePool
from probbody.synth.labels import LabelledPictures
from probbody.synth.pictures import Pictures
from tests.conftest import Ask


@pytest.fixture
def ask(ask: Ask) -> Ask:
    return lambda *words: ask("synth", *words)


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    """Two takes, of which one is held out by its name."""
    poses = 0.3 * np.random.default_rng(0).standard_normal((20, 24, 3))
    path = tmp_path / "motion.npz"
    np.savez(
        path, poses=poses.astype(np.float32), trans=np.zeros((20, 3), np.float32), valid=np.ones(20, bool), fps=30.0,
        clip=np.array(["01_01", "01_02"]), start=np.array([0, 10]), length=np.array([10, 10]),
    )  # fmt: skip
    return path


def test_a_sheet_and_labelled_previews_are_written(ask: Ask, tmp_path: Path) -> None:
    code, told, _ = ask("--n", 3, "--out", tmp_path / "made")
    assert code == 0
    assert "sheet.png with 3 pictures" in told
    with Image.open(tmp_path / "made" / "sheet.png") as sheet:
        assert sheet.size == (8 * 192, 192)
    assert sorted(path.name for path in (tmp_path / "made").glob("labels_*.png")) == [
        f"labels_{number:06d}.png" for number in range(3)
    ]


def test_a_sheet_of_many_shows_the_first_64(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, draw = [], Pictures.draw

    def noted(self: Pictures, seed: int, indices: Tensor) -> LabelledPictures:
        asked.append(indices.tolist())
        return draw(self, seed, indices[:8])

    monkeypatch.setattr(Pictures, "draw", noted)
    code, told, _ = ask("--n", 65536, "--first", 7, "--out", tmp_path)
    assert asked == [list(range(7, 71))]
    assert (code, "sheet.png with the first 64 of 65536 pictures, 8 labelled ones" in told) == (0, True)


def test_a_pool_is_filled_and_a_second_call_finds_it_full(ask: Ask, tmp_path: Path, motion: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for name in ("hall.png", "wood.png"):
        Image.new("RGB", (64, 64), (90, 120, 60)).save(photographs / name)
    words = ("--n", 3, "--first", 5, "--pool", tmp_path / "pool", "--data", motion, "--backdrops", photographs)
    code, told, _ = ask(*words, "--without", "hall")
    assert code == 0
    assert "3 pictures, 3 of them drawn now" in told
    assert len(PicturePool(tmp_path / "pool")) == 3
    code, told, _ = ask(*words)
    assert (code, "3 pictures, 0 of them drawn now" in told) == (0, True)
    code, _, told = ask("--n", 1, "--pool", tmp_path / "pool", "--body", "fine")
    assert (code, "as these options draw them" in told) == (2, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--n", 2), "expected a place for pictures, found neither --out nor --pool."),
        (("--n", 0, "--out", "x"), "Invalid value for '--n'"),
        (("--out", "x", "--held-out"), "--held-out: expected --data with captured motion, found none."),
        (("--out", "x", "--backdrops", "nowhere"), "nowhere: expected a folder of photographs, found none there."),
        (("--out", "x", "--backdrops", "."), "expected photographs"),
        (("--out", "x", "--data", "nowhere.npz"), "nowhere.npz: expected an npz file, found nothing there."),
        (("--out", "x", "--prior", "none"), "--prior: expected one of"),
        (("--out", "x", "--only", "wood"), "--only: expected --backdrops with photographs, found none."),
        (("--out", "x", "--without", "wood"), "--without: expected --backdrops with photographs, found none."),
        (("--out", "x", "--data", "m.npz", "--prior", "none"), "--prior: expected none beside --data"),
        (("--out", "x", "--first", 2**63 - 1), "--first: expected at most 9223372036854775743 for 64 pictures"),
        (("--pool", "x", "--first", 2**63 - 64), "--first: expected at most"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, told = ask(*words)
    assert code == 2
    assert sentence in told
    assert told.startswith("probbody: ")
    assert told.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_drawn(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Pictures, "draw")
    (tmp_path / "file").write_text("in the way")
    for words in (("--pool", "file"), ("--out", "file"), ("--pool", "pool", "--out", "file")):
        places = [word if word.startswith("-") else tmp_path / word for word in words]
        code, _, told = ask("--n", 1, *places)
        assert (code, f"{tmp_path / 'file'}: cannot be written" in told) == (2, True)
    assert not (tmp_path / "pool").exists()
