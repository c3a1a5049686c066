"""A learning that was interrupted goes on from its checkpoint, to the same numbers as if it had never stopped."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from probbody.contracts import ArticulatedBody
from probbody.data.files import written_whole
from probbody.errors import BadInput
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.rest_joints import RestJoints
from probbody.extractors.shipped import load_features
from probbody.extractors.small_unet import SmallUNet
from probbody.extractors.trunks import trunk_of, words_of

from .contrast import FeatureBank
from .feature_run import FeatureRun
from .feature_settings import training_of

_PARTS = ("reader", "average", "bank", "optimiser")
_COUNTS = ("step", "log", "recent")


def save_run(run: FeatureRun, path: Path) -> None:
    """Everything, whole or not at all."""
    state = {name: getattr(run, name).state_dict() for name in _PARTS} | {name: getattr(run, name) for name in _COUNTS}
    reader = run.reader
    about = {
        "trunk": words_of(reader.trunk),
        "size": reader.size,
        "channels": reader.channels,
        "summary": reader.body.shape.in_features,
        "visits": run.visits,
        "begun": run.begun,
        "processes": run.company.count,
    }
    with written_whole(path) as partial, open(partial, "wb") as file:  # a name that begins with a dot is not for torch
        torch.save(state | about | {"training": asdict(run.training)}, file)


def resume_run(run: FeatureRun, path: Path) -> None:
    """Back to where a checkpoint was; one of another training, of more or fewer processes, or none, is a ``BadInput``."""
    state = _read(path)
    if training_of(state["training"]) != run.training:
        raise BadInput(f"{path}: expected a checkpoint of the same training, found one with other settings.")
    if (found := state.get("processes", run.company.count)) != run.company.count:
        raise BadInput(f"{path}: expected a checkpoint of {run.company.count} process(es), found one of {found}.")
    _fill(run, state, path)


def begin_with(run: FeatureRun, path: Path) -> None:
    """Weights and bank of another learning, of the same trunk, for a first step that is not from nothing.

    ``path``: a checkpoint, whose weights are taken from the moving mean, or learnt features (``.safetensors``), such as
    those that ship, whose field becomes the bank and which remember no clutter. Layers of the head for the body that have
    another form begin anew, as the optimiser does. A bank of another number of directions gives every direction of a vertex the
    mean of its own, and clutter is taken over where as much of it is kept. What is neither, or of another trunk, is a
    ``BadInput``.
    """
    known, bank = _of_features(path) if path.suffix == ".safetensors" else _of_checkpoint(path)
    try:
        own = run.reader.state_dict()
        anew = {
            n: v for n, v in own.items() if n.startswith("body.") and getattr(known.get(n), "shape", None) != v.shape
        }
        weights = {n: v for n, v in known.items() if n in own or not n.startswith("body.")} | anew
        run.reader.load_state_dict(weights)
        run.average.load_state_dict(weights)
        run.bank.load_state_dict(_suited(bank, run.bank))
        run.begun = path.name
    except (KeyError, RuntimeError) as error:
        raise BadInput(f"{path}: expected what a reader of this trunk learnt, found that of another.") from error


def run_of(path: Path, body: ArticulatedBody) -> FeatureRun:
    """The learning that left a checkpoint, as far as it was."""
    state = _read(path)
    try:
        trunk = trunk_of(state["trunk"]) if "trunk" in state else SmallUNet()
        reader = PersonReader(
            trunk,
            RestJoints.of(body),
            state.get("channels", 64),
            tuple(state.get("size", (192, 192))),
            state.get("summary", 512),
        )
        run = FeatureRun(reader, body, training_of(state["training"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: expected a checkpoint of a reader, found one of something else.") from error
    _fill(run, state, path)
    return run


def _of_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of the reader, and the bank."""
    state = _read(path)
    return state["average"], state["bank"]


def _of_features(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The same of learnt features, whose rows are zero where a vertex was never seen."""
    learnt = load_features(path)
    return learnt.reader.state_dict(), {"rows": learnt.features.features}


def _suited(bank: dict[str, Tensor], own: FeatureBank) -> dict[str, Tensor]:
    rows, directions = bank["rows"], own.rows.shape[1]
    if rows.shape[1] != directions:
        rows = normalize(rows.mean(1, keepdim=True), dim=-1).expand(-1, directions, -1)
    rows = rows.to(own.rows)
    bank = bank | {"rows": torch.where((rows != 0).any(-1, keepdim=True), rows, own.rows)}
    if "clutter" not in bank or bank["clutter"].shape != own.clutter.shape:
        bank = bank | {"clutter": own.clutter, "seen": own.seen}
    return bank


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BadInput(f"{path}: expected a checkpoint, found nothing there.")
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise BadInput(f"{path}: expected a checkpoint, found a file that cannot be read.") from error
    if not isinstance(state, dict) or not {"training", "reader", "average"} <= set(state):
        raise BadInput(f"{path}: expected a checkpoint, found a file that holds something else.")
    return state


def _fill(run: FeatureRun, state: dict[str, Any], path: Path) -> None:
    try:
        for name in _PARTS:
            getattr(run, name).load_state_dict(state[name])
        for name in _COUNTS:
            setattr(run, name, state[name])
        run.visits = int(state.get("visits", run.step * run.training.batch))
        run.begun = str(state.get("begun", ""))
    except (KeyError, RuntimeError, ValueError) as error:
        raise BadInput(f"{path}: expected a checkpoint of this reader, found one of another.") from error
