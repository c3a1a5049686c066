"""Densities of rotations, and how they change between rotations and their axis-angles."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..geometry.rotations import matrix_to_axis_angle


def log_volume(angles: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B"]:
    """Log of how much of SO(3) a unit of axis-angle space covers: ``2 (1 - cos t) / t^2`` at angle t, 1 at the identity.

    The measure of SO(3) is the invariant one, scaled so that it agrees with axis-angles at the identity; in it the whole
    group measures ``8 pi^2``.
    """
    square = angles.square().sum(-1)
    far = square.clamp_min(1e-4)
    half = far.sqrt() / 2
    exact = (half.sin() / half).square()  # 1 - cos t would lose all of a small t
    return torch.where(square < 1e-4, 1 - square / 12, exact).log()


def log_observed(
    rotations: Float[Tensor, "*B M 3 3"], centre: Float[Tensor, "*B M 3 3"], spread: Float[Tensor, "M 3"]
) -> Float[Tensor, "*B"]:
    """Log density, in the invariant measure, of rotations ``centre exp(e)`` with ``e ~ Normal(0, spread^2)``, over joints.

    The tails beyond half a turn are not wrapped: with spreads below 0.8 rad they hold less than one part in a thousand.
    """
    error = matrix_to_axis_angle(centre.mT @ rotations)
    normal = -0.5 * (error / spread).square() - spread.log() - 0.5 * math.log(2 * math.pi)
    return (normal.sum(-1) - log_volume(error)).sum(-1)
