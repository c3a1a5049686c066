"""``probbody eval``: methods on SynthOcc, the tables of the papers, a report."""

import contextlib
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from probbody.data.files import written_whole
from probbody.errors import BadInput
from probbody.pictures import as_picture
from probbody.synthocc import Condition

from ..evaluate.measured import Measure, Measured
from ..evaluate.method import Elsewhere, Method
from ..evaluate.on_set import OnSet
from ..evaluate.report import best_and_worst, write_page
from ..evaluate.results import Result, Results, check_protocol, compared, read_results
from ..evaluate.run import Run, in_processes
from ..evaluate.tables import Table, write_csv
from ..evaluate.trial import Trial
from .compared import EXTENTS, Parts, Pictures, conditions_named
from .methods import method_named
from .paper_rows import CONDITIONS, TABLES, TITLES, lacking


@dataclass(frozen=True)
class Asked:
    """What is to be compared, and where it goes."""

    out: Path
    methods: tuple[str, ...] = ()
    table: int | None = None
    """Of the papers, whole, or of its rows those of ``methods``."""
    conditions: tuple[str, ...] = ()
    attack: str = "regressor"
    at_once: int = 16
    jobs: int = 1
    """Processes that share the pictures."""
    against: Path | None = None
    pictures_to: Path | None = None
    """Where the pictures go, for programs that are run elsewhere; then nothing is measured."""
    textures: Path | None = None
    """A folder of photographs that patches are cut from."""
    patches: tuple[Path, ...] = ()
    """Files of patches found before, which are not searched for again."""

    def __post_init__(self) -> None:
        if not self.methods and self.table is None:
            raise BadInput("eval: expected --method or --table, found neither.")
        if self.table is not None and self.table not in TABLES:
            raise BadInput(f"--table: expected one of {', '.join(map(str, TABLES))}, found {self.table}.")
        if self.table is not None and (others := [one for one in self.methods if one not in TABLES[self.table]]):
            raise BadInput(f"--method: expected rows of table {self.table}, found {others[0]!r}.")

    @property
    def stem(self) -> str:
        """Of the files that are written: the tables share a folder, and the answers in it."""
        return "results" if self.table is None else f"table_{self.table}"


@dataclass(frozen=True)
class Comparison:
    """Methods, what stands before the people, and the pictures."""

    trial: Trial
    methods: tuple[Method, ...]
    conditions: tuple[Condition, ...]
    device: torch.device

    def run(self, asked: Asked) -> Run:
        """Of all methods on all pictures."""
        return Run(self.trial, asked.out, asked.at_once, self.device)

    def answers(self, asked: Asked) -> dict[tuple[str, str], Measured]:
        """Those of all methods, under a bar."""
        run = self.run(asked)
        with tqdm(total=0, unit="picture", leave=False) as bar:
            self.trial.choose(lambda done, total: _told(bar, "choosing pictures", done, total))
            return run(self.methods, self.conditions, lambda what, done, total: _told(bar, what, done, total))

    def results(self, answers: dict[tuple[str, str], Measured]) -> Results:
        """With cards."""
        found = []
        for condition in self.conditions:
            for method in self.methods:
                card = {"settings": method.card(), "condition": self.trial.condition_card(condition)}
                own = answers[method.name, condition.name]
                found.append(Result.of(method.name, condition.name, card, own, self.trial.groups()))
        return Results.of(self.trial.card(), found)

    def table(self, asked: Asked, results: Results) -> Table:
        """Compared with the regressor, the third with all of 3DNBF."""
        names = tuple(method.name for method in self.methods)
        first = "3DNBF" if asked.table == 3 else names[0] if asked.table is None else "regressor"
        title = TITLES[asked.table] if asked.table is not None else "{}"
        against = first if first in names and len(names) > 1 else ""
        columns = tuple(condition.name for condition in self.conditions)
        return Table(title.format(self.trial.title), names, columns, results, tuple(self.trial.measures), against)

    def page(self, path: Path, table: Table, answers: dict[tuple[str, str], Measured]) -> None:
        """The report, with what 3DNBF did best and worst on under the last condition."""
        hardest, names = self.conditions[-1], [method.name for method in self.methods]
        own = {name: answers[name, hardest.name] for name in names}
        shown = best_and_worst(self.trial, hardest, own, "3DNBF" if "3DNBF" in names else names[-1])
        write_page(path, [table], answers, self.trial.joint_names, shown, self.trial.words())


