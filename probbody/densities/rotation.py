"""Orientations: all alike, or upright more often than not."""

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
        self.length_spread = length_spread
        self._like = torch.zeros(()) if like is None else like.new_zeros(())
        super().__init__(torch.Size(batch_shape), torch.Size((4,)), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: "UniformRotation | None" = None) -> "UniformRotation":
        """The same density over a larger batch."""
        return UniformRotation(torch.Size(batch_shape), self.length_spread, self._like, validate_args=False)

    @property
    def mode(self) -> Float[Tensor, "*B 4"]:
        """No rotation, at the likeliest length; every direction is as likely."""
        still = self._like.new_tensor([math.exp(-4 * self.length_spread**2), 0.0, 0.0, 0.0])
        return still.expand(self._extended_shape())

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*N 4"]:
        """Quaternions (w first), almost of unit length."""
        shape = self._extended_shape(torch.Size(sample_shape))
        direction = torch.nn.functional.normalize(torch.randn(shape).to(self._like), dim=-1)
        return direction * torch.exp(self.length_spread * torch.randn(shape[:-1]).to(self._like))[..., None]

    def log_prob(self, value: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N"]:
        """The log density over R^4."""
        # r^2 is kept off zero: there the density itself goes to zero faster than any power.
        log_length = 0.5 * (value * value).sum(-1).clamp_min(1e-30).log()
        sigma = self.length_spread
        log_radial = -0.5 * (log_length / sigma) ** 2 - log_length - math.log(sigma * math.sqrt(2 * math.pi))
        return log_radial - math.log(2 * math.pi**2) - 3 * log_length


class UprightRotation(TorchDistribution):
    r"""A quaternion that turns the body's vertical, y, towards ``up``, more or less, and about it by any angle.

    Where the vertical ends up is von Mises-Fisher around :math:`u`, or, with the chance :math:`\epsilon`, anywhere: people
    lie down too. Against the uniform density of rotations that is a factor on the cosine :math:`t = u^\top R(q)\,y`,

    .. math:: \log p(q) = \log p_\text{uniform}(q)
        + \log\Bigl((1 - \epsilon)\,\frac{2\kappa}{1 - e^{-2\kappa}}\,e^{\kappa (t - 1)} + \epsilon\Bigr),

    because on SO(3) the uniform law makes y's image uniform on the sphere, and t uniform on [-1, 1].

    Args:
        up: against gravity, a unit vector in the world's frame; in a picture held level (0, -1, 0). Batch shape (*B,).
        concentration: :math:`\kappa`. Of captured people before a camera pitched by up to 20 degrees it is 22, with
            :math:`\epsilon = 0.026`; before one held level 47 and 0.053. Measured on the takes that the priors learnt from.
        floor: :math:`\epsilon`, the share of those who are turned anyhow.
        length_spread: see ``UniformRotation``.

    References: Fisher (1953), Dispersion on a sphere, for the density and the draw of its cosine.
    """

    arg_constraints: dict[str, constraints.Constraint] = {"up": constraints.real_vector}  # noqa: RUF012  torch's convention
    support = constraints.real_vector

    def __init__(
        self,
        up: Float[Tensor, "*B 3"],
        concentration: float = 20.0,
        floor: float = 0.05,
        length_spread: float = 0.1,
        validate_args: bool | None = None,
    ) -> None:
        if not concentration > 0 or not 0 <= floor <= 1 or not bool((up.norm(dim=-1) > 0).all()):
            raise ValueError(
                "UprightRotation: expected an up that is not zero, a concentration above zero and a floor in [0, 1], "
                f"found {up.tolist()}, {concentration} and {floor}."
            )
        self.up = torch.nn.functional.normalize(up, dim=-1)
        self.concentration, self.floor = concentration, floor
        self._uniform = UniformRotation(up.shape[:-1], length_spread, like=up)
        super().__init__(up.shape[:-1], torch.Size((4,)), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: "UprightRotation | None" = None) -> "UprightRotation":
        """The same density over a larger batch."""
        del _instance
        up = self.up.expand(*batch_shape, 3)
        return UprightRotation(up, self.concentration, self.floor, self._uniform.length_spread, validate_args=False)

    @property
    def mode(self) -> Float[Tensor, "*B 4"]:
        """The shortest turn that sets the body upright, at the likeliest length; any turn about ``up`` is as likely."""
        return self._uniform.mode[..., :1] * _towards(self.up)

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*N 4"]:
        """Quaternions (w first), almost of unit length."""
        with torch.no_grad():
            anyhow = self._uniform.rsample(sample_shape)
            turn = math.tau * self._shares(anyhow)
            about = torch.stack([torch.cos(0.5 * turn), 0 * turn, torch.sin(0.5 * turn), 0 * turn], dim=-1)
            least = math.exp(-2 * self.concentration)
            share = self._shares(anyhow)
            cosine = 1 + (share + (1 - share) * least).log() / self.concentration
            lean, where = 0.5 * cosine.clamp(-1, 1).acos(), math.tau * self._shares(anyhow)
            tilt = torch.stack(
                [lean.cos(), lean.sin() * where.cos(), torch.zeros_like(lean), lean.sin() * where.sin()], dim=-1
            )
            upright = _after(_towards(self.up).expand(anyhow.shape), _after(tilt, about))
            upright = upright * anyhow.norm(dim=-1, keepdim=True)
            return torch.where((self._shares(anyhow) < self.floor)[..., None], anyhow, upright)

    def log_prob(self, value: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N"]:
        """The log density over R^4."""
        w, x, y, z = value.unbind(-1)
        raised = torch.stack([2 * (x * y - w * z), w * w - x * x + y * y - z * z, 2 * (y * z + w * x)], dim=-1)
        cosine = (raised * self.up).sum(-1) / (value * value).sum(-1).clamp_min(1e-30)
        kappa, least = self.concentration, math.log(max(self.floor, 1e-300))
        peak = math.log(2 * kappa) - math.log1p(-math.exp(-2 * kappa)) + math.log1p(-min(self.floor, 1 - 1e-16))
        ratio = torch.logaddexp(peak + kappa * (cosine - 1), torch.full_like(cosine, least))
        return self._uniform.log_prob(value) + ratio

    @staticmethod
    def _shares(quaternions: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N"]:
        """Uniform draws, one for each quaternion."""
        return torch.rand(quaternions.shape[:-1]).to(quaternions)


def _towards(up: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N 4"]:
    """Unit quaternions of the shortest turn of y to ``up``; about x by half a turn where up is -y."""
    half = torch.stack([1 + up[..., 1], up[..., 2], torch.zeros_like(up[..., 0]), -up[..., 0]], dim=-1)
    over = half.norm(dim=-1, keepdim=True) < 1e-6
    return torch.nn.functional.normalize(torch.where(over, half.new_tensor([0.0, 1.0, 0.0, 0.0]), half), dim=-1)


def _after(second: Float[Tensor, "*N 4"], first: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N 4"]:
    """The quaternion of turning by ``first``, then by ``second``: Hamilton's product."""
    w, x, y, z = second.unbind(-1)
    a, b, c, d = first.unbind(-1)
    return torch.stack(
        [
            w * a - x * b - y * c - z * d,
            w * b + x * a + y * d - z * c,
            w * c - x * d + y * a + z * b,
            w * d + x * c - y * b + z * a,
        ],
        dim=-1,
    )
