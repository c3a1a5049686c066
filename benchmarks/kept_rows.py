"""Rows of a long table, kept beside it while it is made, so that a run that was stopped goes on where it was."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from probbody.data.files import written_whole

Row = TypeVar("Row")


class KeptRows:
    """Rows by what they are of; kept in a file where there is one, in memory alone where there is none.

    Who names the file sees to it that it is of the same code and data: nothing here can.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.held: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            self.held = json.loads(path.read_text(encoding="utf-8"))

    def __call__(self, of: str, kind: type[Row], measure: Callable[[], Row]) -> Row:
        """The row as it was kept, or as it is measured now."""
        if of not in self.held:
            self.held[of] = asdict(measure())  # type: ignore[call-overload]
            if self.path is not None:
                with written_whole(self.path) as partial:
                    partial.write_text(json.dumps(self.held, indent=1), encoding="utf-8")
        return kind(**self.held[of])
