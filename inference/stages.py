"""What is fitted when."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .optimisers import Adam, Optimiser


@dataclass(frozen=True)
class Stage:
    """Some steps of one optimiser over some of the sites.

    Args:
        steps: how many.
        free: names of the sites that move; the others keep their values; None frees all.
        optimiser: how they move.
        weights: factors on the log densities of some sites during this stage (1 where a site is not named): annealing.
    """

    steps: int
    free: tuple[str, ...] | None = None
    optimiser: Optimiser = field(default_factory=Adam)
    weights: Mapping[str, float] = field(default_factory=dict)


def keypoint_stages(steps: int = 240, optimiser: Optimiser | None = None) -> tuple[Stage, ...]:
    """SMPLify's order: first where the body is and how it is turned, then all of it.

    The site ``noise`` starts wide, so that no keypoint is out of reach. In the first stage it follows the residuals alone,
    for its prior would narrow it before the body has come near. In the second Adam lets it narrow at a steady rate, so that
    the limbs can follow; ``place`` moves slower than the rest, because its first two numbers are tangents of angles, of
    which a picture spans few. An ``optimiser`` of one's own (``LBFGS()``) goes three stages: it would narrow the noise at
    once, so in the middle one the prior of the noise counts for a tenth.
    """
    first, moving = max(steps // 5, 1), ("orientation", "place", "noise")
    if optimiser is not None:
        second = max(2 * steps // 5, 1)
        third = Stage(max(steps - first - second, 1), None, optimiser)
        return Stage(first, moving, optimiser, {"noise": 0.0}), Stage(second, None, optimiser, {"noise": 0.1}), third
    near = Adam(0.05, {"place": 0.01, "orientation": 0.03})
    whole = Adam(0.1, {"place": 0.01, "noise": 0.05})
    return Stage(first, moving, near, {"noise": 0.0}), Stage(max(steps - first, 1), None, whole)
