"""Every example runs, says how good it is, and none is forgotten."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = {"fit_keypoints.py": 90.0, "own_skeleton.py": 15.0}
"""The largest error (mm) that a quick run may end with."""


def test_no_example_is_forgotten() -> None:
    assert {path.name for path in (ROOT / "examples").iterdir() if path.suffix == ".py"} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_quickly(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / name), "--quick"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    found = re.search(r"joints: ([\d.]+) mm from the truth", run.stdout)
    assert found is not None, run.stdout
    assert float(found[1]) < EXAMPLES[name]
    assert not list(tmp_path.iterdir())
