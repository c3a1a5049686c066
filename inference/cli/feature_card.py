"""What comes beside learnt features: how they were made, and how well they do."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.resnet_unet import ResNetUNet
from probbody.extractors.small_unet import SLIM, SmallUNet
from probbody.extractors.trunk import Trunk

from ..learn.feature_measures import FeatureMeasures
from ..learn.feature_run import FeatureRun
from ..learn.temper import Tempering

TEMPERED, MEASURED = 128, 512
"""Pictures not learnt from: so many fit the temper, so many are measured on."""

CARD = """# {name}

A network that reads a picture of one person ({size} pixels; {weights:.2f} million weights, kept in half precision): unit
features of {channels} numbers for every place of a map a quarter as fine, the parts of the body, and a guess of the body. With
it, what the points of the open body look like for each direction of their limb, how features scatter about that, and what
everything else looks like.

sha256 `{sha}`

## Source and licence

{licence}. Learnt from {pictures} pictures drawn by `probbody synth`, visited {visits} times. No photograph of a
person was used.

## How it was made

    probbody train features --data POOL --validation OTHER_POOL --out {name} {asked}

{steps} steps were taken. Field: greatest likelihood on pictures learnt from. On pictures not learnt from: background and
concentration ({kappa:.1f}) by the likelihood of the points given their features, and the temper ({temper:.3g}). Untempered, the
region of 90 % of place and turn held the truth in {covered:.0%} of {tempered} pictures; the temper makes it 90 %. Beside
features the joints' maps count with an exponent of {spots_count:g} and the guess with {guess_counts:g}, chosen on drawn
pictures. Pictures are looked at {looks} times, mirrored and from nearer too; how far the guesses are off, when they are so
far apart, {errors}.

## How well it reads

On {measured} drawn pictures with poses, backdrops and seeds that were not learnt from:

| measure | value |
| --- | --- |
| visible points whose likeliest vertex is within 10 cm of the true one | {nearest} |
| places on the body told from places elsewhere (area under the ROC curve) | {told_apart} |
| places on the body that one sees told from those that something hides (the same) | {hidden_apart} |
| places of the body whose part is the likeliest | {parts} |
| joints, hidden ones too, whose likeliest place is within a twentieth of the picture | {spots} |
| joints of the guess, mm (of the mean pose) | {mpjpe} ({mean_mpjpe}) |
| the same after the best similarity, mm (of the mean pose) | {pa_mpjpe} ({mean_pa_mpjpe}) |
"""


def told(measures: FeatureMeasures) -> str:
    """The measures in one line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in asdict(measures).items())


def _network(trunk: Trunk) -> str:
    if isinstance(trunk, ResNetUNet):
        return " --network resnet50"
    return " --network slim" if isinstance(trunk, SmallUNet) and trunk.widths == SLIM else ""


def facts(out: Path, run: FeatureRun, learnt: LearntFeatures, measures: FeatureMeasures) -> dict[str, Any]:
    """What was learnt, and how well, for programs."""
    return {
        "file": out.name,
        "sha256": {out.name: hashlib.sha256(out.read_bytes()).hexdigest()},
        "licence": learnt.licence,
        "steps_taken": run.step,
        "training": asdict(run.training),
        "concentration": learnt.concentration,
        "temper": learnt.temper,
        "measures": asdict(measures),
    }


def card(
    out: Path,
    run: FeatureRun,
    learnt: LearntFeatures,
    measures: FeatureMeasures,
    tempering: Tempering,
    pictures: tuple[int, int, int],
) -> str:
    """What was learnt, from what, how, and how well, for people.

    ``pictures``: how many were learnt from, the temper was fitted on, and were measured on.
    """
    training, weights = run.training, sum(part.numel() for part in run.average.parameters())
    asked = f"--steps {training.steps} --batch {training.batch} --rate {training.rate} --seed {training.seed}"
    asked += _network(run.average.trunk)
    asked += f" --begin-with {run.begun}" if run.begun else ""
    asked += f" --directions {training.directions}" + ("" if training.contrast else " --without-contrast")
    return CARD.format(
        name=out.name,
        sha=hashlib.sha256(out.read_bytes()).hexdigest(),
        licence=learnt.licence,
        asked=asked,
        pictures=pictures[0],
        visits=run.visits,
        steps=run.step,
        weights=weights / 1e6,
        size="{} x {}".format(*run.average.size),
        channels=run.average.channels,
        kappa=learnt.concentration,
        spots_count=learnt.spot_weight,
        guess_counts=learnt.guess_weight,
        looks=learnt.times,
        errors="was measured on pictures not learnt from"
        if learnt.guesses
        else "is not known: there were too few pictures",
        temper=learnt.temper,
        covered=tempering.covered,
        tempered=pictures[1],
        measured=pictures[2],
        **{name: f"{value:.3f}" if value < 2 else f"{value:.0f}" for name, value in asdict(measures).items()},
    )
