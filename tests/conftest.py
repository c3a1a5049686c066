"""Every test runs with annotated shapes checked (``shape_checks``), one thread and a fixed seed; users pay for none of it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shape_checks import check_anew, check_shapes_in

check_shapes_in("probbody")

import torch  # noqa: E402

from probbody.inference.cli.main import main  # noqa: E402

ROOT = Path(__file__).parents[1]
Ask = Callable[..., tuple[int, str, str]]
"""Words of a command line, to its exit code and what it says on both streams."""


def environment() -> dict[str, str]:
    """That of programs that tests start."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def _quiet_and_repeatable() -> None:
    torch.set_num_threads(1)  # two threads on a busy two-core machine wait for each other
    torch.manual_seed(0)
    check_anew()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs ``probbody`` with these words, in this process."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["probbody", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, told.out, told.err

    return run
