"""From pixels to bodies on drawn pictures that nothing was learnt from: the regressor, and what a fit adds to it.

``python benchmarks/learned_features.py [--data FOLDER] [--features FILE] [--with NAME=FILE ...] [--pictures N] [--quick]``.
``--with`` adds 3DNBF with features learnt otherwise, from the same guess: for the last target some of as short a learning
with contrast ("contrast"), and some without ("no contrast"). Pictures, patches and splits: see ``learned_scenes.py``; methods
are those of ``probbody eval``, which has patches that are sought instead of random ones, and intervals. Lengths in mm, root
joint at the origin for MPJPE; seconds include the reading of the picture.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from learned_scenes import UnseenPictures, behind_patches, unseen_pictures
from other_features import with_features_of
from verdicts import AtLeast, Target

from probbody.bodies.open_body import open_body
from probbody.extractors.shipped import load_features, shipped_features
from probbody.inference.cli.compared import named_file
from probbody.inference.cli.methods import Workshop, without_directions
from probbody.inference.evaluate import Answer, Method, Seen
from probbody.metrics import Procrustes, Rooted, auc, joint_scores, paired
from probbody.metrics.means import Mean
from probbody.priors import vae_prior
from probbody.synthocc import JOINTS

BATCH = 8
CONDITIONS = {"clean": 0, "@40": 40, "@80": 80}


@dataclass(frozen=True)
class Row:
    """One method under one condition."""

    mpjpe: Mean
    pa: Mean
    shown: float
    hidden: float
    told_apart: float
    seconds: float

    def __str__(self) -> str:
        numbers = (self.mpjpe.value(), self.pa.value(), self.shown, self.hidden)
        return "".join(f"{number:8.1f}" for number in numbers) + f"{self.told_apart:7.3f}{self.seconds:8.2f}"


def main() -> None:
    """Print the tables and the targets; exit code 1 if one is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    asked.add_argument("--data", type=Path, default=Path(os.environ.get("PROBBODY_DATA", beside)))
    asked.add_argument("--features", type=Path, help="other learnt features than those that ship")
    asked.add_argument("--with", dest="beside", action="append", default=[], metavar="NAME=FILE")
    asked.add_argument("--pictures", type=int, default=500)
    asked.add_argument("--seed", type=int, default=2)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    torch.set_num_threads(1)
    learnt = load_features(options.features) if options.features else shipped_features()
    shop = Workshop(open_body(), vae_prior(), learnt)
    methods: dict[str, Method] = {
        "mean pose": shop.mean_pose(),
        "regressor": shop.regressor(),
        "regressor + NeuralSMPL": shop.neural_smpl(),
        "regressor + 3DNBF": shop.nbv(),
        "3DNBF, features alone": shop.features_only(),
        "regressor + 3DNBF, O = 1": shop.one_direction(),
        "features alone, O = 1": replace(shop, learnt=without_directions(learnt)).features_only(),
        "3DNBF from the mean pose": shop.from_the_mean(),
    }
    for words in options.beside:
        name, file = named_file("--with", words)
        methods[f"features: {name}"] = replace(shop, learnt=with_features_of(file, learnt)).nbv()
    count = 8 if options.quick else options.pictures
    if options.quick:
        few = ("mean pose", "regressor", "regressor + 3DNBF")
        methods = {name: method for name, method in methods.items() if name in few or name.startswith("features: ")}
    clean = unseen_pictures(options.data, count, options.seed)
    print(
        f"{count} drawn pictures that nothing was learnt from, seed {options.seed}; torch {torch.__version__}, one thread"
    )
    print(
        "shown, hidden: MPJPE of joints that one sees, and of the others; AUC: of the occlusion map; s: a picture's fit"
    )
    print(f"{'':28}{'':8}   MPJPE      PA   shown  hidden    AUC       s")
    found: dict[tuple[str, str], Row] = {}
    for condition, side in CONDITIONS.items():
        scenes = behind_patches(clean, side) if side else clean
        for name, method in methods.items():
            found[name, condition] = row = measured(method, scenes)
            print(f"{name:28}{condition:8}{row}", flush=True)
    targets = judged(found)
    print()
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


