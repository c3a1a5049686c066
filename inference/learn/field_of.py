"""What a body looks like to any extractor of features, learnt from drawn pictures: the extractor itself is left as it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from probbody.contracts import ArticulatedBody, Background
from probbody.features.directions import CircleDirections, Directions
from probbody.features.fields import DirectedFeatures
from probbody.features.limbs import limbs_of
from probbody.synth.pictures import Pictures

from .conditional import Sights, fitted_emissions
from .directed_sums import DirectedSums
from .feature_data import lesson_of
from .feature_run import draws
from .feature_sampling import Marking, at_all_visible, elsewhere, of_map
from .lesson import Lesson
from .picture_pool import pooled

Extractor = Callable[[Float[Tensor, "B 3 H W"]], Float[Tensor, "B D h w"]]
"""From pictures, RGB in [0, 1], to a vector for each place of a map of the same view, of any size and any length but zero."""

BATCH, CLUTTER = 16, 24


@dataclass(frozen=True)
class SeenBody:
    """Whatever a model of features needs to know of an extractor and a body."""

    features: DirectedFeatures
    concentration: float
    """kappa, of the features of visible points about the expected ones."""
    background: Background


@torch.no_grad()
def field_of(
    extractor: Extractor,
    body: ArticulatedBody,
    pictures: Pictures,
    count: int = 300,
    *,
    directions: Directions | None = None,
    components: int = 8,
    seed: int = 0,
) -> SeenBody:
    """The features of greatest likelihood of each point of a body and each direction of its limb, as an extractor sees them.

    Four in five of the pictures tell the features, and the clutter beside them; the fifth, how features scatter.

    Args:
        extractor: any callable; its vectors are taken at unit length.
        body: the body in the pictures.
        pictures: what is drawn; their size is that which the extractor wants.
        count: how many are drawn, 10 or more.
        directions: four on the circle unless given.
        components: kinds of clutter.
        seed: of the pictures.

    Raises:
        ValueError: too few pictures, or features that are no map of finite numbers for each picture.
    """
    if count < 10:
        raise ValueError(f"count: expected 10 pictures or more, found {count}.")
    marking = Marking(limbs_of(body), directions or CircleDirections(4))
    taught, kept = count - count // 5, count // 5
    sums: DirectedSums | None = None
    clutter: list[Tensor] = []
    for lesson, features in _seen(extractor, body, pictures, range(taught), seed):
        sums = sums or DirectedSums.of(marking, features.shape[1], features.dtype)
        sums.add(at_all_visible(features, lesson, marking))
        clutter.append(elsewhere(of_map(features), lesson, CLUTTER, draws(seed, len(clutter))))
    assert sums is not None
    rows = sums.rows()
    seen = [
        at_all_visible(features, lesson, marking)
        for lesson, features in _seen(extractor, body, pictures, range(taught, taught + kept), seed)
    ]
    emissions = fitted_emissions(Sights.of(seen, rows, clutter), components, seed)
    field = DirectedFeatures(rows, marking.limbs, marking.directions)
    return SeenBody(field, float(emissions.concentration), emissions.background)


def _seen(
    extractor: Extractor, body: ArticulatedBody, pictures: Pictures, numbers: range, seed: int
) -> Iterator[tuple[Lesson, Float[Tensor, "B D h w"]]]:
    """Drawn pictures, some at a time, and their unit features."""
    for chosen in torch.arange(numbers.start, numbers.stop).split(BATCH):
        lesson = lesson_of(pooled(pictures.draw(seed, chosen)), body)
        found = extractor(lesson.images)
        if not (isinstance(found, Tensor) and found.ndim == 4 and len(found) == len(lesson)):
            raise ValueError(f"extractor: expected a map for each of {len(lesson)} pictures, found {_shape(found)}.")
        if not bool(found.isfinite().all()):
            raise ValueError("extractor: expected finite features, found others.")
        yield lesson, normalize(found.to(lesson.images), dim=1)


def _shape(found: object) -> str:
    return str(tuple(found.shape)) if isinstance(found, Tensor) else type(found).__name__
