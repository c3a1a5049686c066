"""Real pictures from pixels alone, clean and behind patches, and a filmed person from each of four cameras.

``python benchmarks/real_pictures.py [--data FOLDER] [--frames FOLDER] [--features FILE] [--two-networks] [--pictures DIR]
[--places N] [--seed N] [--quick]``. People of COCO's openly licensed photographs who are higher than 60 px, from the annotated
box; their keypoints are compared with and never given. A patch is 80 px wide where the crop around the person is 224 px, as in
3DPW-AdvOcc, but lies at random places between two keypoints instead of the worst one. ``--pictures`` keeps sheets.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import filmed_person
import torch
from jaxtyping import Bool, Float
from keypoint_shares import pck, pck_less, shares
from marked_people import METHODS, Marked, fitted_by_all, keypoints_of, marked_people, questions, ready
from patched_people import Patched, patched
from torch import Tensor
from verdicts import AtLeast, Target

from probbody.extractors import LearntFeatures
from probbody.inference.cli.outputs import sheet
from probbody.metrics import Interval

AT_ONCE = 8
"""Patched pictures that are fitted together."""


@dataclass(frozen=True)
class Off:
    """How far keypoints of people are off, in longer sides of the box, NaN where they are not marked."""

    names: tuple[str, ...]
    """Of the person in each row."""
    away: dict[str, Float[Tensor, "B P"]]
    """By method."""
    hidden: Bool[Tensor, "B P"]
    """Behind a patch."""

    def of(self, name: str) -> dict[str, Float[Tensor, "B P"]]:
        """The rows of one person."""
        rows = [row for row, each in enumerate(self.names) if each == name]
        return {method: away[rows] for method, away in self.away.items()}

    def less_the_regressors(self, limit: float) -> Interval:
        """PCK of 3DNBF less that of the regressor, with people drawn again."""
        return pck_less(self.away["3DNBF"], self.away["regressor"], limit, self.names)


def main() -> None:
    """Print the tables and the targets; exit code 1 if one is missed."""
    asked = questions(__doc__)
    asked.add_argument("--frames", type=Path, help="the videos' frames as pictures: cam01/0.png, ...")
    asked.add_argument("--places", type=int, default=3, help="patches a person")
    asked.add_argument("--seed", type=int, default=2)
    options = asked.parse_args()
    learnt = ready(options)
    print(f"real pictures from pixels alone: torch {torch.__version__}, one thread; seed {options.seed}")
    begun, places = time.process_time(), 1 if options.quick else options.places
    people = list(marked_people(options.data / "photos" / "coco_ccby", options.quick))
    clean = _clean(people, learnt)
    behind = _behind([one for each in people for one in patched(each, places, options.seed)], learnt, options.pictures)
    targets = _told(people, clean, behind, places)
    targets += filmed_person.measure(options.data, options.frames, learnt, options.pictures, options.quick)
    print(f"\n{time.process_time() - begun:.0f} s of one processor")
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


def _clean(people: list[Marked], learnt: LearntFeatures) -> Off:
    """Everybody as photographed."""
    away = [_away([marked], learnt)[0] for marked in people]
    names = tuple(name for marked in people for name in marked.people.names)
    together = {method: torch.cat([each[method] for each in away]) for method in METHODS}
    return Off(names, together, torch.zeros_like(together["3DNBF"], dtype=torch.bool))


def _behind(several: list[Patched], learnt: LearntFeatures, pictures: Path | None) -> Off:
    """Everybody behind each of their patches."""
    away: list[dict[str, Float[Tensor, "1 P"]]] = []
    for start in range(0, len(several), AT_ONCE):
        away += _away([one.marked for one in several[start : start + AT_ONCE]], learnt, pictures)
    return Off(
        tuple(one.marked.people.names[0] for one in several),
        {method: torch.cat([each[method] for each in away]) for method in METHODS},
        torch.stack([one.hidden() for one in several]),
    )


def _away(
    people: list[Marked], learnt: LearntFeatures, pictures: Path | None = None
) -> list[dict[str, Float[Tensor, "B P"]]]:
    """Photographs fitted as one batch; the sheet of the first is kept."""
    fits = fitted_by_all([marked.looked() for marked in people], learnt)
    if pictures is not None:
        name = people[0].people.names[0]
        sheet(people[0].photograph, fits["3DNBF"][0], 0).save(pictures / f"patched_{people[0].path.stem}_{name}.png")
    return [
        {method: marked.away(keypoints_of(fits[method][n], marked.people.layout)) for method in METHODS}
        for n, marked in enumerate(people)
    ]


def _told(people: list[Marked], clean: Off, behind: Off, places: int) -> list[Target | AtLeast]:
    """A line for each person, and all of them together."""
    print(f"\n1. people with annotated keypoints, clean and behind {places} patch(es) each")
    print("PCK at 0.2 (0.1) of the longer side of the box")
    print(f"{'':23}{'clean':>14}{'':28}{'patched':>14}")
    print(f"{'picture':14}{'person':>9}" + "".join(f"{name:>14}" for name in 2 * METHODS))
    for marked in people:
        for name in marked.people.names:
            row = [shares(held.of(name)[method]) for held in (clean, behind) for method in METHODS]
            print(f"{marked.path.stem:14}{name:>9}" + "".join(row))
    both = [shares(held.away[method]) for held in (clean, behind) for method in METHODS]
    print(f"{'all keypoints':23}" + "".join(both))
    for what, chosen in (("in sight", ~behind.hidden), ("behind the patch", behind.hidden)):
        print(f"{what:65}" + "".join(shares(behind.away[method][chosen]) for method in METHODS))
    lost = {method: pck(clean.away[method], 0.2) - pck(behind.away[method], 0.2) for method in METHODS}
    print("lost to the patch at 0.2: " + ", ".join(f"{method} {share:+.3f}" for method, share in lost.items()))
    if len(clean.names) > 1:
        for what, held in (("clean", clean), ("patched", behind)):
            told = [(limit, held.less_the_regressors(limit)) for limit in (0.2, 0.1)]
            words = ", ".join(
                f"at {limit} {one.estimate:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for limit, one in told
            )
            print(f"3DNBF less regressor, {what}, 95 in 100 over {len(clean.names)} people: {words}")
    gained = {
        what: pck(held.away["3DNBF"], 0.2) - pck(held.away["regressor"], 0.2)
        for what, held in (("clean", clean), ("patched", behind))
    }
    return [
        *(AtLeast(f"PCK at 0.2 of 3DNBF less the regressor's, {what}", gain, 0.0) for what, gain in gained.items()),
        *(
            Target(
                f"PCK at 0.2 that 3DNBF loses to the patch less what {other} loses", lost["3DNBF"] - lost[other], 0.0
            )
            for other in METHODS[:2]
        ),
    ]


if __name__ == "__main__":
    main()