def measured(method: Method, scenes: UnseenPictures) -> Row:
    """One method on all pictures, in batches."""
    begun = time.process_time()
    answers: list[Answer] = []
    for first in range(0, len(scenes), BATCH):
        part = slice(first, first + BATCH)
        answers.append(method(seen(scenes[part])))
    seconds = (time.process_time() - begun) / len(scenes)
    joints = torch.cat([answer.joints for answer in answers]).detach()[:, :JOINTS]
    truth = scenes.pictures.joints[:, :JOINTS]
    rooted = joint_scores(joints, truth, Rooted((0,)))
    return Row(
        rooted.over_images(),
        joint_scores(joints, truth, Procrustes()).over_images(),
        rooted.where(scenes.shown).pooled().value(),
        rooted.where(~scenes.shown).pooled().value(),
        _told_apart(answers, scenes),
        seconds,
    )


def seen(scenes: UnseenPictures) -> Seen:
    """What methods are given; no keypoints."""
    count = len(scenes)
    names = tuple(str(number) for number in range(count))
    return Seen(scenes.pictures.images, scenes.pictures.camera, torch.zeros(count, 17, 3), names)


def _told_apart(answers: Sequence[Answer], scenes: UnseenPictures) -> float:
    """The area under the ROC curve of the occlusion map, at pixels of the map that the person would be seen at."""
    maps = [answer.occlusion for answer in answers if answer.occlusion is not None]
    if len(maps) < len(answers):
        return float("nan")
    guessed = torch.cat(maps)
    step = scenes.hidden.shape[1] // guessed.shape[1]
    middle = slice(step // 2, None, step)
    hidden, body = scenes.hidden[:, middle, middle], scenes.pictures.mask[:, middle, middle]
    if not bool((hidden & body).any()):
        return float("nan")
    return float(auc(guessed[body], hidden[body]))


def judged(found: dict[tuple[str, str], Row]) -> list[Target | AtLeast]:
    """What was expected of the regressor and of the fit."""
    clean, far = "clean", "@80"
    ratio = found["regressor", clean].mpjpe.value() / found["mean pose", clean].mpjpe.value()
    gain = 100 * (1 - found["regressor + 3DNBF", far].pa.value() / found["regressor", far].pa.value())
    cost = 100 * (found["regressor + 3DNBF", clean].pa.value() / found["regressor", clean].pa.value() - 1)
    apart = paired(found["regressor + 3DNBF", far].pa, found["regressor", far].pa)
    interval = f"{apart.estimate:+.1f} [{apart.low:+.1f}, {apart.high:+.1f}]"
    print(f"\nPA-MPJPE of 3DNBF less the regressor's at @80, paired: {interval} mm")
    targets: list[Target | AtLeast] = [
        Target("MPJPE of the regressor over the mean pose's, clean", ratio, 0.5),
        AtLeast("what 3DNBF takes off the regressor's PA-MPJPE at @80", gain, 15.0, " %"),
        Target("what 3DNBF adds to the regressor's PA-MPJPE, clean", cost, 2.0, " %"),
    ]
    for name, of, beside in (
        ("regressor + 3DNBF, O = 1", "with O = 1", "regressor + 3DNBF"),
        ("features: no contrast", "without contrast, of as long a learning", "features: contrast"),
    ):
        if (name, far) in found and (beside, far) in found:
            full, less = (found["regressor", far].pa.value() - found[each, far].pa.value() for each in (beside, name))
            share = less / full if full > 0 else float("nan")
            targets.append(Target(f"share of that gain that is left {of}", share, 0.8))
    return targets


if __name__ == "__main__":
    main()
