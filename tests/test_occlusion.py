"""The occlusion density is the model with a hidden variable at every pixel, summed over it."""

import time

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceEnum_ELBO, infer_discrete
from torch import Tensor

from probbody.densities.occlusion import OcclusionDensity, log_mix
from probbody.densities.sphere import UniformSphere
from probbody.densities.von_mises_fisher import VonMisesFisher

F64 = torch.float64
B, D, H, W = 2, 5, 3, 4


def unit(*shape: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=F64), dim=-1)


class Scene:
    """A body, some of whose pixels are uncovered and carry a rendered vector of zero."""

    def __init__(self, kappa: float = 8.0, visible: float = 0.5, temper: float = 1.0) -> None:
        self.coverage = torch.rand(B, H, W, dtype=F64)
        self.coverage[:, 0, 0], self.coverage[:, 0, 1] = 0.0, 1.0
        self.rendered = self.coverage[:, None] * unit(B, H, W, D).movedim(-1, 1)
        self.kappa = torch.tensor(kappa, dtype=F64)
        self.background = VonMisesFisher(unit(D), torch.tensor(2.0, dtype=F64))
        self.visible, self.temper = visible, temper
        self.density = self.of(self.coverage, self.rendered)
        self.features = self.density.sample()

    def body(self, rendered: Tensor) -> VonMisesFisher:
        return VonMisesFisher(rendered.movedim(1, -1), self.kappa)

    def of(self, coverage: Tensor, rendered: Tensor) -> OcclusionDensity:
        return OcclusionDensity(coverage, self.body(rendered), self.background, self.visible, self.temper)

    def explicit(self, hidden: str = "summed") -> None:
        """Plates over pixels, and for each of them whether it shows the body."""
        enumerate_it = {"enumerate": "parallel"}
        body, background = self.body(self.rendered), self.background.expand([B, H, W])
        with pyro.plate("bodies", B, dim=-3), pyro.plate("rows", H, dim=-2), pyro.plate("columns", W, dim=-1):
            shown = pyro.sample("shown", dist.Bernoulli(self.visible * self.coverage), infer=enumerate_it)
            either = dist.MaskedMixture(shown.bool(), background, body)
            pyro.sample("features", either, obs=self.features.movedim(1, -1))

    def two_steps(self) -> None:
        """The same story told in two steps: covered or not, and if so, visible or not."""
        enumerate_it = {"enumerate": "parallel"}
        body, background = self.body(self.rendered), self.background.expand([B, H, W])
        with pyro.plate("bodies", B, dim=-3), pyro.plate("rows", H, dim=-2), pyro.plate("columns", W, dim=-1):
            covered = pyro.sample("covered", dist.Bernoulli(self.coverage), infer=enumerate_it)
            visible = pyro.sample(
                "visible", dist.Bernoulli(self.visible * torch.ones_like(self.coverage)), infer=enumerate_it
            )
            either = dist.MaskedMixture((covered * visible).bool(), background, body)
            pyro.sample("features", either, obs=self.features.movedim(1, -1))


def nothing() -> None:
    pass


@pytest.mark.parametrize("visible", [0.5, 0.8])
def test_it_equals_enumeration_by_pyro(visible: float) -> None:
    scene = Scene(visible=visible)
    elbo = TraceEnum_ELBO(max_plate_nesting=3)
    expected = -scene.density.log_prob(scene.features).sum()
    assert abs(elbo.loss(scene.explicit, nothing) - expected) < 1e-9
    assert abs(elbo.loss(scene.two_steps, nothing) - expected) < 1e-9


def test_its_posterior_equals_pyros_marginals() -> None:
    scene = Scene()
    marginals = TraceEnum_ELBO(max_plate_nesting=3).compute_marginals(scene.explicit, nothing)
    torch.testing.assert_close(
        marginals["shown"].log_prob(torch.tensor(1.0, dtype=F64)).exp(), scene.density.shown(scene.features)
    )
    scene.coverage = torch.ones_like(scene.coverage)  # given that the pixel is covered
    marginals = TraceEnum_ELBO(max_plate_nesting=3).compute_marginals(scene.explicit, nothing)
    posterior = marginals["shown"].log_prob(torch.tensor(1.0, dtype=F64)).exp()
    torch.testing.assert_close(posterior, scene.density.visible_posterior(scene.features))


def test_pyros_discrete_inference_draws_from_that_posterior() -> None:
    scene = Scene()
    shown = scene.density.shown(scene.features)
    best = infer_discrete(scene.explicit, first_available_dim=-4, temperature=0)
    trace = pyro.poutine.trace(best).get_trace()
    assert torch.equal(trace.nodes["shown"]["value"].expand(B, H, W) > 0, shown > 0.5)
    draw = infer_discrete(scene.explicit, first_available_dim=-4, temperature=1)
    drawn = torch.stack(
        [pyro.poutine.trace(draw).get_trace().nodes["shown"]["value"].expand(B, H, W) for _ in range(300)]
    )
    assert (drawn.mean(0) - shown).abs().max() < 5 * 0.5 / 300**0.5


