"""What is seen where the body is not: clutter and occluders."""

import math

import torch
from jaxtyping import Float
from pyro.distributions import Normal
from torch import Tensor

from ..contracts import Background, Density
from ..densities.sphere import UniformSphere
from ..densities.von_mises_fisher import VonMisesFisher, VonMisesFisherMixture
from .clutter import fit_mixture


class UniformBackground(Background):
    """Any unit feature, as likely as the next: nothing is known of the background."""

    origin: Float[Tensor, ""]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("origin", torch.zeros(()), persistent=False)

    def marginal(self) -> Density:
        """Uniform on the unit sphere."""
        return UniformSphere(self.channels, like=self.origin, validate_args=False)


class VonMisesFisherBackground(Background):
    """Features around one direction."""

    direction: Float[Tensor, " D"]
    concentration: Float[Tensor, ""]

    def __init__(self, direction: Float[Tensor, " D"], concentration: float) -> None:
        super().__init__()
        if not 0 <= concentration < math.inf:
            raise ValueError(f"concentration: expected zero or more, and finite, found {concentration}.")
        self.register_buffer("direction", direction)
        self.register_buffer("concentration", direction.new_tensor(concentration))

    def marginal(self) -> Density:
        """One von Mises-Fisher density."""
        return VonMisesFisher(self.direction, self.concentration, validate_args=False)


class GaussianBackground(Background):
    """Features in all of R^D, normal around one, with the same deviation along each axis: beside ``GaussianEmission``."""

    location: Float[Tensor, " D"]
    scale: Float[Tensor, ""]

    def __init__(self, location: Float[Tensor, " D"], scale: float) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise ValueError(f"scale: expected more than zero, and finite, found {scale}.")
        self.register_buffer("location", location)
        self.register_buffer("scale", location.new_tensor(scale))

    def marginal(self) -> Density:
        """One normal density."""
        return Normal(self.location, self.scale, validate_args=False).to_event(1)


class MixtureBackground(Background):
    """Features around a few directions, each with its own chance and concentration: kinds of clutter."""

    weights: Float[Tensor, " O"]
    directions: Float[Tensor, "O D"]
    concentrations: Float[Tensor, " O"]

    def __init__(
        self, weights: Float[Tensor, " O"], directions: Float[Tensor, "O D"], concentrations: Float[Tensor, " O"]
    ) -> None:
        super().__init__()
        if not (weights > 0).all() or not (concentrations >= 0).all():
            raise ValueError("weights, concentrations: expected weights above zero and concentrations of zero or more.")
        self.register_buffer("weights", weights / weights.sum())
        self.register_buffer("directions", directions)
        self.register_buffer("concentrations", concentrations)

    @classmethod
    def fit(
        cls, features: Float[Tensor, "N D"], components: int, seed: int = 0, anything: float = 0.05
    ) -> "MixtureBackground":
        """Of greatest likelihood for features of clutter, found by ``fit_mixture``; parts that stay empty are left out.

        ``anything`` is the share of a uniform part beside them: what hides a body need not look like the clutter that was
        learnt from, and a background that thinks it impossible makes one such pixel drown the rest.
        """
        if not 0 <= anything < 1:
            raise ValueError(f"anything: expected a share in [0, 1), found {anything}.")
        found = fit_mixture(features, components, seed)[0]
        kept = found.log_weights > found.log_weights.new_tensor(1e-9).log()
        parts = [
            (1 - anything) * found.log_weights[kept].softmax(0),
            found.directions[kept],
            found.concentrations[kept],
        ]
        if anything:
            uniform = (features.new_tensor([anything]), found.directions[:1], features.new_zeros(1))
            parts = [torch.cat([part, more]) for part, more in zip(parts, uniform, strict=True)]
        return cls(*parts)

    def marginal(self) -> Density:
        """A mixture of von Mises-Fisher densities."""
        return VonMisesFisherMixture(self.weights.log(), self.directions, self.concentrations, validate_args=False)


class ClutterBank(Background):
    """Features around any of those once seen in clutter, each as likely as the next: a kernel density.

    Its cost grows with the number of features kept, pixel by pixel; a ``MixtureBackground`` fitted to them is their summary.
    """

    features: Float[Tensor, "N D"]
    concentration: Float[Tensor, ""]

    def __init__(self, features: Float[Tensor, "N D"], concentration: float) -> None:
        super().__init__()
        if not len(features) or not concentration >= 0:
            raise ValueError(
                f"features, concentration: expected a feature or more and a concentration of zero or more, "
                f"found {len(features)} and {concentration}."
            )
        self.register_buffer("features", features)
        self.register_buffer("concentration", features.new_tensor(concentration))

    def marginal(self) -> Density:
        """A mixture of von Mises-Fisher densities of equal weight."""
        equal = self.features.new_zeros(len(self.features))
        kappa = self.concentration.expand(len(self.features))
        return VonMisesFisherMixture(equal, self.features, kappa, validate_args=False)
