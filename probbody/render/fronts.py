"""What each ray meets first, and what it no longer reaches."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .pairs import Pairs

_ALL, _DEPTH, _LEAST = 63, 32, 16
"""Bits of a number; of a depth, where there is room; and so many that it must have."""


@torch.no_grad()
def nearest_first(pairs: Pairs, depth: Float[Tensor, " N"]) -> Int[Tensor, " N"]:
    """The order of the pairs pixel by pixel, and in each by depth, which is told apart to 2^-32 of its range.

    A little less finely for millions of pairs: to 2^-19 of it for sixteen million in a million pixels.
    """
    if not len(depth):
        return pairs.pixel
    place = (len(depth) - 1).bit_length()
    room = min(_DEPTH, _ALL - place - int(pairs.pixel.amax()).bit_length())
    packed = depth.device.type == "cpu" and room >= _LEAST
    steps = 2.0 ** (room if packed else 24) - 1
    least, most = depth.amin().double(), depth.amax().double()
    near = ((depth.double() - least) * (steps / (most - least).clamp_min(1e-30))).clamp_(0, steps).long()
    if not packed:
        return (pairs.pixel * int(steps + 1) + near).argsort(stable=True)
    key = near.add_(pairs.pixel << room).bitwise_left_shift_(place)
    key += torch.arange(len(depth))
    key.numpy().sort()  # a processor sorts numbers several times as fast as it finds their order
    return key.bitwise_and_((1 << place) - 1)


@torch.no_grad()
def in_front(
    pairs: Pairs, order: Int[Tensor, " N"], tau: Float[Tensor, " N"], faint: float
) -> tuple[Pairs, Int[Tensor, " M"]]:
    """Without the pairs that only a share ``faint`` of their ray's light reaches, and the order of those that are left."""
    if not len(order) or faint <= 0:
        return pairs, order
    length = torch.bincount(pairs.pixel)
    length = length[length > 0]
    depth = tau.index_select(0, order).double()
    before = depth.cumsum(0).sub_(depth)
    before -= before.index_select(0, length.cumsum(0) - length).repeat_interleave(length)
    order = order[before < -math.log(faint)]
    kept = torch.zeros_like(tau, dtype=torch.bool).index_fill_(0, order, True)
    count = kept.cumsum(0)
    left = kept.nonzero().squeeze(1)
    rest = (whole.index_select(0, left) for whole in (pairs.kernel, pairs.pixel, pairs.x, pairs.y))
    until = torch.cat([count.new_zeros(1), count]).index_select(0, pairs.counts.cumsum(0))
    return Pairs(until.diff(prepend=until.new_zeros(1)), *rest), count.index_select(0, order).sub_(1)
