"""From pixels to bodies on drawn pictures that nothing was learnt from: the regressor, and what a fit adds to it.

``python benchmarks/learned_features.py [--data FOLDER] [--features FILE] [--with NAME=FILE ...] [--pictures N] [--ablated N]
[--seed N] [--row NAME ...] [--out FOLDER] [--jobs N] [--quick]``. Two tables: methods on all pictures, ablations on the first
of them; or some rows of both, with the targets that are about these.
``--with`` adds to the second 3DNBF with features learnt otherwise, beside the usual guess and alone: for the last target some
of as short a learning with contrast ("contrast"), and some without ("no contrast"). Answers are kept in the folder as they
come, and a run that was stopped goes on from there. Pictures, patches and splits: see ``learned_scenes.py``; methods are those
of ``probbody eval``, which has patches that are sought instead of random ones. Root joint at the origin for MPJPE.
"""

import argparse
import functools
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from learned_scenes import RandomPatch, unseen_pictures
from other_features import with_features_of
from verdicts import AtLeast, Target

from probbody.bodies.open_body import open_body
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.shipped import load_features, shipped_features
from probbody.inference.cli.compared import named_file
from probbody.inference.cli.methods import Workshop, without_directions
from probbody.inference.evaluate.fitting import Fitted
from probbody.inference.evaluate.measured import MEASURES, Measure, Measured
from probbody.inference.evaluate.method import Method
from probbody.inference.evaluate.results import Result, Results
from probbody.inference.evaluate.run import Run, in_processes
from probbody.inference.evaluate.tables import Table
from probbody.priors import vae_prior
from probbody.synthocc import Clean, Condition

BATCH = 8
CONDITIONS: tuple[Condition, ...] = (Clean(), RandomPatch(40), RandomPatch(80))
COLUMNS = (
    "MPJPE of all joints",
    "PA-MPJPE of all joints",
    "MPJPE",
    "MPJPE of hidden joints",
    "AUC of the occlusion map",
)
"""MPJPE is that of joints that one sees, as papers have it."""
MEAN, USUAL, GUESS, ONE = "mean pose", "3DNBF", "regressor", "O = 1"


@dataclass(frozen=True)
class Part:
    """Some methods on some pictures."""

    run: Run
    methods: tuple[Method, ...]

    def answers(self) -> dict[tuple[str, str], Measured]:
        """Those that are kept, and the others now."""
        return self.run(self.methods, CONDITIONS)

    def told(self, answers: dict[tuple[str, str], Measured], title: str) -> None:
        """A table for each condition, with differences from the regressor, paired."""
        names = tuple(dict.fromkeys(name for name, _ in answers))
        measures = tuple(_measure(name) for name in COLUMNS)
        for condition in CONDITIONS:
            card = {"condition": self.run.trial.condition_card(condition)}
            found = [Result.of(name, condition.name, card, answers[name, condition.name]) for name in names]
            results = Results.of(self.run.trial.card(), found)
            table = Table(f"{title}, {condition.name}", names, (condition.name,), results, measures, GUESS)
            print(table.text() + "\n", flush=True)


def main() -> None:
    """Print the tables and the targets; exit code 1 if one is missed."""
    options = _options()
    every, some = _parts(options)
    print(
        f"drawn pictures that nothing was learnt from, seed {options.seed}; torch {torch.__version__}, one thread a"
        f" process, {options.jobs} process(es)"
    )
    print("pictures/s: of one processor, by its own time\n")
    _shared(options)
    answers = every.answers()
    every.told(answers, f"1. {len(every.run.trial)} pictures")
    few = len(some.run.trial)
    beside = {names: answers[names][torch.arange(few)] for names in answers if names[0] in (GUESS, USUAL)}
    ablated = beside | some.answers()
    if some.methods:
        some.told(ablated, f"2. the first {few} of them")
    targets = judged(answers, ablated)
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


