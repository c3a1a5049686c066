"""Captured poses that no prior has seen, before cameras of our own.

A random body (shape standard normal) takes the pose, turned about the vertical by any angle; the camera is pitched by up to
20 degrees and stands 2.5 to 6 m away; its focal length, which the fit is told, fills nine tenths of a picture of 256 px.
The 17 keypoints of COCO get 3 px of noise; some are missing; of the rest some are wrong: anywhere in the picture, and as
sure of themselves as the others.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from verdicts import Target

from probbody.bodies.joints import COCO17, SMPL24
from probbody.bodies.open_body import open_body
from probbody.contracts import PosePrior
from probbody.data.capture import read_motions
from probbody.densities import UprightRotation
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.inference import Fit, fit_keypoints, fit_map, keypoint_stages, keypoint_starts
from probbody.metrics import mpjpe, pa_mpjpe
from probbody.models import KeypointBody
from probbody.observation import Observation
from probbody.priors import GaussianPose, gaussian_prior, held_out_clips, mixture_prior, vae_prior
from probbody.quantities import Pose

SIDE, NOISE, BATCH = 256, 3.0, 100
UP = torch.tensor([0.0, -1.0, 0.0])
"""Of a camera held level, which these are not; the fits are not told their pitch."""
JOINTS = 22
"""SMPL's joints without the hands."""
STILL, TOLD = "middle pose, only placed", "variational, wrong ones told"
CONDITIONS = tuple((missing, wrong) for wrong in (0.0, 0.1) for missing in (0.0, 0.2, 0.4))


@dataclass(frozen=True)
class Scenes:
    """Bodies before cameras: the truth, and where the keypoints of COCO truly are (pixels)."""

    pose: Pose
    camera: PinholeCamera
    pixels: Float[Tensor, "B 17 2"]

    def __getitem__(self, chosen: Int[Tensor, " N"]) -> "Scenes":
        """Some of them."""
        return Scenes(self.pose[chosen], self.camera[chosen], self.pixels[chosen])


@dataclass(frozen=True)
class Score:
    """Means over poses, mm: PA-MPJPE, MPJPE, and the latter over limb joints of which a right keypoint was given, or not."""

    aligned: float
    rooted: float
    given: float
    hidden: float


