"""Bodies as volumes: against the textbook, against the exact integral, and by their laws."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.bodies.tubes import tubes
from probbody.geometry.cameras import CameraRig, PinholeCamera, WeakPerspectiveCamera
from probbody.geometry.kernels import RELEASED_PRECISION, SurfaceKernels, surface_kernels
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.geometry.symmetric import largest_eigenvalue
from probbody.quantities import Kernels, Pose, Rendering, Surface
from probbody.render.absorption import Absorption, ClosedForm, Composited
from probbody.render.conservative import Conservative
from probbody.render.sight import ByThickness, EachAlike, OpticalDepth
from probbody.render.volume import VolumeRenderer, released_volume
from tests import reference_volume as twin

F64 = torch.float64
EXACT = Conservative()
FORMS: list[tuple[Absorption, object]] = [
    (EXACT, twin.conservative_weights),
    (ClosedForm(), twin.closed_form_weights),
    (Composited(), twin.composited_weights),
]


def renderer(absorption: Absorption = EXACT, opacity: float | OpticalDepth = 2.0, cut: float = 4.0) -> VolumeRenderer:
    return VolumeRenderer(lambda surface: pytest.fail("no surface here"), opacity, absorption, cut)


def cloud(bodies: int, count: int, depth: float = 2.0, dtype: torch.dtype = torch.float64, seed: int = 0) -> Kernels:
    """Kernels of all sorts of thickness, overlapping, about the optical axis."""
    generator = torch.Generator().manual_seed(seed)
    means = 0.15 * torch.randn(bodies, count, 3, generator=generator, dtype=torch.float64)
    turn = axis_angle_to_matrix(torch.randn(bodies * count, 3, generator=generator, dtype=torch.float64)).view(
        bodies, count, 3, 3
    )
    sizes = 0.02 + 0.06 * torch.rand(bodies, count, 3, generator=generator, dtype=torch.float64)
    precisions = turn @ torch.diag_embed(sizes**-2) @ turn.mT
    means = means + means.new_tensor([0, 0, depth])
    return Kernels(means.to(dtype), precisions.to(dtype), torch.arange(count))


def ahead(bodies: int = 1, size: tuple[int, int] = (10, 13), focal: float = 20.0) -> PinholeCamera:
    return PinholeCamera.looking_ahead(focal, size, bodies).to(torch.float64)


def turned(camera: PinholeCamera) -> PinholeCamera:
    """Other cameras for each body, turned and moved, still looking at much the same."""
    steps = torch.arange(len(camera), dtype=torch.float64).unsqueeze(1)
    rotation = axis_angle_to_matrix(torch.tensor([[0.1, -0.2, 0.3]], dtype=torch.float64) * (1 + 0.3 * steps))
    translation = torch.tensor([[0.3, -0.1, 0.4]], dtype=torch.float64) * (1 + 0.1 * steps)
    return replace(camera, rotation=rotation, translation=translation, focal=camera.focal * torch.tensor([1.0, 1.1]))


def weakly(size: tuple[int, int]) -> WeakPerspectiveCamera:
    shift = torch.tensor([[0.1, 0.05], [-0.1, 0.0]], dtype=F64)
    return WeakPerspectiveCamera(torch.tensor([1.7, 1.5], dtype=F64), shift, size)


def posed_body() -> tuple[Kernels, PinholeCamera]:
    """A person of 400 kernels, limbs bent, about 20 pixels high."""
    body = open_body().double()
    turns = 0.3 * torch.randn(1, 24, 3, generator=torch.Generator().manual_seed(3), dtype=F64)
    surface = body(Pose(axis_angle_to_matrix(turns), torch.zeros(1, 10, dtype=F64), torch.zeros(1, 3, dtype=F64)))
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=F64))[None]
    camera = replace(
        ahead(1, (24, 24), 28.0), rotation=upright, translation=torch.tensor([[0.0, -0.1, 2.5]], dtype=F64)
    )
    return surface_kernels(body, count=400)(surface), camera


def tube_surface() -> tuple[Surface, SurfaceKernels]:
    """Two poses of an arm before the camera, and its kernels."""
    body = tubes(torch.tensor([[-0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.3, 0.1, 0.0]], dtype=F64), (-1, 0, 1))
    turns = torch.randn(2, 3, 3, dtype=F64)
    surface = body(
        Pose(axis_angle_to_matrix(turns), torch.zeros(2, 2, dtype=F64), torch.tensor([[0.0, 0.0, 1.5]] * 2, dtype=F64))
    )
    return surface, surface_kernels(body, count=60)


@pytest.mark.parametrize(("absorption", "weigh"), FORMS)
@pytest.mark.parametrize("depth", [ByThickness(1.5), EachAlike(1.5)])
@pytest.mark.parametrize("kind", ["ahead", "turned", "weak"])
def test_every_pair_is_drawn_as_the_textbook_says(
    absorption: Absorption, weigh, depth: OpticalDepth, kind: str
) -> None:
    kernels = cloud(2, 30)
    camera = turned(ahead(2)) if kind == "turned" else ahead(2)
    if kind == "weak":
        camera = WeakPerspectiveCamera(torch.tensor([1.7, 1.5]), torch.tensor([[0.1, 0.05], [-0.1, 0.0]]), (10, 13)).to(
            torch.float64
        )
    attributes = torch.randn(2, 30, 4, dtype=torch.float64)
    drawn = renderer(absorption, depth, cut=100.0).draw(kernels, attributes, camera)
    weights = weigh(*twin.profiles(kernels, camera, 1.5, depth.thick))
    torch.testing.assert_close(drawn.features, twin.picture(weights, attributes, camera), rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(
        drawn.coverage, weights.sum(-1).clamp_max(1).view(drawn.coverage.shape), rtol=1e-8, atol=1e-9
    )


@pytest.mark.parametrize("absorption", [form for form, _ in FORMS])
@pytest.mark.parametrize("depth", [ByThickness(1.5), EachAlike(1.5)])
@pytest.mark.parametrize("weak", [False, True])
def test_gradients_are_those_of_finite_differences(absorption: Absorption, depth: OpticalDepth, weak: bool) -> None:
    kernels, camera = cloud(2, 6), weakly((3, 4)) if weak else turned(ahead(2, (3, 4), 8.0))
    names = ("scale", "shift") if weak else ("focal", "centre")

    def draw(
        means: Tensor, precisions: Tensor, attributes: Tensor, first: Tensor, second: Tensor
    ) -> tuple[Tensor, ...]:
        seen = replace(camera, **dict(zip(names, (first, second), strict=True)))
        drawn = renderer(absorption, depth, 20.0).draw(Kernels(means, precisions, kernels.vertex), attributes, seen)
        return drawn.features, drawn.coverage, drawn.depth

    attributes = torch.randn(2, 6, 2, dtype=F64)
    inputs = [kernels.means, kernels.precisions, attributes, *(getattr(camera, name).clone() for name in names)]
    assert torch.autograd.gradcheck(draw, [part.requires_grad_() for part in inputs], fast_mode=True)


@pytest.mark.parametrize("peak", [1.0, 2.0, 4.0])
def test_the_conservative_rule_comes_close_to_the_exact_integral(peak: float) -> None:
    kernels, camera = posed_body()
    means = kernels.means.requires_grad_()
    kernels = replace(kernels, means=means)
    generator = torch.Generator().manual_seed(1)
    apart = torch.nn.functional.normalize(torch.randn(1, 400, 16, generator=generator, dtype=F64), dim=-1)
    waves = torch.randn(3, 16, generator=generator, dtype=F64) / 0.3
    smooth = (means.detach() @ waves).sin()
    parts = twin.profiles(kernels, camera, peak, cut=5.5)
    hit = parts[0][0].sum(-1) > 0  # the rays that see something
    parts, chosen = twin.strongest(tuple(part[:, hit] for part in parts), 50)
    exact = twin.exact_weights(*parts)
    torch.testing.assert_close(exact.sum(-1), 1 - torch.exp(-parts[0].sum(-1)), rtol=0, atol=1e-9)
    for attributes, most in ((apart, 0.02), (smooth, 0.005)):
        drawn = renderer(opacity=peak, cut=5.5).draw(kernels, attributes, camera)
        features = drawn.features[0].flatten(1).mT[hit]
        wanted = (exact[0].unsqueeze(-1) * attributes[0, chosen[0]]).sum(1)
        off = (features - wanted).norm() / wanted.norm()
        assert off <= most, f"{100 * off:.2f} % off"
        target = wanted.detach().roll(1, dims=0)
        grads = [
            torch.autograd.grad((f - target).square().sum(), means, retain_graph=True)[0] for f in (features, wanted)
        ]
        assert torch.nn.functional.cosine_similarity(*(grad.flatten() for grad in grads), dim=0) >= 0.999
        torch.testing.assert_close(drawn.coverage.flatten()[hit], exact[0].sum(-1), rtol=0, atol=1e-5)


# Fixtures of the released code's formula: exp(-v' A v) with A = 4000 I, on the ray; (their form, exact) where exact is known
AXIS = PinholeCamera.looking_ahead(50.0, (1, 1)).to(torch.float64)
FIXTURES = [
    ([(0.0, 2.0)], [1.0], [0.632121]),
    ([(0.01, 2.0)], [0.790444], [0.488455]),
    ([(0.02, 2.0)], [0.300909], [0.182821]),
    ([(0.0, 2.0), (0.0, 3.0)], [1.0, 0.367879], [0.632121, 0.232544]),
    ([(0.0, 2.0), (0.0, 2.0)], [0.606531, 0.606531], [0.432332, 0.432332]),
    ([(0.0, 2.0), (0.0, 2.01)], [0.830650, 0.442881], [0.528670, 0.335995]),
    ([(0.02, 2.0), (0.0, 2.2)], [0.300909, 0.817179], [0.182821, 0.516556]),
]


def balls(places: list[tuple[float, float]], dtype: torch.dtype = torch.float64) -> Kernels:
    """Kernels of the released code so far off the axis and so deep."""
    means = torch.tensor([[[off, 0.0, depth] for off, depth in places]], dtype=dtype)
    return Kernels(
        means, RELEASED_PRECISION * torch.eye(3, dtype=dtype).expand(1, len(places), 3, 3), torch.arange(len(places))
    )


def seen_weights(absorption: Absorption, kernels: Kernels, camera: PinholeCamera = AXIS, cut: float = 7.0) -> Tensor:
    """The weights of each kernel at the one pixel."""
    count = kernels.means.shape[1]
    attributes = torch.eye(count, dtype=kernels.means.dtype).expand(len(kernels.means), count, count)
    return renderer(absorption, EachAlike(1.0), cut).draw(kernels, attributes, camera).features.flatten()


RELEASED = ClosedForm(gain=math.exp(0.5))


@pytest.mark.parametrize(("places", "released", "exact"), FIXTURES)
def test_known_weights_come_out(places: list[tuple[float, float]], released: list[float], exact: list[float]) -> None:
    kernels = balls(places)
    torch.testing.assert_close(seen_weights(RELEASED, kernels), torch.tensor(released, dtype=F64), rtol=0, atol=2e-6)
    integral = twin.exact_weights(*twin.profiles(kernels, AXIS, 1.0, thick=False)).flatten()
    torch.testing.assert_close(integral, torch.tensor(exact, dtype=F64), rtol=0, atol=2e-6)
    overlapping = len({depth for _, depth in places}) > 1 and abs(places[0][1] - places[-1][1]) < 0.1
    near = 5e-3 if overlapping else 3e-3  # apart, alone or all in one place the rule is exact, or nearly so
    torch.testing.assert_close(seen_weights(EXACT, kernels), integral, rtol=0, atol=near)


def test_optical_depth_is_the_integral_of_a_density_that_peaks_as_stated() -> None:
    kernels, peak = cloud(1, 5), 1.7
    tau, along, spread = (part[0] for part in twin.profiles(kernels, ahead(1), peak))
    amplitude = peak * (torch.linalg.eigvalsh(kernels.precisions[0])[:, -1] / (2 * math.pi)).sqrt()
    origins, rays = (part[0] for part in twin.pixel_rays(ahead(1), 1, kernels.means))
    steps = torch.linspace(-8, 8, 801, dtype=F64)
    where = along.unsqueeze(-1) + steps * spread.unsqueeze(-1)  # (P, K, T)
    points = origins[:, None, None] + where.unsqueeze(-1) * rays[:, None, None] - kernels.means[0][:, None]
    density = amplitude[:, None] * torch.exp(
        -0.5 * torch.einsum("pkti,kij,pktj->pkt", points, kernels.precisions[0], points)
    )
    torch.testing.assert_close(density.sum(-1) * spread * (16 / 800), tau, rtol=1e-8, atol=1e-12)
    part = (
        density[..., : 801 // 2 + 51].sum(-1) - 0.5 * density[..., 801 // 2 + 50]
    )  # up to one deviation behind the densest
    share = 0.5 * (1 + math.erf(math.sqrt(0.5)))
    torch.testing.assert_close(part * spread * (16 / 800), share * tau, rtol=2e-4, atol=1e-12)


def test_a_disc_seen_flat_has_the_stated_depth_and_on_edge_twice_that() -> None:
    flat = torch.diag(torch.tensor([1.0, 1.0, 4.0], dtype=F64)) * 2500
    turn = axis_angle_to_matrix(torch.tensor([[0.0, math.pi / 2, 0.0]], dtype=F64))[0]
    for precision, wanted in ((flat, 1.5), (turn @ flat @ turn.mT, 3.0)):
        kernels = Kernels(torch.tensor([[[0.0, 0.0, 3.0]]], dtype=F64), precision[None, None], torch.arange(1))
        drawn = renderer(opacity=1.5).draw(kernels, torch.ones(1, 1, 1, dtype=F64), AXIS)
        torch.testing.assert_close(drawn.coverage, torch.full((1, 1, 1), 1 - math.exp(-wanted), dtype=F64))
        torch.testing.assert_close(drawn.depth, torch.full((1, 1, 1), 3.0, dtype=F64))


def test_the_closed_form_of_one_kernel_falls_with_distance_and_stays_below_its_bound() -> None:
    offsets = torch.linspace(0, 0.06, 13).tolist()
    weights = torch.stack([seen_weights(RELEASED, balls([(off, 2.0)]))[0] for off in offsets])
    q = 4000 * torch.tensor(offsets, dtype=F64).square()
    torch.testing.assert_close(weights, torch.exp(-q + (1 - torch.exp(-q)) / 2), rtol=1e-6, atol=0)
    assert bool((weights.diff() < 0).all())
    crowd = seen_weights(RELEASED, balls([(0.0, 2 + 0.001 * k) for k in range(60)]))
    assert crowd.sum() < math.exp(0.5)


@pytest.mark.parametrize(("absorption", "weigh"), FORMS)
def test_order_does_not_matter_and_what_is_behind_takes_nothing(absorption: Absorption, weigh: object) -> None:
    places = [(0.0, 2.0), (0.01, 2.03), (-0.005, 2.01), (0.015, 2.05)]
    weights = seen_weights(absorption, balls(places))
    torch.testing.assert_close(seen_weights(absorption, balls(places[::-1])).flip(0), weights)
    near = (
        6e-3 if absorption == EXACT else 1e-9
    )  # what an interval beyond all kernels is taken for, and one between them
    torch.testing.assert_close(seen_weights(absorption, balls([*places, (0.0, 3.0)]))[:4], weights, rtol=0, atol=near)
    behind = seen_weights(absorption, balls([(0.01, 1.0), *places]))[1:]
    torch.testing.assert_close(behind, weights * math.exp(-math.exp(-0.4)), rtol=0, atol=near)


@pytest.mark.parametrize("absorption", [EXACT, Composited()])
def test_weights_and_what_is_left_make_one(absorption: Absorption) -> None:
    kernels, camera = cloud(3, 200), turned(ahead(3))
    drawn = renderer(absorption, 3.0, cut=30.0).draw(kernels, torch.ones(3, 200, 1, dtype=F64), camera)
    left = torch.exp(-twin.profiles(kernels, camera, 3.0)[0].sum(-1)).view(drawn.coverage.shape)
    torch.testing.assert_close(drawn.features[:, 0] + left, torch.ones_like(left), rtol=0, atol=1e-6)
    torch.testing.assert_close(drawn.coverage, drawn.features[:, 0])
    single = renderer(absorption, 3.0, cut=30.0).draw(
        kernels.to(torch.float32), torch.ones(3, 200, 1), camera.to(torch.float32)
    )
    torch.testing.assert_close(single.features[:, 0], single.coverage, rtol=0, atol=1e-6)


def test_a_larger_cut_converges_to_every_kernel() -> None:
    kernels, camera = posed_body()
    attributes = torch.randn(1, 400, 3, dtype=F64)
    whole = renderer(Composited(), cut=60.0).draw(kernels, attributes, camera)
    off = [
        (renderer(Composited(), cut=cut).draw(kernels, attributes, camera).features - whole.features).abs().max()
        for cut in (2.0, 3.0, 4.0, 6.5)
    ]
    assert off[0] > off[1] > off[2] > off[3]
    assert off[2] < 1e-2
    assert off[3] < 1e-7


def test_float32_keeps_optical_depth_at_forty_metres() -> None:
    kernels = cloud(2, 300, depth=40.0)
    turns = axis_angle_to_matrix(torch.tensor([[0.0, 0.0, 0.7], [1e-3, 0.0, -2.0]], dtype=F64))
    camera = replace(ahead(2, (40, 50), 1250.0), rotation=turns)

    def drawn(chosen: slice, dtype: torch.dtype) -> Rendering:
        some = Kernels(kernels.means[:, chosen], kernels.precisions[:, chosen], torch.arange(300)[chosen])
        ones = torch.ones(2, some.means.shape[1], 1, dtype=dtype)
        return renderer(opacity=2.0, cut=5.0).draw(some.to(dtype), ones, camera.to(dtype))

    for first in range(0, 300, 60):  # two at a time, so that coverage does not saturate
        few = slice(first, first + 2)
        exact, single = drawn(few, F64).coverage, drawn(few, torch.float32).coverage.double()
        inside = exact > 1e-4
        assert bool(inside.any())
        torch.testing.assert_close(torch.log1p(-single)[inside], torch.log1p(-exact)[inside], rtol=0, atol=1e-4)
    exact, single = drawn(slice(None), F64).features, drawn(slice(None), torch.float32).features.double()
    torch.testing.assert_close(single, exact, rtol=0, atol=1e-4)


def test_moving_camera_and_body_together_changes_nothing() -> None:
    kernels, camera = cloud(1, 40), ahead(1)
    turn = axis_angle_to_matrix(torch.tensor([[0.4, -1.1, 0.6]], dtype=F64))
    shift = torch.tensor([[3.0, -2.0, 5.0]], dtype=F64)
    moved = Kernels(kernels.means @ turn.mT + shift.unsqueeze(1), turn @ kernels.precisions @ turn.mT, kernels.vertex)
    attributes = torch.randn(1, 40, 3, dtype=F64)
    back = replace(camera, rotation=turn.mT, translation=-(turn.mT @ shift.unsqueeze(-1)).squeeze(-1))
    here, there = renderer().draw(kernels, attributes, camera), renderer().draw(moved, attributes, back)
    for one, other in zip(
        (here.features, here.coverage, here.depth), (there.features, there.coverage, there.depth), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-8)


def test_a_batch_is_a_loop() -> None:
    kernels, camera = cloud(3, 30), turned(ahead(3))
    attributes = torch.randn(3, 30, 2, dtype=F64)
    whole = renderer().draw(kernels, attributes, camera)
    for body in range(3):
        alone = renderer().draw(kernels[body], attributes[body : body + 1], camera[body])
        torch.testing.assert_close(alone.features, whole.features[body : body + 1])
        torch.testing.assert_close(alone.depth, whole.depth[body : body + 1])


def test_sampling_is_the_adjoint_of_drawing() -> None:
    surface, kernels = tube_surface()
    draws = VolumeRenderer(kernels)
    camera = ahead(2, (24, 20), 30.0)
    attributes = torch.randn(2, surface.vertices.shape[1], 3, dtype=F64)
    image = torch.randn(2, 3, 24, 20, dtype=F64, requires_grad=True)
    seen, visibility = draws.sample(surface, image, camera)
    there = (draws(surface, attributes, camera).features * image).sum()
    torch.testing.assert_close((attributes * seen * visibility.unsqueeze(-1)).sum(), there, rtol=1e-5, atol=1e-8)
    (grad,) = torch.autograd.grad((seen * attributes * visibility.unsqueeze(-1)).sum(), image)
    torch.testing.assert_close(grad, draws(surface, attributes, camera).features)
    constant, _ = draws.sample(surface, torch.full_like(image, 1.5), camera)
    torch.testing.assert_close(constant[visibility > 0], torch.full_like(constant[visibility > 0], 1.5))
    assert bool((constant[visibility == 0] == 0).all())
    assert bool((visibility == 0).any())
    carried = torch.zeros(visibility.shape[1], dtype=torch.bool)
    carried[kernels.vertex] = True
    assert bool((visibility[:, ~carried] == 0).all())
    torch.testing.assert_close(visibility.sum(1), draws(surface, attributes, camera).coverage.sum((1, 2)))


def test_attributes_learn_from_what_they_are_seen_as() -> None:
    surface, kernels = tube_surface()
    attributes = torch.randn(2, surface.vertices.shape[1], 3, dtype=F64, requires_grad=True)
    image = torch.randn(2, 3, 24, 20, dtype=F64)
    camera = ahead(2, (24, 20), 30.0)
    (grad,) = torch.autograd.grad(
        (VolumeRenderer(kernels)(surface, attributes, camera).features * image).sum(), attributes
    )
    seen, visibility = VolumeRenderer(kernels).sample(surface, image, camera)
    torch.testing.assert_close(grad, seen * visibility.unsqueeze(-1))


@pytest.mark.parametrize("absorption", [form for form, _ in FORMS])
def test_an_empty_view_is_zero_and_has_gradients(absorption: Absorption) -> None:
    kernels = cloud(2, 5)
    for shift in ([9.0, 0.0, 0.0], [0.0, 0.0, -8.0]):  # beside the picture, behind the camera
        means = (kernels.means + kernels.means.new_tensor(shift)).requires_grad_()
        attributes = torch.randn(2, 5, 3, dtype=F64, requires_grad=True)
        drawn = renderer(absorption).draw(replace(kernels, means=means), attributes, ahead(2))
        for part in (drawn.features, drawn.coverage, drawn.depth):
            assert bool((part == 0).all())
        (drawn.features.sum() + drawn.coverage.sum() + drawn.depth.sum()).backward()
        assert bool((means.grad == 0).all())
        assert bool((attributes.grad == 0).all())


@pytest.mark.parametrize("absorption", [form for form, _ in FORMS])
@pytest.mark.parametrize("depth", [-0.01, 0.0, 0.01, 0.1])
def test_a_camera_inside_a_kernel_sees_finite_numbers(absorption: Absorption, depth: float) -> None:
    kernels = cloud(1, 20)
    means = kernels.means.clone()
    means[:, :3] = means.new_tensor([[0.0, 0.0, depth], [0.01, 0.0, depth], [0.0, 0.02, depth]])
    means.requires_grad_()
    precisions = kernels.precisions.clone().requires_grad_()
    drawn = renderer(absorption).draw(
        Kernels(means, precisions, kernels.vertex), torch.randn(1, 20, 3, dtype=F64), ahead(1)
    )
    (drawn.features.square().sum() + drawn.coverage.sum() + drawn.depth.sum()).backward()
    for part in (drawn.features, drawn.coverage, drawn.depth, means.grad, precisions.grad):
        assert bool(part.isfinite().all())
    assert bool((drawn.coverage <= 1).all())


def test_ten_thousand_kernels_and_a_map_that_is_not_square() -> None:
    kernels = cloud(1, 10_000, dtype=torch.float32)
    kernels = replace(kernels, precisions=kernels.precisions * 25)
    drawn = renderer().draw(kernels, torch.ones(1, 10_000, 2), ahead(1, (30, 70), 40.0).to(torch.float32))
    assert drawn.features.shape == (1, 2, 30, 70)
    assert bool(drawn.features.isfinite().all())
    torch.testing.assert_close(drawn.features[:, 0], drawn.coverage, rtol=0, atol=1e-5)
    assert drawn.coverage.max() > 0.99


def test_what_cannot_be_drawn_is_refused_in_a_sentence() -> None:
    kernels, attributes = cloud(2, 4), torch.ones(2, 4, 1, dtype=F64)
    for value in (0.0, -1.0, math.nan, math.inf):
        wrong = kernels.precisions.clone()
        wrong[1, 2] = value * torch.eye(3, dtype=F64)
        with pytest.raises(ValueError, match=r"positive definite.* 2 of body 1"):
            renderer().draw(replace(kernels, precisions=wrong), attributes, ahead(2))
    line = kernels.precisions.clone()
    line[0, 1] = torch.diag(torch.tensor([1.0, 1.0, 0.0], dtype=F64))
    with pytest.raises(ValueError, match="1 of body 0"):
        renderer().draw(replace(kernels, precisions=line), attributes, ahead(2))
    nowhere = kernels.means.clone()
    nowhere[0, 3, 1] = math.nan
    with pytest.raises(ValueError, match=r"finite means.* 3 of body 0"):
        renderer().draw(replace(kernels, means=nowhere), attributes, ahead(2))
    with pytest.raises(ValueError, match="rig of 2"):
        renderer().draw(kernels, attributes, CameraRig((ahead(2), ahead(2))))
    with pytest.raises(ValueError, match="2 bodies"):
        renderer().draw(kernels, attributes, ahead(3))
    surface, carried = tube_surface()
    for value in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="optical depth above zero"):
            VolumeRenderer(carried, opacity=value)
        with pytest.raises(ValueError, match="expected a positive cut"):
            VolumeRenderer(carried, cut=value)
    for value in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match="a faint share of 0 or more and below 1"):
            VolumeRenderer(carried, faint=value)
    with pytest.raises(ValueError, match="height and width"):
        VolumeRenderer(carried).sample(surface, torch.zeros(2, 1, 5, 5, dtype=F64), ahead(2))


def test_the_gradient_of_the_largest_eigenvalue_is_finite_where_eigenvalues_meet() -> None:
    turn = axis_angle_to_matrix(torch.randn(1, 3, dtype=F64))[0]
    for values in ([3.0, 2.0, 1.0], [3.0, 1.0, 1.0], [3.0, 3.0, 1.0], [2.0, 2.0, 2.0], [1e4, 1e4, 1e3]):
        matrix = (turn @ torch.diag(torch.tensor(values, dtype=F64)) @ turn.mT).requires_grad_()
        found = largest_eigenvalue(matrix)
        torch.testing.assert_close(found, torch.tensor(max(values), dtype=F64), rtol=1e-7, atol=0)
        (grad,) = torch.autograd.grad(found, matrix)
        torch.testing.assert_close((grad * matrix).sum(), found, rtol=1e-6, atol=0)  # it grows with the matrix
        torch.testing.assert_close(torch.trace(grad), torch.ones((), dtype=F64), rtol=1e-6, atol=0)
    apart = (turn @ torch.diag(torch.tensor([3.0, 2.0, 1.0], dtype=F64)) @ turn.mT).requires_grad_()
    assert torch.autograd.gradcheck(lambda given: largest_eigenvalue(0.5 * (given + given.mT)), apart)


def test_the_released_preset_draws_by_the_released_formula() -> None:
    surface, _ = tube_surface()
    body = tubes(torch.tensor([[-0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.3, 0.1, 0.0]], dtype=F64), (-1, 0, 1))
    preset, camera = released_volume(body, 40), ahead(2, (12, 10), 15.0)
    kernels = preset.kernels(surface)
    attributes = torch.randn(2, surface.vertices.shape[1], 3, dtype=F64)
    weights = math.exp(0.5) * twin.closed_form_weights(*twin.profiles(kernels, camera, 1.0, thick=False))
    wanted = twin.picture(weights, attributes[:, kernels.vertex], camera)
    drawn = preset(surface, attributes, camera)
    torch.testing.assert_close(drawn.features, wanted, rtol=0, atol=1e-7)
    torch.testing.assert_close(drawn.coverage, weights.sum(-1).clamp_max(1).view(2, 12, 10), rtol=0, atol=1e-7)
