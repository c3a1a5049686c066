"""Fits to features that an oracle drew: what the outlier process, the directions and the renderer are each worth.

``python benchmarks/oracle_features.py [--data FOLDER] [--poses N] [--keep FILE] [--quick]``. Poses are of held-out takes; see
``oracle_scenes``; every row is of all of them. Settings of the fit were chosen on takes that the priors were trained on. It
takes about two hours of one core: with ``--keep`` each row is kept in a file when it is done, and a run that was stopped goes
on from there.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from fits_of_captured_poses import JOINTS, held_out_poses
from jaxtyping import Float
from kept_rows import KeptRows
from oracle_scenes import OracleScenes, concentration, draw, oracle_background, oracle_features, starts
from torch import Tensor
from torch.nn.functional import normalize
from verdicts import AtLeast, Target

from probbody.bodies.open_body import open_body
from probbody.contracts import PosePrior
from probbody.features import (
    DirectedFeatures,
    LogMixture,
    NoOutliers,
    OneDirection,
    SigmoidDirections,
    SoftMax,
    limbs_of,
    matches,
)
from probbody.geometry.kernels import surface_kernels
from probbody.geometry.procrustes import similarity
from probbody.inference import Fit, fit_features
from probbody.metrics import mpjpe, pa_mpjpe
from probbody.models import MatchedBody, NeuralBodyVolume
from probbody.priors import freed_prior
from probbody.render import MeshRenderer
from probbody.systems import neural_body_volume, released_code

BATCH, POINTS, FEWEST = 20, 200, 4
HEADLINE = "volume, outliers on, O = 4"
BLIND_TO_OUTLIERS, BLIND_TO_DIRECTIONS = "volume, outliers off, O = 4", "volume, outliers on, O = 1"


@dataclass(frozen=True)
class Row:
    """Means over poses: mm, seconds a pose, and the area under the occlusion map's curve."""

    rooted: float
    aligned: float
    shown: float
    hidden: float
    area: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.rooted:8.1f}{self.aligned:10.1f}{self.shown:8.1f}{self.hidden:8.1f}{self.area:8.3f}{self.seconds:8.2f}"


