"""Rays, followed through the kernels that they meet."""

import abc
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .absorption import Absorption
from .fronts import in_front, nearest_first
from .lists import Carried, Lists, Share, lists
from .pairs import Meeting, Pairs, pairs_within
from .sight import Sight


@dataclass(frozen=True)
class Passage:
    """The rays through the pixels' centres of one picture of each body, and what may lie in their way."""

    seen: Sight
    bodies: int
    size: tuple[int, int]
    """Height and width in pixels."""
    thick: bool
    """As of ``OpticalDepth``."""
    absorption: Absorption
    cut: float
    faint: float
    """These two as of ``VolumeRenderer``."""

    @property
    def pixels(self) -> int:
        """Of all bodies."""
        return self.bodies * math.prod(self.size)


class Tracing(abc.ABC):
    """How rays are followed: which they meet, in which order, and what they see of each."""

    @abc.abstractmethod
    def trace(
        self, passage: Passage, attributes: Float[Tensor, "K C"]
    ) -> tuple[Float[Tensor, "P C"], Float[Tensor, " P"], Float[Tensor, " P"]]:
        """What each of all bodies' pixels sees of the kernels' attributes; its coverage; and depth times coverage."""


@dataclass(frozen=True)
class StepByStep(Tracing):
    """All rays take each step together: plain torch, on any device, with any ``Absorption``."""

    def trace(
        self, passage: Passage, attributes: Float[Tensor, "K C"]
    ) -> tuple[Float[Tensor, "P C"], Float[Tensor, " P"], Float[Tensor, " P"]]:
        """Zero where nothing is seen."""
        pairs, listed, parts, coverage, deep = parts_of_light(passage)
        packed = Carried.apply(parts.to(attributes.dtype), attributes, pairs, listed)

        def spread(values: Tensor) -> Tensor:
            return values.new_zeros(passage.pixels, *values.shape[1:]).index_copy_(0, listed.rays, values)

        return spread(packed), spread(coverage), spread(deep)


def parts_of_light(passage: Passage) -> tuple[Pairs, Lists, Tensor, Tensor, Tensor]:
    """The pairs by kernel and by ray; in the latter order their parts; the rays' coverage, and depth times it."""
    seen, thick = passage.seen, passage.thick
    pairs = pairs_within(seen, passage.size, passage.bodies, passage.cut)
    with torch.no_grad():
        tau, depth, _ = Meeting.apply(seen.numbers, seen.slant, pairs, thick)
    pairs, order = in_front(pairs, nearest_first(pairs, depth), tau, passage.faint)
    tau, depth, spread = Meeting.apply(seen.numbers, seen.slant, pairs, thick)
    listed = lists(pairs, order, passage.pixels)
    return pairs, listed, *Share.apply(tau, depth, spread, listed, passage.absorption)
