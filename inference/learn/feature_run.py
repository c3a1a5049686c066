"""A reader in the course of its learning: one step after the other."""

import contextlib
import functools
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.contracts import ArticulatedBody
from probbody.extractors.part_attention import Impression
from probbody.extractors.person_reader import PersonReader
from probbody.features.limbs import limbs_of
from probbody.features.random_features import random_features

from .company import Alone, Company
from .contrast import FeatureBank, clutter_likeness, info_nce, near_vertices
from .feature_sampling import Marking, PointFeatures, elsewhere
from .feature_settings import FeatureTraining
from .lesson import Lesson
from .regression import regression_losses


class FeatureRun:
    """The reader that learns, its moving mean, the bank of features, the optimiser, and how far they are."""

    def __init__(
        self, reader: PersonReader, body: ArticulatedBody, training: FeatureTraining, company: Company | None = None
    ) -> None:
        self.training, self.company = training, company or Alone()
        self.device = body.weights.device
        self.reader = reader.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.average = deepcopy(self.reader).eval().requires_grad_(False)
        self.marking = Marking(limbs_of(body), training.reference_directions())
        contrast = training.contrast
        vertices, kept = len(body.weights), contrast.remembered if contrast else 1
        self.bank = FeatureBank(vertices, training.directions, reader.channels, kept, training.seed).to(self.device)
        self.bank.rows.copy_(_first_rows(body, training, reader.channels))
        self.near = near_vertices(body, contrast.reach) if contrast else None
        if contrast is None:
            reader.head.requires_grad_(False)
        self.optimiser = _optimiser(self.reader, training)
        self.step, self.log, self.recent = 0, list[dict[str, float]](), list[dict[str, float]]()
        self.visits, self.begun = 0, ""  # pictures seen by all processes, and the name of what it began with

    def advance(self, lesson: Lesson) -> dict[str, float]:
        """One step; the losses by their names."""
        training, generator = self.training, draws(self.training.seed, self.company.number(self.step))
        if training.variation is not None:
            lesson = training.variation(lesson, generator)
        images = lesson.images.contiguous(memory_format=torch.channels_last)
        with half_precision(self.device):
            maps = self.reader.maps(images)
            told = self.reader.body(maps)
        contrast, features = training.contrast, functools.partial(self.reader.features_at, maps)
        visible, free = (contrast.visible, contrast.elsewhere) if contrast else (64, 1)
        points = self.marking.points(features, lesson, visible, generator)
        clutter = elsewhere(features, lesson, free, generator)
        losses = self._losses(told, lesson, points, clutter)
        total = losses["total"]
        if not total.isfinite():
            raise FloatingPointError(f"the loss of step {self.step} is not finite; lower the rate.")
        for group in self.optimiser.param_groups:
            group["lr"] = training.rate_at(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        self.company.average([part.grad for part in self.reader.parameters() if part.grad is not None])
        length = torch.nn.utils.clip_grad_norm_(self.reader.parameters(), training.longest)
        self.optimiser.step()
        self.bank.follow(_everybodys(points, self.company), contrast.momentum if contrast else 0.9)
        self.bank.remember(self.company.gather(clutter.detach()))
        self.company.average([held for held in self.reader.buffers() if held.is_floating_point()])
        self._follow()
        self.step += 1
        self.visits += training.batch * self.company.count
        return {name: float(loss.detach()) for name, loss in losses.items()} | {"gradient": float(length)}

    def _losses(
        self, told: Impression, lesson: Lesson, points: PointFeatures, clutter: Float[Tensor, "N D"]
    ) -> dict[str, Float[Tensor, ""]]:
        training, contrast = self.training, self.training.contrast
        losses = regression_losses(self.reader, told, lesson)
        total = sum(
            (getattr(training.regression, name) * loss for name, loss in losses.items()), told.parts.new_zeros(())
        )
        if contrast is not None and self.near is not None:
            losses["points"] = info_nce(points, self.bank, self.near, contrast.temperature, contrast.among)
            losses["clutter"] = clutter_likeness(clutter, self.bank, contrast.temperature)
            total = total + contrast.points * losses["points"] + contrast.clutter * losses["clutter"]
        return losses | {"total": total}

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.training.average, (1 + self.step) / (10 + self.step))
        held, new = list(self.average.parameters()), list(self.reader.parameters())
        torch._foreach_lerp_(held, new, 1 - keep)
        for mean, latest in zip(self.average.buffers(), self.reader.buffers(), strict=True):
            mean.copy_(latest)


def _everybodys(points: PointFeatures, company: Company) -> PointFeatures:
    """The points of all processes, as one table on the way."""
    vertex = points.vertex.unsqueeze(1).to(points.shares)
    table = company.gather(torch.cat([points.features.detach(), vertex, points.shares], dim=1))
    parts = table.split([points.features.shape[1], 1, points.shares.shape[1]], dim=1)
    return PointFeatures(parts[0], parts[1].squeeze(1).round().long(), parts[2])


def draws(seed: int, step: int) -> torch.Generator:
    """The random draws of one step, whatever was drawn before it."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % (1 << 63))


def half_precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """bfloat16 in convolutions and products where the device is faster with it."""
    able = device.type == "cuda" or (device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))
    return torch.autocast(device.type, torch.bfloat16) if able else contextlib.nullcontext()


def _first_rows(body: ArticulatedBody, training: FeatureTraining, channels: int) -> Float[Tensor, "V O D"]:
    """What features are drawn to at first: alike at neighbouring vertices, so that the body has an order to be learnt.

    From rows without any the same network had lost 0.3 nats less of the contrast's 8.5 after 200 steps.
    """
    generator = torch.Generator().manual_seed(training.seed)
    waves = random_features(body, training.reference_directions(), channels, generator, wavelength=1.0)
    return waves.features


def _optimiser(reader: PersonReader, training: FeatureTraining) -> torch.optim.Optimizer:
    learning = [parameter for parameter in reader.parameters() if parameter.requires_grad]
    groups = [
        {"params": [part for part in learning if part.ndim > 1], "weight_decay": training.decay},
        {"params": [part for part in learning if part.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.rate, fused=True)
