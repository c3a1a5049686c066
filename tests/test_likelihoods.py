"""Four forms of the outlier process: what they share, where they differ, and the figures of the released code."""

import math

import pytest
import torch
from torch import Tensor

from probbody.contracts import Camera, Density, FeatureField, Likelihood
from probbody.densities.scores import soft_max
from probbody.densities.von_mises_fisher import VonMisesFisher, VonMisesFisherMixture
from probbody.features.backgrounds import ClutterBank, GaussianBackground, UniformBackground, VonMisesFisherBackground
from probbody.features.likelihoods import HardMax, LogMixture, NoOutliers, SoftMax
from probbody.quantities import Rendering, Surface

F64 = torch.float64
B, D, H, W = 2, 6, 4, 5
LIKELIHOODS = [LogMixture(), LogMixture(0.8, 0.1), HardMax(), HardMax(0.7), SoftMax(), SoftMax(0.01, 5.0), NoOutliers()]


class OneColour(FeatureField):
    """A field whose rendered attribute is the feature itself."""

    def __init__(self, concentration: float = 12.0, parts: int = 1) -> None:
        super().__init__()
        self.channels, self.concentration, self.parts = D, concentration, parts

    def attributes(self, surface: Surface, camera: Camera) -> Tensor:
        raise NotImplementedError

    def conditional(self, rendered: Tensor) -> Density:
        kappa = rendered.new_tensor(self.concentration)
        if self.parts == 1:
            return VonMisesFisher(rendered, kappa)
        several = rendered[..., None, :].expand(*rendered.shape[:-1], self.parts, D)
        return VonMisesFisherMixture(several.new_zeros(several.shape[:-1]), several, kappa.expand(self.parts))


def unit(*shape: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=F64), dim=-1)


def scene(coverage: Tensor | None = None) -> tuple[Rendering, Tensor]:
    if coverage is None:
        coverage = torch.rand(B, H, W, dtype=F64)
        coverage[:, 0] = 0.0
        coverage[:, 1] = 1.0 + 1e-12  # a sum of weights, rounded
    rendered = coverage[:, None] * unit(B, H, W, D).movedim(-1, 1)
    features = unit(B, H, W, D).movedim(-1, 1)
    features[:, :, :, :2] = torch.nn.functional.normalize(rendered[:, :, :, :2] + 1e-3, dim=1)
    return Rendering(rendered, coverage, torch.ones_like(coverage)), features


BACKGROUND = ClutterBank(torch.eye(D, dtype=F64)[:3], 3.0)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_every_form_keeps_the_contract(likelihood: Likelihood) -> None:
    rendering, features = scene()
    density = likelihood.density(rendering, OneColour(), BACKGROUND)
    assert (density.batch_shape, density.event_shape) == ((B,), (D, H, W))
    score = density.log_prob(features)
    assert score.shape == (B,)
    assert score.isfinite().all()
    posterior = likelihood.visible(rendering, OneColour(), BACKGROUND, features)
    assert posterior.shape == (B, H, W)
    assert ((posterior >= 0) & (posterior <= 1)).all()
    # a batch is a loop
    for index in range(B):
        alone = likelihood.density(rendering[index], OneColour(), BACKGROUND).log_prob(features[index : index + 1])
        torch.testing.assert_close(alone[0], score[index])
    torch.testing.assert_close(density.expand([3, B]).log_prob(features)[2], score)
    # a mixture of equal parts is one of them
    several = likelihood.density(rendering, OneColour(parts=3), BACKGROUND).log_prob(features)
    torch.testing.assert_close(several, score)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_every_form_has_a_finite_and_right_gradient(likelihood: Likelihood) -> None:
    rendering, features = scene()
    few = features[:, :, :2, :2]  # pixels, which do not know of each other
    inside = 0.1 + 0.8 * torch.rand(B, 2, 2, dtype=F64)

    def score(rendered: Tensor, coverage: Tensor) -> Tensor:
        parts = Rendering(rendered, coverage, torch.ones_like(coverage))
        return likelihood.density(parts, OneColour(), BACKGROUND).log_prob(few)

    arguments = (rendering.features[:, :, :2, :2] + 0.1 * torch.randn(B, D, 2, 2, dtype=F64), inside)
    assert torch.autograd.gradcheck(score, tuple(part.requires_grad_() for part in arguments))
    # at pixels without a body, in float32
    rendered, coverage = (part.float().requires_grad_() for part in (rendering.features, rendering.coverage))
    parts = Rendering(rendered, coverage, torch.ones_like(coverage))
    total = likelihood.density(parts, OneColour(1e3), UniformBackground(D)).log_prob(features.float()).sum()
    for gradient in torch.autograd.grad(total, (rendered, coverage), allow_unused=True):
        assert gradient is None or gradient.isfinite().all()


def test_the_mixture_lies_above_the_maximum_by_less_than_a_bit() -> None:
    rendering, features = scene(torch.ones(B, H, W, dtype=F64))
    mixture, maximum = (
        part.density(rendering, OneColour(), BACKGROUND).pixels(features) for part in (LogMixture(), HardMax())
    )
    assert (mixture >= maximum).all()
    assert (mixture <= maximum + math.log(2) + 1e-12).all()


