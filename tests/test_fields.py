"""Feature fields follow the limbs, and their densities are what enumeration says."""

import copy
import math
from itertools import product

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.tubes import tubes
from probbody.contracts import FeatureField
from probbody.densities.von_mises_fisher import VonMisesFisher
from probbody.features.bins import SigmoidDirections
from probbody.features.directions import CircleDirections, Directions, OneDirection, SphereDirections
from probbody.features.emissions import Emission, GaussianEmission, VonMisesFisherEmission
from probbody.features.fields import ConditionalMixture, DirectedFeatures, ExpectedFeatures, split
from probbody.features.limbs import limbs_of
from probbody.features.random_features import random_features, random_field
from probbody.features.released import ReleasedField
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose, Surface

F64 = torch.float64
DIRECTIONS: list[Directions] = [OneDirection(), CircleDirections(4), SphereDirections.axes(), SigmoidDirections(3)]
EMISSIONS: list[Emission] = [VonMisesFisherEmission(12.0), GaussianEmission(0.3)]
FIELDS = [ExpectedFeatures, ConditionalMixture, ReleasedField]


def arm() -> SkinnedBody:
    return tubes([[0.0, 0, 0], [0.3, 0, 0], [0.55, 0.02, 0], [0.65, 0, 0.05]], [-1, 0, 1, 2], rings=3, sides=4).to(F64)


def bent(body: SkinnedBody, batch: int = 3) -> Surface:
    angles = 0.8 * torch.randn(batch, len(body.parents), 3, dtype=F64)
    return body(Pose(axis_angle_to_matrix(angles), angles.new_zeros(batch, body.num_shape), angles.new_zeros(batch, 3)))


def view(batch: int = 3) -> PinholeCamera:
    camera = PinholeCamera.looking_ahead(80.0, (64, 64), batch).to(F64)
    turned = axis_angle_to_matrix(torch.randn(batch, 3, dtype=F64))
    return PinholeCamera(camera.focal, camera.centre, turned, camera.translation, camera.size)


def drawn(body: SkinnedBody, directions: Directions, channels: int = 5) -> DirectedFeatures:
    return random_features(body, directions, channels, torch.Generator().manual_seed(3))


def build(kind: type, directions: Directions = DIRECTIONS[1], emission: Emission = EMISSIONS[0]) -> FeatureField:
    return kind(drawn(arm(), directions), emission)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("directions", DIRECTIONS)
def test_a_batch_is_a_loop_and_types_are_followed(kind: type, directions: Directions) -> None:
    body, field = arm(), build(kind, directions)
    surface, camera = bent(body), view()
    together = field.attributes(surface, camera)
    channels = 5 if kind is ExpectedFeatures else 6 * directions.count
    assert together.shape == (3, surface.vertices.shape[1], channels)
    torch.testing.assert_close(together, torch.cat([field.attributes(surface[i], camera[i]) for i in range(3)]))
    single = field.attributes(surface.to(torch.float32), camera.to(torch.float32))
    assert single.dtype == torch.float32
    density = field.conditional(single)
    assert density.batch_shape == single.shape[:2]
    assert density.event_shape == (5,)
    assert density.log_prob(normalize(torch.randn(3, single.shape[1], 5), dim=-1)).dtype == torch.float32


@pytest.mark.parametrize("directions", DIRECTIONS)
def test_expected_features_are_the_written_sum_and_inside_the_sphere(directions: Directions) -> None:
    body, features = arm(), drawn(arm(), directions)
    surface, camera, limbs = bent(body), view(), limbs_of(arm())
    found = ExpectedFeatures(features, EMISSIONS[0]).attributes(surface, camera)
    for b in range(3):
        for v in range(0, found.shape[1], 5):
            limb = int(limbs.vertex[v])
            along = surface.joints[b, limbs.end[limb]] - surface.joints[b, limbs.start[limb]]
            share = directions.weights(camera.rotation[b] @ along / along.norm())
            expected = sum(share[o] * features.features[v, o] for o in range(directions.count))
            torch.testing.assert_close(found[b, v], expected, atol=1e-8, rtol=1e-8)
    assert (found.norm(dim=-1) <= 1 + 1e-6).all()


