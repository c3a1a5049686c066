"""How a reader of pictures is learnt: every number that is a choice."""

import math
from dataclasses import dataclass, field
from typing import Any

from probbody.errors import BadInput
from probbody.features.directions import CircleDirections, Directions, OneDirection

from .regression import RegressionWeights
from .variation import Variation


@dataclass(frozen=True)
class ContrastWeights:
    """How features are told apart: see ``contrast.py``."""

    points: float = 1.0
    """Of the loss at visible points."""
    clutter: float = 1.0
    """Of how like the body clutter is."""
    temperature: float = 0.07
    among: float = 1e-2
    """What a feature of clutter counts among the negatives, where a vertex counts 1."""
    reach: float = 0.08
    """Metres along the body at rest within which vertices are no negatives of each other."""
    momentum: float = 0.9
    """What a row of the bank keeps of itself when it is seen."""
    visible: int = 32
    """Points of each picture, drawn with replacement."""
    elsewhere: int = 8
    """Places of clutter of each picture."""
    remembered: int = 1024
    """Features of clutter in the bank."""


@dataclass(frozen=True)
class FeatureTraining:
    """How a reader is learnt, apart from its trunk and its body."""

    steps: int = 9_000
    batch: int = 32
    rate: float = 2e-3
    """The greatest rate of AdamW, after the warm-up; it falls to a hundredth along half a cosine."""
    warm_up: int = 300
    decay: float = 0.02
    """Of weights, not of biases and norms."""
    longest: float = 5.0
    """Gradients are shortened to this norm."""
    average: float = 0.999
    """What the moving mean of the weights, which is what is kept in the end, keeps of itself at each step."""
    directions: int = 4
    """``O`` on the circle; 1 for features that do not change with the pose."""
    contrast: ContrastWeights | None = field(default_factory=ContrastWeights)
    """None: features are a fixed projection of what the regressor needs, as a measure of what contrast is worth."""
    regression: RegressionWeights = field(default_factory=RegressionWeights)
    variation: Variation | None = field(default_factory=Variation)
    seed: int = 0
    log_every: int = 50
    measure_every: int = 500
    save_every: int = 250
    show_every: int = 1_000

    def __post_init__(self) -> None:
        least = {"steps": 1, "batch": 2, "directions": 1, "log_every": 1, "measure_every": 1, "save_every": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise BadInput(f"{name}: expected at least {value}, found {getattr(self, name)}.")

    def rate_at(self, step: int) -> float:
        """The rate of a step: a straight warm-up, then half a cosine."""
        warm = min(self.warm_up, self.steps // 10)
        if step < warm:
            return self.rate * (step + 1) / warm
        done = (step - warm) / max(self.steps - warm, 1)
        return self.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)

    def reference_directions(self) -> Directions:
        """The directions of limbs that features are told apart by."""
        return OneDirection() if self.directions == 1 else CircleDirections(self.directions)


def training_of(told: dict[str, Any]) -> FeatureTraining:
    """The settings that ``dataclasses.asdict`` told; those that it did not know of are as by default."""
    parts: dict[str, Any] = {"contrast": ContrastWeights, "regression": RegressionWeights, "variation": Variation}
    held = {name: kind(**told[name]) for name, kind in parts.items() if told.get(name) is not None}
    return FeatureTraining(**{**told, **held})