def measure(data: Path, quick: bool) -> list[Target]:
    """Priors against each other, with keypoints missing and wrong."""
    angles, clips = held_out_poses(data / "mocap", 8 if quick else 500)
    scenes = before_cameras(angles)
    conditions = (CONDITIONS[2], CONDITIONS[5]) if quick else CONDITIONS
    print(f"\n3. captured poses: {len(angles)} of {clips} takes held out, 256 px, 3 px of noise, focal length known")
    print("every prior with the same density of orientations, upright more often than not; the pitch is not told")
    print("joints: SMPL's without the hands; MPJPE has the pelvis at the origin; means over all poses, mm")
    print(
        "given, hidden: MPJPE of shoulders, elbows, wrists, hips, knees, ankles with a right keypoint, and without one"
    )
    print("missing keypoints are round(17 x share) of each pose; 'none': every angle Gaussian, 3 rad")
    print(f"{'prior':30}{'poses':>7}{'missing':>8}{'wrong':>7}{'PA-MPJPE':>10}{'MPJPE':>8}{'given':>8}{'hidden':>8}")
    table: dict[str, dict[tuple[float, float], Score]] = {}
    for name, (prior, most) in _priors(quick).items():
        table[name] = {}
        for missing, wrong in [at for at in conditions if name != TOLD or at[1] > 0]:
            keypoints, right = observed(scenes.pixels, missing, wrong)
            if name == TOLD:
                keypoints = keypoints * right[..., None]
            chosen = torch.arange(0, len(angles), max(len(angles) // most, 1))
            found = score(scenes[chosen], keypoints[chosen], right[chosen], prior, still=name == STILL)
            table[name][missing, wrong] = found
            _print(name, len(chosen), missing, wrong, found)
    return judge(table, conditions)


def judge(
    table: dict[str, dict[tuple[float, float], Score]], conditions: tuple[tuple[float, float], ...]
) -> list[Target]:
    """The best prior against none with 40 % missing; the cost of wrong keypoints at each share of missing ones."""
    found = []
    for of, word in (("aligned", "PA-MPJPE"), ("rooted", "MPJPE")):
        row = {name: {at: float(getattr(one, of)) for at, one in scores.items()} for name, scores in table.items()}
        learnt = [row[name] for name in ("variational", "mixture", "Gaussian") if name in row]
        best = {at: min(each[at] for each in learnt) for at in conditions}
        for at in [at for at in conditions if at[0] == 0.4]:
            what = f"40 % missing, {at[1]:.0%} wrong: {word} of the best prior over that of none"
            found.append(Target(what, best[at] / row["none"][at], 0.5))
        for missing in sorted({missing for missing, _ in conditions}):
            cost = 100 * (best[missing, 0.1] / best[missing, 0.0] - 1)
            what = f"{missing:.0%} missing: what 10 % wrong add to the {word} of the best prior"
            found.append(Target(what, cost, 20.0, " %"))
    return found


def held_out_poses(folder: Path, count: int) -> tuple[Float[Tensor, "B 24 3"], int]:
    """Axis-angles evenly over the held-out takes and over the time of each, and how many takes there are."""
    unseen = held_out_clips()
    takes = []
    for motion in read_motions(folder):
        for clip in motion.clips:
            frames = torch.arange(clip.start, clip.start + clip.length)
            frames = frames[motion.valid[frames]]
            if clip.name in unseen and len(frames):
                takes.append(motion.angles[frames])
    share, more = divmod(count, len(takes))
    chosen = []
    for number, take in enumerate(takes):
        wanted = share + (number < more)
        chosen.append(take[((torch.arange(wanted) + 0.5) / max(wanted, 1) * len(take)).long()])
    return torch.cat(chosen), len(takes)


def before_cameras(angles: Float[Tensor, "B 24 3"], seed: int = 0) -> Scenes:
    """Each pose on a body of its own before a camera of its own."""
    generator = torch.Generator().manual_seed(seed)
    count, body = len(angles), open_body()

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    rotations = axis_angle_to_matrix(angles)
    rotations[:, JOINTS:] = torch.eye(3)
    pitch = axis_angle_to_matrix(torch.eye(3)[0] * (math.pi + between(-math.pi / 9, math.pi / 9))[:, None])
    yaw = axis_angle_to_matrix(torch.eye(3)[1] * between(-math.pi, math.pi)[:, None])
    rotations[:, 0] = pitch @ yaw @ rotations[:, 0]
    shape, distance = torch.randn(count, body.num_shape, generator=generator), between(2.5, 6.0)
    points = body.keypoints(body(Pose(rotations, shape, torch.zeros(count, 3))), COCO17.name)
    place = distance[:, None] * torch.eye(3)[2] - 0.5 * (points.amin(1) + points.amax(1))
    points = points + place[:, None]
    focal = 0.45 * SIDE / (points[..., :2] / points[..., 2:]).abs().amax((1, 2))
    camera = PinholeCamera.looking_ahead(1.0, (SIDE, SIDE), batch=count).zoomed(focal)
    return Scenes(Pose(rotations, shape, place), camera, camera.project(points)[..., :2])


def observed(
    pixels: Float[Tensor, "B 17 2"], missing: float, wrong: float, seed: int = 1
) -> tuple[Float[Tensor, "B 17 3"], Bool[Tensor, "B 17"]]:
    """What a detector says, always fully confident, and which of it is right; the same noise in all conditions."""
    generator = torch.Generator().manual_seed(seed)
    size = pixels.shape[:2]
    given = torch.rand(size, generator=generator).argsort(1).argsort(1) >= round(size[1] * missing)
    found = pixels + NOISE * torch.randn(*size, 2, generator=generator)
    lost = torch.rand(size, generator=generator) < wrong
    anywhere = SIDE * torch.rand(*size, 2, generator=generator)
    found = torch.where(lost[..., None], anywhere, found)
    return torch.cat([found, torch.ones_like(found[..., :1])], dim=-1) * given[..., None], given & ~lost


def score(
    scenes: Scenes, keypoints: Float[Tensor, "B 17 3"], right: Bool[Tensor, "B 17"], prior: PosePrior, *, still: bool
) -> Score:
    """Fits everybody, in batches, and compares; ``still``: only place and turn the prior's middle pose."""
    body = open_body()
    found = []
    for first in range(0, len(keypoints), BATCH):
        part = slice(first, first + BATCH)
        observation = Observation(scenes.camera[part], keypoints[part])
        model = KeypointBody(body, prior, orientation=UprightRotation(UP))
        fit = _placed(model, prior, observation) if still else fit_keypoints(model, body, prior, observation)
        found.append(body(fit.pose).joints[:, :JOINTS])
    joints, truth = torch.cat(found), body(scenes.pose).joints[:, :JOINTS]
    limbs = [joint for joint in COCO17.names if joint in SMPL24.names]
    here, there = [SMPL24.index(joint) for joint in limbs], [COCO17.index(joint) for joint in limbs]
    away = 1000 * ((joints - joints[:, :1]) - (truth - truth[:, :1])).norm(dim=-1)[:, here]
    given = right[:, there]
    hidden = float(away[~given].mean()) if (~given).any() else math.nan
    return Score(
        float(pa_mpjpe(joints, truth).mean()), float(mpjpe(joints, truth).mean()), float(away[given].mean()), hidden
    )


def _placed(model: KeypointBody, prior: PosePrior, observation: Observation) -> Fit:
    start = keypoint_starts(model.body, prior, observation)
    return fit_map(model, observation, stages=keypoint_stages()[:1], start=start)


def _priors(quick: bool) -> dict[str, tuple[PosePrior, int]]:
    """What is compared, and on how many poses at most."""
    if quick:
        return {"none": (GaussianPose.independent(21, 3.0), 24), "variational": (vae_prior(), 24)}
    return {
        STILL: (vae_prior(), 500),
        "none": (GaussianPose.independent(21, 3.0), 250),
        "Gaussian": (gaussian_prior(), 500),
        "mixture": (mixture_prior(), 250),
        "variational": (vae_prior(), 500),
        TOLD: (vae_prior(), 500),
    }


def _print(name: str, poses: int, missing: float, wrong: float, found: Score) -> None:
    hidden = f"{found.hidden:8.1f}" if math.isfinite(found.hidden) else f"{'-':>8}"
    numbers = f"{found.aligned:10.1f}{found.rooted:8.1f}{found.given:8.1f}{hidden}"
    print(f"{name:30}{poses:7}{missing:8.0%}{wrong:7.0%}{numbers}", flush=True)
