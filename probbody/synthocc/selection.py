"""Which of the endless drawn pictures a benchmark shows: those of the lowest numbers that fit."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..errors import BadInput
from ..synth.labels import LabelledPictures
from ..synth.pictures import Pictures

CLEAN = 0.02
"""Pictures less of whose person is hidden count as clean."""
HIDDEN = (0.1, 0.65)
"""And those with as much of them hidden as behind natural occluders; more is never drawn."""
_MOST = 200
"""Pictures looked at for each that is wanted, before one gives up."""

Wanted = Callable[[LabelledPictures], Bool[Tensor, " B"]]


def hidden_share(pictures: LabelledPictures) -> Float[Tensor, " B"]:
    """How much of each person is behind something."""
    return (pictures.occluder & pictures.mask).sum((1, 2)) / pictures.mask.sum((1, 2)).clamp_min(1)


def clean(pictures: LabelledPictures) -> Bool[Tensor, " B"]:
    """With hardly anything before the person."""
    return hidden_share(pictures) < CLEAN


def occluded(pictures: LabelledPictures) -> Bool[Tensor, " B"]:
    """With something before the person."""
    share = hidden_share(pictures)
    return (share >= HIDDEN[0]) & (share <= HIDDEN[1])


def numbers_of(
    studio: Pictures,
    seed: int,
    count: int,
    wanted: tuple[Wanted, ...],
    progress: Callable[[int, int], None] | None = None,
    at_once: int = 32,
) -> tuple[Int[Tensor, " N"], ...]:
    """For each kind the first ``count`` numbers of pictures that are wanted; each picture is drawn once."""
    found: list[list[int]] = [[] for _ in wanted]
    number = 0
    while min(map(len, found)) < count:
        _check(number, count)
        drawn = studio.draw(seed, torch.arange(number, number + at_once))
        for kind, own in zip(wanted, found, strict=True):
            own.extend((number + kind(drawn).nonzero().squeeze(-1)).tolist())
        number += at_once
        if progress is not None:
            progress(min(min(map(len, found)), count), count)
    return tuple(torch.tensor(own[:count]) for own in found)


def _check(looked: int, count: int) -> None:
    if looked > _MOST * count:
        raise BadInput(f"SynthOcc: expected {count} pictures of each kind, found fewer among the first {looked}.")
