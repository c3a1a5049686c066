"""Pictures of features that an oracle drew: captured poses, clutter behind them, patches of clutter before them.

Pictures are crops as the paper has them, squares of 1.2 times the person's box. The truth is a mesh drawn with 16 samples a
pixel, whose vertices have a unit feature for each of four limb directions; those of neighbours are alike (random waves, 30 cm
long). What is observed scatters about it (von Mises-Fisher) so that the mean cosine to the truth is 0.7. Clutter is 12
directions in blocks of 8 pixels; of the patches before the body every second shows one of six directions that no background
model has seen.
"""

import math
from dataclasses import dataclass

import torch
from fits_of_captured_poses import JOINTS, before_cameras
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.contracts import PosePrior
from probbody.densities.bessel import concentration_of
from probbody.densities.von_mises_fisher import VonMisesFisher
from probbody.features import (
    CircleDirections,
    DirectedFeatures,
    ExpectedFeatures,
    MixtureBackground,
    VonMisesFisherEmission,
    random_features,
)
from probbody.geometry.crops import Crop
from probbody.geometry.rotations import axis_angle_to_matrix, matrix_to_quaternion
from probbody.metrics import pa_mpjpe
from probbody.observation import Observation
from probbody.quantities import Pose
from probbody.render import MeshRenderer

SIDE, CHANNELS, COSINE, WAVE = 64, 64, 0.7, 0.3
CLUTTER, STRANGERS, BLOCK, SCATTER = 12, 6, 8, 60.0
PATCH = 0.3
"""Side of a patch, as a share of the root of the box's area."""
AWAY = 120.0
"""mm: PA-MPJPE of the starts."""


@dataclass(frozen=True)
class OracleScenes:
    """The truth, and what is seen of it."""

    pose: Pose
    observation: Observation
    covered: Bool[Tensor, "B H W"]
    patched: Bool[Tensor, "B H W"]
    shown: Bool[Tensor, "B J"]
    """Joints in the picture and not behind a patch."""

    def __getitem__(self, part: slice) -> "OracleScenes":
        """Some of the bodies."""
        return OracleScenes(
            self.pose[part], self.observation[part], self.covered[part], self.patched[part], self.shown[part]
        )


def oracle_features(seed: int = 0) -> DirectedFeatures:
    """The truth of the features on the open body: four directions."""
    generator = torch.Generator().manual_seed(seed)
    return random_features(open_body(), CircleDirections(4), CHANNELS, generator, wavelength=WAVE)


def concentration() -> float:
    """Of the observed features about the truth."""
    return float(concentration_of(torch.tensor(COSINE), CHANNELS))


def oracle_background(seed: int = 0) -> MixtureBackground:
    """A mixture fitted to clutter that stands behind nobody."""
    generator = torch.Generator().manual_seed(seed + 1)
    pixels = _clutter(_directions(seed)[:CLUTTER], 8, generator).movedim(1, -1).reshape(-1, CHANNELS)
    return MixtureBackground.fit(pixels[::4], CLUTTER, seed)


def draw(angles: Float[Tensor, "B 24 3"], hidden: float, seed: int = 0) -> OracleScenes:
    """Each pose on a body of its own before a camera of its own, ``hidden`` of its box behind patches."""
    scenes = before_cameras(angles, seed)
    body, generator = open_body(), torch.Generator().manual_seed(seed + 2)
    field = ExpectedFeatures(oracle_features(), VonMisesFisherEmission(concentration()))
    surface = body(scenes.pose)
    outline = scenes.camera.project(surface.vertices)[..., :2]
    boxes = torch.cat([outline.amin(1), outline.amax(1)], dim=-1)
    camera = Crop.around(boxes, (SIDE, SIDE)).camera(scenes.camera)
    seen = MeshRenderer(samples=4)(surface, field.attributes(surface, camera), camera)
    directions = _directions(seed)
    behind = _clutter(directions[:CLUTTER], len(angles), generator)
    covered = torch.rand(seen.coverage.shape, generator=generator) < seen.coverage
    with torch.random.fork_rng():
        torch.manual_seed(seed + 3)
        towards = normalize(seen.features.movedim(1, -1), dim=-1)
        features = VonMisesFisher(towards, torch.tensor(concentration())).sample().movedim(-1, 1)
    features = torch.where(covered[:, None], features, behind)
    patched, before = _patches(camera.project(surface.vertices), hidden, directions, generator)
    features = torch.where(patched[:, None], before, features)
    joints = camera.project(surface.joints[:, :JOINTS])
    u, v = joints[..., 0].floor().long(), joints[..., 1].floor().long()
    inside = (u >= 0) & (v >= 0) & (u < SIDE) & (v < SIDE)
    row = torch.arange(len(angles))[:, None]
    shown = inside & ~patched[row, v.clamp(0, SIDE - 1), u.clamp(0, SIDE - 1)]
    return OracleScenes(scenes.pose, Observation(camera, features=features), covered, patched, shown)


