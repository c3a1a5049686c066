"""Every example runs, says how good it is, and none is forgotten."""

import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, environment

SECONDS = 120
"""Of processors: by the clock examples take longer where other programs run."""


@dataclass(frozen=True)
class Promise:
    """What a quick run prints, a number in it, the largest that this may be, and whether it draws a picture.

    Where what it prints has two numbers, the second is that of who did nothing, and the largest is a share of it.
    """

    says: str
    at_most: float
    draws: bool = False


EXAMPLES = {
    "fit_keypoints.py": Promise(r"joints: ([\d.]+) mm from the truth", 90),
    "own_skeleton.py": Promise(r"joints: ([\d.]+) mm from the truth", 15),
    "behind_an_occluder.py": Promise(r"something else: joints in sight ([\d.]+) mm from the truth", 60, draws=True),
    "swap_the_renderer.py": Promise(r"mesh: joints ([\d.]+) mm from the truth", 130),
    "occlusion_map.py": Promise(r"behind a wall: (-?[\d.]+) nats of evidence", 0, draws=True),
    "own_skeleton_features.py": Promise(r"joints: ([\d.]+) mm from the truth", 15, draws=True),
    "fit_your_photo.py": Promise(
        r"joints in sight: ([\d.]+) mm from the truth .* as the network took it, ([\d.]+) mm", 1.2, draws=True
    ),
    "train_a_tiny_reader.py": Promise(
        r"joints are ([\d.]+) mm away, those of the mean pose ([\d.]+) mm", 0.95, draws=True
    ),
    "another_extractor.py": Promise(
        r"joints: ([\d.]+) mm from the truth .* standing upright, ([\d.]+) mm", 1.0, draws=True
    ),
    "known_arm.py": Promise(r"knowing the arm: hidden arm ([\d.]+) mm from the truth", 40),
}


def test_no_example_is_forgotten() -> None:
    assert {path.name for path in (ROOT / "examples").iterdir() if path.suffix == ".py"} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_quickly(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / name), "--quick"]
    before = _processors()
    run = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=5 * SECONDS)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert _processors() - before < SECONDS
    promise = EXAMPLES[name]
    found = re.search(promise.says, run.stdout)
    assert found is not None, run.stdout
    first, *second = map(float, found.groups())
    assert first <= promise.at_most * (second[0] if second else 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ([f"{Path(name).stem}.png"] if promise.draws else [])
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            assert picture.width > picture.height > 100


def _processors() -> float:
    """Seconds that programs started here have had of processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
