"""``probbody join``: result cards of parts of SynthOcc, that were measured apart, as one."""

from collections.abc import Sequence
from pathlib import Path

from ..evaluate.joining import joined_results
from ..evaluate.results import read_results
from ..evaluate.tables import Table, write_csv


def run_join(cards: Sequence[Path], out: Path) -> None:
    """Write the results on all of them as JSON and CSV, and print the table, compared with the first method."""
    results = joined_results([read_results(card) for card in cards], [str(card) for card in cards])
    methods, conditions = (
        [*dict.fromkeys(names)] for names in zip(*((o.method, o.condition) for o in results.results), strict=True)
    )
    against = methods[0] if len(methods) > 1 else ""
    table = Table(f"SynthOcc-{results.protocol['set']}", tuple(methods), tuple(conditions), results, against=against)
    results.save(out / "results.json")
    write_csv(out / "results.csv", results)
    print(f"protocol {results.protocol['hash']}")
    print(table.text())