def test_without_a_body_only_the_background_counts() -> None:
    rendering, features = scene(torch.zeros(B, H, W, dtype=F64))
    expected = BACKGROUND.marginal().log_prob(features.movedim(1, -1)).sum((1, 2))
    for likelihood in (LogMixture(), HardMax(), NoOutliers()):
        torch.testing.assert_close(likelihood.density(rendering, OneColour(), BACKGROUND).log_prob(features), expected)


def test_an_occluder_is_seen_and_its_pull_shrinks() -> None:
    """Half of the picture shows the body, half an occluder: the map tells them apart, and only no-outliers is torn."""
    rendering, _ = scene(torch.ones(B, H, W, dtype=F64))
    features = rendering.features.clone()
    other = 0.7 * unit(B, 2, W, D).movedim(-1, 1) - rendering.features[:, :, :2]
    features[:, :, :2] = torch.nn.functional.normalize(other, dim=1)
    background, field = VonMisesFisherBackground(unit(D), 0.0), OneColour(50.0)
    pulls = {}
    for likelihood in (LogMixture(), HardMax(), SoftMax(), NoOutliers()):
        posterior = likelihood.visible(rendering, field, background, features)
        if isinstance(likelihood, NoOutliers):
            assert (posterior == 1).all()
        else:
            assert posterior[:, 2:].min() > posterior[:, :2].max()
        rendered = rendering.features.clone().requires_grad_()
        density = likelihood.density(Rendering(rendered, rendering.coverage, rendering.depth), field, background)
        (gradient,) = torch.autograd.grad(density.log_prob(features).sum(), rendered)
        pulls[type(likelihood).__name__] = gradient[:, :, :2].norm()
    assert pulls["HardMax"] <= pulls["LogMixture"] < 0.1 * pulls["NoOutliers"]


@pytest.mark.parametrize(("one", "other", "expected"), [(0.9, 0.6, 0.885772), (0.75, 0.75, 0.75), (0.5, 0.9, 0.892806)])
def test_the_soft_maximum_of_the_released_code(one: float, other: float, expected: float) -> None:
    value = soft_max(torch.tensor(one, dtype=F64), torch.tensor(other, dtype=F64), 0.1)
    assert abs(value - expected) < 1e-6
    assert abs(soft_max(torch.tensor(one), torch.tensor(other), 1e-4) - max(one, other)) < 1e-6


def test_the_energy_of_the_released_code() -> None:
    """Its value lies between one minus the mean and one minus the maximum, whatever the coverage says."""
    rendering, features = scene()
    score = SoftMax(scale=1.0).density(rendering, OneColour(), BACKGROUND)
    energy = -score.pixels(features)
    planes = features.movedim(1, -1)
    direction = torch.nn.functional.normalize(rendering.features, dim=1)
    own = 0.5 + 0.5 * (features * direction).sum(1)
    clutter = 0.5 + 0.5 * (planes @ BACKGROUND.features.mT).amax(-1)
    assert (energy <= 1 - 0.5 * (own + clutter) + 1e-12).all()
    assert (energy >= 1 - torch.maximum(own, clutter) - 1e-12).all()
    assert (own[:, 0] == 0.5).all()  # no body there
    weights = torch.softmax(torch.stack([own, clutter]) / 0.1, 0)
    expected = 1 - (weights * torch.stack([own, clutter])).sum(0)
    torch.testing.assert_close(energy, expected)
    torch.testing.assert_close(score.log_prob(features), -expected.mean((1, 2)))


def test_nothing_hidden_is_a_blend_of_logs() -> None:
    """With unit vectors and one concentration it is the released code's form without its outlier process, times kappa."""
    rendering, features = scene()
    direction = unit(D)
    background = VonMisesFisherBackground(direction, 12.0)
    score = NoOutliers().density(rendering, OneColour(12.0), background)
    own = (features * torch.nn.functional.normalize(rendering.features, dim=1)).sum(1)
    clutter = (features * direction[:, None, None]).sum(1)
    loss = 1 - (rendering.coverage * own + (1 - rendering.coverage) * clutter)
    per_pixel = score.pixels(features) + 12.0 * loss
    torch.testing.assert_close(per_pixel, per_pixel[0, 0, 0].expand_as(per_pixel), rtol=1e-6, atol=1e-6)


def test_wrong_parts_are_named() -> None:
    rendering, features = scene()
    with pytest.raises(ValueError, match="cosine"):
        SoftMax().density(rendering, OneColour(), GaussianBackground(unit(D), 1.0)).log_prob(features)
    with pytest.raises(ValueError, match="temperature"):
        SoftMax(0.0).density(rendering, OneColour(), BACKGROUND)
    with pytest.raises(ValueError, match="event shape"):
        LogMixture().density(rendering, OneColour(), UniformBackground(D + 1))
