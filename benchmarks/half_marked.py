"""What pixels tell of a photographed person beside keypoints: half of the keypoints are given, the others compared with.

``python benchmarks/half_marked.py [--data FOLDER] [--features FILE] [--two-networks] [--draws N] [--seed N] [--quick]``. People
of COCO's openly licensed photographs who are higher than 60 px, from the annotated box. Of each, some halves of the marked
keypoints are drawn; bodies are fitted to them alone, to the pixels alone, and to both.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from marked_people import Marked, guessed, keypoints_of, marked_people, pck, pck_less, questions, ready, shares, way
from torch import Tensor
from verdicts import AtLeast

from probbody.extractors import LearntFeatures
from probbody.inference.cli.fitted import FittedPeople
from probbody.inference.cli.people import fit_people

SYSTEM = "nbv"
LIMITS = (0.2, 0.1)
METHODS = ("regressor", "pixels", "keypoints", "both")


@dataclass(frozen=True)
class Half:
    """One person, of whom some keypoints are given."""

    marked: Marked
    given: Bool[Tensor, " P"]

    def away(self, fitted: FittedPeople) -> Float[Tensor, " P"]:
        """How far the keypoints that were not given are off, in longer sides of the box."""
        off = self.marked.away(keypoints_of(fitted, self.marked.people.layout))[0]
        return torch.where(self.given, torch.nan, off)

    def fitted(self, learnt: LearntFeatures) -> dict[str, FittedPeople]:
        """By every method."""
        people = self.marked.people
        told = people.keypoints.clone()
        told[0, :, 2] = torch.where(self.given, told[0, :, 2], 0.0)
        some = replace(people, keypoints=told)
        looked, by_pixels = self.marked.looked(), way(learnt, SYSTEM)
        (alone,), (both,) = (by_pixels.fit([each]) for each in (looked, replace(looked, people=some)))
        parts = (by_pixels.body, by_pixels.prior, by_pixels.settings)
        by_keypoints = fit_people(self.marked.photograph, some, *parts)
        return dict(zip(METHODS, (guessed(alone), alone, by_keypoints, both), strict=True))


def halves(marked: Marked, draws: int, seed: int) -> Iterator[Half]:
    """Each person of a photograph some times; the halves are known by the seed and the person's name."""
    for person, name in enumerate(marked.people.names):
        chance = np.random.default_rng([seed, *name.encode()])
        one = replace(marked, people=marked.people[[person]])
        known = one.people.seen()[0].nonzero()[:, 0]
        for _ in range(draws):
            given = torch.zeros(one.people.keypoints.shape[1], dtype=torch.bool)
            given[known[torch.from_numpy(chance.permutation(len(known))[: (len(known) + 1) // 2])]] = True
            yield Half(one, given)


def main() -> None:
    """Print the table and the targets; exit code 1 if one is missed."""
    asked = questions(__doc__)
    asked.add_argument("--draws", type=int, default=3, help="halves of each person's keypoints")
    asked.add_argument("--seed", type=int, default=2)
    options = asked.parse_args()
    learnt = ready(options)
    print(f"half of the keypoints given: torch {torch.__version__}, one thread; seed {options.seed}")
    print("PCK of the others at 0.2 (0.1) of the longer side of the box\n")
    print(f"{'picture':14}{'person':>9}" + "".join(f"{name:>14}" for name in METHODS))
    begun = time.process_time()
    off: dict[str, list[Tensor]] = {method: [] for method in METHODS}
    names = []
    for marked in marked_people(options.data / "photos" / "coco_ccby", options.quick):
        for half in halves(marked, 1 if options.quick else options.draws, options.seed):
            for method, fitted in half.fitted(learnt).items():
                off[method].append(half.away(fitted))
            names.append((marked.path.stem, half.marked.people.names[0]))
    for picture, person in dict.fromkeys(names):
        rows = [row for row, name in enumerate(names) if name == (picture, person)]
        line = "".join(f"{shares(torch.stack([off[method][row] for row in rows])):>14}" for method in METHODS)
        print(f"{picture:14}{person:>9}{line}")
    together = {method: torch.stack(rows) for method, rows in off.items()}
    print(f"{'all keypoints':23}" + "".join(f"{shares(together[method]):>14}" for method in METHODS))
    people = tuple(person for _, person in names)
    for other in ("keypoints", "pixels") if len(set(people)) > 1 else ():
        less = [(limit, pck_less(together["both"], together[other], limit, people)) for limit in LIMITS]
        told = ", ".join(f"at {limit} {each.estimate:+.3f} [{each.low:+.3f}, {each.high:+.3f}]" for limit, each in less)
        print(f"both less {other}, 95 in 100 over {len(set(people))} people: {told}")
    print(f"\n{time.process_time() - begun:.0f} s of one processor")
    targets = [
        AtLeast(
            f"PCK at {limit} of both less that of {other} alone",
            pck(together["both"], limit) - pck(together[other], limit),
            0.0,
        )
        for other in ("keypoints", "pixels")
        for limit in LIMITS
    ]
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


if __name__ == "__main__":
    main()
