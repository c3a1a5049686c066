"""Where in a picture each point of a body is, going by its features alone."""

import itertools
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from ..densities.bessel import log_partition
from .fields import DirectedFeatures

REACH = 2
"""Pixels to each side of the likeliest that count as the same place."""
AT_ONCE = 2**22
"""Numbers of one table of cosines: more leave the processor's cache, and take twice the time."""


def matches(
    features: DirectedFeatures, vertex: Int[Tensor, " P"], image: Float[Tensor, "B D H W"], concentration: float
) -> Float[Tensor, "B P 3"]:
    r"""Where each vertex is likeliest seen, whichever way its limb points: (u, v, confidence), as keypoints are.

    Pixels are those of the feature image, their centres at +0.5. Beforehand a vertex is seen in one of two cases, at any of
    the pixels. With r_i how much likelier the feature of pixel i is about one of the features that the vertex is expected to
    have (the mean over those of 26 limb directions) than anywhere on the sphere, the chance that it is seen at i is

    .. math:: p_i = r_i / (H W + \sum_j r_j)

    The place is the mean about the likeliest pixel, the confidence the sum of p there, in a window of five by five. Vertices
    that are hidden, turned away, or like many places have little of it.

    Args:
        features: of all vertices and directions.
        vertex: which of them are looked for.
        image: unit features.
        concentration: kappa of the features about the expected.
    """
    wanted = _expected(features, vertex).to(image)  # (P, N, D)
    bodies, channels, height, width = image.shape
    kappa = image.new_tensor(concentration)
    pixels, constant = kappa * image.flatten(2), log_partition(kappa, channels) + math.log(wanted.shape[1])
    step = max(AT_ONCE // (bodies * height * width * wanted.shape[1]), 1)
    found = []
    for part in wanted.split(step):
        ratio = (part.flatten(0, 1) @ pixels).unflatten(1, part.shape[:2]).logsumexp(2)
        found.append(_likeliest(ratio - constant, height, width))
    return torch.cat(found, dim=1)


def _likeliest(log_ratio: Float[Tensor, "B P N"], height: int, width: int) -> Float[Tensor, "B P 3"]:
    """The place and the chance of it, from the ratios of all pixels."""
    total = torch.logaddexp(log_ratio.logsumexp(-1), log_ratio.new_tensor(math.log(height * width)))
    best = log_ratio.argmax(-1, keepdim=True)
    u, v = (best % width) + 0.0, torch.div(best, width, rounding_mode="floor") + 0.0
    reach = torch.arange(-REACH, REACH + 1, device=log_ratio.device)
    rows, columns = (axis.flatten() for axis in torch.meshgrid(reach, reach, indexing="ij"))
    near_u, near_v = u.long() + columns, v.long() + rows  # (B, P, window)
    inside = (near_u >= 0) & (near_u < width) & (near_v >= 0) & (near_v < height)
    index = near_v.clamp(0, height - 1) * width + near_u.clamp(0, width - 1)
    chance = (log_ratio.gather(-1, index) - total.unsqueeze(-1)).exp() * inside
    sure = chance.sum(-1)
    share = chance / sure.clamp_min(torch.finfo(chance.dtype).tiny).unsqueeze(-1)
    place = [(share * near).sum(-1) + 0.5 for near in (near_u, near_v)]
    return torch.stack([*place, sure], dim=-1)


def _expected(features: DirectedFeatures, vertex: Int[Tensor, " P"]) -> Float[Tensor, "P N D"]:
    """Unit features that vertices are expected to have, one for each different mixture of directions of limbs."""
    around = [axes for axes in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(axes)]
    limbs = normalize(torch.tensor(around, device=vertex.device).to(features.features), dim=-1)
    shares = torch.unique((1000 * features.directions.weights(limbs)).round(), dim=0) / 1000
    return normalize(torch.einsum("no,pod->pnd", shares, features.features[vertex]), dim=-1)