def starts(scenes: OracleScenes, prior: PosePrior, seed: int = 0) -> dict[str, Float[Tensor, "1 B *_"]]:
    """The truth astray: every limb joint turned at random until the body is ``AWAY`` off, the root turned, the body moved.

    The root turns by 0.15 rad (deviation about each axis), the place moves by 2 % of the distance across and 5 % along, and
    the shape is the mean.
    """
    generator = torch.Generator().manual_seed(seed + 4)
    body, pose, camera = open_body(), scenes.pose, scenes.observation.camera
    count, limbs = len(pose), prior.num_joints
    shaken = torch.randn(count, limbs, 3, generator=generator)
    root = pose.rotations[:, 0] @ axis_angle_to_matrix(0.15 * torch.randn(count, 3, generator=generator))
    truth = body(pose).joints[:, :JOINTS]
    low, high = torch.zeros(count), torch.full((count,), 2.0)
    flat = torch.zeros_like(pose.shape)
    for _ in range(16):
        scale = (low + high) / 2
        turned = pose.rotations[:, 1 : 1 + limbs] @ axis_angle_to_matrix(scale[:, None, None] * shaken)
        with torch.no_grad():
            code = prior.encode(turned)
            rotations = torch.cat([root[:, None], prior.decode(code), pose.rotations[:, 1 + limbs :]], 1)
            off = pa_mpjpe(body(Pose(rotations, flat, pose.translation)).joints[:, :JOINTS], truth)
        low, high = torch.where(off < AWAY, scale, low), torch.where(off < AWAY, high, scale)
    place = camera.locate(pose.translation)
    about = torch.randn(count, 3, generator=generator) * torch.tensor([0.02, 0.02, 0.05])
    sites = {"pose": code, "orientation": matrix_to_quaternion(root), "place": place + about, "shape": flat}
    return {name: value[None] for name, value in sites.items()}


def _directions(seed: int) -> Float[Tensor, "N D"]:
    generator = torch.Generator().manual_seed(seed + 5)
    return normalize(torch.randn(CLUTTER + STRANGERS, CHANNELS, generator=generator), dim=-1)


def _clutter(directions: Tensor, count: int, generator: torch.Generator) -> Float[Tensor, "B D H W"]:
    """Blocks that each scatter about one of the directions."""
    blocks = math.ceil(SIDE / BLOCK)
    kind = torch.randint(len(directions), (count, blocks, blocks), generator=generator)
    kind = kind.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)[:, :SIDE, :SIDE]
    return _scattered(directions[kind], generator).movedim(-1, 1)


def _scattered(directions: Tensor, generator: torch.Generator) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        return VonMisesFisher(directions, torch.tensor(SCATTER)).sample()


def _patches(
    pixels: Float[Tensor, "B V 3"], hidden: float, directions: Tensor, generator: torch.Generator
) -> tuple[Bool[Tensor, "B H W"], Float[Tensor, "B D H W"]]:
    """Squares over each body's box until that share of it is behind them, and what they show."""
    patched = torch.zeros(len(pixels), SIDE, SIDE, dtype=torch.bool)
    kind = torch.zeros(len(pixels), SIDE, SIDE, dtype=torch.long)
    for one in range(len(pixels)):
        low = pixels[one, :, :2].amin(0).clamp(0, SIDE - 1).floor().long().tolist()
        high = pixels[one, :, :2].amax(0).clamp(0, SIDE - 1).ceil().long().tolist()
        box = (slice(low[1], high[1] + 1), slice(low[0], high[0] + 1))
        side = max(round(PATCH * math.sqrt((high[0] - low[0]) * (high[1] - low[1]))), 1)
        number = 0
        while patched[one][box].float().mean() < hidden:
            middle = torch.rand(2, generator=generator) * torch.tensor([high[0] - low[0], high[1] - low[1]])
            u, v = (int(m) + l - side // 2 for m, l in zip(middle.tolist(), low, strict=True))
            here = (slice(max(v, 0), max(v + side, 0)), slice(max(u, 0), max(u + side, 0)))
            patched[one][here] = True
            strange = number % 2
            pick = int(torch.randint(STRANGERS if strange else CLUTTER, (), generator=generator))
            kind[one][here] = pick + CLUTTER * strange
            number += 1
    return patched, _scattered(directions[kind], generator).movedim(-1, 1)
