"""One standing person in four calibrated videos, against joints triangulated from them.

OpenPose's detections (BODY_25B), 12 frames. Lens distortion is left out: it moves no keypoint by half a pixel. The person
stands still, so that the frames are one pose twelve times over; the truth is good to about 2 cm.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from verdicts import Target

from probbody.bodies.joints import BODY25B
from probbody.bodies.open_body import open_body
from probbody.bodies.proportions import with_bone_lengths
from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import Camera, PosePrior
from probbody.geometry.cameras import CameraRig, PinholeCamera
from probbody.geometry.procrustes import similarity
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.inference import fit_keypoints
from probbody.metrics import pa_mpjpe
from probbody.models import KeypointBody
from probbody.observation import Observation
from probbody.priors import freed_prior, vae_prior

LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
PLAIN = "as the prior decodes poses"
FREEDOMS: dict[str, tuple[Callable[[], SkinnedBody], Callable[[], PosePrior]]] = {
    PLAIN: (open_body, vae_prior),
    "joints free": (open_body, freed_prior),
    "joints and bones free": (lambda: with_bone_lengths(open_body()), freed_prior),
}
MIDDLE = {"Neck": "upper_neck", "Head": "head_top", "Nose": "nose"}


def measure(data: Path, quick: bool) -> list[Target]:
    """Each camera alone and all four at once, of bodies ever freer, and the floor that the body's own proportions set."""
    folder = data / "multiview" / "pose2sim_static"
    names, truth = read_trc(next(folder.glob("*.trc")))
    frames = slice(0, len(truth), 12 if quick else 1)
    truth = truth[frames]
    cameras, keypoints = read_views(folder, frames)
    rig = CameraRig(tuple(cameras))
    perfect = _detections_of(truth, names, rig)
    print("\n2. four real cameras, one standing person, 12 frames; joints of 12 limbs: " + ", ".join(LIMBS))
    print("medians over frames, mm; 'all' adds toes, heels, nose, upper neck and head top (21 joints);")
    print("'in place' is without any alignment, in the world of the cameras")
    print(f"{'':34}{'PA-MPJPE':>10}{'all':>8}{'in place':>10}")
    freest, targets = list(FREEDOMS)[-1], []
    for name, (body, prior) in {freest: FREEDOMS[freest]}.items() if quick else FREEDOMS.items():
        print(f"{name}:")
        parts = (names, body(), prior())
        alone = []
        for number, (camera, seen) in enumerate(list(zip(cameras, keypoints, strict=True))[: 1 if quick else 4], 1):
            alone.append(errors(fitted_joints(camera, seen, *parts), truth, names))
            _row(f"  camera {number} alone", alone[-1])
        single = torch.cat(alone, dim=1)
        _row("  one camera, all of these", single)
        found = fitted_joints(rig, torch.cat(keypoints, dim=1), *parts)
        together = errors(found, truth, names)
        _row("  four cameras at once", together)
        floor = errors(fitted_joints(rig, perfect, *parts), truth, names)
        _row("  the same, told the true joints", floor)
        _print_joints(found, truth, names)
        (pa, _, place), (pa_rig, _, place_rig) = single.median(1).values.tolist(), together.median(1).values.tolist()
        print(f"  gain of four cameras: {1 - pa_rig / pa:.0%} aligned, {1 - place_rig / place:.0%} in place")
        if name == PLAIN or quick:
            targets.append(Target("one camera, median PA-MPJPE", pa, 60.0, " mm"))
    print("told the true joints, what is off is what the body's proportions and its idea of shoulders and hips allow")
    return [
        *targets,
        Target("four cameras over one, PA-MPJPE, joints and bones free in both", pa_rig / pa, 0.6),
        Target("four cameras over one, in place, joints and bones free in both", place_rig / place, 0.6),
    ]


def fitted_joints(
    camera: Camera, keypoints: Float[Tensor, "B M 3"], names: list[str], body: SkinnedBody, prior: PosePrior
) -> Float[Tensor, "B P 3"]:
    """The joints ``names`` of the fitted bodies, in the world, metres; fitted as by default."""
    observation = Observation(camera, keypoints, BODY25B.name)
    model = KeypointBody(body, prior, BODY25B.name)
    fit = fit_keypoints(model, body, prior, observation)
    return body.keypoints(body(fit.pose), BODY25B.name)[:, [BODY25B.index(name) for name in names]]