def main() -> None:
    """Print the tables and the targets; exit code 1 if one is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    asked.add_argument("--data", type=Path, default=Path(os.environ.get("PROBBODY_DATA", beside)))
    asked.add_argument("--poses", type=int, default=200)
    asked.add_argument("--keep", type=Path, help="where rows are kept until all are done")
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    torch.set_num_threads(1)
    angles, clips = held_out_poses(options.data / "mocap", 2 if options.quick else options.poses)
    angles = angles[torch.randperm(len(angles), generator=torch.Generator().manual_seed(0))]  # takes mixed in batches
    kept = KeptRows(options.keep)
    print(f"fits to features of an oracle: torch {torch.__version__}, one thread; {len(angles)} poses of {clips} takes")
    print(
        "crops of 1.2 times the person's box, 64 x 64 pixels, 64 channels, mean cosine 0.7; starts 120 mm off (PA-MPJPE);"
    )
    print("120 steps a round, of two")
    print("PA-MPJPE over all joints, over those shown (aligned on them alone), over those hidden (aligned on all); mm")
    print(
        f"{'':44}{'hidden':>7}{'poses':>6}{'MPJPE':>8}{'PA-MPJPE':>10}{'shown':>8}{'hidden':>8}{'AUC':>8}{'s/pose':>8}"
    )
    table: dict[tuple[str, float], Row] = {}
    for name, hidden in QUICK if options.quick else FULL:
        table[name, hidden] = kept(
            f"{name}, {hidden:.0%} hidden, {len(angles)} poses",
            Row,
            lambda name=name, hidden=hidden: run(angles, hidden, VARIATIONS[name]),  # type: ignore[misc]
        )
        print(f"{name:44}{hidden:7.0%}{len(angles):6}{table[name, hidden]}", flush=True)
    print()
    targets = targets_of(table)
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


def targets_of(table: dict[tuple[str, float], Row]) -> list[Target | AtLeast]:
    """What was wanted of the rows."""
    best, patched = table[HEADLINE, 0.0], table[HEADLINE, 0.4]
    return [
        Target("PA-MPJPE of shown joints, nothing hidden", best.shown, 20.0, " mm"),
        Target("PA-MPJPE of shown joints, 40 % hidden", patched.shown, 30.0, " mm"),
        AtLeast("area under the occlusion map's curve, 40 % hidden", patched.area, 0.95),
        Target(
            "40 % hidden: PA-MPJPE with the outlier process over that without",
            patched.aligned / table[BLIND_TO_OUTLIERS, 0.4].aligned,
            0.5,
        ),
        Target(
            "40 % hidden: PA-MPJPE with four directions over that with one",
            patched.aligned / table[BLIND_TO_DIRECTIONS, 0.4].aligned,
            1.0,
        ),
    ]


def run(angles: Float[Tensor, "B 24 3"], hidden: float, make: Callable[[], NeuralBodyVolume]) -> Row:
    """Fits all poses, in batches."""
    model = make()
    body, prior, truth = open_body(), freed_prior().held(), oracle_features()
    vertex = surface_kernels(body, count=POINTS).vertex
    matched = MatchedBody(body, prior, vertex)
    columns: list[list[Tensor]] = [[], [], [], []]
    begun, areas, masks = time.process_time(), [], []
    for first in range(0, len(angles), BATCH):
        scenes = draw(angles[first : first + BATCH], hidden, seed=100 + first)
        found = matches(truth, vertex, scenes.observation.features, concentration())
        start = starts(scenes, prior, seed=100 + first)  # joints are held until they are rendered
        fit = fit_features(model, matched, body, prior, scenes.observation, found, start)
        for column, value in zip(columns, _errors(fit, scenes), strict=True):
            column.append(value)
        assert fit.occlusion is not None
        areas.append(fit.occlusion[scenes.covered])
        masks.append(scenes.patched[scenes.covered])
    seconds = (time.process_time() - begun) / len(angles)
    rooted, aligned, shown, hid = (float(torch.cat(column).nanmean()) for column in columns)
    return Row(rooted, aligned, shown, hid, area(torch.cat(areas), torch.cat(masks)), seconds)


def _errors(fit: Fit, scenes: OracleScenes) -> tuple[Tensor, ...]:
    """MPJPE, PA-MPJPE, that of the joints shown, and the distance of the hidden ones after aligning all; mm."""
    body = open_body()
    found, truth = body(fit.pose).joints[:, :JOINTS], body(scenes.pose).joints[:, :JOINTS]
    enough = scenes.shown.sum(1) >= FEWEST
    shown = torch.full((len(found),), torch.nan)
    if enough.any():
        shown[enough] = pa_mpjpe(found[enough], truth[enough], scenes.shown[enough])
    some = (~scenes.shown).any(1)
    hidden = torch.full((len(found),), torch.nan)
    if some.any():
        hidden[some] = _hidden(found[some], truth[some], ~scenes.shown[some])
    return mpjpe(found, truth), pa_mpjpe(found, truth), shown, hidden


def _hidden(found: Tensor, truth: Tensor, hidden: Tensor) -> Tensor:
    away = 1000 * (similarity(found, truth, torch.ones_like(found[..., 0]))(found) - truth).norm(dim=-1)
    return torch.where(hidden, away, 0.0).sum(1) / hidden.sum(1)


def area(scores: Float[Tensor, " N"], truth: Tensor) -> float:
    """The chance that a hidden pixel has a higher score than one that is not (ties count half); none hidden: NaN."""
    if not truth.any() or truth.all():
        return float("nan")
    order = torch.unique(scores, return_inverse=True)[1]
    count = torch.bincount(order)
    rank = (count.cumsum(0) - 0.5 * (count - 1)).double()[order]
    positive = int(truth.sum())
    above = float(rank[truth].sum()) - positive * (positive + 1) / 2
    return above / positive / (len(truth) - positive)


def paper(
    features: DirectedFeatures | None = None,
    mesh: bool = False,
    outliers: bool = True,
    prior: PosePrior | None = None,
) -> NeuralBodyVolume:
    """3DNBF with choices changed; joints are free to leave the pose prior a little unless another is given."""
    return neural_body_volume(
        open_body(),
        features or oracle_features(),
        oracle_background(),
        prior or freed_prior(),
        concentration=concentration(),
        renderer=MeshRenderer() if mesh else None,
        likelihood=LogMixture() if outliers else NoOutliers(),
    )


def released(outliers: bool) -> NeuralBodyVolume:
    """The released code's choices; its three features are those of the truth's directions that its bins hold."""
    away, down, towards, up = oracle_features().features.unbind(1)
    bins = torch.stack([normalize(down + up, dim=-1), away, towards], dim=1)
    features = DirectedFeatures(bins, limbs_of(open_body()), SigmoidDirections(3))
    background = oracle_background()
    clutter = normalize(background.weights @ background.directions, dim=-1)
    likelihood = SoftMax() if outliers else None
    return released_code(open_body(), features, clutter, freed_prior().held(), likelihood=likelihood, size=(64, 64))


def blind() -> DirectedFeatures:
    """One feature a vertex, whatever its limb does: the mean of the truth's four."""
    mean = normalize(oracle_features().features.mean(1, keepdim=True), dim=-1)
    return DirectedFeatures(mean, limbs_of(open_body()), OneDirection())


VARIATIONS: dict[str, Callable[[], NeuralBodyVolume]] = {
    HEADLINE: paper,
    "volume, outliers on, O = 4, joints held": lambda: paper(prior=freed_prior().held()),
    BLIND_TO_OUTLIERS: lambda: paper(outliers=False),
    BLIND_TO_DIRECTIONS: lambda: paper(blind()),
    "volume, outliers off, O = 1": lambda: paper(blind(), outliers=False),
    "mesh, outliers on, O = 4": lambda: paper(mesh=True),
    "mesh, outliers off, O = 4": lambda: paper(mesh=True, outliers=False),
    "mesh, outliers on, O = 1": lambda: paper(blind(), mesh=True),
    "mesh, outliers off, O = 1": lambda: paper(blind(), mesh=True, outliers=False),
    "released code, outliers on, O = 3": lambda: released(True),
    "released code, outliers off, O = 3": lambda: released(False),
}
FULL = [(HEADLINE, 0.0), (HEADLINE, 0.2), (HEADLINE, 0.4), (HEADLINE, 0.6)]
FULL += [(name, hidden) for name in VARIATIONS if name != HEADLINE for hidden in (0.0, 0.4)]
QUICK = [(HEADLINE, 0.0), (HEADLINE, 0.4), (BLIND_TO_OUTLIERS, 0.4), (BLIND_TO_DIRECTIONS, 0.4)]


if __name__ == "__main__":
    main()
