"""Poses as one Gaussian cloud about a mean, joint by joint or all together."""

from pathlib import Path

import torch
from jaxtyping import Float
from pyro.distributions import MultivariateNormal, Normal
from pyro.distributions.torch_distribution import TorchDistributionMixin as Density
from torch import Tensor

from ..contracts import PosePrior
from ..errors import BadInput
from ..geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from .weights import expect_shapes, read_weights, write_weights

KIND = "pose prior, Gaussian"


class GaussianPose(PosePrior):
    """Axis-angles of the joints, radians, normal with ``mean`` and covariance ``scale scale^T``.

    The code is the whitened pose, standard normal: ``angles = mean + scale code``, with ``scale`` lower triangular. Encoding
    is exact while every angle stays below half a turn.
    """

    mean: Float[Tensor, " D"]
    scale: Float[Tensor, "D D"]

    def __init__(self, mean: Float[Tensor, " D"], scale: Float[Tensor, "D D"], *, licence: str = "") -> None:
        super().__init__()
        if len(mean) % 3 or len(mean) == 0 or scale.shape != (len(mean), len(mean)):
            raise BadInput(f"scale: expected three numbers a joint and a square scale, found {tuple(scale.shape)}.")
        if not (scale.diagonal() > 0).all() or scale.triu(1).any():
            raise BadInput("scale: expected a lower triangular matrix with a positive diagonal, found another one.")
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.num_code, self.num_joints, self.licence = len(mean), len(mean) // 3, licence

    @classmethod
    def independent(cls, num_joints: int, spread: float = 0.3) -> "GaussianPose":
        """For bodies without captured motion: every angle normal about rest with that standard deviation, radians."""
        if num_joints < 1 or not spread > 0:
            raise BadInput(f"spread: expected joints and a positive spread, found {num_joints} joints and {spread}.")
        return cls(torch.zeros(3 * num_joints), spread * torch.eye(3 * num_joints))

    @classmethod
    def fitted(
        cls,
        angles: Float[Tensor, "N M 3"],
        floor: Float[Tensor, "M 3"],
        chances: Float[Tensor, " N"],
        licence: str = "",
    ) -> "GaussianPose":
        """The moments of weighted poses; ``floor`` (radians) is added in quadrature, for joints that hardly move."""
        flat, weight = angles.flatten(1).double(), (chances / chances.sum()).double()
        mean = weight @ flat
        away = flat - mean
        covariance = torch.einsum("n,nd,ne->de", weight, away, away) + floor.flatten().double().square().diag()
        return cls(mean.to(angles), torch.linalg.cholesky(covariance).to(angles), licence=licence)

    def code(self) -> Density:
        """Standard normal."""
        return Normal(torch.zeros_like(self.mean), torch.ones_like(self.mean)).to_event(1)

    def density(self) -> MultivariateNormal:
        """The density of the axis-angles themselves, one after the other; event shape (3 M,)."""
        return MultivariateNormal(self.mean, scale_tril=self.scale)

    def decode(self, code: Float[Tensor, "B Z"]) -> Float[Tensor, "B M 3 3"]:
        """The joint rotations that the code stands for."""
        angles = self.mean.to(code) + code @ self.scale.to(code).mT
        return axis_angle_to_matrix(angles.unflatten(-1, (self.num_joints, 3)))

    def encode(self, rotations: Float[Tensor, "B M 3 3"]) -> Float[Tensor, "B Z"]:
        """The code of these rotations."""
        away = matrix_to_axis_angle(rotations).flatten(-2) - self.mean.to(rotations)
        return torch.linalg.solve_triangular(self.scale.to(rotations), away.mT, upper=False).mT

    def save(self, path: str | Path, words: dict[str, str] | None = None) -> None:
        """To a safetensors file."""
        write_weights(path, {"mean": self.mean, "scale": self.scale}, {**(words or {}), "licence": self.licence}, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "GaussianPose":
        """From a safetensors file; another kind of file is refused."""
        tensors, words = read_weights(path, KIND)
        size = len(tensors["mean"]) if "mean" in tensors else 63
        expect_shapes(path, tensors, {"mean": (size,), "scale": (size, size)})
        return cls(tensors["mean"], tensors["scale"], licence=words.get("licence", ""))
