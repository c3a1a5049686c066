"""How the features of pictures scatter around what was expected."""

import abc

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..contracts import Density
from ..densities.von_mises_fisher import VonMisesFisher, VonMisesFisherMixture
from .gaussians import GaussianDirections


class Emission(nn.Module, abc.ABC):
    """A density of unit features about a direction, or about several with their chances.

    Only the direction of what is expected counts, not its length, as what is rendered is as long as the pixel is covered.
    Densities and gradients stay finite where nothing is expected, at the zero vector.
    """

    @abc.abstractmethod
    def around(self, direction: Float[Tensor, "*N D"]) -> Density:
        """About one direction each; batch shape (*N,), event shape (D,)."""

    @abc.abstractmethod
    def among(self, log_weights: Float[Tensor, "*N O"], directions: Float[Tensor, "*N O D"]) -> Density:
        """About one of ``O`` directions each, whose chances have these logits; batch shape (*N,), event shape (D,)."""


class VonMisesFisherEmission(Emission):
    """On the unit sphere, with one concentration (kappa, zero or more) for all."""

    concentration: Float[Tensor, ""]

    def __init__(self, concentration: float | Float[Tensor, ""]) -> None:
        super().__init__()
        self.register_buffer("concentration", _number("concentration", concentration, least=0.0))

    def around(self, direction: Float[Tensor, "*N D"]) -> Density:
        """von Mises-Fisher; uniform where nothing is expected."""
        return VonMisesFisher(direction, self.concentration.to(direction), validate_args=False)

    def among(self, log_weights: Float[Tensor, "*N O"], directions: Float[Tensor, "*N O D"]) -> Density:
        """A mixture of von Mises-Fisher densities."""
        kappa = self.concentration.to(directions).expand(directions.shape[-2])
        return VonMisesFisherMixture(log_weights, directions, kappa, validate_args=False)


class GaussianEmission(Emission):
    """In all of R^D, normal about the unit vector with one standard deviation ``scale`` along each axis (NeuralSMPL).

    At unit features it differs from a von Mises-Fisher density with kappa = 1 / scale^2 by a constant alone. The densities of
    what else is seen must then be in R^D too.
    """

    scale: Float[Tensor, ""]

    def __init__(self, scale: float | Float[Tensor, ""]) -> None:
        super().__init__()
        self.register_buffer("scale", _number("scale", scale, least=1e-6))

    def around(self, direction: Float[Tensor, "*N D"]) -> Density:
        """Normal about the unit vector, or about zero where nothing is expected."""
        alone = direction.new_zeros(1)
        return GaussianDirections(alone, direction.unsqueeze(-2), self.scale.to(direction), validate_args=False)

    def among(self, log_weights: Float[Tensor, "*N O"], directions: Float[Tensor, "*N O D"]) -> Density:
        """A mixture of those."""
        return GaussianDirections(log_weights, directions, self.scale.to(directions), validate_args=False)


def _number(name: str, value: float | Tensor, least: float) -> Tensor:
    number = value if isinstance(value, Tensor) else torch.tensor(float(value))
    if not bool(number.isfinite()) or float(number) < least:
        raise ValueError(f"{name}: expected a finite number, {least:g} or more, found {float(number)}.")
    return number
