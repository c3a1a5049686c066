"""Orientations of which none is preferred."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor


class UniformRotation(TorchDistribution):
    r"""A quaternion of uniform direction, hence a rotation uniform on SO(3) (Haar measure).

    Only the direction means something, but the density is a proper one on all of R^4, so that gradient methods, guides and
    samplers need no manifold: the length :math:`r` is log-normal around 1,

    .. math:: \log p(q) = \log\mathrm{LogNormal}(r; 0, \sigma) - \log(2\pi^2 r^3), \quad r = |q|,

    with :math:`2\pi^2 r^3` the area of the sphere of radius r. A plain normal on R^4 would be as uniform, but its mode is at
    zero, where the direction is lost: an optimiser would be drawn there.

    Args:
        length_spread: the standard deviation of log r.
        like: a tensor whose dtype and device the density takes.

    References: Shoemake (1992), Uniform random rotations, for the equivalence with uniform unit quaternions.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  torch's own class-level convention
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        length_spread: float = 0.1,
        like: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._length_spread = length_spread
        self._like = torch.zeros(()) if like is None else like.new_zeros(())
        super().__init__(torch.Size(batch_shape), torch.Size((4,)), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: "UniformRotation | None" = None) -> "UniformRotation":
        """The same density over a larger batch."""
        return UniformRotation(torch.Size(batch_shape), self._length_spread, self._like, validate_args=False)

    @property
    def mode(self) -> Float[Tensor, "*B 4"]:
        """No rotation, at the likeliest length; every direction is as likely."""
        still = self._like.new_tensor([math.exp(-4 * self._length_spread**2), 0.0, 0.0, 0.0])
        return still.expand(self._extended_shape())

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*N 4"]:
        """Quaternions (w first), almost of unit length."""
        shape = self._extended_shape(torch.Size(sample_shape))
        direction = torch.nn.functional.normalize(torch.randn(shape).to(self._like), dim=-1)
        return direction * torch.exp(self._length_spread * torch.randn(shape[:-1]).to(self._like))[..., None]

    def log_prob(self, value: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N"]:
        """The log density over R^4."""
        # r^2 is kept off zero: there the density itself goes to zero faster than any power.
        log_length = 0.5 * (value * value).sum(-1).clamp_min(1e-30).log()
        sigma = self._length_spread
        log_radial = -0.5 * (log_length / sigma) ** 2 - log_length - math.log(sigma * math.sqrt(2 * math.pi))
        return log_radial - math.log(2 * math.pi**2) - 3 * log_length
