"""A reader of pictures that does not look at them: it knows who stands there, and answers as a good network would."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from probbody.assets.build_demo import FOCAL, SIZE, TABLE, posed
from probbody.bodies.open_body import open_body
from probbody.bodies.skinned import SkinnedBody
from probbody.densities.bessel import concentration_of
from probbody.densities.von_mises_fisher import VonMisesFisher
from probbody.extractors import LearntFeatures, PictureReader, Reading
from probbody.features import CircleDirections, DirectedFeatures, MixtureBackground, random_features
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose, joined
from probbody.render import MeshRenderer

MAP, CHANNELS, COSINE, CLUTTER = 24, 16, 0.8, 4
"""Side of the feature maps, length of a feature, mean cosine to the truth, kinds of clutter."""
TABLE_EDGE = (TABLE - SIZE[0] / 2) / FOCAL
"""Of the demonstration's table: y / z of the rays below which nothing of the person is seen."""


def kappa() -> float:
    return float(concentration_of(torch.tensor(COSINE), CHANNELS))


def oracle_features(body: SkinnedBody) -> DirectedFeatures:
    return random_features(body, CircleDirections(4), CHANNELS, torch.Generator().manual_seed(0), wavelength=0.6)


def clutter() -> Float[Tensor, "N D"]:
    return normalize(torch.randn(CLUTTER, CHANNELS, generator=torch.Generator().manual_seed(1)), dim=-1)


def scattered(directions: Float[Tensor, "*N D"], concentration: float, seed: int) -> Float[Tensor, "*N D"]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VonMisesFisher(directions, torch.tensor(concentration)).sample()


class OracleReader(PictureReader):
    """Answers for people whom it knows, each crop for the one nearest to its middle; clutter around and before them.

    Args:
        truth: the people, in the picture's camera frame; None stands for a picture with nobody in it.
        guess: what it takes them for.
        edge: y / z of the rays below which something hides everybody.
    """

    channels, size = CHANNELS, (192, 192)

    def __init__(self, truth: Pose | None, guess: Pose, edge: float = math.inf) -> None:
        super().__init__()
        self.body = open_body()
        self.field = oracle_features(self.body)
        self.truth, self.guess, self.edge = truth, guess, edge
        self.calls: list[int] = []

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        raise NotImplementedError("an oracle wants the camera")

    def read(self, images: Float[Tensor, "B 3 H W"], camera: PinholeCamera) -> Reading:
        self.calls.append(len(images))
        return joined([self._read(camera[one]) for one in range(len(images))])  # the same noise in every crop

    def _read(self, camera: PinholeCamera) -> Reading:
        view, behind = camera.resized((MAP, MAP)), self._clutter()
        if self.truth is None:
            parts = torch.zeros(1, 1 + len(self.body.parents), MAP, MAP)
            parts[:, 0] = 1
            return Reading(behind, parts, self.guess[0])
        who = self._nearest(camera)
        surface = self.body(self.truth[who])
        weights = self.field.weights(surface, view)
        shown = torch.einsum("bvo,vod->bvd", weights, self.field.features)
        kinds = one_hot(self.body.weights.argmax(-1), len(self.body.parents)).float()[None]
        drawn = MeshRenderer(samples=2)(surface, torch.cat([shown, kinds], -1), view)
        chance = torch.rand(drawn.coverage.shape, generator=torch.Generator().manual_seed(2))
        v, u = torch.meshgrid(torch.arange(MAP) + 0.5, torch.arange(MAP) + 0.5, indexing="ij")
        rays = view.rays(torch.stack([u, v], -1).reshape(1, -1, 2))[1]
        seen = (rays[..., 1] / rays[..., 2] < self.edge).reshape(1, MAP, MAP) & (chance < drawn.coverage)
        towards = normalize(drawn.features[:, :CHANNELS].movedim(1, -1), dim=-1)
        features = torch.where(seen[:, None], scattered(towards, kappa(), 3).movedim(-1, 1), behind)
        parts = torch.cat([~seen[:, None], drawn.features[:, CHANNELS:] * seen[:, None]], 1)
        parts = parts.clamp_min(1e-6)
        return Reading(features, parts / parts.sum(1, keepdim=True), self.guess[who])

    def _clutter(self) -> Float[Tensor, "1 D h w"]:
        kind = torch.randint(CLUTTER, (1, MAP // 4, MAP // 4), generator=torch.Generator().manual_seed(4))
        kind = kind.repeat_interleave(4, 1).repeat_interleave(4, 2)
        return scattered(clutter()[kind], 60.0, 5).movedim(-1, 1)

    def _nearest(self, camera: PinholeCamera) -> Tensor:
        assert self.truth is not None
        roots = self.body(self.truth).joints[:, 0].expand(len(camera), -1, -1)
        away = camera.project(roots)[..., :2] - torch.tensor([camera.size[1] / 2, camera.size[0] / 2])
        return away.norm(dim=-1).argmin(-1)


def learnt(reader: OracleReader) -> LearntFeatures:
    samples = scattered(clutter().repeat(100, 1), 60.0, 6)
    background = MixtureBackground.fit(samples, CLUTTER)
    return LearntFeatures(reader, reader.field, kappa(), background, 0.5, "CC0-1.0")


def demonstrated() -> Pose:
    """Whoever stands in the picture that ships."""
    return posed(open_body())


def astray(pose: Pose, turn: float = 0.0, limbs: float = 0.25, seed: int = 0) -> Pose:
    """As a network might take it: the limbs off by so many radians, the body turned about its vertical, the shape unknown."""
    generator = torch.Generator().manual_seed(seed)
    off = limbs * torch.randn(*pose.rotations.shape[:2], 3, generator=generator)
    off[:, 0] *= 0.5
    off[:, 22:] = 0
    rotations = pose.rotations @ axis_angle_to_matrix(off)
    rotations[:, 0] = rotations[:, 0] @ axis_angle_to_matrix(torch.tensor([0.0, turn, 0.0]))
    place = pose.translation * (1 + 0.05 * torch.randn(len(pose), 1, generator=generator))
    return Pose(rotations, torch.zeros_like(pose.shape), place + 0.03 * torch.randn(len(pose), 3, generator=generator))