def test_without_coverage_or_with_all_of_it_one_part_is_left() -> None:
    scene = Scene(visible=1.0)
    features = scene.features.movedim(1, -1)
    covered = scene.of(torch.ones(B, H, W, dtype=F64), scene.rendered)
    torch.testing.assert_close(covered.pixels(scene.features), scene.body(scene.rendered).log_prob(features))
    empty = scene.of(torch.zeros(B, H, W, dtype=F64), scene.rendered)
    torch.testing.assert_close(empty.pixels(scene.features), scene.background.log_prob(features))
    assert (empty.shown(scene.features) == 0).all()
    assert (covered.shown(scene.features) == 1).all()
    hidden = OcclusionDensity(scene.coverage, scene.body(scene.rendered), scene.background, visible=0.0)
    torch.testing.assert_close(hidden.pixels(scene.features), scene.background.log_prob(features))


def test_gradients_in_coverage_and_rendered_features() -> None:
    scene = Scene(visible=0.7, temper=0.3)
    coverage = (0.05 + 0.9 * scene.coverage).requires_grad_()
    rendered = (scene.rendered + 0.1 * torch.randn_like(scene.rendered)).requires_grad_()
    score = lambda a, r: scene.of(a, r).log_prob(scene.features)  # noqa: E731
    assert torch.autograd.gradcheck(score, (coverage, rendered))
    assert torch.autograd.gradgradcheck(score, (coverage, rendered))


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("kappa", [3.0, 1e3, 1e5])
def test_uncovered_pixels_have_a_finite_gradient(kappa: float, dtype: torch.dtype) -> None:
    scene = Scene(visible=1.0)
    coverage, rendered, features, k = (
        part.detach().to(dtype) for part in (scene.coverage, scene.rendered, scene.features, torch.tensor(kappa))
    )
    features[:, :, 0, 0] = features.new_tensor([1.0, 0, 0, 0, 0])
    rendered[:, 0, 0, 1] = 1.0
    coverage[:, 1, 1] = torch.finfo(dtype).tiny
    coverage, rendered = coverage.requires_grad_(), rendered.requires_grad_()
    background = UniformSphere(D, like=features)
    density = OcclusionDensity(coverage, VonMisesFisher(rendered.movedim(1, -1), k), background, 1.0)
    total = density.log_prob(features).sum()
    by_coverage, by_rendered = torch.autograd.grad(total, (coverage, rendered))
    assert total.isfinite()
    assert by_coverage.isfinite().all()
    assert by_rendered.isfinite().all()
    assert (by_rendered[:, :, 0, 0] == 0).all()


def test_the_gradient_at_the_ends_is_the_ratio_of_the_parts() -> None:
    one, other = torch.randn(2, 6, dtype=F64)
    for end in (0.0, 1.0):
        share = torch.full((6,), end, dtype=F64, requires_grad=True)
        mix = log_mix(share, one, other)
        (slope,) = torch.autograd.grad(mix.sum(), share)
        torch.testing.assert_close(slope, (one - mix).exp() - (other - mix).exp())
    far = log_mix(torch.tensor(0.5), torch.tensor(-1e4), torch.tensor(-2e4))
    assert abs(far + 1e4 + 0.6931472) < 1e-2


def test_it_draws_what_it_says() -> None:
    scene = Scene(kappa=20.0)
    drawn = scene.density.sample((4_000,))
    assert drawn.shape == (4_000, B, D, H, W)
    expected = 0.5 * scene.coverage[..., None] * scene.density.body.mean
    expected = expected + (1 - 0.5 * scene.coverage)[..., None] * scene.background.mean
    assert (drawn.mean(0).movedim(1, -1) - expected).abs().max() < 5 / 4_000**0.5
    # calibrated: among draws, what is shown has on average the chance with which it was shown
    shown = scene.density.shown(drawn).mean(0)
    assert (shown - 0.5 * scene.coverage).abs().max() < 0.03


def test_shapes_and_tempering() -> None:
    scene = Scene()
    assert (scene.density.batch_shape, scene.density.event_shape) == ((B,), (D, H, W))
    grown = scene.density.expand([3, B])
    torch.testing.assert_close(grown.log_prob(scene.features)[1], scene.density.log_prob(scene.features))
    tempered = scene.of(scene.coverage, scene.rendered)
    tempered.temper = 0.01
    torch.testing.assert_close(tempered.log_prob(scene.features), 0.01 * scene.density.log_prob(scene.features))
    with pyro.plate("bodies", B):
        pyro.sample("features", scene.density, obs=scene.features)
    with pytest.raises(ValueError, match="visible"):
        OcclusionDensity(scene.coverage, scene.density.body, scene.background, visible=1.5)
    with pytest.raises(ValueError, match="background"):
        OcclusionDensity(scene.coverage, scene.density.body, scene.density.body)
    with pytest.raises(ValueError, match="support"):
        scene.density.log_prob(scene.features / 0 - scene.features / 0)
    with pytest.raises(ValueError, match="coverage"):
        OcclusionDensity(2 + scene.coverage, scene.density.body, scene.background, validate_args=True)


def test_a_picture_takes_milliseconds() -> None:
    features = torch.nn.functional.normalize(torch.randn(8, 64, 64, 64), dim=1)
    rendered, coverage = torch.randn(8, 64, 64, 64, requires_grad=True), torch.rand(8, 64, 64, requires_grad=True)
    background, kappa = UniformSphere(64), torch.tensor(30.0)

    def both_ways() -> float:
        start = time.perf_counter()
        body = VonMisesFisher(rendered.permute(0, 2, 3, 1), kappa, validate_args=False)
        density = OcclusionDensity(coverage, body, background, validate_args=False)
        torch.autograd.grad(density.log_prob(features).sum(), (rendered, coverage))
        return time.perf_counter() - start

    quickest = min(both_ways() for _ in range(12))
    assert quickest < 0.1  # 6 ms where nothing else runs
