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
    """SMPLify's order: where the body is and how it is turned; then all of it, roughly; then exactly.

    The site ``noise`` starts wide, so that no keypoint is out of reach, and is let follow the residuals: its prior, which
    would narrow it at once, counts for nothing in the first stage and for a tenth in the second. Adam is the default;
    ``place`` moves slower in it: its first two numbers are tangents of angles, of which a picture spans few.
    """
    by = optimiser or Adam(0.05, {"place": 0.01, "orientation": 0.03})
    first, second = max(steps // 5, 1), max(2 * steps // 5, 1)
    return (
        Stage(first, ("orientation", "place", "noise"), by, {"noise": 0.0}),
        Stage(second, None, by, {"noise": 0.1}),
        Stage(max(steps - first - second, 1), None, by),
    )