def errors(
    found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], names: list[str]
) -> Float[Tensor, "measures B"]:
    """PA-MPJPE of the limbs, of all, and the mean distance of the limbs in place; mm."""
    limbs = [joint for joint, name in enumerate(names) if name.endswith(LIMBS)]
    in_place = 1000 * (found - truth)[:, limbs].norm(dim=-1).mean(1)
    return torch.stack([pa_mpjpe(found[:, limbs], truth[:, limbs]), pa_mpjpe(found, truth), in_place])


def read_trc(path: Path) -> tuple[list[str], Float[Tensor, "B P 3"]]:
    """Names of our joints, and their places in the cameras' world (metres): (Z, X, Y) of the file's columns."""
    lines = path.read_text(encoding="utf-8").splitlines()
    markers = [name for name in lines[3].split("\t")[2:] if name]
    rows = [[float(number) for number in line.split("\t")[2:] if number] for line in lines[5:] if line.strip()]
    names = [MIDDLE.get(marker) or _sided(marker) for marker in markers]
    return names, torch.tensor(rows).unflatten(1, (-1, 3))[..., [2, 0, 1]]


def read_views(folder: Path, frames: slice) -> tuple[list[PinholeCamera], list[Float[Tensor, "B 25 3"]]]:
    """The cameras as calibrated, and the detections of the one person in each."""
    with open(folder / "calib.toml", "rb") as file:
        calibration = tomllib.load(file)
    keypoints = []
    with np.load(folder / "openpose_2d.npz", allow_pickle=False) as held:
        for number in range(1, 5):
            seen = torch.from_numpy(held[f"cam0{number}"][frames, 0]).float()
            missing = seen.isnan().any(-1, keepdim=True)
            keypoints.append(seen.masked_fill(missing, 0.0))
    count = len(keypoints[0])
    return [_camera(calibration[f"cam_0{number}"], count) for number in range(1, 5)], keypoints


def _camera(told: dict[str, Any], count: int) -> PinholeCamera:
    matrix, width, height = torch.tensor(told["matrix"]), *map(int, told["size"])
    focal, centre = matrix.diagonal()[:2].repeat(count, 1), matrix[:2, 2].repeat(count, 1)
    turn = axis_angle_to_matrix(torch.tensor(told["rotation"])).repeat(count, 1, 1)
    return PinholeCamera(focal, centre, turn, torch.tensor(told["translation"]).repeat(count, 1), (height, width))


def _sided(marker: str) -> str:
    joint = "".join("_" + letter.lower() if letter.isupper() else letter for letter in marker[1:])
    return {"L": "left", "R": "right"}[marker[0]] + joint


def _detections_of(truth: Float[Tensor, "B P 3"], names: list[str], rig: CameraRig) -> Float[Tensor, "B M 3"]:
    """The true joints, projected: what detectors without any error would have seen."""
    perfect = torch.zeros(len(truth), rig.views, len(BODY25B), 3)
    pixels = rig.project(truth)[..., :2].unflatten(1, (rig.views, -1))
    perfect[:, :, [BODY25B.index(name) for name in names]] = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    return perfect.flatten(1, 2)


def _row(what: str, measures: Float[Tensor, "measures B"]) -> None:
    pa, every, place = measures.median(1).values.tolist()
    print(f"{what:34}{pa:10.1f}{every:8.1f}{place:10.1f}", flush=True)


def _print_joints(found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], names: list[str]) -> None:
    away = 1000 * (similarity(found, truth)(found) - truth).norm(dim=-1).mean(0)
    shown = sorted(zip(away.tolist(), names, strict=True), reverse=True)
    print("  four cameras, mm by joint after alignment of all, largest first:")
    for part in (shown[:7], shown[7:14], shown[14:]):
        print("    " + ", ".join(f"{name} {far:.0f}" for far, name in part))
