"""Poses as points of a smooth 32-dimensional space that a network learnt from captured motion."""

from pathlib import Path

import torch
from jaxtyping import Float
from pyro.distributions import Independent, Normal
from pyro.distributions.torch_distribution import TorchDistributionMixin as Density
from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts import PosePrior
from ..errors import BadInput
from ..geometry.rotations import matrix_to_axis_angle, six_to_matrix
from .tangent import log_observed
from .weights import expect_shapes, read_weights, write_weights

KIND = "pose prior, variational autoencoder"
SLOPE, DROPOUT = 0.2, 0.1
SHARE = 0.75
"""Of the density of the code that is taken from real poses; chosen on other takes, see the card of the prior that ships."""


class VaePose(PosePrior):
    r"""A decoder to joint rotations, the encoder that was learnt with it, and how the encoder spreads real poses.

    The networks are those of VPoser's second form: the encoder reads axis-angles, the decoder writes six numbers a joint,
    a (3, 2) matrix row by row (``interleaved``), made a rotation by Gram-Schmidt. ``decode`` and ``encode`` are always
    deterministic, whether or not the module is set to train. ``log_noise`` is the standard deviation, in the tangent
    space of each joint, of real rotations about decoded ones; with it the decoder is a density over poses.

    Where real poses are encoded to is not standard normal, though the learning draws it there: narrower on the whole, with
    its coordinates correlated. ``settle`` finds their mean and covariance, and from then on the code is the whitened one,

    .. math:: z = m + L c, \quad c \sim N(0, I), \quad L L^T = \mathrm{cov}(\mathrm{encoder\ means\ of\ real\ poses})

    but for a little shrinking, so that a standard normal code is a pose as real ones are. Until then m is 0, L the identity.

    References:
        Pavlakos et al. (2019), arXiv:1904.05866, for the networks.
        Ghosh et al. (2020), From variational to deterministic autoencoders, arXiv:1903.12436, sec. 4, for the density of
        the code that is found after the learning.
    """

    log_noise: Float[Tensor, "M 3"]
    code_mean: Float[Tensor, " Z"]
    code_scale: Float[Tensor, "Z Z"]

    def __init__(self, *, num_joints: int = 21, num_code: int = 32, hidden: int = 512, licence: str = "") -> None:
        super().__init__()
        self.num_joints, self.num_code, self.hidden, self.licence = num_joints, num_code, hidden, licence
        self.encoder = nn.ModuleDict(
            {
                "norm_in": nn.BatchNorm1d(3 * num_joints),
                "first": nn.Linear(3 * num_joints, hidden),
                "norm": nn.BatchNorm1d(hidden),
                "second": nn.Linear(hidden, hidden),
                "third": nn.Linear(hidden, hidden),
                "mean": nn.Linear(hidden, num_code),
                "spread": nn.Linear(hidden, num_code),
            }
        )
        last = nn.Linear(hidden, 6 * num_joints)
        with torch.no_grad():  # an untaught decoder stands at rest
            last.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]).repeat(num_joints))
        first, second = nn.Linear(num_code, hidden), nn.Linear(hidden, hidden)
        self.decoder = nn.ModuleDict({"first": first, "second": second, "third": last})
        self.log_noise = nn.Parameter(torch.full((num_joints, 3), -2.0))
        self.register_buffer("code_mean", torch.zeros(num_code))
        self.register_buffer("code_scale", torch.eye(num_code))

    def code(self) -> Density:
        """Standard normal."""
        like = self.log_noise
        zero = torch.zeros(self.num_code, dtype=like.dtype, device=like.device)
        return Normal(zero, torch.ones_like(zero)).to_event(1)

    def decode(self, code: Float[Tensor, "B Z"]) -> Float[Tensor, "B M 3 3"]:
        """The joint rotations that the code stands for."""
        return self._write(self.code_mean.to(code) + code @ self.code_scale.to(code).mT, learning=False)

    def encode(self, rotations: Float[Tensor, "B M 3 3"]) -> Float[Tensor, "B Z"]:
        """The code that stands for the mean of what the encoder would give these rotations."""
        away = self.posterior(rotations).base_dist.loc - self.code_mean.to(rotations)
        return torch.linalg.solve_triangular(self.code_scale.to(rotations), away.mT, upper=False).mT

    def posterior(self, rotations: Float[Tensor, "B M 3 3"]) -> Independent:
        """The encoder's normal density, given rotations, of ``z = m + L code``; event shape (Z,)."""
        return self._read(rotations, learning=False)

    def settle(self, rotations: Float[Tensor, "B M 3 3"], share: float = SHARE) -> None:
        """Takes the density of the code from real poses, once the networks have learnt.

        ``share`` of mean and covariance is theirs, the rest the standard normal's that the learning draws codes to: takes
        are few and unlike each other.

        Raises:
            ValueError: fewer than two poses.
        """
        if len(rotations) < 2:
            raise ValueError(f"rotations: expected two poses or more, found {len(rotations)}.")
        with torch.no_grad():
            means = self.posterior(rotations).base_dist.loc.double()
            still = torch.eye(self.num_code, dtype=means.dtype, device=means.device)
            self.code_mean.copy_(share * means.mean(0))
            self.code_scale.copy_(torch.linalg.cholesky(share * torch.cov(means.mT) + (1 - share) * still))

    def reconstruct(self, rotations: Float[Tensor, "B M 3 3"]) -> tuple[Independent, Float[Tensor, "B M 3 3"]]:
        """One pass as in learning: the encoder's density, and the rotations of one draw, with batch statistics and dropout."""
        posterior = self._read(rotations, learning=True)
        return posterior, self._write(posterior.rsample(), learning=True)

    def log_observed(
        self, rotations: Float[Tensor, "B M 3 3"], decoded: Float[Tensor, "B M 3 3"]
    ) -> Float[Tensor, " B"]:
        """Log density of rotations (Haar measure, unit at the identity) about decoded ones, summed over joints."""
        return log_observed(rotations, decoded, self.log_noise.to(decoded).exp())

    def _write(self, code: Tensor, learning: bool) -> Tensor:
        layers = self.decoder
        hidden = F.leaky_relu(_linear(layers["first"], code), SLOPE)
        hidden = F.dropout(hidden, DROPOUT, training=learning)
        hidden = F.leaky_relu(_linear(layers["second"], hidden), SLOPE)
        six = _linear(layers["third"], hidden).reshape(*code.shape[:-1], self.num_joints, 6)
        return six_to_matrix(six, layout="interleaved")

    def _read(self, rotations: Tensor, learning: bool) -> Independent:
        layers = self.encoder
        hidden = _norm(layers["norm_in"], matrix_to_axis_angle(rotations).flatten(-2), learning)
        hidden = F.leaky_relu(_linear(layers["first"], hidden), SLOPE)
        hidden = F.dropout(_norm(layers["norm"], hidden, learning), DROPOUT, training=learning)
        hidden = F.leaky_relu(_linear(layers["second"], hidden), SLOPE)
        hidden = _linear(layers["third"], hidden)
        spread = F.softplus(_linear(layers["spread"], hidden)) + 1e-4
        return Normal(_linear(layers["mean"], hidden), spread).to_event(1)

    def save(self, path: str | Path, words: dict[str, str] | None = None) -> None:
        """To a safetensors file, with the sizes and the licence in its words."""
        sizes = {"num_joints": self.num_joints, "num_code": self.num_code, "hidden": self.hidden}
        words = {
            **(words or {}),
            **{k: str(v) for k, v in sizes.items()},
            "six": "interleaved",
            "licence": self.licence,
        }
        write_weights(path, self.state_dict(), words, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "VaePose":
        """From a safetensors file; one that is damaged, cut short or of another kind is refused."""
        tensors, words = read_weights(path, KIND)
        try:
            sizes = {name: int(words[name]) for name in ("num_joints", "num_code", "hidden")}
            if not all(0 < size <= 4096 for size in sizes.values()):
                raise ValueError("sizes")
        except (KeyError, ValueError) as error:
            raise BadInput(f"{path}: expected num_joints, num_code and hidden in its words, found {words}.") from error
        prior = cls(**sizes, licence=words.get("licence", ""))
        own = prior.state_dict()
        tensors = {name: own[name] for name in ("code_mean", "code_scale")} | tensors  # a prior that did not settle
        expect_shapes(path, tensors, {name: tuple(value.shape) for name, value in own.items()})
        prior.load_state_dict({name: value.to(own[name].dtype) for name, value in tensors.items()})
        return prior.eval().requires_grad_(False)


def _linear(layer: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(layer, nn.Linear)
    return F.linear(x, layer.weight.to(x), layer.bias.to(x))


def _norm(layer: nn.Module, x: Tensor, learning: bool) -> Tensor:
    assert isinstance(layer, nn.BatchNorm1d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    if learning:
        return layer(x)
    mean, var = layer.running_mean.to(x), layer.running_var.to(x)
    return (x - mean) * (var + layer.eps).rsqrt() * layer.weight.to(x) + layer.bias.to(x)
