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
from keypoint_shares import pck, pck_less, shares
from marked_people import Marked, guessed, keypoints_of, marked_people, questions, ready, way
from torch import Tensor
from verdicts import AtLeast

from probbody.inference.cli.fitted import FittedPeople
from probbody.inference.cli.people import fit_people
from probbody.inference.cli.pixels import ByPixels

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

    def fitted(self, by_pixels: ByPixels) -> dict[str, FittedPeople]:
        """From the given keypoints, without and with the pixels."""
        people = self.marked.people
        told = people.keypoints.clone()
        told[0, :, 2] = torch.where(self.given, told[0, :, 2], 0.0)
        some = replace(people, keypoints=told)
        parts = (by_pixels.body, by_pixels.prior, by_pixels.settings)
        alone = fit_people(self.marked.photograph, some, *parts)
        (both,) = by_pixels.fit([replace(self.marked.looked(), people=some)])
        return {"keypoints": alone, "both": both}


def halves(one: Marked, draws: int, seed: int) -> Iterator[Half]:
    """A photographed person some times; the halves are known by the seed and the person's name."""
    chance = np.random.default_rng([seed, *one.people.names[0].encode()])
    known = one.people.seen()[0].nonzero()[:, 0]
    for _ in range(draws):
        given = torch.zeros(one.people.keypoints.shape[1], dtype=torch.bool)
        given[known[torch.from_numpy(chance.permutation(len(known))[: (len(known) + 1) // 2])]] = True
        yield Half(one, given)


def compared(one: Marked, by_pixels: ByPixels, draws: int, seed: int) -> dict[str, Float[Tensor, "draws P"]]:
    """How far each method's keypoints are off that were not given, for each half; pixels alone are fitted once."""
    (alone,) = by_pixels.fit([one.looked()])
    off: dict[str, list[Tensor]] = {method: [] for method in METHODS}
    for half in halves(one, draws, seed):
        fits = {"regressor": guessed(alone), "pixels": alone, **half.fitted(by_pixels)}
        for method, fitted in fits.items():
            off[method].append(half.away(fitted))
    return {method: torch.stack(rows) for method, rows in off.items()}


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
    by_pixels, draws = way(learnt, SYSTEM), 1 if options.quick else options.draws
    found: dict[str, dict[str, Tensor]] = {}
    for marked in marked_people(options.data / "photos" / "coco_ccby", options.quick):
        for person, name in enumerate(marked.people.names):
            one = replace(marked, people=marked.people[[person]])
            found[name] = compared(one, by_pixels, draws, options.seed)
            line = "".join(f"{shares(found[name][method]):>14}" for method in METHODS)
            print(f"{marked.path.stem:14}{name:>9}{line}", flush=True)
    together = {method: torch.cat([each[method] for each in found.values()]) for method in METHODS}
    print(f"{'all keypoints':23}" + "".join(f"{shares(together[method]):>14}" for method in METHODS))
    people = tuple(name for name in found for _ in range(draws))
    for other in ("keypoints", "pixels") if len(found) > 1 else ():
        less = [(limit, pck_less(together["both"], together[other], limit, people)) for limit in LIMITS]
        told = ", ".join(f"at {limit} {each.estimate:+.3f} [{each.low:+.3f}, {each.high:+.3f}]" for limit, each in less)
        print(f"both less {other}, 95 in 100 over {len(found)} people: {told}")
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
