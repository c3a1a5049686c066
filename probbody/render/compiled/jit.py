"""Functions of numbers and arrays that a compiler turns into the processor's own language when they are first called."""

import inspect
from collections.abc import Callable
from typing import Any

import numba

EXACT: frozenset[str] = frozenset()
"""Every sum and product rounded by itself, as torch does: the same numbers, bit by bit."""
FUSED = frozenset({"contract"})
"""A product and a sum may be rounded once. Not a number stays not a number."""
IN_ANY_ORDER = FUSED | {"reassoc"}
"""Sums may also be taken in another order."""


def compiled(rounding: frozenset[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compiles when called, once for each dtype; what it made lies in a cache on disk where one can be written.

    Runs in the thread of the caller, without Python's lock. Division by zero gives infinity, as in torch.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        plain = inspect.unwrap(function)  # tests put a check of shapes around everything
        options = {"error_model": "numpy", "nogil": True, "fastmath": set(rounding)}
        try:
            made = numba.njit(cache=True, **options)(plain)
        except RuntimeError:  # nowhere to write a cache
            made = numba.njit(**options)(plain)
        return made

    return decorate
