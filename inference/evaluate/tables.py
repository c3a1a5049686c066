"""Results side by side: a row a method, a few columns a condition; as text, and as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from probbody.data.files import written_whole
from probbody.metrics import Interval

from .measured import MEASURES, PUBLISHED, Measure
from .results import Result, Results, compared


@dataclass(frozen=True)
class Table:
    """A title, its rows and columns."""

    title: str
    methods: tuple[str, ...]
    conditions: tuple[str, ...]
    results: Results
    measures: tuple[Measure, ...] = PUBLISHED
    against: str = ""
    """The method that the others are compared with, picture by picture."""

    def rows(self) -> list[list[str]]:
        """The words of each row, the head first."""
        head = ["", *(f"{condition} {m.name}" for condition in self.conditions for m in self.measures), "pictures/s"]
        body = []
        for method in self.methods:
            cells = [self.cell(method, condition, m) for condition in self.conditions for m in self.measures]
            body.append([method, *cells, self._speed(method)])
        return [head, *body]

    def cell(self, method: str, condition: str, measure: Measure) -> str:
        """A number with half the width of its interval; a star where it differs from the method compared with."""
        one = self.results.find(method, condition)
        if one is None or measure.name not in one.means:
            return "-"
        value, bounds = one.means[measure.name].value(), one.interval(measure.name)
        told = f"{value:.{measure.digits}f}"
        if bounds is not None:
            told += f" ±{(bounds.high - bounds.low) / 2:.{measure.digits}f}"
        apart = self.difference(method, condition, measure)
        return told + ("*" if apart is not None and apart.excludes() else "")

    def difference(self, method: str, condition: str, measure: Measure) -> Interval | None:
        """The paired difference from the method compared with; None for itself, and where fewer than two pictures tell it."""
        mine, theirs = (self.results.find(name, condition) for name in (method, self.against))
        if mine is None or theirs is None or mine is theirs:
            return None
        if measure.name not in mine.means or measure.name not in theirs.means:
            return None
        if mine.means[measure.name].images() < 2:
            return None
        return compared(mine, theirs, measure.name)

    def text(self) -> str:
        """For a terminal, under its title."""
        star = f"\n* differs from {self.against}, paired, with 95 in 100" if self.against else ""
        below = f"\n\n{_aligned(self.paired())}" if self.against else ""
        return f"{self.title}\n{_aligned(self.rows())}{star}{below}"

    def paired(self) -> list[list[str]]:
        """How far each method is from the one compared with, on the same pictures: words of each row, the head first."""
        if not self.against:
            return []
        rows = [
            [f"less {self.against}, paired", "", *(f"{m.name}, {m.unit}" if m.unit else m.name for m in self.measures)]
        ]
        for condition in self.conditions:
            for method in self.methods:
                apart = [self.difference(method, condition, measure) for measure in self.measures]
                if any(each is not None for each in apart):
                    words = [_signed(each, m.digits) for each, m in zip(apart, self.measures, strict=True)]
                    rows.append([method, condition, *words])
        return rows

    def _speed(self, method: str) -> str:
        seconds = [one.seconds for one in self.results.results if one.method == method]
        return f"{len(seconds) / max(sum(seconds), 1e-9):.2f}" if seconds else "-"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns under each other, the first to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _signed(apart: Interval | None, digits: int) -> str:
    """A difference with its bounds."""
    if apart is None:
        return "-"
    return f"{apart.estimate:+.{digits}f} [{apart.low:+.{digits}f}, {apart.high:+.{digits}f}]"


def write_csv(path: Path, results: Results) -> None:
    """One line for each method, condition and measure, with its interval and the protocol's hash."""
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    head = ("protocol", "method", "condition", "measure", "unit", "value", "low", "high", "how", "pictures", "seconds")
    writer.writerow(head)
    for one in results.results:
        for measure in MEASURES:
            if measure.name in one.means:
                writer.writerow(_line(str(results.protocol["hash"]), one, measure))
    with written_whole(path) as temporary:
        temporary.write_text(held.getvalue(), encoding="utf-8")


def _line(protocol: str, one: Result, measure: Measure) -> Sequence[object]:
    mean, bounds = one.means[measure.name], one.interval(measure.name)
    ends = ("", "") if bounds is None else (repr(bounds.low), repr(bounds.high))
    numbers = (repr(mean.value()), *ends, mean.how, mean.images(), repr(one.seconds))
    return (protocol, one.method, one.condition, measure.name, measure.unit, *numbers)
