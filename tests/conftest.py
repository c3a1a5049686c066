"""Every test runs with the annotated shapes checked, one thread and a fixed seed; users pay for none of it."""

import pytest
from jaxtyping import install_import_hook

_hook = install_import_hook(["probbody"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
_hook.__enter__()

import torch  # noqa: E402


@pytest.fixture(autouse=True)
def _quiet_and_repeatable() -> None:
    torch.set_num_threads(1)  # two threads on a busy two-core machine wait for each other
    torch.manual_seed(0)
