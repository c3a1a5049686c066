"""How far a network's guess of a body is from the body: measured on pictures that it did not learn from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..quantities import Record

FREEDOMS = (3.0, 5.0, 8.0, 15.0, 30.0)
"""Degrees of freedom that are tried: few where some guesses are wrong altogether, as of people taken from behind."""
FLOOR = 0.001
"""Metres: no direction of the errors is taken to be known better than this."""


@dataclass(frozen=True)
class GuessErrors(Record):
    """Errors of all joints but the root, relative to the root's, along the camera's axes: Student's t about nothing.

    Joints are wrong together, a knee with its ankle, both ankles where the body is turned: the scale knows that.
    """

    scale: Float[Tensor, "E E"]
    """Lower triangular, metres; ``E`` is three times the joints after the root."""
    freedom: float

    _shared = ("scale",)

    @classmethod
    def fit(cls, errors: Float[Tensor, "N E"], steps: int = 30) -> "GuessErrors":
        """Of greatest likelihood, by expectation and maximisation; of the degrees of freedom the best of a few.

        References: Liu, Rubin (1995), ML estimation of the t distribution using EM, Statistica Sinica 5.
        """
        if len(errors) <= errors.shape[1]:
            raise ValueError(f"errors: expected more than {errors.shape[1]} guesses, found {len(errors)}.")
        data = errors.double()
        fits = [_scaled(data, freedom, steps) for freedom in FREEDOMS]
        best = max(range(len(fits)), key=lambda number: float(_density(data, fits[number], FREEDOMS[number]).mean()))
        return cls(fits[best].to(errors), FREEDOMS[best])


def _scaled(data: Float[Tensor, "N E"], freedom: float, steps: int) -> Float[Tensor, "E E"]:
    size = data.shape[1]
    least = FLOOR**2 * torch.eye(size, dtype=data.dtype, device=data.device)
    scale = torch.linalg.cholesky(data.mT @ data / len(data) + least)
    for _ in range(steps):
        weight = (freedom + size) / (freedom + _squares(data, scale))
        scale = torch.linalg.cholesky((data * weight[:, None]).mT @ data / len(data) + least)
    return scale


def _squares(data: Float[Tensor, "N E"], scale: Float[Tensor, "E E"]) -> Float[Tensor, " N"]:
    """Squared lengths of the errors, measured by their scale."""
    return torch.linalg.solve_triangular(scale, data.mT, upper=False).square().sum(0)


def _density(data: Float[Tensor, "N E"], scale: Float[Tensor, "E E"], freedom: float) -> Float[Tensor, " N"]:
    """Log densities but for a constant of the data's size."""
    size, half = data.shape[1], data.new_tensor(freedom / 2)
    constant = torch.lgamma(half + size / 2) - torch.lgamma(half) - size / 2 * half.mul(2).log()
    spread = scale.diagonal().log().sum()
    return constant - spread - (freedom + size) / 2 * torch.log1p(_squares(data, scale) / freedom)
