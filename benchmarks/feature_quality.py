"""How well features are told apart, and bodies guessed, against the steps of learning.

``python benchmarks/feature_quality.py LOG.jsonl [LOG.jsonl ...]``. Logs are those that ``probbody train features`` leaves
beside its file, in the order in which each learning began with the weights of the one before. Its measures are of drawn
pictures that are not learnt from: other takes, bodies, clothes and backdrops, many behind something.
"""

import argparse
import json
import sys
from pathlib import Path

from verdicts import Target

COLUMNS = {
    "nearest": "nearest",
    "told_apart": "elsewhere",
    "hidden_apart": "hidden",
    "parts": "parts",
    "spots": "joints",
    "mpjpe": "MPJPE",
    "pa_mpjpe": "PA-MPJPE",
}
LENGTHS = ("mpjpe", "pa_mpjpe")


def main() -> None:
    """Print the table and the targets; exit code 1 if one is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("logs", type=Path, nargs="+")
    asked.add_argument("--quick", action="store_true", help="every fourth row")
    options = asked.parse_args()
    print(
        "nearest: visible points whose likeliest vertex is within 10 cm of the true one; elsewhere, hidden: area under the"
    )
    print(
        "ROC curve of places on the body that one sees against those off it, and against those that something hides; parts:"
    )
    print(
        "places whose part is the likeliest; joints: those found within a twentieth of the picture; MPJPE of the guess, mm"
    )
    print(f"{'steps':>7}" + "".join(f"{name:>11}" for name in COLUMNS.values()))
    rows, before = [], 0
    for log in options.logs:
        told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        rows += [(before + row["step"], row) for row in told if "nearest" in row]
        before += told[-1]["step"]
    kept = rows[:: 4 if options.quick else 1]
    for step, row in [*kept, *([] if kept[-1] is rows[-1] else [rows[-1]])]:
        print(f"{step:7}" + "".join(f"{_number(row, name):>11}" for name in COLUMNS))
    last = rows[-1][1]
    print(f"\nthe mean pose: MPJPE {last['mean_mpjpe']:.0f}, PA-MPJPE {last['mean_pa_mpjpe']:.0f} mm")
    ratio = last["mpjpe"] / last["mean_mpjpe"]
    target = Target("MPJPE of the guess over the mean pose's, many behind something", ratio, 0.5)
    print(target)
    sys.exit(0 if target.held else 1)


def _number(row: dict[str, float], name: str) -> str:
    if name not in row:
        return "-"  # logs of before that was measured
    return f"{row[name]:.1f}" if name in LENGTHS else f"{row[name]:.3f}"


if __name__ == "__main__":
    main()
