"""``probbody train features``: a reader of pictures and the features of a body, learnt from drawn pictures."""

from dataclasses import asdict
from pathlib import Path

from probbody.bodies.open_body import open_body
from probbody.data.files import written_whole
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.shipped import save_features

from ..learn.feature_checkpoint import run_of
from ..learn.feature_data import PoolLessons
from ..learn.feature_fitting import FeatureFitting, fitted_features
from ..learn.feature_measures import FeatureMeasures
from ..learn.feature_run import FeatureRun
from ..learn.feature_settings import FeatureTraining
from ..learn.feature_training import examined, train_features
from ..learn.picture_pool import PicturePool
from .parts import device_named


def run_train_features(
    data: Path,
    out: Path,
    validation: Path,
    training: FeatureTraining,
    *,
    resume: bool,
    finish: bool,
    device: str,
    licence: str,
) -> None:
    """Learn a reader, or take one from its checkpoint, then fit what its features say of the body, and write both."""
    body = open_body().to(device_named(device))
    taught = PoolLessons(PicturePool(data), body, training.seed)
    kept_out = PoolLessons(PicturePool(validation), body, training.seed)
    checkpoint = out.with_name(out.name + ".checkpoint")
    if finish:
        run = run_of(checkpoint, body)
    else:
        run = train_features(taught, body, checkpoint, training, validation=kept_out, resume=resume)
    measures = examined(run, body, kept_out)
    learnt = fitted_features(run.average, run.marking, taught, kept_out, licence, FeatureFitting(seed=training.seed))
    with written_whole(out) as path:
        save_features(path, learnt, {"seed": str(training.seed), "steps": str(run.step)})
    with written_whole(out.with_suffix(".md")) as path:
        path.write_text(card(run, learnt, measures, len(taught.pool), len(kept_out.pool)), encoding="utf-8")
    print(f"{out}: {run.step} steps, {out.stat().st_size / 1e6:.1f} MB; " + told(measures))


def told(measures: FeatureMeasures) -> str:
    """The measures in one line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in asdict(measures).items())


def card(run: FeatureRun, learnt: LearntFeatures, measures: FeatureMeasures, pictures: int, kept_out: int) -> str:
    """What was learnt, from what, how, and how well, for people."""
    training = run.training
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in asdict(measures).items())
    return f"""# Learnt features

A network that reads pictures of a person, and what it says of the points of the open body and of everything else.

Source: {pictures} drawn pictures, visited {run.step * training.batch} times. Licence: {learnt.licence}.
Command: `probbody train features --steps {training.steps} --batch {training.batch} --seed {training.seed}
--directions {training.directions}{"" if training.contrast else " --without-contrast"}`; {run.step} steps were taken.
Concentration {learnt.concentration:.1f}, temper {learnt.temper:.3g}.

On 256 of {kept_out} drawn pictures that were not learnt from (lengths in mm; "mean" is the mean pose):

| measure | value |
| --- | --- |
{rows}
"""
