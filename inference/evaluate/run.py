"""Every method on every picture, in batches that are kept as they come, so that a run that was stopped goes on."""

import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from probbody.data.files import written_whole
from probbody.errors import BadInput
from probbody.quantities import joined
from probbody.synthocc import Condition

from .measured import Measured
from .method import Method, checked
from .trial import Cases, Trial, plain

Progress = Callable[[str, int, int], None]
"""What is being done, how many pictures it is done for, and for how many it is to be."""


@dataclass(frozen=True)
class Run:
    """What is measured on, and the folder that answers are kept in.

    Batches are the same pictures whatever was done before, so that a run that was stopped and went on gives the table that
    it would have given, to the last digit. A folder with answers under another protocol, in other batches, or of a method
    that has changed meanwhile is refused.
    """

    trial: Trial
    folder: Path
    at_once: int = 16
    """Pictures that a method sees together."""
    device: str | torch.device = "cpu"
    """Where methods compute."""

    def __call__(
        self, methods: Sequence[Method], conditions: Sequence[Condition], progress: Progress | None = None
    ) -> dict[tuple[str, str], Measured]:
        """The answers by names of method and condition."""
        self.begin(methods, conditions)
        found: dict[tuple[str, str], list[Measured]] = {}
        for condition, part in self._parts(conditions):
            for method, answers in zip(methods, self._batch(methods, condition, part, progress), strict=True):
                found.setdefault((method.name, condition.name), []).append(answers)
        return {names: joined(parts) for names, parts in found.items()}

    def begin(self, methods: Sequence[Method], conditions: Sequence[Condition]) -> None:
        """The folder made ready, or refused."""
        if len({method.name for method in methods}) < len(methods):
            raise BadInput(f"methods: expected different names, found {[method.name for method in methods]}.")
        if len({condition.name for condition in conditions}) < len(conditions):
            raise BadInput(f"conditions: expected different ones, found {[each.name for each in conditions]}.")
        if self.at_once < 1:
            raise BadInput(f"at_once: expected at least one picture, found {self.at_once}.")
        _agreed(self.folder / "run.json", {"protocol": self.trial.card(), "at_once": self.at_once})
        for condition in conditions:
            for method in methods:
                self._begun(method, condition)

    def share(self, methods: Sequence[Method], conditions: Sequence[Condition], number: int, of: int) -> None:
        """Only every ``of``-th batch from that number on, for one of several processes; the run then finds them done."""
        for condition, part in self._parts(conditions)[number::of]:
            self._batch(methods, condition, part, None)

    def kept(self, method: Method, conditions: Sequence[Condition]) -> bool:
        """Whether a method has seen all pictures under all conditions."""
        return all(self._file(method, condition, part).exists() for condition, part in self._parts(conditions))

    def _parts(self, conditions: Sequence[Condition]) -> list[tuple[Condition, slice]]:
        """The batches, in their order."""
        count = len(self.trial)
        starts = range(0, count, self.at_once)
        parts = [slice(start, min(start + self.at_once, count)) for start in starts]
        return [(condition, part) for condition in conditions for part in parts]

    def _batch(
        self, methods: Sequence[Method], condition: Condition, part: slice, progress: Progress | None
    ) -> list[Measured]:
        """Some pictures under one condition, which are drawn only if a method has not seen them."""
        cases: Cases | None = None
        answers = []
        for method in methods:
            path = self._file(method, condition, part)
            if not path.exists():
                if cases is None:
                    cases = self.trial.cases(condition, part)
                self._answered(method, cases).save(path)
            answers.append(Measured.load(path))
            if progress is not None:
                progress(f"{condition.name}, {method.name}", part.stop, len(self.trial))
        return answers

    def _answered(self, method: Method, cases: Cases) -> Measured:
        seen = cases.seen().to(self.device)
        # of a processor its own time, which does not count those who work beside
        clock = time.process_time if torch.device(self.device).type == "cpu" else time.perf_counter
        begun = clock()
        answer = checked(method, seen)
        return cases.measured(answer, clock() - begun)

    def _begun(self, method: Method, condition: Condition) -> None:
        """The place for a method's answers, with what it and the condition are."""
        card: dict[str, object] = {
            "method": method.name,
            "settings": method.card(),
            "condition": self.trial.condition_card(condition),
        }
        _agreed(self._place(method, condition) / "card.json", card)

    def _file(self, method: Method, condition: Condition, part: slice) -> Path:
        return self._place(method, condition) / f"{part.start:06d}-{part.stop:06d}.npz"

    def _place(self, method: Method, condition: Condition) -> Path:
        return self.folder / "answers" / plain(condition.name) / plain(method.name)


def in_processes(first: Callable[[], None], other: Callable[[int], None], jobs: int) -> None:
    """This process does the first share and new ones do those with the numbers after it; none of them outlives the call.

    ``other`` and what it holds must be of the kind that is sent to a new process. What one of them fails at stays undone.
    """
    context = multiprocessing.get_context("spawn")
    helpers = [context.Process(target=other, args=(number,), daemon=True) for number in range(1, jobs)]
    for helper in helpers:
        helper.start()
    try:
        first()
        for helper in helpers:
            helper.join()
    finally:
        for helper in helpers:
            helper.terminate()


def _agreed(path: Path, card: dict[str, object]) -> None:
    """Writes a card, or refuses a folder that holds another one."""
    plain = json.loads(json.dumps(card))
    if not path.exists():
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
        return
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        held = {}
    if held != plain:
        differing = next(
            (name for name in plain if not isinstance(held, dict) or held.get(name) != plain[name]), "more"
        )
        raise BadInput(
            f"{path}: expected answers of the same {differing} as now, found those of another; choose another --out."
        )
