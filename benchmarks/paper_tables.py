"""The tables of 3DNBF and NeuralSMPL on SynthOcc, and whether the order that the papers report appears.

``python benchmarks/paper_tables.py [--set small] [--features FILE] [--without-contrast FILE] [--one-direction FILE]
[--eight-directions FILE] [--as-short FILE] [--out FOLDER] [--jobs N] [--minutes N] [--pictures N] [--condition NAME ...]
[--row NAME ...] [--first-alone] [--quick]``. The files in the middle are of features learnt otherwise, the last of as usual
for as long; rows without theirs are named as lacking. What it prints is committed as text beside it, with the CSV that it
writes and its JSON, packed: what ``probbody eval --against`` compares other methods with on the same pictures. Reports are in
the folder, and a run that was stopped goes on from there. The tables share what was answered: what one has measured no other
measures again. With ``--minutes`` no row of the second and third table is begun later than that, rows of both in turn, and
those that are left out are named. ``--pictures`` (``N``, or ``FIRST:LAST``), ``--condition``, ``--row`` and ``--first-alone``
measure less of a large set; ``--quick`` measures what the targets are about, of two pictures and with two steps.
"""

import argparse
import functools
import itertools
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from paper_order import CONTRAST, EIGHT, ONE, USUAL, judged
from verdicts import Target

from probbody.data.files import written_whole
from probbody.inference.cli.compared import Parts, Pictures, part_told
from probbody.inference.cli.evaluate import Asked, comparison, run_eval
from probbody.inference.cli.paper_rows import TABLES
from probbody.inference.evaluate.results import Results

QUICK = {
    2: ("regressor", "smplify", "nbv"),
    3: ("nbv", "nbv-one-direction", "nbv-mesh", "nbv-without-outliers", "released-code"),
}
"""Rows of the second and third table that are measured in less than a minute."""


def main() -> None:
    """Print the tables and the targets; exit code 1 if one is missed."""
    options = _options()
    run = _run_of(options)
    print(
        f"the papers' tables on SynthOcc: torch {torch.__version__}, one thread a process, {options.jobs} process(es)"
    )
    print("pictures/s: of one processor, by its own time\n")
    begun, late = time.perf_counter(), time.time() + 60 * (options.minutes or 0.0)
    found = {1: run.table(1)}
    rows = _rows(options, run, late)
    for table in rows:
        if left := [row for row in TABLES[table] if row not in rows[table]]:
            over = (
                f"as {options.minutes:g} minutes were over"
                if options.minutes is not None
                else "as these are not asked for"
            )
            print(f"of table {table} not measured, {over}: {', '.join(left)}")
        if rows[table]:
            found[table] = run.table(table, rows[table])
    print(
        f"all: {(time.perf_counter() - begun) / 60:.1f} minutes by the clock, {_processors() / 60:.1f} of processors,"
        " less what was kept\n"
    )
    targets = judged(found)
    if options.set == "small" and not options.quick:
        targets.append(Target("minutes by the clock for the first table on SynthOcc-small", run.minutes()["1"], 15.0))
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


@dataclass(frozen=True)
class Run:
    """How everything is measured."""

    out: Path
    pictures: Pictures
    parts: Parts
    beside: tuple[str, ...]
    """``NAME=FILE``: features learnt otherwise, with which the third table runs 3DNBF too."""
    conditions: tuple[str, ...]
    at_once: int
    jobs: int

    def table(self, number: int, rows: tuple[str, ...] = ()) -> Results:
        """One table, or some of its rows, printed."""
        begun, spent = time.perf_counter(), _processors()
        try:
            told = run_eval(self._asked(number, rows), self.pictures, self._parts(number))
        finally:  # what a run took that was stopped is not free
            clock, spent = (time.perf_counter() - begun) / 60, (_processors() - spent) / 60
            held = self.minutes()
            held |= {str(number): held.get(str(number), 0.0) + clock}
            with written_whole(self.out / "minutes.json") as partial:
                partial.write_text(json.dumps(held) + "\n", encoding="utf-8")
        assert told is not None
        print(f"versions: {', '.join(f'{name} {version}' for name, version in told.versions.items())}")
        words = f"{clock:.1f} minutes by the clock, {spent:.1f} of processors, less what was kept"
        print(f"{words}; with that {held[str(number)]:.1f} by the clock\n", flush=True)
        return told

    def minutes(self) -> dict[str, float]:
        """By the clock for each table so far, those of runs that were interrupted counted; kept in the folder."""
        path = self.out / "minutes.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}  # type: ignore[no-any-return]

    def rows_until(self, end: float) -> dict[int, tuple[str, ...]]:
        """Rows of the second and third table that are measured by then, or were before; none is begun later."""
        if self.jobs == 1:
            for each in _in_turn(3, 2):
                self.row(each, end)
        else:
            with ProcessPoolExecutor(self.jobs, multiprocessing.get_context("spawn")) as pool:
                list(pool.map(functools.partial(self.row, end=end), _in_turn(3, 2)))
        return {table: tuple(row for row in TABLES[table] if self._kept(table, row)) for table in (2, 3)}

    def row(self, each: tuple[int, str], end: float) -> None:
        """Measure one row of a table, if it is not too late."""
        torch.set_num_threads(1)
        if time.time() < end:
            match = comparison(self._asked(each[0], (each[1],)), self.pictures, self.parts)
            match.run(self._asked(each[0], (each[1],)))(match.methods[:1], match.conditions)

    def _kept(self, table: int, row: str) -> bool:
        asked = self._asked(table, (row,))
        match = comparison(asked, self.pictures, self.parts)
        return match.run(asked).kept(match.methods[0], match.conditions)

    def _asked(self, table: int, rows: tuple[str, ...]) -> Asked:
        return Asked(self.out, rows, table, self.conditions, at_once=self.at_once, jobs=self.jobs)

    def _parts(self, table: int) -> Parts:
        return (
            self.parts
            if table != 3
            else Parts(self.parts.features, self.beside, steps=self.parts.steps, device=self.parts.device)
        )


