"""What is fitted when."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

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

    The site ``noise`` starts wide, so that no keypoint is out of reach, and stays so in the first stage. In the second Adam
    lets it narrow at a steady rate, so that the limbs can follow. ``place`` moves slower than the rest, because its first
    two numbers are tangents of angles, of which a picture spans few; ``focal`` too, because it moves all keypoints at once.

    An ``optimiser`` of one's own (``LBFGS()``) would narrow the noise at once. So the noise follows the residuals in the
    first stage, keeps that width while the limbs move, and then its prior counts for a tenth before it counts in full.
    """
    camera = ("orientation", "place")
    if optimiser is not None:
        limbs = ("orientation", "place", "pose", "shape", "focal")
        plan: tuple[tuple[float, tuple[str, ...] | None, dict[str, float]], ...]
        plan = (
            (0.15, (*camera, "noise"), {"noise": 0.0}),
            (0.25, limbs, {}),
            (0.2, None, {"noise": 0.1}),
            (0.4, None, {}),
        )
        return tuple(Stage(max(round(share * steps), 1), free, optimiser, weights) for share, free, weights in plan)
    first = max(steps // 5, 1)
    near = Adam(0.05, {"place": 0.01, "orientation": 0.03})
    whole = Adam(0.1, {"place": 0.01, "focal": 0.02, "noise": 0.05})
    return Stage(first, camera, near), Stage(max(steps - first, 1), None, whole)


def refining_stages(steps: int, optimiser: Optimiser | None = None) -> tuple[Stage, ...]:
    """The end of ``keypoint_stages``, for bodies that stand nearly where they should.

    Adam goes at a third of the rate: at the full one its first steps lead further away than so few bring it back.
    """
    if optimiser is not None:
        return (replace(keypoint_stages(steps, optimiser)[-1], steps=steps),)
    return (Stage(steps, None, Adam(0.03, {"place": 0.003, "focal": 0.006, "noise": 0.03})),)
