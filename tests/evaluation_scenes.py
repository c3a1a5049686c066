"""A benchmark of a few small pictures, and features that nothing was learnt for: enough to measure by, not to be good."""

import functools

import torch
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.rest_joints import RestJoints
from probbody.extractors.small_unet import SmallUNet
from probbody.features import CircleDirections, MixtureBackground, random_features
from probbody.synthocc import Extent, SynthOcc, drawn

SIZE = (64, 64)
TINY = Extent("tiny", 4, 40)


@functools.cache
def untaught() -> LearntFeatures:
    """A reader of 64 px pictures whose last layers were shaken, so that its guesses differ from picture to picture."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        body = open_body()
        trunk = SmallUNet(widths=(16, 16, 32, 32, 48), blocks=(0, 1, 1, 1))
        reader = PersonReader(trunk, RestJoints.of(body), channels=16, size=SIZE).eval()
        for last in (reader.body.turns, reader.body.shape.weight, reader.body.view.weight):
            torch.nn.init.normal_(last, std=0.05)
        reader.mean_view.copy_(torch.tensor([-0.1, 0.0, 0.0]))
        field = random_features(body, CircleDirections(4), 16, torch.Generator().manual_seed(0), wavelength=0.6)
        clutter = normalize(torch.randn(60, 16), dim=-1)
        return LearntFeatures(
            reader.requires_grad_(False), field, 20.0, MixtureBackground.fit(clutter, 3), 0.05, "CC0-1.0"
        )


def tiny_benchmark() -> SynthOcc:
    return SynthOcc(TINY, drawn(SIZE))
