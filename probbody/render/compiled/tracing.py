"""Rays followed by compiled code: the same picture, in two fifths of the time on one thread of a processor."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..conservative import Conservative
from ..tracing import Passage, StepByStep, Tracing


@dataclass(frozen=True)
class Compiled(Tracing):
    """One ray after the other through compiled code, 32 side by side; its pictures and gradients are those of torch.

    Equal to ``StepByStep`` to rounding: tests hold 1e-10 in float64, and 1e-4 in float32. What is not on the processor, not
    in one of these two, or shared out by another rule than ``Conservative`` is left to ``StepByStep``.

    In float32 it takes about two fifths of the time, in float64 as much as torch. The first gradient ever in one of them takes
    twenty seconds longer, while numba compiles; from then on the code is read from its cache on disk in less than one, unless
    no cache can be written. Without numba the constructor raises ImportError.
    """

    def __post_init__(self) -> None:
        _check()

    def trace(
        self, passage: Passage, attributes: Float[Tensor, "K C"]
    ) -> tuple[Float[Tensor, "P C"], Float[Tensor, " P"], Float[Tensor, " P"]]:
        """Zero where nothing is seen."""
        numbers = passage.seen.numbers
        known = isinstance(passage.absorption, Conservative) and numbers.dtype in (torch.float32, torch.float64)
        if not known or attributes.dtype != numbers.dtype or {numbers.device.type, attributes.device.type} != {"cpu"}:
            return StepByStep().trace(passage, attributes)
        from .followed import Followed  # here, so that numba is only needed where it is used

        return Followed.apply(numbers, passage.seen.slant, attributes, passage)


def quickest() -> Tracing:
    """``Compiled`` where numba can be imported, ``StepByStep`` elsewhere."""
    try:
        return Compiled()
    except ImportError:
        return StepByStep()


def _check() -> None:
    try:
        import numba  # noqa: F401
    except ImportError as cause:
        raise ImportError(
            f'Compiled: expected numba, which could not be imported ({cause}); pip install "probbody[fast]".'
        ) from cause
