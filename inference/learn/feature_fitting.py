"""What a learnt reader's features say of a body and of everything else: the field, the background and how features scatter.

The field is of greatest likelihood for many pictures: of a von Mises-Fisher density about sum_o p(o) phi_vo the sum of features
weighted by p(o), at unit length. Background and concentration are of greatest conditional likelihood (``conditional.py``), they
and the temper for pictures that were not learnt from.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.person_reader import PersonReader
from probbody.features.fields import DirectedFeatures

from .conditional import Sights, fitted_emissions
from .directed_sums import BORROWED, DirectedSums
from .feature_data import Lessons
from .feature_run import draws, half_precision
from .feature_sampling import Marking, at_all_visible, elsewhere, of_map
from .lesson import Lesson


@dataclass(frozen=True)
class FeatureFitting:
    """How many pictures are read, and how."""

    pictures: int = 4_096
    """To learn the field from."""
    kept_out: int = 1_024
    """Not learnt from: for background, concentration and temper."""
    batch: int = 32
    components: int = 12
    """Kinds of clutter."""
    points: int = 16
    """Visible points of each picture, drawn with replacement."""
    clutter: int = 12
    """Places of clutter of each picture."""
    borrowed: float = BORROWED
    spot_weight: float = 0.5
    """What the joints' maps count for, and ``guess_weight`` the guess: chosen for the least PA-MPJPE of fits, behind patches
    and clean, to drawn pictures of another seed."""
    guess_weight: float = 1.0
    seed: int = 0


@torch.no_grad()
def fitted_features(
    reader: PersonReader,
    marking: Marking,
    lessons: Lessons,
    kept_out: Lessons,
    licence: str,
    fitting: FeatureFitting | None = None,
) -> LearntFeatures:
    """All that a fit to pixels needs, for a reader that has been learnt; its temper is 1, for ``fitted_temper`` to find."""
    fitting = fitting or FeatureFitting()
    reader.eval()
    rows = fitted_rows(reader, marking, lessons, fitting)
    seen, clutter = [], []
    for step in range(max(fitting.kept_out // fitting.batch, 1)):
        lesson = kept_out(step, fitting.batch)
        features = read_features(reader, lesson)
        seen.append(marking.points(of_map(features), lesson, fitting.points, draws(fitting.seed, step)))
        clutter.append(elsewhere(of_map(features), lesson, fitting.clutter, draws(fitting.seed, step)))
    sights = Sights.of(seen, rows, clutter)
    emissions = fitted_emissions(sights, fitting.components, fitting.seed)
    field = DirectedFeatures(rows, marking.limbs, marking.directions)
    return LearntFeatures(reader, field, float(emissions.concentration), emissions.background, 1.0, licence)


def fitted_rows(
    reader: PersonReader, marking: Marking, lessons: Lessons, fitting: FeatureFitting
) -> Float[Tensor, "V O D"]:
    """Unit features of each vertex and direction; zero where a vertex was never seen."""
    sums = DirectedSums.of(marking, reader.channels)
    for step in range(max(fitting.pictures // fitting.batch, 1)):
        lesson = lessons(step, fitting.batch)
        sums.add(at_all_visible(read_features(reader, lesson), lesson, marking))
    return sums.rows(fitting.borrowed)


def read_features(reader: PersonReader, lesson: Lesson) -> Float[Tensor, "B D h w"]:
    """The features of a batch, in the precision of learning."""
    with half_precision(lesson.images.device):
        found: Tensor = reader(lesson.images.contiguous(memory_format=torch.channels_last))
    return found
