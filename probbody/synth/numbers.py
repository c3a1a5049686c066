"""A list of chances, used up one after another by somebody who draws shapes."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Numbers:
    """Uniform numbers in [0, 1), each given once; after the last they begin anew, shifted."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values, self._next = values, 0

    def __call__(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        turn, place = divmod(self._next, len(self._values))
        self._next += 1
        return low + (high - low) * ((self._values[place] + 0.6180339887 * turn) % 1)

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both among them."""
        return min(high, int(self(low, high + 1)))

    def of(self, things: Sequence[T]) -> T:
        """One of several."""
        return things[self.whole(0, len(things) - 1)]

    def colour(self) -> tuple[int, int, int]:
        """RGB in 0 to 255: greys, browns and what else there is."""
        value, kind = self(15, 245), self()
        if kind < 0.3:
            return (round(value), round(value), min(255, round(value * self(0.9, 1.1))))
        if kind < 0.6:
            return (round(value), round(value * self(0.65, 1.0)), round(value * self(0.4, 0.95)))
        pale = self() ** 0.6  # most colours are not bright ones
        first, second, third = (round(pale * value + (1 - pale) * self(0, 255)) for _ in range(3))
        return (first, second, third)
