"""The commands beside ``probbody fit``: what they say, and what becomes of words that cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from probbody.inference.cli.people import Settings
from tests.conftest import Ask, environment


def test_the_demo_says_how_far_it_is_from_the_truth(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probbody.inference.cli.demo.Settings", lambda **told: Settings(steps=10, starts=1, **told))
    code, out, err = ask("demo", "--out", tmp_path / "demo")
    assert (code, err) == (0, "")
    assert "joints seen:" in out
    assert "joints hidden by the table:" in out
    assert (tmp_path / "demo" / "demo" / "person_0" / "overlay.png").exists()


def test_the_doctor_finds_what_is_wrong(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBBODY_CACHE", str(tmp_path))
    code, out, _ = ask("doctor")
    for part in ("torch", "demo.png", "body coarse", "body fine", "prior vae", "SMPL files"):
        assert part in out
    assert (code == 0) == ("FAIL" not in out)
    np.savez(tmp_path / "SMPL_BROKEN.npz", v_template=np.zeros((4, 3)))
    code, out, _ = ask("doctor")
    assert code == 1
    assert "FAIL" in out
    assert "SMPL_BROKEN.npz" in out


def closed_pipe() -> int:
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.parametrize(("words", "unbuffered"), [("doctor", ""), ("--help", "1")])
@pytest.mark.parametrize("cause", ["Broken pipe", "No space left on device"])
def test_words_that_cannot_be_written_end_in_a_sentence(words: str, unbuffered: str, cause: str) -> None:
    command = [sys.executable, "-m", "probbody.inference.cli", words]
    own = environment() | {"PYTHONUNBUFFERED": unbuffered}
    with open(closed_pipe() if cause == "Broken pipe" else "/dev/full", "w") as out:
        run = subprocess.run(command, env=own, stdout=out, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (2, f"probbody: standard output: cannot be written ({cause}).\n")


def test_without_words_the_help_is_shown(ask: Ask) -> None:
    code, out, err = ask()
    assert code in (0, 2)
    assert "fit" in out + err
    for words in (("--help",), ("fit", "--help"), ("train", "--help"), ("train", "pose-prior", "--help")):
        assert ask(*words)[0] == 0


def smpl_file(path: Path, **changed: object) -> Path:
    """A small random body under the names of SMPL's files."""
    rng = np.random.default_rng(0)
    weights = rng.random((40, 24))
    keys: dict[str, object] = {
        "v_template": rng.normal(size=(40, 3)),
        "shapedirs": 0.01 * rng.normal(size=(40, 3, 10)),
        "posedirs": 0.001 * rng.normal(size=(40, 3, 207)),
        "weights": weights / weights.sum(1, keepdims=True),
        "J_regressor": np.full((24, 40), 1 / 40),
        "f": rng.integers(0, 40, (30, 3)),
        "kintree_table": np.array(
            [[-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21], range(24)]
        ),
    } | changed
    np.savez(path, **{name: value for name, value in keys.items() if value is not None})  # type: ignore[arg-type]
    return path


def test_a_licensed_file_is_imported(ask: Ask, tmp_path: Path) -> None:
    code, out, err = ask("import-smpl", smpl_file(tmp_path / "SMPL_NEUTRAL.npz"), "--cache", tmp_path / "cache")
    assert code == 0, err
    assert "24 joints" in out
    assert "licence:" in out
    (clean,) = (tmp_path / "cache").iterdir()
    assert str(clean) in out
