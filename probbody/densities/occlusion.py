"""Pixels that show a body, or something else: clutter beside it, or an occluder before it."""

import abc
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution, constraints
from pyro.distributions.torch_distribution import TorchDistributionMixin as Density
from torch import Tensor

P = TypeVar("P", bound="PixelDensity")


class PixelDensity(TorchDistribution, abc.ABC):
    """A feature image, explained pixel by pixel by a body and by a background. Batch shape (*B,), event shape (D, H, W).

    Args:
        coverage: the chance that a ray meets the body, in [0, 1].
        body: what is seen where the body is; batch shape (*B, H, W), event shape (D,).
        background: what is seen elsewhere and before the body; batch shape (), event shape (D,).
        visible: the chance that the body is not hidden where it is covered, in [0, 1].
        temper: an exponent on the whole, since pixels are not independent evidence; unless it is 1 the density is not
            normalised.
    """

    arg_constraints: dict[str, constraints.Constraint] = {"coverage": constraints.unit_interval}  # noqa: RUF012
    support = constraints.independent(constraints.real, 3)
    has_rsample = False

    def __init__(
        self,
        coverage: Float[Tensor, "*B H W"],
        body: Density,
        background: Density,
        visible: float = 0.5,
        temper: float = 1.0,
        validate_args: bool | None = None,
    ) -> None:
        if not 0 <= visible <= 1 or not 0 < temper < math.inf:
            raise ValueError(
                "visible, temper: expected a chance in [0, 1] and an exponent above zero, "
                f"found {visible} and {temper}."
            )
        if (
            body.batch_shape != coverage.shape
            or len(background.batch_shape)
            or background.event_shape != body.event_shape
        ):
            raise ValueError(
                f"body, background: expected batch shapes {tuple(coverage.shape)} and () and one event shape, found "
                f"{tuple(body.batch_shape)}, {tuple(background.batch_shape)}, {tuple(body.event_shape)} and "
                f"{tuple(background.event_shape)}."
            )
        self.coverage, self.body, self.background = coverage, body, background
        self.chance, self.temper = visible, temper
        event = torch.Size((*body.event_shape, *coverage.shape[-2:]))
        super().__init__(coverage.shape[:-2], event, validate_args=validate_args)

    def expand(self: P, batch_shape: Sequence[int], _instance: object = None) -> P:
        """The same density over a larger batch."""
        del _instance
        shape = torch.Size((*batch_shape, *self.event_shape[1:]))
        return self._of(self.coverage.expand(shape), self.body.expand(shape))

    def log_prob(self, value: Float[Tensor, "*#B D H W"]) -> Float[Tensor, "*B"]:
        """The log density of feature images, in nats, times the tempering exponent."""
        if self._validate_args:
            self._validate_sample(value)  # not a number, anywhere
        return self.temper * self.pixels(value).sum((-2, -1))

    def pixels(self, value: Float[Tensor, "*#B D H W"]) -> Float[Tensor, "*B H W"]:
        """What each pixel adds to the log density, untempered."""
        return self._joined(*self._explanations(value))

    @abc.abstractmethod
    def visible_posterior(self, value: Float[Tensor, "*#B D H W"]) -> Float[Tensor, "*B H W"]:
        """The chance that the body is what is seen, given that the pixel is covered."""

    @abc.abstractmethod
    def _of(self: P, coverage: Tensor, body: Density) -> P:
        """The same density of another body."""

    @abc.abstractmethod
    def _joined(self, body: Tensor, background: Tensor) -> Tensor:
        """The pixel's log density from those of its two explanations, each (*B, H, W)."""

    def _explanations(self, value: Tensor) -> tuple[Tensor, Tensor]:
        features = value.movedim(-3, -1)  # (*B, H, W, D), not copied
        return self.body.log_prob(features), self.background.log_prob(features)


class OcclusionDensity(PixelDensity):
    r"""Every pixel of a feature image is a mixture, so that outliers and the silhouette are one matter.

    .. math:: \log p(f) = t \sum_i \log\bigl(a_i\,p_\text{body}(f_i) + (1 - a_i)\,p_\text{background}(f_i)\bigr),
        \quad a = \text{coverage} \times p(\text{visible})

    which is the model with ``visible ~ Bernoulli`` at every covered pixel, summed over it. Where the coverage is 0 or 1 the
    value is that of one part alone, and the gradient is finite: that of the coverage, the ratio of the two densities minus
    one, is not followed beyond the square root of the largest number. A body may say what it likes, but not NaN, where it
    covers nothing.

    References: Zhang et al. (2023), 3DNBF, ICCV: its maximum over visible or not, written as the sum that it stands for.
    """

    def visible_posterior(self, value: Float[Tensor, "*#B D H W"]) -> Float[Tensor, "*B H W"]:
        """The posterior chance that the body is what is seen, given that the pixel is covered: one minus the occlusion map."""
        body, background = self._explanations(value)
        return torch.sigmoid(body - background + _logit(self.chance))

    def shown(self, value: Float[Tensor, "*#B D H W"]) -> Float[Tensor, "*B H W"]:
        """The posterior chance that the pixel shows the body: covered, and not hidden."""
        body, background = self._explanations(value)
        share = self.coverage * self.chance
        return torch.sigmoid(body - background + share.log() - torch.log1p(-share))

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*N D H W"]:
        """Feature images."""
        shape = torch.Size(sample_shape)
        with torch.no_grad():
            share = (self.coverage * self.chance).expand(*shape, *self.coverage.shape)
            body, background = self.body.sample(shape), self.background.sample(share.shape)
            return torch.where(torch.bernoulli(share)[..., None] > 0, body, background).movedim(-1, -3)

    def _of(self, coverage: Tensor, body: Density) -> "OcclusionDensity":
        return OcclusionDensity(coverage, body, self.background, self.chance, self.temper, validate_args=False)

    def _joined(self, body: Tensor, background: Tensor) -> Tensor:
        return log_mix(self.coverage * self.chance, body, background)


def log_mix(share: Float[Tensor, "*#N"], one: Float[Tensor, "*#N"], other: Float[Tensor, "*#N"]) -> Float[Tensor, "*N"]:
    """``log(share e^one + (1 - share) e^other)`` for a share in [0, 1], both ends included, with finite gradients."""
    return _LogMix.apply(*torch.broadcast_tensors(share, one, other))


class _LogMix(torch.autograd.Function):
    """Its derivative by the share, ``e^(one - mix) - e^(other - mix)``, holds at 0 and 1, where that of log(share) does not."""

    generate_vmap_rule = True

    @staticmethod
    def forward(share: Tensor, one: Tensor, other: Tensor) -> Tensor:
        return torch.logaddexp(share.log() + one, torch.log1p(-share) + other)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, along: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        share, one, other, mix = ctx.saved_tensors
        # beyond this a share of less than the smallest number's root would count
        most = 0.5 * math.log(torch.finfo(mix.dtype).max)
        up, down = (one - mix).clamp_max(most).exp(), (other - mix).clamp_max(most).exp()
        return along * (up - down), along * _times(share, one - mix), along * _times(1 - share, other - mix)


def _times(share: Tensor, log_ratio: Tensor) -> Tensor:
    """``share e^log_ratio``, at most 1; zero where the share is zero, whatever the ratio."""
    positive = share > 0
    return torch.where(positive, (torch.where(positive, share, 1.0).log() + log_ratio).exp(), 0.0)


def _logit(chance: float) -> float:
    if chance in (0, 1):
        return math.inf if chance else -math.inf
    return math.log(chance) - math.log1p(-chance)