def test_what_a_mixture_carries_is_what_a_field_expects_direction_by_direction() -> None:
    body = arm()
    surface, camera, features = bent(body), view(), drawn(body, DIRECTIONS[1])
    phi, shares = split(ConditionalMixture(features, EMISSIONS[0]).attributes(surface, camera), 4)
    expected = ExpectedFeatures(features, EMISSIONS[0]).attributes(surface, camera)
    torch.testing.assert_close(phi.sum(-2), expected)
    torch.testing.assert_close(shares.sum(-1), torch.ones_like(expected[..., 0]))


@pytest.mark.parametrize("kind", FIELDS)
def test_turning_body_and_camera_together_changes_nothing(kind: type) -> None:
    field, surface, camera = build(kind), bent(arm()), view()
    turn = axis_angle_to_matrix(torch.randn(3, 3, dtype=F64))
    moved = Surface(
        surface.vertices @ turn.mT, surface.joints @ turn.mT + torch.randn(3, 1, 3), surface.frames, surface.faces
    )
    seen = PinholeCamera(camera.focal, camera.centre, camera.rotation @ turn.mT, camera.translation, camera.size)
    torch.testing.assert_close(field.attributes(moved, seen), field.attributes(surface, camera))


@pytest.mark.parametrize("kind", FIELDS)
def test_gradients_of_attributes_with_respect_to_the_pose_are_right(kind: type) -> None:
    body, field, camera = arm(), build(kind), view(1)

    def carried(angles: torch.Tensor) -> torch.Tensor:
        pose = Pose(axis_angle_to_matrix(angles), angles.new_zeros(1, 2), angles.new_zeros(1, 3))
        return field.attributes(body(pose), camera)

    assert torch.autograd.gradcheck(carried, torch.randn(1, 4, 3, dtype=F64, requires_grad=True), fast_mode=True)


@pytest.mark.parametrize(
    ("kind", "emission"), [(ReleasedField, EMISSIONS[0]), *product([ExpectedFeatures, ConditionalMixture], EMISSIONS)]
)
def test_conditionals_are_finite_where_nothing_is_rendered_and_gradients_are_right(
    kind: type, emission: Emission
) -> None:
    field = build(kind, emission=emission)
    value = normalize(torch.randn(6, 5, dtype=F64), dim=-1)
    carried = field.attributes(bent(arm(), 1), view(1))[0, :6]
    seen = (0.1 + torch.rand_like(carried)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: field.conditional(x).log_prob(value), seen, fast_mode=True)
    for none in (0.0, 1e-30, 1e-12, 1e-7):
        empty = (none * carried).detach().requires_grad_()
        found = field.conditional(empty).log_prob(value)
        (slope,) = torch.autograd.grad(found.sum(), empty)
        assert found.isfinite().all()
        assert slope.isfinite().all()


