r"""How sharply features tell points apart, estimated for that: by the likelihood of the points given the features.

The concentration of greatest likelihood describes how features lie about the expected ones, most of them near. Some are far,
where the reader took one limb for another, and under a von Mises-Fisher density of that concentration such a pixel outweighs
many that are right. What a fit asks of the densities is which point a pixel shows, if any. Theirs are therefore the
concentrations and chances under which the true answers are likeliest, with as many sights of a body as of other things:

.. math:: \frac{1}{N} \sum_n \log \frac{p(f_n | v_n)}{\sum_u p(f_n | u) + V p(f_n | \text{other})}
    + \frac{1}{M} \sum_m \log \frac{V p(g_m | \text{other})}{\sum_u p(g_m | u) + V p(g_m | \text{other})}

``p(f | u)`` is a mean over the directions of the limb of u; that of the true point, above the line, is of its limb as it is
turned. All kinds of clutter have one concentration; none becomes more than that of greatest likelihood.

References: Bahl et al. (1986), Maximum mutual information estimation of hidden Markov model parameters; Bouchard, Triggs
(2004), The trade-off between generative and discriminative classifiers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from probbody.densities.bessel import concentration_of
from probbody.densities.shared_concentration import SharedConcentration
from probbody.densities.von_mises_fisher import VonMisesFisher
from probbody.features.backgrounds import MixtureBackground

from .feature_sampling import PointFeatures

STEPS = 60
"""Of L-BFGS, at most."""
SIGHTS = 2_048
"""So many features at points, and as many of clutter, are enough for numbers as few as these."""
LEAST = 1e-3
"""What no kind of clutter's chance falls below, times the number of kinds."""
BEGIN = 0.1
"""Where both concentrations begin, as a share of the points' of greatest likelihood."""


@dataclass(frozen=True)
class Sights:
    """Features whose origin is known; not those that the rows were learnt from."""

    features: Float[Tensor, "N D"]
    """At visible points of bodies; unit vectors, as all others."""
    expected: Float[Tensor, "N D"]
    """What the field expects there."""
    rows: Float[Tensor, "V O D"]
    """What each vertex looks like for each direction of its limb; zero where it was never seen."""
    clutter: Float[Tensor, "M D"]
    """Where no body is seen."""

    @classmethod
    def of(
        cls, seen: Sequence[PointFeatures], rows: Float[Tensor, "V O D"], clutter: Sequence[Float[Tensor, "_ D"]]
    ) -> "Sights":
        """All together, as the rows expect them."""
        expected = [(each.shares.unsqueeze(-1).to(rows) * rows[each.vertex]).sum(1) for each in seen]
        features = torch.cat([each.features for each in seen])
        return cls(features, normalize(torch.cat(expected), dim=-1), rows, torch.cat(list(clutter)))

    @cached_property
    def about_rows(self) -> tuple[SharedConcentration, SharedConcentration]:
        """Features, and those of clutter, about all rows: what takes longest, and is the same for every concentration."""
        rows = self.rows.flatten(0, 1)
        return SharedConcentration(self.features, rows), SharedConcentration(self.clutter, rows)

    def some(self, count: int, seed: int) -> "Sights":
        """So many of either kind."""
        generator = torch.Generator().manual_seed(seed)  # on the processor: the same draws on every device
        points, other = (
            torch.randperm(len(each), generator=generator)[:count].to(each.device)
            for each in (self.features, self.clutter)
        )
        return Sights(self.features[points], self.expected[points], self.rows, self.clutter[other])


@dataclass(frozen=True)
class Emissions:
    """How features scatter at the points of a body, and elsewhere."""

    concentration: Float[Tensor, ""]
    """kappa, of features at visible points about the expected ones."""
    background: MixtureBackground

    def log_likelihood(self, sights: Sights) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The mean log chances of the true points, and of clutter, given their features: the two parts of the formula."""
        other = self.background.marginal()
        own = VonMisesFisher(sights.expected, self.concentration, validate_args=False)
        told, beside = (
            torch.logaddexp(body.log_prob(self.concentration), other.log_prob(each))
            for body, each in zip(sights.about_rows, (sights.features, sights.clutter), strict=True)
        )
        point = own.log_prob(sights.features) - math.log(len(sights.rows)) - told
        return point.mean(), (other.log_prob(sights.clutter) - beside).mean()


def generative(sights: Sights, kinds: int, seed: int = 0) -> Emissions:
    """Concentrations and chances of greatest likelihood; ``kinds`` of clutter."""
    mean = (sights.features * sights.expected).sum(-1).double().mean().clamp(0, 1)
    background = MixtureBackground.fit(sights.clutter.cpu(), kinds, seed).to(sights.rows)
    return Emissions(concentration_of(mean, sights.rows.shape[2]).to(sights.rows), background)


def fitted_emissions(sights: Sights, kinds: int, seed: int = 0) -> Emissions:
    """Concentrations and chances of greatest conditional likelihood, by L-BFGS; the same for the same seed.

    Args:
        sights: at least as many of clutter as there are ``kinds``; ``SIGHTS`` of either are used.
        kinds: of clutter, whose directions are those of greatest likelihood.
        seed: of the start of these, and of the sights that are used.

    Raises:
        ValueError: features that are not finite, or clutter that is too little or not of unit length.
    """
    if not bool(sights.features.isfinite().all()):
        raise ValueError("features: expected finite ones, found others.")
    most, sights = generative(sights, kinds, seed), sights.some(SIGHTS, seed)
    count = len(most.background.weights)
    begin = (BEGIN * most.concentration).log()
    told = torch.cat([begin.expand(2), most.background.weights.log()]).requires_grad_()

    def emissions() -> Emissions:
        body, clutter, weights = told.split([1, 1, count])
        chances = torch.lerp(weights.softmax(0), torch.full_like(weights, 1 / count), LEAST)
        kappas = torch.minimum(most.background.concentrations, clutter.exp())
        background = MixtureBackground(chances, most.background.directions, kappas)
        return Emissions(torch.minimum(most.concentration, body[0].exp()), background)

    optimiser = torch.optim.LBFGS([told], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        point, other = emissions().log_likelihood(sights)
        short = -(point + other)
        short.backward()
        return short

    with torch.enable_grad():
        optimiser.step(loss)
    with torch.no_grad():
        return emissions()
