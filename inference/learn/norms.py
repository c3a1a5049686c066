"""Norms of the batch, for weights that never saw one: a moving mean of weights has maps of its own."""

import torch
from torch import nn

from .feature_data import Lessons
from .feature_run import draws, half_precision
from .variation import Variation


@torch.no_grad()
def settle_norms(
    reader: nn.Module,
    lessons: Lessons,
    variation: Variation | None,
    pictures: int = 2_048,
    batch: int = 32,
    seed: int = 0,
) -> None:
    """Sets the means and variances of a network's batch norms to those of its maps of these pictures.

    The pictures are varied as in learning, since that is what the network was learnt beside. A network without such norms
    stays as it is.

    References: Izmailov et al. (2018), Averaging weights leads to wider optima, arXiv:1803.05407, section 3.2.
    """
    norms = [module for module in reader.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    for step in range(max(pictures // batch, 1)):
        lesson = lessons(step, batch)
        if variation is not None:
            lesson = variation(lesson, draws(seed, step))
        with half_precision(lesson.images.device):
            reader(lesson.images.contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
        norm.eval()
