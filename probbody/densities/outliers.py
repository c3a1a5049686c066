"""Points that are where they should be, or anywhere."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor


class InlierOutlier(TorchDistribution):
    r"""A picture point that is near ``loc``, or, with the chance ``1 - inlier``, anywhere in a window.

    .. math:: \log p(x) = \log\Bigl(\pi\,\mathcal N(x; \mu, \sigma^2 I_2) + (1 - \pi)\,/\,\mathrm{area}\Bigr)

    the proper form of the robust functions that keypoint fitting uses: Geman-McClure saturates at a constant and does not
    integrate, this does (the window is taken to hold every point that may be observed). Batch shape (*B,), event shape (2,).

    Args:
        loc: where the model puts the point, in pixels.
        scale: standard deviation of an inlier along each axis, in pixels.
        inlier: the chance of an inlier, in [0, 1].
        log_area: the logarithm of the window's area, in pixels squared.
    """

    arg_constraints: dict[str, constraints.Constraint] = {  # noqa: RUF012  torch's own class-level convention
        "loc": constraints.real_vector,
        "scale": constraints.positive,
        "inlier": constraints.unit_interval,
        "log_area": constraints.real,
    }
    support = constraints.real_vector
    has_rsample = False

    def __init__(
        self,
        loc: Float[Tensor, "*B 2"],
        scale: Float[Tensor, "*#B"],
        inlier: Float[Tensor, "*#B"],
        log_area: Float[Tensor, "*#B"],
        validate_args: bool | None = None,
    ) -> None:
        alike, self.scale, self.inlier, self.log_area = torch.broadcast_tensors(loc[..., 0], scale, inlier, log_area)
        self.loc = loc.expand(*alike.shape, 2)
        super().__init__(alike.shape, torch.Size((2,)), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: "InlierOutlier | None" = None) -> "InlierOutlier":
        """The same density over a larger batch."""
        shape = torch.Size(batch_shape)
        scale, inlier, log_area = (part.expand(shape) for part in (self.scale, self.inlier, self.log_area))
        return InlierOutlier(self.loc.expand(*shape, 2), scale, inlier, log_area, validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*N 2"]:
        """Points; an outlier falls in a square window around ``loc``."""
        shape = self._extended_shape(torch.Size(sample_shape))
        with torch.no_grad():
            near = self.scale[..., None] * torch.randn(shape).to(self.loc)
            far = (0.5 * self.log_area).exp()[..., None] * (torch.rand(shape).to(self.loc) - 0.5)
            seen = torch.rand(shape[:-1]).to(self.loc) < self.inlier
            return self.loc + torch.where(seen[..., None], near, far)

    def log_prob(self, value: Float[Tensor, "*N 2"]) -> Float[Tensor, "*N"]:
        """The log density, in nats per square pixel."""
        near, far = self._terms(value)
        # as torch.logaddexp, whose second derivative is not finite where one part is much the smaller
        return torch.maximum(near, far) - torch.nn.functional.logsigmoid((near - far).abs())

    def responsibility(self, value: Float[Tensor, "*N 2"]) -> Float[Tensor, "*N"]:
        """The posterior chance that the point is an inlier."""
        near, far = self._terms(value)
        return torch.sigmoid(near - far)

    def _terms(self, value: Tensor) -> tuple[Tensor, Tensor]:
        away = ((value - self.loc) / self.scale[..., None]).square().sum(-1)
        least = torch.finfo(self.inlier.dtype).tiny
        near = self.inlier.clamp_min(least).log() - 0.5 * away - 2 * self.scale.log() - math.log(2 * math.pi)
        far = (1 - self.inlier).clamp_min(least).log() - self.log_area
        return near, far


def geman_mcclure(residual: Float[Tensor, "*B"], scale: float) -> Float[Tensor, "*B"]:
    """The robust energy ``s^2 e^2 / (s^2 + e^2)``: quadratic near zero, saturating at ``s^2``.

    References: Geman, McClure (1987); used for keypoints by Bogo et al. (2016), arXiv:1607.08128, section 3.2.
    """
    squared = residual.square()
    return scale**2 * squared / (scale**2 + squared)
