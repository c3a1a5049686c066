"""A reader of pictures learnt from pictures of which everything is known: features by contrast, the body by regression."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from probbody.contracts import ArticulatedBody
from probbody.data.files import written_whole
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.rest_joints import RestJoints
from probbody.extractors.small_unet import SmallUNet
from probbody.extractors.trunk import Trunk
from probbody.geometry.rest import at_rest
from probbody.quantities import joined

from .company import Company
from .feature_checkpoint import begin_with, resume_run, save_run
from .feature_data import Lessons
from .feature_measures import Examination, FeatureMeasures
from .feature_pictures import save_progress
from .feature_run import FeatureRun, draws, half_precision
from .feature_settings import FeatureTraining


def train_features(
    lessons: Lessons,
    body: ArticulatedBody,
    checkpoint: Path,
    training: FeatureTraining | None = None,
    *,
    trunk: Trunk | None = None,
    summary: int = 512,
    validation: Lessons | None = None,
    company: Company | None = None,
    begin: Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> FeatureRun:
    """Learns a reader, and leaves ``checkpoint``, from which learning can be resumed and features be made.

    With ``resume`` it goes on from the checkpoint, if there is one, to the same numbers as if it had never stopped. With
    ``begin``, learnt features or the checkpoint of another learning, it starts from the weights of that one. Beside the
    checkpoint stand a log (``.jsonl``: one line of losses every so many steps, one of measures every so many more), and with
    ``validation`` a folder of pictures of what the reader sees (``.progress``). ``trunk`` and ``summary`` are the reader's own:
    see ``PersonReader``.
    """
    training = training or FeatureTraining()
    run = new_run(body, training, trunk, lessons, company, summary)
    first = run.company.rank == 0
    if resume and checkpoint.exists():
        resume_run(run, checkpoint)
    elif begin is not None:
        begin_with(run, begin)
    for step in tqdm(
        range(run.step, training.steps), initial=run.step, total=training.steps, disable=not (progress and first)
    ):
        run.recent.append(run.advance(lessons(run.company.number(step), training.batch)))
        if not first:
            continue  # one of the processes measures and writes for all
        last = run.step == training.steps
        if run.step % training.log_every == 0 or last:
            run.log.append({"step": run.step, "rate": training.rate_at(step), **_means(run.recent)})
            run.recent.clear()
        if validation is not None and (run.step % training.measure_every == 0 or last):
            run.log.append({"step": run.step, **asdict(examined(run, body, validation))})
        if validation is not None and (run.step % training.show_every == 0 or last):
            save_progress(run, validation(0, 8), checkpoint.with_suffix(".progress"))
        if run.step % training.save_every == 0 or last:
            save_run(run, checkpoint)
            write_log(run, checkpoint.with_suffix(".jsonl"))
    return run


def new_run(
    body: ArticulatedBody,
    training: FeatureTraining,
    trunk: Trunk | None,
    lessons: Lessons,
    company: Company | None = None,
    summary: int = 512,
) -> FeatureRun:
    """A reader before its first step, its means taken from first pictures."""
    first = [lessons(step, training.batch) for step in range(8)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        size = first[0].images.shape[2], first[0].images.shape[3]
        reader = PersonReader(trunk or SmallUNet(), RestJoints.of(body), size=size, summary=summary).to(
            body.weights.device
        )
    reader.begin_at(*(joined([getattr(some, name) for some in first]) for name in ("pose", "camera")))
    with torch.no_grad():
        reader.centre_features(first[0].images)
    return FeatureRun(reader, body, training, company)


def examined(
    run: FeatureRun,
    body: ArticulatedBody,
    validation: Lessons,
    pictures: int = 256,
    rows: Float[Tensor, "V O D"] | None = None,
) -> FeatureMeasures:
    """How well the moving mean of the reader reads pictures that it does not learn from.

    Vertices are known by ``rows``, by the bank's unless given. Points are the same whatever the seed of the learning.
    """
    examination = Examination(run.marking, at_rest(body).vertices[0])
    rows = run.bank.rows if rows is None else rows.to(run.device)
    for batch in range(max(pictures // 32, 1)):
        with half_precision(run.device):
            examination.add(run.average, rows, validation(batch, 32), draws(0, batch))
    return examination.result()


def write_log(run: FeatureRun, path: Path) -> None:
    """One JSON object a line."""
    with written_whole(path) as partial:
        partial.write_text("".join(json.dumps(row) + "\n" for row in run.log), encoding="utf-8")


def _means(losses: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(each[name] for each in losses) / len(losses) for name in losses[0]}
