"""From pixels to bodies on drawn pictures that nothing was learnt from: the regressor, and what a fit adds to it.

``python benchmarks/learned_features.py [--data FOLDER] [--features FILE] [--pictures N] [--quick]``. Pictures, patches and
splits: see ``learned_scenes.py``; methods: ``learned_methods.py``. Lengths in mm, root joint at the origin for MPJPE.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from learned_methods import Answer, Fitted, MeanPose, Method, Regressor, without_directions
from learned_scenes import JOINTS, UnseenPictures, behind_patches, unseen_pictures
from verdicts import AtLeast, Target

from probbody.extractors import Reading
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.shipped import load_features, shipped_features
from probbody.metrics import Procrustes, Rooted, auc, joint_scores, paired
from probbody.metrics.means import Mean
from probbody.priors import vae_prior
from probbody.synth.joining import joined

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
        numbers = (self.mpjpe.value, self.pa.value, self.shown, self.hidden)
        return "".join(f"{number:8.1f}" for number in numbers) + f"{self.told_apart:7.3f}{self.seconds:8.2f}"


def main() -> None:
    """Print the tables and the targets; exit code 1 if one is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    asked.add_argument("--data", type=Path, default=Path(os.environ.get("PROBBODY_DATA", beside)))
    asked.add_argument("--features", type=Path, help="other learnt features than those that ship")
    asked.add_argument("--pictures", type=int, default=500)
    asked.add_argument("--seed", type=int, default=2)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    torch.set_num_threads(1)
    learnt = load_features(options.features) if options.features else shipped_features()
    assert isinstance(learnt.reader, PersonReader)
    prior = vae_prior()
    methods: list[Method] = [
        MeanPose(learnt.reader),
        Regressor(),
        Fitted("regressor + NeuralSMPL", "neural-smpl", learnt, prior),
        Fitted("regressor + 3DNBF", "nbv", learnt, prior),
        Fitted("regressor + 3DNBF, O = 1", "nbv", without_directions(learnt), prior),
        Fitted("3DNBF from the mean pose", "nbv", learnt, prior, guessing=False),
    ]
    count = 8 if options.quick else options.pictures
    if options.quick:
        methods = [methods[number] for number in (0, 1, 3)]
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
        reading = read(learnt.reader, scenes)
        for method in methods:
            found[method.name, condition] = row = measured(method, scenes, reading)
            print(f"{method.name:28}{condition:8}{row}", flush=True)
    targets = judged(found)
    print()
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


@torch.no_grad()
def read(reader: PersonReader, scenes: UnseenPictures) -> Reading:
    """What the reader says of all of them."""
    parts = range(0, len(scenes), BATCH)
    some = [scenes.pictures[slice(first, first + BATCH)] for first in parts]
    return joined([reader.read(each.images, each.camera) for each in some])


def measured(method: Method, scenes: UnseenPictures, reading: Reading) -> Row:
    """One method on all pictures, in batches."""
    begun = time.process_time()
    answers: list[Answer] = []
    for first in range(0, len(scenes), BATCH):
        part = slice(first, first + BATCH)
        answers.append(method(scenes[part], reading[part]))
    seconds = (time.process_time() - begun) / len(scenes)
    joints = torch.cat([answer.joints for answer in answers]).detach()[:, :JOINTS]
    truth = scenes.pictures.joints[:, :JOINTS]
    rooted = joint_scores(joints, truth, Rooted((0,)))
    return Row(
        rooted.over_images(),
        joint_scores(joints, truth, Procrustes()).over_images(),
        rooted.where(scenes.shown).pooled().value,
        rooted.where(~scenes.shown).pooled().value,
        _told_apart(answers, scenes),
        seconds,
    )


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
    ratio = found["regressor", clean].mpjpe.value / found["mean pose", clean].mpjpe.value
    gain = 100 * (1 - found["regressor + 3DNBF", far].pa.value / found["regressor", far].pa.value)
    cost = 100 * (found["regressor + 3DNBF", clean].pa.value / found["regressor", clean].pa.value - 1)
    apart = paired(found["regressor + 3DNBF", far].pa, found["regressor", far].pa)
    print(f"\nPA-MPJPE of 3DNBF less the regressor's at @80, paired: {apart}")
    targets: list[Target | AtLeast] = [
        Target("MPJPE of the regressor over the mean pose's, clean", ratio, 0.5),
        AtLeast("what 3DNBF takes off the regressor's PA-MPJPE at @80", gain, 15.0, " %"),
        Target("what 3DNBF adds to the regressor's PA-MPJPE, clean", cost, 2.0, " %"),
    ]
    blind = found.get(("regressor + 3DNBF, O = 1", far))
    if blind is not None:
        lost = 100 * (1 - blind.pa.value / found["regressor", far].pa.value)
        targets.append(
            Target("share of that gain that is left with O = 1", lost / gain if gain > 0 else float("nan"), 0.8)
        )
    return targets


if __name__ == "__main__":
    main()