@pytest.mark.parametrize("kind", [ExpectedFeatures, ConditionalMixture])
@pytest.mark.parametrize("emission", EMISSIONS)
def test_the_sum_of_the_renderers_weights_does_not_matter(kind: type, emission: Emission) -> None:
    field = build(kind, emission=emission)
    carried = field.attributes(bent(arm(), 1), view(1))[0]
    value = normalize(torch.randn(len(carried), 5, dtype=F64), dim=-1)
    whole = field.conditional(carried).log_prob(value)
    torch.testing.assert_close(field.conditional(0.01 * carried).log_prob(value), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_a_mixture_is_what_enumeration_says(emission: Emission) -> None:
    field = build(ConditionalMixture, emission=emission)
    carried = field.attributes(bent(arm(), 1), view(1))[0]
    rendered = 0.5 * (carried[:4] + 0.3 * carried[4:8])  # two vertices in one pixel
    value = normalize(torch.randn(4, 5, dtype=F64), dim=-1)
    phi, shares = split(rendered, 4)
    terms = []
    for o in range(4):
        mean = phi[:, o] / shares[:, o, None]
        chance = shares[:, o] / shares.sum(-1)
        if isinstance(emission, VonMisesFisherEmission):
            density = VonMisesFisher(mean, torch.tensor(12.0, dtype=F64)).log_prob(value)
        else:
            away = (value - normalize(mean, dim=-1)).square().sum(-1)
            density = -0.5 * away / 0.09 - 2.5 * math.log(2 * math.pi * 0.09)
        terms.append(chance.log() + density)
    expected = torch.stack(terms).logsumexp(0)
    torch.testing.assert_close(field.conditional(rendered).log_prob(value), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("kind", [ExpectedFeatures, ConditionalMixture])
def test_the_densities_on_a_sphere_integrate_to_one(kind: type) -> None:
    body = arm()
    field = kind(drawn(body, DIRECTIONS[1], channels=3), VonMisesFisherEmission(8.0))
    rendered = field.attributes(bent(body, 1), view(1))[0, ::9]
    value = SphereDirections.spiral(4000).references.double()
    mass = field.conditional(rendered.unsqueeze(1)).log_prob(value).exp().mean(-1) * 4 * math.pi
    torch.testing.assert_close(mass, torch.ones_like(mass), atol=1e-4, rtol=0)


def test_gaussians_about_directions_are_pyros_mixture_of_normals_and_draw_what_they_say() -> None:
    directions = torch.randn(4, 3, 6, dtype=F64)
    directions[0, 1] = 0
    weights, value = torch.randn(4, 3, dtype=F64), torch.randn(7, 4, 6, dtype=F64)
    density = GaussianEmission(0.4).among(weights, directions)
    parts = dist.Normal(normalize(directions, dim=-1), 0.4).to_event(1)
    slow = dist.MixtureSameFamily(dist.Categorical(logits=weights), parts)
    torch.testing.assert_close(density.log_prob(value), slow.log_prob(value), atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(density.expand((7, 4)).log_prob(value), density.log_prob(value))
    sample = density.sample((20_000,))
    assert sample.shape == (20_000, 4, 6)
    torch.testing.assert_close(sample.mean(0), slow.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(sample.var(0), slow.variance, atol=0.02, rtol=0)


def test_unit_features_do_not_tell_a_gaussian_from_a_von_mises_fisher_density() -> None:
    direction, value = torch.randn(2, 50, 6, dtype=F64)
    value = normalize(value, dim=-1)
    normal = GaussianEmission(0.25).around(direction).log_prob(value)
    sphere = VonMisesFisherEmission(16.0).around(direction).log_prob(value)
    torch.testing.assert_close(normal - sphere, (normal - sphere)[:1].expand(50), atol=1e-6, rtol=1e-6)


def test_the_released_code_mixes_scores_by_a_softmax_of_shares() -> None:
    field = build(ReleasedField, SigmoidDirections(3))
    phi = normalize(torch.randn(7, 3, 5, dtype=F64), dim=-1)
    pure = torch.tensor([1.0, 0.0, 0.0], dtype=F64).expand(7, 3)
    value = normalize(torch.randn(7, 5, dtype=F64), dim=-1)
    rendered = torch.cat([2.5 * phi.flatten(1), pure], dim=-1)
    density = field.conditional(rendered)
    cosines = (phi * value.unsqueeze(1)).sum(-1)
    alpha = torch.tensor([0.57611688, 0.21194156, 0.21194156], dtype=F64)
    torch.testing.assert_close(density.cosine(value), cosines @ alpha)
    mode = VonMisesFisher(value, torch.tensor(12.0, dtype=F64)).log_prob(value)
    torch.testing.assert_close(density.log_prob(value), mode + 12.0 * (cosines @ alpha - 1))


def test_vertices_without_features_carry_nothing() -> None:
    body = arm()
    given = drawn(body, DIRECTIONS[1])
    features = given.features.clone()
    features[::2] = 0
    for kind in (ExpectedFeatures, ConditionalMixture):
        some = kind(DirectedFeatures(features, given.limbs, given.directions), EMISSIONS[0])
        surface, camera = bent(body, 1), view(1)
        whole = kind(given, EMISSIONS[0]).attributes(surface, camera)
        assert (some.attributes(surface, camera)[:, ::2] == 0).all()
        torch.testing.assert_close(some.attributes(surface, camera)[:, 1::2], whole[:, 1::2])


def test_random_features_are_repeatable_and_change_over_a_wavelength() -> None:
    body = open_body()
    one, same = (random_field(body, CircleDirections(4), 16, torch.Generator().manual_seed(1)) for _ in range(2))
    assert (one.features.features == same.features.features).all()
    assert one.features.features.shape == (len(body.weights), 4, 16)
    smooth = random_features(body, OneDirection(), 64, torch.Generator().manual_seed(1), wavelength=0.5).features[:, 0]
    apart = torch.cdist(body.template, body.template)
    cosine = smooth @ smooth.mT
    others = ~torch.eye(len(apart), dtype=torch.bool)
    assert cosine[others & (apart < 0.01)].mean() > 0.95
    assert cosine[apart > 1.0].mean().abs() < 0.1
    rough = random_features(body, OneDirection(), 64, torch.Generator().manual_seed(1)).features[:, 0]
    assert (rough @ rough.mT)[others & (apart < 0.02)].mean().abs() < 0.05


def test_a_field_saves_and_loads_and_moves_with_its_buffers() -> None:
    field, other = build(ConditionalMixture), build(ConditionalMixture)
    other.features.features.zero_()
    other.load_state_dict(field.state_dict())
    surface, camera = bent(arm()), view()
    torch.testing.assert_close(other.attributes(surface, camera), field.attributes(surface, camera))
    narrow = field.to(torch.float32)
    assert narrow.features.features.dtype == torch.float32
    assert narrow.attributes(surface, camera).dtype == F64  # the surface's


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("directions", DIRECTIONS)
def test_a_field_makes_nothing_on_another_device(kind: type, directions: Directions) -> None:
    field = copy.deepcopy(build(kind, directions)).to("meta")
    surface, camera = bent(arm()), view()
    moved = Surface(*(part.to("meta") for part in (surface.vertices, surface.joints, surface.frames, surface.faces)))
    rendered = field.attributes(moved, camera.to("meta"))
    assert field.conditional(rendered).log_prob(torch.zeros(5, dtype=F64, device="meta")).device.type == "meta"


def test_pyro_takes_the_conditional_of_a_field() -> None:
    field = build(ConditionalMixture)
    rendered = field.attributes(bent(arm(), 1), view(1))[0]
    with pyro.validation_enabled(True):
        trace = pyro.poutine.trace(lambda: pyro.sample("f", field.conditional(rendered).to_event(1))).get_trace()
    assert trace.nodes["f"]["value"].shape == (len(rendered), 5)
    assert trace.log_prob_sum().isfinite()


def test_features_that_do_not_fit_are_refused() -> None:
    body, directions = arm(), CircleDirections(4)
    limbs = limbs_of(body)
    features = normalize(torch.randn(len(limbs.vertex), 4, 5), dim=-1)
    with pytest.raises(ValueError, match=r"unit or zero length, found 1\.5"):
        DirectedFeatures(1.5 * features, limbs, directions)
    with pytest.raises(ValueError, match="4 directions, found"):
        DirectedFeatures(features[:, :3], limbs, directions)
    with pytest.raises(ValueError, match="vertices"):
        DirectedFeatures(features[:-1], limbs, directions)
    features[3, 1, 2] = torch.nan
    with pytest.raises(ValueError, match="found nan"):
        DirectedFeatures(features, limbs, directions)
    with pytest.raises(ValueError, match="concentration"):
        VonMisesFisherEmission(-1.0)
    with pytest.raises(ValueError, match="scale"):
        GaussianEmission(math.nan)
    with pytest.raises(ValueError, match="channels"):
        random_features(body, directions, 1, torch.Generator())
    with pytest.raises(ValueError, match="surface: expected"):
        build(ExpectedFeatures).attributes(bent(open_body().to(F64)), view())
