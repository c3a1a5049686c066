"""Pictures of rigid things that an oracle drew: from all around, clutter behind them, patches before them.

The truth is a mesh drawn with 16 samples a pixel, one unit feature a vertex; those of neighbours are alike (random waves,
30 cm long, of things a metre long). What is observed scatters about it (von Mises-Fisher) so that the mean cosine to the
truth is 0.7. Clutter is 12 directions in blocks of 8 pixels, each scattered with concentration 60. Patches show either such
clutter, or six other directions, which no background model has seen.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from rigid_meshes import RADIUS
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from probbody.bodies.skinned import SkinnedBody
from probbody.densities.bessel import concentration_of
from probbody.densities.von_mises_fisher import VonMisesFisher
from probbody.features import (
    ExpectedFeatures,
    MixtureBackground,
    OneDirection,
    VonMisesFisherEmission,
    random_field,
)
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.observation import Observation
from probbody.quantities import Pose
from probbody.render import MeshRenderer

SIDE, CHANNELS, COSINE, WAVE = 64, 32, 0.7, 0.3
CLUTTER, STRANGERS, BLOCK, SCATTER = 12, 6, 8, 60.0
DISTANCE, ACROSS, ALONG = 4.0, 0.02, 0.05
"""Metres, and how things scatter about that place: as shares of the distance, standard deviations."""
FOCAL = 0.4 * SIDE * DISTANCE / RADIUS
"""Pixels: the sphere about a thing is 0.8 of the picture wide."""
ANYTHING = 0.05
"""The share of the background that is of no kind known."""
PATCH = 0.3
"""Side of a patch, as a share of the root of the box's area."""


@dataclass(frozen=True)
class RigidScenes:
    """How a thing truly stands, and what is seen of it."""

    pose: Pose
    observation: Observation

    def __getitem__(self, part: slice) -> "RigidScenes":
        """Some of the pictures."""
        return RigidScenes(self.pose[part], self.observation[part])


def rigid_field(body: SkinnedBody, seed: int) -> ExpectedFeatures:
    """The truth of the features, and how they scatter."""
    emission = VonMisesFisherEmission(concentration_of(torch.tensor(COSINE), CHANNELS))
    generator = torch.Generator().manual_seed(seed)
    return random_field(body, OneDirection(), CHANNELS, generator, emission, wavelength=WAVE)


def rigid_background(seed: int, anything: float = ANYTHING) -> MixtureBackground:
    """A mixture fitted to clutter that stands behind nothing, and ``anything`` else, each direction as likely as the next."""
    generator = torch.Generator().manual_seed(seed + 1)
    pixels = _scattered(_directions(seed)[_blocks(8, generator)], generator)
    return MixtureBackground.fit(pixels.flatten(0, 2)[::4], CLUTTER, seed, anything)


def views(count: int, seed: int) -> tuple[Float[Tensor, "B 3 3"], Float[Tensor, "B 3"]]:
    """Rotations seen from any azimuth, elevations of -30 to 60 degrees, tilts of -30 to 30; and places."""
    generator = torch.Generator().manual_seed(seed + 2)
    share = torch.rand(3, count, 1, generator=generator)
    x, y, z = torch.eye(3)
    azimuth, elevation, tilt = (
        2 * math.pi * share[0],
        math.pi * (0.5 * share[1] - 1 / 6),
        math.pi * (share[2] - 0.5) / 1.5,
    )
    facing = axis_angle_to_matrix(x * (math.pi + elevation))
    rotation = axis_angle_to_matrix(z * tilt) @ facing @ axis_angle_to_matrix(y * azimuth)
    off = torch.randn(count, 3, generator=generator) * torch.tensor([ACROSS, ACROSS, ALONG])
    return rotation, off + torch.tensor([0.0, 0.0, math.log(DISTANCE)])


def draw(body: SkinnedBody, count: int, hidden: float, strange: bool, seed: int) -> RigidScenes:
    """``count`` views, ``hidden`` of each one's box behind patches, of ``strange`` features or of known clutter.

    With the same seed the views, the scatter and the places of the patches are the same whatever the patches show.
    """
    rotation, place = views(count, seed)
    camera = PinholeCamera.looking_ahead(FOCAL, (SIDE, SIDE), batch=count)
    pose = Pose(rotation[:, None], torch.zeros(count, 0), camera.place(place))
    generator = torch.Generator().manual_seed(seed + 3)
    surface, field = body(pose), rigid_field(body, seed)
    with torch.no_grad():
        seen = MeshRenderer(samples=4)(surface, field.attributes(surface, camera), camera)
    directions = _directions(seed)
    behind = _scattered(directions[_blocks(count, generator)], generator)
    covered = torch.rand(seen.coverage.shape, generator=generator) < seen.coverage
    features = _scattered(seen.features.movedim(1, -1), generator, float(field.emission.concentration))
    features = torch.where(covered[..., None], features, behind)
    patch = _patches(camera.project(surface.vertices)[..., :2], hidden, generator)
    kinds = CLUTTER + patch % STRANGERS if strange else patch % CLUTTER
    before = _scattered(directions[kinds], generator)
    features = torch.where((patch >= 0)[..., None], before, features).movedim(-1, 1)
    return RigidScenes(pose, Observation(camera, features=features.contiguous()))


def coarser(observation: Observation, side: int) -> Observation:
    """The same view on a smaller map: the mean feature of each block, made a unit vector again."""
    assert observation.features is not None
    pooled = avg_pool2d(observation.features, observation.features.shape[-1] // side)
    return Observation(observation.camera, features=normalize(pooled, dim=1))


def _directions(seed: int) -> Float[Tensor, "N D"]:
    generator = torch.Generator().manual_seed(seed + 4)
    return normalize(torch.randn(CLUTTER + STRANGERS, CHANNELS, generator=generator), dim=-1)


def _blocks(count: int, generator: torch.Generator) -> Tensor:
    """A kind of clutter at every pixel (count, SIDE, SIDE)."""
    kind = torch.randint(CLUTTER, (count, SIDE // BLOCK, SIDE // BLOCK), generator=generator)
    return kind.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)


def _scattered(directions: Tensor, generator: torch.Generator, concentration: float = SCATTER) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        return VonMisesFisher(normalize(directions, dim=-1), torch.tensor(concentration)).sample()


def _patches(pixels: Float[Tensor, "B V 2"], hidden: float, generator: torch.Generator) -> Tensor:
    """At every pixel a number that its patch has drawn, -1 where there is none: squares until that share is hidden."""
    patch = torch.full((len(pixels), SIDE, SIDE), -1)
    for one, places in enumerate(pixels):
        low, high = (end.clamp(0, SIDE).round().long() for end in (places.amin(0), places.amax(0)))
        (left, top), (right, bottom) = low.tolist(), high.tolist()
        box: Bool[Tensor, "h w"] = torch.zeros(bottom - top, right - left, dtype=torch.bool)
        side = max(round(PATCH * math.sqrt(box.numel())), 1)
        while box.float().mean() < hidden:
            middle = torch.rand(2, generator=generator) * (high - low)
            u, v = (max(round(float(at) - side / 2), -side) for at in middle)
            rows, columns = slice(max(v, 0), max(v + side, 0)), slice(max(u, 0), max(u + side, 0))
            box[rows, columns] = True
            inside = (slice(max(top + v, 0), max(top + v + side, 0)), slice(max(left + u, 0), max(left + u + side, 0)))
            patch[one][inside] = int(torch.randint(CLUTTER * STRANGERS, (), generator=generator))
    return patch
