"""Photographs from pixels alone: how far a world of drawn pictures carries into the real one.

``python benchmarks/photographs.py [--data FOLDER] [--features FILE] [--two-networks] [--pictures DIR] [--quick]``. Every
annotated person of COCO's openly licensed pictures who is higher than 60 px, from the annotated box; whole pictures of single
people without a box; and pictures without anybody, of which it should be said that nothing is explained. ``--pictures`` keeps
the sheets.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from keypoint_shares import pck, shares
from marked_people import METHODS, Marked, fitted_by_all, keypoints_of, marked_people, questions, ready, way
from torch import Tensor
from verdicts import AtLeast, Target

from probbody.bodies.open_body import open_body
from probbody.extractors import LearntFeatures
from probbody.inference.cli.outputs import sheet
from probbody.inference.cli.people import Settings, fit_people
from probbody.pictures import read_picture
from probbody.priors import vae_prior

ALONE = ("cc0_yogait", "sports2d_frames")
"""Folders of pictures of one person; in the second another one stands far away."""
TOLD = (*METHODS, "keypoints")
"""The last was told the keypoints that the others are compared with: what the body and its prior can reach."""


@dataclass(frozen=True)
class Found:
    """Where the methods put the keypoints of one person, as shares of the box from where they are marked."""

    name: str
    height: float
    away: dict[str, Float[Tensor, " P"]]
    evidence: float


def main() -> None:
    """Print the tables and the targets; exit code 1 if one is missed."""
    options = questions(__doc__).parse_args()
    learnt = ready(options)
    print(f"photographs from pixels alone: torch {torch.__version__}, one thread; focal lengths unknown")
    targets = _annotated(options.data / "photos" / "coco_ccby", learnt, options.pictures, options.quick)
    targets += _alone(options.data / "photos", learnt, options.pictures, options.quick)
    targets += _nobody(options.data / "backgrounds", learnt, options.quick)
    if not options.quick:
        _folder(options.data / "photos" / "cc0_yogait", options.features)
    print()
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


def _annotated(folder: Path, learnt: LearntFeatures, pictures: Path | None, quick: bool) -> list[Target | AtLeast]:
    """People with keypoints, which only the last method is told."""
    print(
        "\n1. people with annotated keypoints, from the annotated box; PCK at 0.2 (0.1) of the longer side of the box"
    )
    print(f"{'picture':14}{'person':>9}{'height px':>11}" + "".join(f"{name:>14}" for name in TOLD) + "  nats")
    found: list[Found] = []
    for marked in marked_people(folder, quick):
        for one in _people(marked, learnt, pictures):
            found.append(one)
            row = "".join(shares(one.away[name]) for name in TOLD)
            print(f"{marked.path.stem:14}{one.name:>9}{one.height:11.0f}{row}{one.evidence:8.0f}", flush=True)
    pooled = {name: torch.cat([one.away[name] for one in found]) for name in TOLD}
    print(f"{'all keypoints':34}" + "".join(shares(pooled[name]) for name in TOLD))
    gained = pck(pooled["3DNBF"], 0.2) - pck(pooled["regressor"], 0.2)
    return [AtLeast("photographs: PCK at 0.2 of 3DNBF less the regressor's", gained, 0.0)]


def _people(marked: Marked, learnt: LearntFeatures, pictures: Path | None) -> list[Found]:
    """The tall ones of one picture."""
    people = marked.people
    assert people.boxes is not None
    fits = {name: found[0] for name, found in fitted_by_all([marked.looked()], learnt).items()}
    fits["keypoints"] = fit_people(marked.photograph, people, open_body(), vae_prior(), Settings())
    away = {name: marked.away(keypoints_of(fitted, people.layout)) for name, fitted in fits.items()}
    evidence = fits["3DNBF"].fit.evidence
    assert evidence is not None
    for person in range(len(people)) if pictures else ():
        assert pictures is not None
        sheet(marked.photograph, fits["3DNBF"], person).save(
            pictures / f"{marked.path.stem}_{people.names[person]}.png"
        )
    return [
        Found(
            people.names[person],
            float(people.boxes[person, 3]),
            {name: value[person] for name, value in away.items()},
            float(evidence[person]),
        )
        for person in range(len(people))
    ]


def _alone(folder: Path, learnt: LearntFeatures, pictures: Path | None, quick: bool) -> list[Target | AtLeast]:
    """Whole pictures, no box: what is found, and how long it takes."""
    print("\n2. pictures of one person without keypoints or box")
    print(f"{'picture':38}{'nats':>8}{'height px':>11}{'explained':>11}{'s':>7}")
    paths = [path for name in ALONE for path in sorted((folder / name).glob("*.jpg"))][: 2 if quick else None]
    looking, explained, seconds = way(learnt, "nbv"), 0, []
    for path in paths:
        begun = time.perf_counter()
        fitted = looking.fit([looking.look(path)])[0]
        seconds.append(time.perf_counter() - begun)
        evidence = fitted.fit.evidence
        assert evidence is not None
        found = fitted.explained(0)
        explained += found
        edges = fitted.camera.project(fitted.surface.vertices)[0, :, 1]
        told = f"{float(evidence[0]):8.0f}{float(edges.max() - edges.min()):11.0f}{'yes' if found else 'no':>11}"
        print(f"{path.parent.name + '/' + path.name:38}{told}{seconds[-1]:7.1f}", flush=True)
        if pictures:
            sheet(read_picture(path), fitted, 0).save(pictures / f"{path.parent.name}_{path.stem}.png")
    median = float(torch.tensor(seconds).median())
    return [Target("seconds a picture, one at a time, all starts", median, 3.0, " s")]


def _nobody(folder: Path, learnt: LearntFeatures, quick: bool) -> list[Target | AtLeast]:
    """Photographs of three scenes that no training saw, without anybody in them."""
    print("\n3. photographs without anybody (scenes that no training saw)")
    scenes = [path for name in ("venice", "hall", "forest") for path in sorted(folder.glob(f"{name}_*.jpg"))]
    scenes = scenes[: 2 if quick else None]
    looking = way(learnt, "nbv")
    fits = [looking.fit([looking.look(path)])[0] for path in scenes]
    nats = [float(fit.fit.evidence[0]) for fit in fits if fit.fit.evidence is not None]
    said = sum(not fit.explained(0) for fit in fits)
    print("nats: " + ", ".join(f"{one:.0f}" for one in sorted(nats)))
    return [AtLeast("pictures of nobody of which it is said that nothing is explained", said / len(fits), 0.9)]


def _folder(folder: Path, features: Path | None) -> None:
    """A folder through the command line, from its start to its end, in a process of its own."""
    count = len(list(folder.glob("*.jpg")))
    told = ["--features", str(features)] if features else []
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "probbody.inference.cli", "fit", str(folder), "--out", out, *told]
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"\n4. probbody fit FOLDER, {count} pictures in batches: from the start of the program to its end {seconds:.0f} s,"
    )
    print(f"{count / (used.ru_utime + used.ru_stime):.2f} pictures a second of one core, all files written;", end=" ")
    print(f"at most {used.ru_maxrss / 2**20:.2f} GB of memory")


if __name__ == "__main__":
    main()
