"""The tables of 3DNBF and NeuralSMPL on SynthOcc, and whether the order that the papers report appears.

``python benchmarks/paper_tables.py [--set small] [--features FILE] [--without-contrast FILE] [--one-direction FILE]
[--eight-directions FILE] [--out FOLDER] [--jobs N] [--quick]``. The last three files are of features learnt otherwise; rows
without theirs are named as lacking. What it prints is committed as text beside it; tables, results and reports are in the
folder, and a run that was stopped goes on from there.
"""

import argparse
import sys
import time
from pathlib import Path

from verdicts import AtLeast, Target

from probbody.inference.cli.compared import Parts, Pictures
from probbody.inference.cli.evaluate import Asked, run_eval
from probbody.inference.evaluate.results import Results, compared

CONTRAST, ONE, EIGHT = "without contrast", "1 direction", "8 directions"
"""Rows of the third table that need features of their own."""


def main() -> None:
    """Print the tables and the targets; exit code 1 if one is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--set", default="standard")
    asked.add_argument("--pictures", type=int)
    asked.add_argument("--features", type=Path, help="other learnt features than those that ship")
    asked.add_argument("--without-contrast", type=Path, help="features that only regression shaped")
    asked.add_argument("--one-direction", type=Path, help="features learnt with O = 1")
    asked.add_argument("--eight-directions", type=Path, help="features learnt with O = 8")
    asked.add_argument("--out", type=Path, default=Path("out/paper_tables"))
    asked.add_argument("--device", default="auto")
    asked.add_argument("--at-once", type=int, default=16)
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    pictures = Pictures("small" if options.quick else options.set, 2 if options.quick else options.pictures)
    steps = 2 if options.quick else None
    other = {CONTRAST: options.without_contrast, ONE: options.one_direction, EIGHT: options.eight_directions}
    found: dict[int, Results] = {}
    minutes: list[float] = []
    begun = time.perf_counter()
    for table in (1, 2, 3):
        beside = tuple(f"{name}={file}" for name, file in other.items() if file is not None and table == 3)
        parts = Parts(options.features, beside, steps=steps, device=options.device)
        conditions = ("clean", "@80") if options.quick else ()
        told = run_eval(
            Asked(options.out, table=table, conditions=conditions, at_once=options.at_once, jobs=options.jobs),
            pictures,
            parts,
        )
        assert told is not None
        found[table] = told
        minutes.append((time.perf_counter() - begun) / 60)
        print(f"after {minutes[-1]:.1f} minutes, {options.jobs} process(es)\n", flush=True)
    targets = judged(found)
    if options.set == "small" and not options.quick:
        targets.append(Target("minutes of the first table on SynthOcc-small, less what was kept", minutes[0], 15.0))
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


def judged(found: dict[int, Results]) -> list[Target | AtLeast]:
    """The papers' order: 3DNBF loses least under patches, and by what."""
    first, third = found[1], found[3]
    lost = {
        name: value(first, name, "@80") / value(first, name, "clean") for name in ("regressor", "NeuralSMPL", "3DNBF")
    }
    targets: list[Target | AtLeast] = [
        Target("MPJPE of 3DNBF at @80 over clean, against the regressor's", lost["3DNBF"] / lost["regressor"], 1.0),
        Target("MPJPE of 3DNBF at @80 over clean, against NeuralSMPL's", lost["3DNBF"] / lost["NeuralSMPL"], 1.0),
        AtLeast("what O = 1 adds to the PA-MPJPE of 3DNBF at @80", worse(third, "O = 1"), 0.0, " mm"),
        AtLeast("what a mesh adds to it", worse(third, "mesh in place of volume"), 0.0, " mm"),
        AtLeast("what it costs to switch the outlier process off", worse(third, "outlier process off"), 0.0, " mm"),
        AtLeast("what the released code's choices add to it", worse(third, "released code"), 0.0, " mm"),
    ]
    for name, words in ((CONTRAST, "training without contrast"), (ONE, "training with O = 1"), (EIGHT, "O = 8")):
        if third.find(name, "@80") is not None:
            targets.append(AtLeast(f"what {words} adds to it", worse(third, name), 0.0, " mm"))
    return targets


def value(results: Results, method: str, condition: str) -> float:
    """The published MPJPE."""
    one = results.find(method, condition)
    assert one is not None
    return one.means["MPJPE"].value()


def worse(results: Results, method: str) -> float:
    """By how much PA-MPJPE at @80 is above that of 3DNBF, printed with its paired interval."""
    mine, full = results.find(method, "@80"), results.find("3DNBF", "@80")
    assert mine is not None
    assert full is not None
    apart = compared(mine, full, "PA-MPJPE")
    print(f"{method} less 3DNBF, PA-MPJPE at @80: {apart.estimate:+.1f} [{apart.low:+.1f}, {apart.high:+.1f}] mm")
    return apart.estimate


if __name__ == "__main__":
    main()