def judged(
    answers: dict[tuple[str, str], Measured], ablated: dict[tuple[str, str], Measured]
) -> list[Target | AtLeast]:
    """What was expected of the regressor and of the fit."""
    clean, far = "clean", "@80"
    pa = {names: _mean(held, "PA-MPJPE of all joints") for names, held in answers.items()}
    whole = {
        name: _mean(held, "MPJPE of all joints") for (name, condition), held in answers.items() if condition == clean
    }
    targets: list[Target | AtLeast] = []
    if MEAN in whole:
        targets.append(Target("MPJPE of the regressor over the mean pose's, clean", whole[GUESS] / whole[MEAN], 0.5))
    if USUAL in whole:
        gain, cost = (100 * (pa[USUAL, condition] / pa[GUESS, condition] - 1) for condition in (far, clean))
        targets.append(AtLeast("what 3DNBF takes off the regressor's PA-MPJPE at @80", -gain, 15.0, " %"))
        targets.append(Target("what 3DNBF adds to the regressor's PA-MPJPE, clean", cost, 2.0, " %"))
    held = {name: _mean(own, "PA-MPJPE of all joints") for (name, column), own in ablated.items() if column == far}
    for name, of, beside in (
        (ONE, "with O = 1", USUAL),
        ("features: no contrast", "without contrast, of as long a learning", "features: contrast"),
    ):
        if name in held and beside in held:
            full, less = (held[GUESS] - held[each] for each in (beside, name))
            share = less / full if full > 0 else float("nan")
            targets.append(Target(f"share of that gain that is left {of}", share, 0.8))
    return targets


def _mean(held: Measured, measure: str) -> float:
    return _measure(measure).of(held).value()


def _measure(name: str) -> Measure:
    return next(each for each in MEASURES if each.name == name)


def _parts(options: argparse.Namespace) -> tuple[Part, Part]:
    """Methods on all pictures, and ablations on the first."""
    torch.set_num_threads(1)
    learnt = load_features(options.features) if options.features else shipped_features()
    shop = Workshop(open_body(), vae_prior(), learnt)
    methods = (shop.mean_pose(), shop.regressor(), shop.looks(), shop.nbv())
    if not options.quick:
        methods += (shop.neural_smpl(),)
    every = Part(_run(options, options.pictures, "all"), _asked(methods, options))
    ablations = _asked(_ablations(options, shop, learnt), options)
    found = {each.name for part in (every.methods, ablations) for each in part}
    if unknown := [row for row in options.row if row not in found]:
        sys.exit(f"--row: expected rows that the tables have, found {', '.join(unknown)}")
    return every, Part(_run(options, min(options.ablated, options.pictures), "some"), ablations)


def _asked(methods: tuple[Method, ...], options: argparse.Namespace) -> tuple[Method, ...]:
    """All, or the rows that were asked for beside the one that all are compared with."""
    return tuple(each for each in methods if not options.row or each.name in (GUESS, *options.row))


def _ablations(options: argparse.Namespace, shop: Workshop, learnt: LearntFeatures) -> tuple[Method, ...]:
    found: list[Method] = []
    if not options.quick:
        blind = replace(shop, learnt=without_directions(learnt)).features_only()
        found = [
            shop.from_the_mean(),
            shop.one_look(),
            shop.one_direction(),
            shop.features_only(),
            _named(blind, "features alone, O = 1"),
            shop.smplify(),  # these two are told keypoints, as a good detector would see them in the pictures
            shop.nbv(keypoints=True),
        ]
    for words in options.beside:
        name, file = named_file("--with", words)
        other = replace(shop, learnt=with_features_of(file, learnt))
        found.append(_named(other.nbv(), f"features: {name}"))
        if not options.quick:
            found.append(_named(other.features_only(), f"features alone: {name}"))
    return tuple(found)


def _named(method: Method, name: str) -> Method:
    assert isinstance(method, Fitted)
    return replace(method, name=name)


def _run(options: argparse.Namespace, count: int, name: str) -> Run:
    folder = options.out / name
    return Run(unseen_pictures(options.data, count, options.seed, folder), folder, BATCH)


def _shared(options: argparse.Namespace) -> None:
    """Several processes do a share each, this one among them; what one of them fails at is done again later."""
    for part in _parts(options):
        part.run.trial.choose()
        part.run.begin(part.methods, CONDITIONS)
    if options.jobs > 1:
        in_processes(functools.partial(_share, options, 0), functools.partial(_share, options), options.jobs)


def _share(options: argparse.Namespace, number: int) -> None:
    for part in _parts(options):
        part.run.share(part.methods, CONDITIONS, number, options.jobs)


def _options() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    asked.add_argument("--data", type=Path, default=Path(os.environ.get("PROBBODY_DATA", beside)))
    asked.add_argument("--features", type=Path, help="other learnt features than those that ship")
    asked.add_argument("--with", dest="beside", action="append", default=[], metavar="NAME=FILE")
    asked.add_argument("--pictures", type=int, default=500)
    asked.add_argument("--ablated", type=int, default=64, help="pictures of the second table")
    asked.add_argument("--seed", type=int, default=2)
    asked.add_argument("--row", action="append", default=[], metavar="NAME", help="of the tables, as they name it")
    asked.add_argument("--out", type=Path, default=Path("out/learned_features"))
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    if options.quick:
        options.pictures = options.ablated = 8
    return options


if __name__ == "__main__":
    main()
