"""The feature field as 3DNBF's released code has it, to measure what each of its choices is worth.

It differs from the paper: the features of all directions are rendered alike, whatever the pose; the shares of the directions
are rendered beside them and go through a softmax, so that a pixel that is all of one direction counts it 0.58 of three; the
scores, not the features, are mixed.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from ..contracts import Camera, Density, FeatureField
from ..densities.bessel import log_peak
from ..densities.sphere import log_area
from ..densities.von_mises_fisher import VonMisesFisherMixture
from ..quantities import Surface
from .emissions import VonMisesFisherEmission
from .fields import DirectedFeatures, split


class MixedCosine(TorchDistribution):
    """log p(f) = kappa sum_o alpha_o cos(f, phi_o), and the constant of a von Mises-Fisher density.

    Unless all phi_o agree its integral is less than one: a score, for comparison, rather than a density. Batch shape (*B,),
    event shape (D,).

    Args:
        shares: alpha.
        directions: phi, of any length.
        concentration: kappa.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  torch's own class-level convention
    support = constraints.sphere
    has_rsample = False

    def __init__(
        self,
        shares: Float[Tensor, "*B O"],
        directions: Float[Tensor, "*B O D"],
        concentration: Float[Tensor, ""],
    ) -> None:
        self.shares, self.directions, self.concentration = shares, directions, concentration
        super().__init__(shares.shape[:-1], directions.shape[-1:], validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> "MixedCosine":
        """The same score over a larger batch."""
        del _instance
        shape = torch.Size(batch_shape)
        directions = self.directions.expand(*shape, *self.directions.shape[-2:])
        return MixedCosine(self.shares.expand(*shape, self.shares.shape[-1]), directions, self.concentration)

    def cosine(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*#N"]:
        """sum_o alpha_o cos(f, phi_o)."""
        kappa = self.concentration.expand(self.shares.shape[-1])
        mixture = VonMisesFisherMixture(self.shares, self.directions, kappa, validate_args=False)
        return (self.shares * mixture.cosines(value)).sum(-1)

    def log_prob(self, value: Float[Tensor, "*#N D"]) -> Float[Tensor, "*#N"]:
        """The score; at most the log density at the mode of a von Mises-Fisher density."""
        peak = log_peak(self.concentration, self.event_shape[0]) - log_area(self.event_shape[0])
        return self.concentration * (self.cosine(value) - 1) + peak


class ReleasedField(FeatureField):
    """Features of all directions, and the limbs' shares of them, carried side by side; scores mixed by the softmax of shares.

    With ``SigmoidDirections(3)`` this is 3DNBF's released code.
    """

    def __init__(self, features: DirectedFeatures, emission: VonMisesFisherEmission) -> None:
        super().__init__()
        self.features, self.emission, self.channels = features, emission, features.channels

    def attributes(self, surface: Surface, camera: Camera) -> Float[Tensor, "B V C"]:
        """``O`` times (D + 1) channels: the features, direction after direction, and then the shares."""
        weights = self.features.weights(surface, camera)
        still = self.features.features.to(weights).flatten(1).expand(len(weights), -1, -1)
        return torch.cat([still, weights], dim=-1)

    def conditional(self, rendered: Float[Tensor, "*N C"]) -> Density:
        """The mixed score of the directions."""
        phi, shares = split(rendered, self.features.directions.count)
        return MixedCosine(shares.softmax(-1), phi, self.emission.concentration.to(rendered))
