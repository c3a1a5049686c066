"""Records put one after another."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar

import torch
from torch import Tensor

from ..quantities import Record

R = TypeVar("R", bound=Record)


def joined(records: Sequence[R]) -> R:
    """One record with the bodies of all, in their order; what bodies share is the first one's."""
    first = records[0]
    values = {}
    for field in fields(first):  # type: ignore[arg-type]
        held = [getattr(record, field.name) for record in records]
        if isinstance(held[0], Record):
            values[field.name] = joined(held)
        elif isinstance(held[0], Tensor) and field.name not in first._shared:
            values[field.name] = torch.cat(held)
        else:
            values[field.name] = held[0]
    return type(first)(**values)
