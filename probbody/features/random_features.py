"""Features drawn at random, for experiments: what a perfect extractor might answer, were its answers arbitrary."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from ..contracts import ArticulatedBody
from ..geometry.rest import at_rest
from .directions import Directions
from .emissions import Emission, VonMisesFisherEmission
from .fields import DirectedFeatures, ExpectedFeatures
from .limbs import limbs_of


def random_features(
    body: ArticulatedBody,
    directions: Directions,
    channels: int,
    generator: torch.Generator,
    wavelength: float | None = None,
) -> DirectedFeatures:
    """Unit features, other ones for each direction, uniform on the sphere and each vertex by itself.

    With a ``wavelength`` (metres) they change smoothly over the surface: each channel is a cosine wave through the body at
    rest, of random heading, about that long, and the channels together are normalised. Numbers are drawn on the processor
    and moved to the body's device.
    """
    if channels < 2 or not (wavelength is None or wavelength > 0):
        raise ValueError(f"channels, wavelength: expected 2 or more and a length, found {channels} and {wavelength}.")
    places = at_rest(body).vertices[0]
    if wavelength is None:
        drawn = torch.randn(len(places), directions.count, channels, generator=generator).to(places)
    else:
        drawn = _waves(places, directions.count, channels, wavelength, generator)
    return DirectedFeatures(normalize(drawn, dim=-1), limbs_of(body), directions)


def random_field(
    body: ArticulatedBody,
    directions: Directions,
    channels: int,
    generator: torch.Generator,
    emission: Emission | None = None,
    wavelength: float | None = None,
) -> ExpectedFeatures:
    """A field of random features; von Mises-Fisher with concentration ``channels`` unless another emission is given.

    In D dimensions a concentration of D gives features whose mean cosine to the expected is about 0.62.
    """
    features = random_features(body, directions, channels, generator, wavelength)
    return ExpectedFeatures(features, VonMisesFisherEmission(float(channels)) if emission is None else emission)


def _waves(
    places: Float[Tensor, "V 3"], count: int, channels: int, wavelength: float, generator: torch.Generator
) -> Float[Tensor, "V O D"]:
    heading = torch.randn(3, count * channels, generator=generator) / math.sqrt(3)
    phase = 2 * math.pi * torch.rand(count * channels, generator=generator)
    waves = places @ (2 * math.pi / wavelength * heading).to(places) + phase.to(places)
    return waves.cos().unflatten(-1, (count, channels))
