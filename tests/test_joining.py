"""Results on parts of a benchmark, measured apart: joined they are those of one run, and what does not fit is refused."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from probbody.errors import BadInput
from probbody.inference.evaluate.joining import joined_results
from probbody.inference.evaluate.measured import Measured
from probbody.inference.evaluate.results import Result, Results, read_results
from probbody.inference.evaluate.tables import write_csv
from probbody.synthocc import EXTENTS, JOINTS, SMALL, STANDARD, Source, SynthOcc, drawn
from tests.conftest import Ask
from tests.evaluation_scenes import SIZE

CARDS = ("a", "b", "c")
METHODS, CONDITIONS = ("regressor", "looks"), ("clean", "natural")


def _measured(seed: int) -> Measured:
    """Six answers, of which the second says nothing of vertices, and none of occlusion."""
    dice = torch.Generator().manual_seed(seed)
    truth = 0.3 * torch.randn(6, JOINTS, 3, generator=torch.Generator().manual_seed(0))
    found = truth + 0.05 * torch.randn(6, JOINTS, 3, generator=dice)
    shown = torch.rand(6, JOINTS, generator=torch.Generator().manual_seed(1)) < 0.7
    blank, nothing = torch.zeros(6), torch.full((6,), torch.nan)
    return Measured(
        numbers=torch.arange(6) * 3,
        witness=torch.rand(6, generator=torch.Generator().manual_seed(2)),
        found=found,
        truth=truth,
        known=torch.ones_like(shown),
        shown=shown,
        off=torch.rand(6, JOINTS, generator=dice),
        near=nothing[:, None],
        pve=torch.tensor([80.0, torch.nan, torch.nan, torch.nan, 70.0, 90.0]),
        auc=nothing,
        brier=nothing,
        covered=blank,
        rotations=torch.eye(3).expand(6, 24, 3, 3),
        shape=torch.zeros(6, 10),
        translation=torch.zeros(6, 3),
        seconds=torch.tensor([1.0, 1.0, 2.0, 2.0, 6.0, 6.0], dtype=torch.float64),
    )


@pytest.fixture(scope="module")
def source() -> Source:
    return drawn(SIZE)


def _results(source: Source, first: int, last: int) -> Results:
    """Of two methods under two conditions, on a part of the benchmark."""
    found = []
    for (method, condition), seed in zip(itertools.product(METHODS, CONDITIONS), range(3, 7), strict=True):
        card = {"settings": {"looks": len(method)}, "condition": {}}
        found.append(Result.of(method, condition, card, _measured(seed)[first:last]))
    return Results.of(SynthOcc(SMALL.part(first, last), source).card(), found)


@pytest.fixture
def parts(source: Source) -> list[Results]:
    return [_results(source, first, first + 2) for first in (0, 2, 4)]


def test_parts_are_together_what_one_run_finds(source: Source, parts: list[Results], ask: Ask, tmp_path: Path) -> None:
    for name, part in zip(CARDS, parts, strict=True):
        part.save(tmp_path / f"{name}.json")
    code, out, _ = ask("join", *(tmp_path / f"{name}.json" for name in "bca"), "--out", tmp_path)
    assert code == 0
    joined, whole = read_results(tmp_path / "results.json"), _results(source, 0, 6)
    assert out.startswith(f"protocol {whole.protocol['hash']}\nSynthOcc-small, first 6\n")
    assert joined.protocol == whole.protocol
    assert joined.versions == whole.versions
    assert len(joined.results) == 4
    for mine, theirs in zip(joined.results, whole.results, strict=True):
        assert (mine.method, mine.condition, mine.card) == (theirs.method, theirs.condition, theirs.card)
        assert (mine.numbers, mine.witness, mine.seconds) == (theirs.numbers, theirs.witness, theirs.seconds)
        assert mine.means.keys() == theirs.means.keys() >= {"MPJPE", "PCKh", "PVE"}
        for name, mean in mine.means.items():
            assert mean.value() == theirs.means[name].value()
            assert mine.interval(name) == theirs.interval(name)
        assert mine.joints == pytest.approx(theirs.joints, rel=1e-6)
    write_csv(tmp_path / "whole.csv", whole)
    lines = [
        [line.split(",")[:-1] for line in (tmp_path / f"{n}.csv").read_text().split()] for n in ("results", "whole")
    ]
    assert lines[0] == lines[1]


def test_a_part_of_the_benchmark_has_its_pictures(source: Source) -> None:
    whole, part = (SynthOcc(extent, source) for extent in (SMALL.part(0, 4), SMALL.part(2, 4)))
    for kind in CONDITIONS:
        assert part.numbers(kind).tolist() == whole.numbers(kind).tolist()[2:]


def test_a_part_from_the_middle_stays_one(source: Source, parts: list[Results]) -> None:
    late = joined_results(parts[:0:-1], ["c", "b"])
    assert (late.protocol["set"], late.protocol["first"], late.protocol["pictures"]) == ("small, 2 to 6", 2, 4)
    assert joined_results([late, parts[0]], ["late", "a"]).protocol == _results(source, 0, 6).protocol


def test_a_measure_that_a_part_says_nothing_of_counts_there_for_nothing(parts: list[Results]) -> None:
    del parts[1].results[0].means["PCKh"]
    one = joined_results(parts[:2], ["a", "b"]).results[0]
    assert one.means["PCKh"].value() == parts[0].results[0].means["PCKh"].value()
    assert len(one.means["PCKh"].sums) == 4
    assert one.means["MPJPE"].images() == 4


def _protocol(name: str, value: object) -> Callable[[Results], Results]:
    return lambda held: replace(held, protocol=held.protocol | {name: value})


def _without_a_row(held: Results) -> Results:
    return replace(held, results=held.results[:-1])


def _with_other_settings(held: Results) -> Results:
    return replace(held, results=(replace(held.results[0], card={}), *held.results[1:]))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (_protocol("benchmark", "3DPW"), "b: expected results on a part of SynthOcc, found those of another set."),
        (_protocol("set", "tiny, first 2"), "b: expected results on a part of SynthOcc, found those of another set."),
        (_protocol("first", 3), r"b: expected pictures from 2 on, as a has 0:2, found 3:5\."),
        (_protocol("first", 1), r"b: expected pictures from 2 on, as a has 0:2, found 1:3\."),
        (_protocol("seed", 3), r"b: expected the seed 2 of a, found 3\."),
        (_protocol("stride", None), r"b: expected the stride 20 of a, found None\."),
        (_protocol("set", "large, 2 to 4"), r"b: expected the set 'small' of a, found 'large'\."),
        (_protocol("pictures", "two"), r"b: expected a protocol that counts its pictures, found 'two' from 2 on\."),
        (_protocol("pictures", 0), r"b: expected a protocol that counts its pictures, found 0 from 2 on\."),
        (_without_a_row, "b: expected the rows of a, found looks, natural in one of both alone."),
        (_with_other_settings, "b: expected regressor, clean as in a, found other settings of it."),
    ],
)
def test_what_does_not_fit_is_refused(parts: list[Results], changed: Callable[[Results], Results], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        joined_results([parts[0], changed(parts[1])], ["a", "b"])


def test_cards_of_nothing_are_refused(parts: list[Results]) -> None:
    with pytest.raises(BadInput, match="a: expected results of one method or more, found none"):
        joined_results([replace(each, results=()) for each in parts], ["a", "b", "c"])


def test_one_card_is_no_join(parts: list[Results], ask: Ask, tmp_path: Path) -> None:
    parts[0].save(tmp_path / "a.json")
    code, _, err = ask("join", tmp_path / "a.json", "--out", tmp_path / "out")
    assert (code, err) == (2, "probbody: results: expected those of two parts or more, found 1.\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("told", ["none", "1", "3:4", "4:3", "-2:3", ":", "1:2:9"])
def test_parts_are_told_in_one_way(told: str, ask: Ask, tmp_path: Path) -> None:
    code, _, err = ask("eval", "--method", "regressor", "--pictures", told, "--out", tmp_path / "out")
    assert code == 2
    assert err == f"probbody: --pictures: expected N or FIRST:LAST, two pictures or more, found {told!r}.\n"


def test_a_part_lies_within_its_set(ask: Ask, tmp_path: Path) -> None:
    code, _, err = ask("eval", "--method", "regressor", "--pictures", "60:70", "--out", tmp_path / "out")
    assert (code, err) == (2, "probbody: SynthOcc-small: expected some of its 64 pictures, found 60:70.\n")


def test_all_of_a_set_is_no_part() -> None:
    assert STANDARD.part(0, 1_000) is STANDARD
    assert EXTENTS["standard"].part(0, 400).name == "standard, first 400"
