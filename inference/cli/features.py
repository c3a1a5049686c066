"""``probbody train features``: a reader of pictures and the features of a body, learnt from drawn pictures."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from probbody.bodies.open_body import open_body
from probbody.contracts import ArticulatedBody
from probbody.data.files import check_place, written_whole
from probbody.errors import BadInput
from probbody.extractors.looks import Looks
from probbody.extractors.resnet_unet import ResNetUNet
from probbody.extractors.shipped import save_features
from probbody.extractors.small_unet import SLIM, SmallUNet
from probbody.extractors.trunk import Trunk

from ..learn.company import Accelerated
from ..learn.feature_checkpoint import run_of
from ..learn.feature_data import PoolLessons
from ..learn.feature_fitting import FeatureFitting, fitted_features
from ..learn.feature_run import FeatureRun
from ..learn.feature_settings import FeatureTraining
from ..learn.feature_training import examined, train_features
from ..learn.guess_fitting import fitted_guess
from ..learn.norms import settle_norms
from ..learn.picture_pool import PicturePool
from ..learn.temper import fitted_temper
from .feature_card import MEASURED, TEMPERED, card, facts, told
from .parts import device_named

FEWEST = 32
"""Pictures that are measured on together, and by which norms are settled at least."""
SETTLED = 2_048
"""By at most so many pictures norms are settled."""
SUMMARY, SLIM_SUMMARY = 512, 192
"""In so many numbers the head of a usual and of a slim reader sums up what it sees."""


@dataclass(frozen=True)
class How:
    """How a training is run, apart from what is learnt."""

    resume: bool = False
    finish: bool = False
    """Nothing more is learnt: features are made from the checkpoint as it is."""
    begin: Path | None = None
    """Learnt features, or the checkpoint of another learning, whose weights this one begins with."""
    together: bool = False
    """With the other processes that were launched beside this one."""
    device: str = "auto"
    network: Literal["small", "slim", "resnet50"] = "small"
    backbone: Path | None = None
    """Weights that a ResNet-50 begins with."""
    licence: str = "not stated"


def run_train_features(data: Path, out: Path, validation: Path, training: FeatureTraining, how: How) -> None:
    """Learn a reader, or take one from its checkpoint, then fit what its features say of the body, and write both."""
    if out.suffix != ".safetensors":
        raise BadInput(f"--out: expected a name that ends in .safetensors, found {out.name!r}.")
    check_place(out.parent)
    if out.is_dir():
        raise BadInput(f"--out: expected a file to write, found {out}, a folder.")
    known, new = _pools(data, validation)
    company = Accelerated() if how.together else None
    body = open_body().to(company.device if company else device_named(how.device))
    checkpoint = out.with_name(out.name + ".checkpoint")
    run = run_of(checkpoint, body) if how.finish else None
    seed = training.seed if run is None else run.training.seed
    taught, kept_out = (PoolLessons(pool, body, seed) for pool in (known, new))
    if run is None:
        run = train_features(
            taught, body, checkpoint, training, trunk=_trunk(how, training.seed), validation=kept_out.alike(),
            summary=SLIM_SUMMARY if how.network == "slim" else SUMMARY, company=company, begin=how.begin, resume=how.resume,
        )  # fmt: skip
    if run.company.rank == 0:
        _finish(run, body, taught, kept_out, out, how.licence)


def _pools(data: Path, validation: Path) -> tuple[PicturePool, PicturePool]:
    """Both pools, of different pictures, as many as one measure takes at least."""
    known, new = PicturePool(data), PicturePool(validation)
    for pool in (known, new):
        if len(pool) < FEWEST:
            raise BadInput(f"{pool.folder}: expected at least {FEWEST} drawn pictures, found {len(pool)}.")
    known.check_apart(new)
    return known, new


def _trunk(how: How, seed: int) -> Trunk:
    if how.backbone is not None and how.network != "resnet50":
        raise BadInput("--backbone: expected with --network resnet50 alone, found another network.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if how.network == "small":
            return SmallUNet()
        if how.network == "slim":
            return SmallUNet(SLIM)
        trunk = ResNetUNet()
    if how.backbone is not None:
        trunk.read_backbone(how.backbone)
    return trunk


def _finish(
    run: FeatureRun, body: ArticulatedBody, taught: PoolLessons, kept_out: PoolLessons, out: Path, licence: str
) -> None:
    """Features, their card, and the card's numbers for programs."""
    known, new = len(taught.pool), len(kept_out.pool)
    settle_norms(run.average, taught, run.training.variation, min(SETTLED, known))
    fitting = FeatureFitting(seed=run.training.seed)
    fitting = replace(fitting, pictures=min(fitting.pictures, known), kept_out=min(fitting.kept_out, new))
    tempered, measured = min(TEMPERED, new), min(MEASURED, new)
    learnt = fitted_features(run.average, run.marking, taught, kept_out, licence, fitting)
    tempering = fitted_temper(learnt, body, [kept_out(step, 8) for step in range(max(tempered // 8, 1))])
    looks = Looks(run.average.rest)
    guess = fitted_guess(run.average, looks, kept_out, run.training.variation, fitting)
    learnt = replace(
        learnt,
        temper=tempering.temper,
        guesses=() if guess is None else (guess,),
        looks=looks,
        spot_weight=fitting.spot_weight,
        guess_weight=fitting.guess_weight,
    )
    with written_whole(out) as path:
        save_features(path, learnt, {"seed": str(run.training.seed), "steps": str(run.step)})
    measures = examined(run, body, kept_out.alike(), measured, learnt.features.features)
    with written_whole(out.with_suffix(".md")) as path:
        path.write_text(card(out, run, learnt, measures, tempering, (known, tempered, measured)), encoding="utf-8")
    with written_whole(out.with_suffix(".json")) as path:
        path.write_text(json.dumps(facts(out, run, learnt, measures), indent=1) + "\n", encoding="utf-8")
    print(f"{out}: {run.step} steps, {out.stat().st_size / 1e6:.1f} MB; " + told(measures))
