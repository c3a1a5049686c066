"""Arrays out of the files of others, or one sentence about what is wrong with them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..errors import BadInput


class Fields:
    """The named arrays of one file; a letter in a shape stands for the same length in all of them."""

    def __init__(self, source: object, content: Mapping[str, Any]) -> None:
        self.source, self.content = str(source), content
        self.sizes: dict[str, tuple[int, str]] = {}
        """What each letter stands for, and the array that told it first."""

    def __contains__(self, name: str) -> bool:
        return name in self.content

    def take(self, name: str, *shapes: Sequence[int | str], finite: bool = True) -> np.ndarray:
        """Numbers in float64, of one of the shapes; a missing, misshapen or (where ``finite``) non-finite array is refused."""
        try:
            found = np.asarray(self.any(name))
            if found.dtype.kind == "c":
                raise TypeError("complex numbers")
            numbers = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadInput(
                f"{self.source}: expected {name} to hold numbers, found something else ({error})."
            ) from error
        fitting = [shape for shape in shapes if self._fits(numbers.shape, shape)]
        if not fitting:
            wanted = " or ".join(self._told(shape) for shape in shapes)
            raise BadInput(f"{self.source}: expected {name} of shape {wanted}, found {numbers.shape}.")
        for length, letter in zip(numbers.shape, fitting[0], strict=True):
            if isinstance(letter, str):
                self.sizes.setdefault(letter, (length, name))
        within = np.abs(numbers) <= np.finfo(np.float32).max  # all that is read is kept in single precision
        if finite and not within.all():
            where = tuple(int(index) for index in np.argwhere(~within)[0])
            raise BadInput(f"{self.source}: expected finite {name}, found {numbers[where]} at {where}.")
        return numbers

    def maybe(self, name: str, *shapes: Sequence[int | str], finite: bool = True) -> np.ndarray | None:
        """As ``take``, or None where the file has nothing of that name."""
        return self.take(name, *shapes, finite=finite) if name in self.content else None

    def words(self, name: str, letter: str = "N") -> tuple[str, ...]:
        """A column of text."""
        column = [_text(word) for word in np.asarray(self.any(name), dtype=object).reshape(-1)]
        if letter in self.sizes and len(column) != self.sizes[letter][0]:
            length, first = self.sizes[letter]
            raise BadInput(f"{self.source}: expected {length} entries of {name}, as {first} has, found {len(column)}.")
        self.sizes.setdefault(letter, (len(column), name))
        return tuple(column)

    def any(self, name: str) -> Any:
        """Whatever stands under that name."""
        if name not in self.content:
            held = ", ".join(sorted(map(str, self.content))[:12]) or "nothing"
            raise BadInput(f"{self.source}: expected {name}, found only {held}.")
        return self.content[name]

    def _fits(self, found: tuple[int, ...], shape: Sequence[int | str]) -> bool:
        wanted = [self.sizes.get(side, (None, ""))[0] if isinstance(side, str) else side for side in shape]
        return len(found) == len(shape) and all(
            want in (None, length) for want, length in zip(wanted, found, strict=True)
        )

    def _told(self, shape: Sequence[int | str]) -> str:
        sides = ", ".join(str(side) for side in shape)
        known = [side for side in shape if isinstance(side, str) and side in self.sizes]
        told = " and ".join(f"{letter} = {self.sizes[letter][0]} as in {self.sizes[letter][1]}" for letter in known)
        return f"({sides})" + (f" with {told}" if told else "")


def single(numbers: np.ndarray) -> torch.Tensor:
    """As a tensor in single precision."""
    return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.float32))


def _text(word: Any) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