def run_eval(asked: Asked, pictures: Pictures, parts: Parts) -> Results | None:
    """Measure, write results as JSON and CSV and a report, and print the table; None where only pictures are written."""
    torch.set_num_threads(1)
    match = comparison(asked, pictures, parts)
    earlier = None if asked.against is None else read_results(asked.against)
    if earlier is not None:
        check_protocol(match.trial.card(), earlier.protocol, str(asked.against))
    if asked.pictures_to is not None:
        write_pictures(match, asked.pictures_to)
        return None
    if asked.jobs > 1:
        _share_out(match, asked, pictures, parts)
    answers = match.answers(asked)
    results = match.results(answers)
    table = match.table(asked, results)
    results.save(asked.out / f"{asked.stem}.json")
    write_csv(asked.out / f"{asked.stem}.csv", results)
    match.page(asked.out / f"{asked.stem}.html", table, answers)
    print(f"protocol {results.protocol['hash']}")
    if words := match.trial.words():
        print(words)
    print(table.text())
    if asked.table == 3 and (words := lacking(table.methods)):
        print(words)
    if earlier is not None:
        _print_differences(results, earlier, match.trial.measures)
    return results


def _share_out(match: Comparison, asked: Asked, pictures: Pictures, parts: Parts) -> None:
    """Every process does its share; what one of them fails at is done again, and told, by the run that follows."""
    match.trial.choose()
    run = match.run(asked)
    run.begin(match.methods, match.conditions)
    in_processes(
        lambda: run.share(match.methods, match.conditions, 0, asked.jobs),
        functools.partial(_share, asked, pictures, parts),
        asked.jobs,
    )


def _share(asked: Asked, pictures: Pictures, parts: Parts, number: int) -> None:
    """One process's share; it says nothing, as the first one tells of everything."""
    torch.set_num_threads(1)
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
        match = comparison(asked, pictures, parts)
        match.run(asked).share(match.methods, match.conditions, number, asked.jobs)


def comparison(asked: Asked, pictures: Pictures, parts: Parts) -> Comparison:
    """Everything by its name."""
    shop = parts.workshop()
    names = asked.methods or TABLES[asked.table or 1]
    methods = [method_named(name, shop) for name in names] + parts.others(shop)
    size = shop.learnt.reader.size
    victim = Elsewhere(method_named(asked.attack, shop), shop.body.weights.device)
    trial = pictures.trial(asked.out, (size[0], size[1]), victim)
    if isinstance(trial, OnSet):
        check_keypoints(trial, methods)
    columns = asked.conditions or (CONDITIONS[asked.table or 1] if pictures.extent in EXTENTS else ("clean",))
    conditions = conditions_named(columns, asked.attack, asked.out, shop, asked.textures, asked.patches)
    return Comparison(trial, tuple(methods), tuple(conditions), shop.body.weights.device)


def check_keypoints(trial: OnSet, methods: Sequence[Method]) -> None:
    """Refuses methods that look at keypoints where a set has none."""
    looking = [method.name for method in methods if "keypoints" in str(method.card().get("evidence", ""))]
    if trial.people.keypoints is None and looking:
        raise BadInput(f"{trial.title}: expected keypoints for {looking[0]}, found none in the set.")


def write_pictures(match: Comparison, folder: Path) -> None:
    """The pictures as PNG, for programs that are run elsewhere: ``condition/number.png``."""
    count = len(match.trial)
    for condition in match.conditions:
        for start in range(0, count, 16):
            seen = match.trial.cases(condition, slice(start, min(start + 16, count))).seen()
            for name, image in zip(seen.names, seen.images, strict=True):
                with written_whole(folder / f"{name}.png") as path:
                    as_picture(image).save(path)
    print(f"{folder}: {len(match.conditions)} x {count} pictures")


def _print_differences(results: Results, earlier: Results, measures: Sequence[Measure]) -> None:
    """What changed since, paired, in the columns of the table that both have."""
    for one in results.results:
        before = earlier.find(one.method, one.condition)
        for measure in measures if before is not None else ():
            assert before is not None
            if measure.name not in one.means or measure.name not in before.means:
                continue
            apart, digits = compared(one, before, measure.name), measure.digits
            told = f"{apart.estimate:+.{digits}f} [{apart.low:+.{digits}f}, {apart.high:+.{digits}f}]"
            print(f"{one.method}, {one.condition}: {measure.name} {told}")


def _told(bar: tqdm, what: str, done: int, total: int) -> None:
    bar.set_description(what, refresh=False)
    bar.total, bar.n = total, done
    bar.refresh()
