"""How a limb is turned to the camera, told as shares of a few reference directions.

Directions are unit vectors along the camera's axes: x right, y down, z away from it. The share of a reference is the chance
that the limb's features are those seen from there: p(o | l) in equation 7 of 3DNBF (Zhang et al., ICCV 2023).
"""

import abc
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize


class Directions(nn.Module, abc.ABC):
    """``O`` reference directions, and what share of each a direction has."""

    count: int
    """``O``"""

    @abc.abstractmethod
    def weights(self, direction: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N O"]:
        """Shares in [0, 1] whose sum is 1 unless a class says not; gradients are finite, at the zero vector too."""

    @abc.abstractmethod
    def hard(self, direction: Float[Tensor, "*N 3"]) -> Int[Tensor, "*N"]:
        """The one reference that a direction is counted to, 0 to O - 1."""


class OneDirection(Directions):
    """Features that do not change with the pose."""

    count = 1

    def weights(self, direction: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N 1"]:
        """All of the one."""
        return torch.ones_like(direction[..., :1])

    def hard(self, direction: Float[Tensor, "*N 3"]) -> Int[Tensor, "*N"]:
        """The one."""
        return torch.zeros_like(direction[..., 0], dtype=torch.long)


class CircleDirections(Directions):
    """References that split the circle of the yz-plane evenly: the first is +z, away, the second turned from it to +y, down.

    Shares are those of von Mises-Fisher densities about the references (3DNBF equation 7). As the references have no x, the
    product l . l_o sees only the projection of the limb on the yz-plane, and that by its length: shares turn along when the
    limb turns about x, and go smoothly to 1 / O when it comes to lie along x, where the projection has no direction.

    Args:
        count: ``O``; four are away, down, towards the camera and up.
        concentration: kappa. Unless given, 2.5 / (1 - cos(2 pi / O)), so that at a reference each neighbour is exp(-2.5) =
            0.08 times as likely: with four a share of 0.85 there, and 0.49 for both half-way.
    """

    references: Float[Tensor, "O 3"]
    concentration: Float[Tensor, ""]

    def __init__(self, count: int = 4, concentration: float | None = None) -> None:
        super().__init__()
        if count < 2:
            raise ValueError(f"count: expected two references or more, found {count}; use OneDirection for one.")
        angle = 2 * math.pi * torch.arange(count, dtype=torch.float64) / count
        if concentration is None:
            concentration = 2.5 / (1 - math.cos(2 * math.pi / count))
        self.count = count
        references = torch.stack([torch.zeros_like(angle), angle.sin(), angle.cos()], dim=-1)
        self.register_buffer("references", references.to(torch.get_default_dtype()))
        self.register_buffer("concentration", _positive(concentration))

    def weights(self, direction: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N O"]:
        """softmax(kappa l . l_o)."""
        return (self.concentration.to(direction) * _cosines(direction, self.references)).softmax(dim=-1)

    def hard(self, direction: Float[Tensor, "*N 3"]) -> Int[Tensor, "*N"]:
        """The reference at the smallest angle from the projection."""
        return _cosines(direction, self.references).argmax(dim=-1)


class SphereDirections(Directions):
    """References anywhere on the sphere, each with a concentration of its own if so wished (3DNBF equation 7 in full).

    p(o | l) = vMF(l | l_o, kappa_o) / sum of the same over all references. Where all kappa are equal their constants cancel.

    Args:
        references: any lengths but zero; they are normalised.
        concentration: kappa, one for all or one for each reference; zero or more.
    """

    references: Float[Tensor, "O 3"]
    concentration: Float[Tensor, " O"]

    def __init__(
        self, references: Float[Tensor, "O 3"], concentration: float | Float[Tensor, ""] | Float[Tensor, " O"]
    ) -> None:
        super().__init__()
        length = references.norm(dim=-1)
        if not len(references) or not (length.isfinite() & (length > 0)).all():
            raise ValueError("references: expected finite vectors other than zero, found none or another.")
        self.count = len(references)
        self.register_buffer("references", normalize(references, dim=-1))
        self.register_buffer("concentration", _positive(concentration).to(references).expand(self.count).clone())

    @classmethod
    def axes(cls, concentration: float = 2.5) -> "SphereDirections":
        """Six: right, left, down, up, away, towards the camera. At each, each of the four across is exp(-kappa) as likely."""
        ways = torch.eye(3)
        return cls(torch.stack([ways, -ways], dim=1).flatten(0, 1), concentration)

    @classmethod
    def spiral(cls, count: int, concentration: float | None = None) -> "SphereDirections":
        """Any number, nearly evenly spread, along a spiral from away to towards the camera (the Fibonacci lattice).

        Unless given, kappa is O / 3: at a reference, each of the about six neighbours is then about exp(-2.5) as likely.
        """
        if count < 2:
            raise ValueError(f"count: expected two references or more, found {count}; use OneDirection for one.")
        rank = torch.arange(count, dtype=torch.float64) + 0.5
        depth, turn = 1 - 2 * rank / count, math.pi * (3 - math.sqrt(5)) * rank
        around = (1 - depth.square()).sqrt()
        places = torch.stack([around * turn.cos(), around * turn.sin(), depth], dim=-1)
        return cls(places.to(torch.get_default_dtype()), count / 3 if concentration is None else concentration)

    def weights(self, direction: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N O"]:
        """softmax(kappa_o l . l_o + log C(kappa_o)), with C(kappa) = kappa / (4 pi sinh kappa)."""
        kappa = self.concentration.to(direction)
        # log C, up to what is common: kappa / (1 - exp(-2 kappa)) goes to 1/2 at zero
        some = torch.where(kappa > 0, kappa, torch.ones_like(kappa))
        constant = torch.where(kappa > 0, (-some / torch.expm1(-2 * some)).log(), math.log(0.5)) - kappa
        return (kappa * _cosines(direction, self.references) + constant).softmax(dim=-1)

    def hard(self, direction: Float[Tensor, "*N 3"]) -> Int[Tensor, "*N"]:
        """The reference at the smallest angle."""
        return _cosines(direction, self.references).argmax(dim=-1)


def _positive(concentration: float | Tensor) -> Tensor:
    value = torch.as_tensor(
        concentration, dtype=None if isinstance(concentration, Tensor) else torch.get_default_dtype()
    )
    if not (value.isfinite() & (value >= 0)).all():
        raise ValueError(f"concentration: expected finite and zero or more, found {value.tolist()}.")
    return value


def _cosines(direction: Float[Tensor, "*N 3"], references: Float[Tensor, "O 3"]) -> Float[Tensor, "*N O"]:
    return direction @ references.to(direction).mT
