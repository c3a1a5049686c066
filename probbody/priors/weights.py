"""Learnt numbers on disk: tensors with a few words about what they are."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import BadInput

_WORDS = "probbody"


def read_weights(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and words of a safetensors file that says it holds ``kind``.

    Raises ``BadInput`` where the file is missing, damaged, or holds something else.
    """
    if not Path(path).is_file():
        raise BadInput(f"{path}: expected a file with {kind}, found nothing there.")
    try:
        with safe_open(str(path), framework="pt") as held:
            words = json.loads((held.metadata() or {}).get(_WORDS, "{}"))
            # copies: what is read would otherwise change, or crash, with the file
            tensors = {name: held.get_tensor(name).clone() for name in held.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{path}: expected a safetensors file with {kind}, found one that cannot be read.") from error
    if not isinstance(words, dict) or words.get("kind") != kind:
        raise BadInput(f"{path}: expected {kind}, found a file that holds something else.")
    return tensors, words


def write_weights(path: str | Path, tensors: dict[str, Tensor], words: dict[str, str], kind: str) -> None:
    """Tensors and words to a safetensors file, the same bytes for the same contents."""
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # one entry alone: safetensors writes several in an order that changes from run to run
    said = {_WORDS: json.dumps({**words, "kind": kind}, sort_keys=True)}
    Path(path).write_bytes(save(held, said))


def expect_shapes(path: str | Path, tensors: dict[str, Tensor], shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises ``BadInput`` unless exactly these tensors with exactly these shapes are there, and finite."""
    for name, shape in shapes.items():
        if name not in tensors:
            raise BadInput(f"{path}: expected a tensor {name!r}, found none.")
        found = tuple(tensors[name].shape)
        if found != shape:
            raise BadInput(f"{path}: expected {name!r} of shape {shape}, found {found}.")
        if tensors[name].is_floating_point() and not tensors[name].isfinite().all():
            raise BadInput(f"{path}: expected finite numbers in {name!r}, found NaN or infinity.")
    if extra := sorted(set(tensors) - set(shapes)):
        raise BadInput(f"{path}: expected {len(shapes)} tensors, found also {extra[0]!r}.")
