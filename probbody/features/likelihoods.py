"""How a feature image comes about from a rendered body and what else there is: the outlier process, in four forms."""

import abc

from jaxtyping import Float
from torch import Tensor

from ..contracts import Background, Density, FeatureField, Likelihood
from ..densities.occlusion import OcclusionDensity, PixelDensity
from ..densities.scores import BlendScore, HardMaxScore, SoftMaxScore
from ..quantities import Rendering


class PixelLikelihood(Likelihood, abc.ABC):
    """Pixels explained one by one, given the rendered body."""

    def density(self, rendering: Rendering, field: FeatureField, background: Background) -> Density:
        """The density of a feature image; batch shape (B,), event shape (D, H, W)."""
        return self._pixels(rendering, field, background)

    def visible(
        self,
        rendering: Rendering,
        field: FeatureField,
        background: Background,
        features: Float[Tensor, "B D H W"],
    ) -> Float[Tensor, "B H W"]:
        """The posterior chance that the body is what is seen, at pixels that it covers."""
        return self._pixels(rendering, field, background).visible_posterior(features)

    def _pixels(self, rendering: Rendering, field: FeatureField, background: Background) -> PixelDensity:
        body = field.conditional(rendering.features.permute(0, 2, 3, 1))
        # a sum of weights may be above one by its rounding
        return self._explained(rendering.coverage.clamp(0, 1), body, background.marginal())

    @abc.abstractmethod
    def _explained(self, coverage: Float[Tensor, "B H W"], body: Density, background: Density) -> PixelDensity:
        """The density of the pixels, from their parts."""


class LogMixture(PixelLikelihood):
    """A mixture at every pixel: the paper's outlier process as a proper density. The default.

    Args:
        visible: the chance that a covered pixel is not hidden.
        temper: the exponent by which the evidence of the pixels counts, which are not independent.

    References: Zhang et al. (2023), 3DNBF, ICCV, on its robust likelihood.
    """

    def __init__(self, visible: float = 0.5, temper: float = 1.0) -> None:
        super().__init__()
        self.chance, self.temper = visible, temper

    def _explained(self, coverage: Float[Tensor, "B H W"], body: Density, background: Density) -> OcclusionDensity:
        return OcclusionDensity(coverage, body, background, self.chance, self.temper, validate_args=False)


class HardMax(PixelLikelihood):
    """The likelier of body and background at every pixel that the body covers (NeMo); arguments as ``LogMixture``."""

    def __init__(self, visible: float = 0.5, temper: float = 1.0) -> None:
        super().__init__()
        self.chance, self.temper = visible, temper

    def _explained(self, coverage: Float[Tensor, "B H W"], body: Density, background: Density) -> HardMaxScore:
        return HardMaxScore(coverage, body, background, self.chance, self.temper, validate_args=False)


class SoftMax(PixelLikelihood):
    """The soft maximum of two cosines at every pixel, covered or not: 3DNBF's released code with its outlier process on.

    Args:
        temperature: of the softmax.
        scale: of the energy, a mean over the pixels, against the other terms. The released code weighs it 1 and the square of
            the pose code 5e-4, which for a standard normal is 1/2: hence 1,000.
    """

    def __init__(self, temperature: float = 0.1, scale: float = 1000.0) -> None:
        super().__init__()
        self.temperature, self.scale = temperature, scale

    def _explained(self, coverage: Float[Tensor, "B H W"], body: Density, background: Density) -> SoftMaxScore:
        return SoftMaxScore(coverage, body, background, self.temperature, self.scale, validate_args=False)


class NoOutliers(PixelLikelihood):
    """Nothing hides the body; the outlier process is off.

    Args:
        temper: as in ``LogMixture``.
    """

    def __init__(self, temper: float = 1.0) -> None:
        super().__init__()
        self.temper = temper

    def _explained(self, coverage: Float[Tensor, "B H W"], body: Density, background: Density) -> BlendScore:
        return BlendScore(coverage, body, background, 1.0, self.temper, validate_args=False)