def _rows(options: argparse.Namespace, run: Run, late: float) -> dict[int, tuple[str, ...]]:
    """Of the second and third table, those that are asked for."""
    if options.first_alone:
        return {}
    if options.minutes is not None:
        return run.rows_until(late)
    asked = QUICK if options.quick else {table: tuple(options.rows or TABLES[table]) for table in (2, 3)}
    return {table: tuple(row for row in TABLES[table] if row in asked[table]) for table in asked}


def _processors() -> float:
    """Seconds that processors spent on this, those of processes that ended included."""
    return sum(os.times()[:4])


def _in_turn(*tables: int) -> list[tuple[int, str]]:
    """Rows of the tables, the first of each, then the second; what the second table has the third need not measure."""
    both = itertools.zip_longest(*([(table, row) for row in TABLES[table]] for table in tables))
    once = {row: (table, row) for table in reversed(sorted(tables)) for row in TABLES[table]}
    return [each for several in both for each in several if each is not None and once[each[1]] == each]


def _run_of(options: argparse.Namespace) -> Run:
    pictures = Pictures("small", (0, 2)) if options.quick else Pictures(options.set, part_told(options.pictures))
    other = {
        CONTRAST: options.without_contrast,
        ONE: options.one_direction,
        EIGHT: options.eight_directions,
        USUAL: options.as_short,
    }
    beside = tuple(f"{name}={file}" for name, file in other.items() if file is not None)
    parts = Parts(options.features, steps=2 if options.quick else None, device=options.device)
    conditions = ("clean", "@80") if options.quick else tuple(options.conditions or ())
    return Run(options.out, pictures, parts, beside, conditions, options.at_once, options.jobs)


def _options() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--set", default="standard")
    asked.add_argument("--pictures", help="N, the first so many, or FIRST:LAST")
    asked.add_argument("--features", type=Path, help="other learnt features than those that ship")
    asked.add_argument("--without-contrast", type=Path, help="features that only regression shaped")
    asked.add_argument("--one-direction", type=Path, help="features learnt with O = 1")
    asked.add_argument("--eight-directions", type=Path, help="features learnt with O = 8")
    asked.add_argument("--as-short", type=Path, help="features learnt as usual, as long as those three were")
    asked.add_argument("--out", type=Path, default=Path("out/paper_tables"))
    asked.add_argument("--device", default="auto")
    asked.add_argument("--at-once", type=int, default=16)
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--minutes", type=float, help="begin no row of tables 2 and 3 later than this")
    asked.add_argument("--condition", dest="conditions", action="append", help="columns, clean and @80 among them")
    asked.add_argument("--row", dest="rows", action="append", help="of the second and third table, these alone")
    asked.add_argument("--first-alone", action="store_true", help="the first table, and not the others")
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    if options.conditions and not {"clean", "@80"} <= set(options.conditions):
        asked.error(f"--condition: expected clean and @80 among them, found {', '.join(options.conditions)}.")
    if options.rows and options.minutes is not None:
        asked.error("--row, --minutes: expected one of them, found both.")
    known = {*TABLES[2], *TABLES[3]}
    if unknown := set(options.rows or ()) - known:
        asked.error(f"--row: expected some of {', '.join(sorted(known))}, found {', '.join(sorted(unknown))}.")
    return options


if __name__ == "__main__":
    main()
