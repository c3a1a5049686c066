"""Learnt features on disk, and those that come with the package."""

import json
import math
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..errors import BadInput
from ..features.backgrounds import MixtureBackground
from ..features.directions import CircleDirections, Directions, OneDirection
from ..features.fields import DirectedFeatures
from ..features.limbs import Limbs
from ..priors.weights import expect_shapes, read_weights, write_weights
from .guess_errors import GuessErrors
from .learnt import LearntFeatures
from .looks import Look, Looks
from .person_reader import PersonReader
from .rest_joints import RestJoints
from .trunks import trunk_of, words_of

KIND = "learnt features"


def shipped_features() -> LearntFeatures:
    """The features that come with the package, of the open body's coarse form."""
    return _shipped("person_reader")


def second_features() -> LearntFeatures:
    """Those of a smaller network, that has learnt apart and less: see ``two_readers.beside``."""
    return _shipped("second_reader")


def _shipped(name: str) -> LearntFeatures:
    with as_file(files("probbody.assets") / f"{name}.safetensors") as path:
        return load_features(path)


def save_features(path: str | Path, learnt: LearntFeatures, words: dict[str, str] | None = None) -> None:
    """To one safetensors file: weights in half precision, all else as it is.

    The reader must be a ``PersonReader``, the background a mixture, the directions one or those of a circle; others are a
    ``TypeError``, as the file has no words for them.
    """
    reader, field, background = learnt.reader, learnt.features, learnt.background
    if not isinstance(reader, PersonReader) or not isinstance(background, MixtureBackground):
        raise TypeError(
            f"learnt: expected a PersonReader and a MixtureBackground, found {type(reader)}, {type(background)}."
        )
    if not isinstance(field.directions, OneDirection | CircleDirections):
        raise TypeError(f"directions: expected one or those of a circle, found {type(field.directions)}.")
    held = {f"reader.{name}": value for name, value in reader.state_dict().items()}
    held |= {f"field.{name}": value for name, value in field.state_dict().items()}
    held |= {f"background.{name}": value for name, value in background.state_dict().items()}
    light = {name: value.half() if _is_weight(name, value) else value for name, value in held.items()}
    told = {
        "trunk": words_of(reader.trunk),
        "parents": json.dumps(reader.rest.parents),
        "size": json.dumps(reader.size),
        "limbs": json.dumps(field.limbs.names),
        "concentration": repr(learnt.concentration),
        "temper": repr(learnt.temper),
        "spot_weight": repr(learnt.spot_weight),
        "guess_weight": repr(learnt.guess_weight),
        "licence": learnt.licence,
    }
    if learnt.guesses:
        (errors,) = learnt.guesses  # one network guesses
        light["guess.scale"] = errors.scale
        told["guess_usual"] = repr(errors.usual)
    if learnt.looks is not None:
        told["looks"] = json.dumps([asdict(look) for look in learnt.looks.further])
    write_weights(path, light, {**(words or {}), **told}, KIND)


def load_features(path: str | Path) -> LearntFeatures:
    """From such a file; one that is damaged, cut short or of another kind is a ``BadInput``."""
    tensors, words = read_weights(path, KIND)
    try:
        reader, field, background = _empty(tensors, words)
        numbers = _numbers(words)
        guesses: tuple[GuessErrors, ...] = ()
        looks = None
        if "guess.scale" in tensors:
            guesses = (_errors(tensors["guess.scale"], float(words.get("guess_usual", "1"))),)
        if "looks" in words:
            looks = Looks(reader.rest, tuple(Look(**look) for look in json.loads(words["looks"])))
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        raise BadInput(f"{path}: expected {KIND} with words for all parts, found some that do not fit.") from error
    parts = {"reader": reader, "field": field, "background": background}
    own = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    shapes = {name: tuple(value.shape) for name, value in own.items()}
    if guesses:
        shapes["guess.scale"] = (3 * len(reader.rest.parents),) * 2
    expect_shapes(path, tensors, shapes)
    for part, module in parts.items():
        state = {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}
        module.load_state_dict({name: value.to(own[f"{part}.{name}"].dtype) for name, value in state.items()})
        module.eval().requires_grad_(False)
    return LearntFeatures(
        reader,
        field,
        numbers["concentration"],
        background,
        numbers["temper"],
        words.get("licence", ""),
        spot_weight=numbers["spot_weight"],
        guess_weight=numbers["guess_weight"],
        guesses=guesses,
        looks=looks,
    )


def _numbers(words: dict[str, str]) -> dict[str, float]:
    """What the words say in numbers; ValueError for what cannot be."""
    usual = {"spot_weight": "0", "guess_weight": "1"} | words
    numbers = {name: float(usual[name]) for name in ("concentration", "temper", "spot_weight", "guess_weight")}
    for name, number in numbers.items():
        if not (math.isfinite(number) and (number > 0 if name in ("concentration", "temper") else number >= 0)):
            raise ValueError(f"{name} of {number}")
    return numbers


def _errors(scale: Tensor, usual: float) -> GuessErrors:
    """Errors of guesses; ValueError for those that no guess has."""
    if not (scale.isfinite().all() and bool((scale.diagonal() > 0).all()) and math.isfinite(usual) and usual > 0):
        raise ValueError("errors of guesses without extent")
    return GuessErrors(scale, usual)


def _empty(
    tensors: dict[str, Tensor], words: dict[str, str]
) -> tuple[PersonReader, DirectedFeatures, MixtureBackground]:
    """The parts with sizes as in the file; the reader's weights are still to come."""
    trunk = trunk_of(words["trunk"])
    rest = RestJoints(
        tensors["reader.rest.mean"], tensors["reader.rest.directions"], tuple(json.loads(words["parents"]))
    )
    height, width = json.loads(words["size"])
    channels, summary = len(tensors["reader.head.weight"]), tensors["reader.body.shape.weight"].shape[1]
    with torch.random.fork_rng(devices=[]):
        reader = PersonReader(trunk, rest, channels, (int(height), int(width)), summary)
    rows = tensors["field.features"].float()
    tensors["field.features"] = normalize(rows, dim=-1) * (rows != 0).any(-1, keepdim=True)  # after half precision
    count = rows.shape[1]
    directions: Directions = OneDirection() if count == 1 else CircleDirections(count)
    limbs = Limbs(
        tuple(json.loads(words["limbs"])), *(tensors[f"field.limbs.{name}"] for name in ("start", "end", "vertex"))
    )
    background = MixtureBackground(
        *(tensors[f"background.{name}"].float() for name in ("weights", "directions", "concentrations"))
    )
    return reader, DirectedFeatures(tensors["field.features"], limbs, directions), background


def _is_weight(name: str, value: Tensor) -> bool:
    return value.is_floating_point() and value.ndim > 1 and not name.startswith("reader.rest")
