"""Annotated shapes checked in every test, but not all through: a fit calls the same functions ten thousand times.

Of plain functions and methods the first ``MOST`` calls in each test are checked, of properties, class methods, static methods
and records all. Of three files of fits that took 114 s of processor with everything checked, 25 calls of each left 94.
"""

import functools
from collections import Counter
from collections.abc import Callable
from types import FunctionType
from typing import Any

import jaxtyping

MOST = 10
_calls: Counter[Callable[..., Any]] = Counter()


def check_shapes_in(package: str) -> None:
    """Those of a package that is not imported yet, in this process."""
    everything = jaxtyping.jaxtyped

    def jaxtyped(*, typechecker: Any) -> Callable[[Any], Any]:
        return lambda found: _sparing(found, everything(found, typechecker=typechecker))

    jaxtyping.jaxtyped = jaxtyped  # type: ignore[assignment]  # what the hook decorates with
    kind = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
    jaxtyping.install_import_hook([package], kind).__enter__()


def check_anew() -> None:
    """As if nothing had been called: a new test begins."""
    _calls.clear()


def _sparing(plain: Any, checked: Any) -> Any:
    if not isinstance(plain, FunctionType):
        return checked

    @functools.wraps(plain)
    def called(*args: Any, **named: Any) -> Any:
        if _calls[called] >= MOST:
            return plain(*args, **named)
        _calls[called] += 1
        return checked(*args, **named)

    return called
