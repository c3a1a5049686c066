"""Result cards: what was measured, under which protocol, by what, with the numbers of each picture to compare by."""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.adversary.record import hashed
from probbody.data.files import written_whole
from probbody.data.json_files import read_json
from probbody.errors import BadInput
from probbody.metrics import Interval, interval
from probbody.metrics import paired as paired_interval
from probbody.metrics.means import Mean

from .measured import MEASURES, Measured

ALIKE = 2e-3
"""Mean brightness by which the same picture may differ from machine to machine."""


@dataclass(frozen=True)
class Result:
    """One method under one condition."""

    method: str
    condition: str
    card: dict[str, Any]
    """The settings of both."""
    numbers: tuple[int, ...]
    witness: tuple[float, ...]
    means: dict[str, Mean]
    """By the name of the measure; those that the method has no answer to are left out."""
    joints: tuple[float, ...]
    """The mean error of each joint, millimetres, the pelvis of both at the origin; seen or not."""
    seconds: float
    """A picture."""

    @classmethod
    def of(
        cls,
        method: str,
        condition: str,
        card: Mapping[str, object],
        held: Measured,
        groups: Sequence[str] | None = None,
    ) -> "Result":
        """Everything that can be measured; pictures of one group, such as a video, are drawn again together."""
        means = {measure.name: measure.of(held) for measure in MEASURES}
        if groups is not None:
            means = {name: mean.grouped(groups) for name, mean in means.items()}
        return cls(
            method=method,
            condition=condition,
            card=json.loads(json.dumps(dict(card))),
            numbers=tuple(held.numbers.tolist()),
            witness=tuple(held.witness.tolist()),
            means={name: mean for name, mean in means.items() if not math.isnan(mean.value())},
            joints=tuple(held.rooted().of_joints().tolist()),
            seconds=float(held.seconds.mean()),
        )

    def interval(self, measure: str) -> Interval | None:
        """With bounds that hold it with 95 in 100; None where it was not measured, or one picture (or group) alone counts."""
        mean = self.means.get(measure)
        return None if mean is None or mean.images() < 2 else interval(mean, draws=2_000)


@dataclass(frozen=True)
class Results:
    """All that one run found."""

    protocol: dict[str, Any]
    versions: dict[str, str]
    results: tuple[Result, ...]

    @classmethod
    def of(cls, protocol: Mapping[str, object], results: Sequence[Result]) -> "Results":
        """With the versions that are installed here."""
        return cls(json.loads(json.dumps(dict(protocol))), versions(), tuple(results))

    def find(self, method: str, condition: str) -> Result | None:
        """One of them."""
        return next((one for one in self.results if (one.method, one.condition) == (method, condition)), None)

    def save(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        content = {
            "protocol": self.protocol,
            "versions": self.versions,
            "results": [_told(one) for one in self.results],
        }
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")


def read_results(path: Path | str) -> Results:
    """What ``Results.save`` wrote; anything else, and a protocol that its hash does not fit, is refused."""
    content = read_json(path)
    try:
        protocol = dict(content["protocol"])
        found = tuple(_result(entry) for entry in content["results"])
        said = protocol["hash"]
        read = Results(protocol, dict(content["versions"]), found)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: expected results of probbody eval (JSON), found something else ({error}).") from error
    if said != (counted := hashed({key: value for key, value in protocol.items() if key != "hash"})):
        raise BadInput(f"{path}: expected the protocol's hash {counted}, found {said}.")
    return read


def compared(first: Result, second: Result, measure: str) -> Interval:
    """The paired difference ``first - second`` with its bounds, the same pictures drawn again for both.

    Refused where the pictures are not the same, or were drawn otherwise, or one of both has no such measure.
    """
    which = f"{first.method} and {second.method}"
    if (first.condition, first.card["condition"]) != (second.condition, second.card["condition"]):
        raise BadInput(
            f"{which}: expected results under one condition, found {first.condition} and {second.condition}"
            " (patches made for different methods are different ones)."
        )
    if first.numbers != second.numbers:
        raise BadInput(f"{which}: expected results on the same pictures, found others.")
    off = max((abs(mine - theirs) for mine, theirs in zip(first.witness, second.witness, strict=True)), default=0.0)
    if not off < ALIKE:
        raise BadInput(f"{which}: expected the same pictures, found some that were drawn otherwise (by {off:.2g}).")
    if missing := [one.method for one in (first, second) if measure not in one.means]:
        raise BadInput(f"{missing[0]}: expected {measure}, found that it says nothing of it.")
    return paired_interval(first.means[measure], second.means[measure], draws=2_000)


def check_protocol(mine: Mapping[str, Any], theirs: Mapping[str, Any], whose: str) -> None:
    """Refuses results of another protocol, naming what differs first."""
    if mine["hash"] != theirs["hash"]:
        name = next(key for key in {**mine, **theirs} if key != "hash" and mine.get(key) != theirs.get(key))
        raise BadInput(
            f"{whose}: expected results under the protocol {mine['hash']}, found {theirs['hash']}:"
            f" {name} is {theirs.get(name)!r} there, {mine.get(name)!r} here."
        )


def versions() -> dict[str, str]:
    """Of what numbers may depend on."""
    names = ("probbody", "torch", "pyro-ppl", "numpy")
    held = {name: _version(name) for name in names}
    return held | {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _told(one: Result) -> dict[str, object]:
    measures = {}
    for name, mean in one.means.items():
        bounds = one.interval(name)
        measures[name] = {
            "value": mean.value(),
            "low": None if bounds is None else bounds.low,
            "high": None if bounds is None else bounds.high,
            "how": mean.how,
            "sums": mean.sums.tolist(),
            "counts": mean.counts.tolist(),
        }
    plain = {"method": one.method, "condition": one.condition, "card": one.card, "seconds": one.seconds}
    joints = [None if math.isnan(value) else value for value in one.joints]
    each = {"numbers": list(one.numbers), "witness": list(one.witness), "joints": joints}
    return {**plain, "measures": measures, **each}


def _result(entry: Mapping[str, Any]) -> Result:
    means = {
        str(name): Mean(_numbers(held["sums"]), _numbers(held["counts"]), str(held["how"]))
        for name, held in entry["measures"].items()
    }
    return Result(
        str(entry["method"]),
        str(entry["condition"]),
        dict(entry["card"]),
        tuple(entry["numbers"]),
        tuple(entry["witness"]),
        means,
        tuple(math.nan if value is None else float(value) for value in entry["joints"]),
        float(entry["seconds"]),
    )


def _numbers(held: list[list[float]]) -> Float[Tensor, "B G"]:
    return torch.tensor(held, dtype=torch.float64)
