"""Laws that every pose prior keeps, and what is particular to each."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import pyro
import pytest
import torch
from jaxtyping import TypeCheckError
from pyro.distributions import MultivariateNormal, Normal
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoNormal
from torch import Tensor

from probbody.contracts import PosePrior
from probbody.data.motion import is_held_out
from probbody.densities.joined import JoinedVectors
from probbody.errors import BadInput
from probbody.geometry.rotations import axis_angle_to_matrix, geodesic_angle, matrix_to_axis_angle
from probbody.priors.freed import FreedPose, HeldPose
from probbody.priors.gaussian import GaussianPose
from probbody.priors.limits import JointLimits
from probbody.priors.mixture import MaxMixture, MixturePose, smplify_constant
from probbody.priors.shipped import (
    freed_prior,
    gaussian_prior,
    held_out_clips,
    joint_limits,
    mixture_prior,
    vae_prior,
)
from probbody.priors.tangent import log_volume
from probbody.priors.vae import VaePose

ASSETS = Path(__file__).parents[1] / "probbody" / "assets"
LIMITS = ASSETS / "joint_limits.safetensors"
PRIORS: dict[str, Callable[[], PosePrior]] = {
    "gaussian": gaussian_prior,
    "independent": lambda: GaussianPose.independent(5, 0.3),
    "mixture": mixture_prior,
    "max-mixture": lambda: mixture_prior("max"),
    "vae": vae_prior,
    "freed": freed_prior,
    "held": lambda: freed_prior().held(),
    "freed mixture": lambda: FreedPose(mixture_prior(), torch.full((21, 3), 0.05)),
}
NORMAL = ["gaussian", "independent", "vae", "freed", "held"]


@pytest.fixture(params=PRIORS)
def prior(request: pytest.FixtureRequest) -> PosePrior:
    return PRIORS[request.param]()


def test_a_code_stands_for_rotations(prior: PosePrior) -> None:
    code = prior.code().sample((20,))
    assert code.shape == (20, prior.num_code)
    rotations = prior.decode(code)
    assert rotations.shape == (20, prior.num_joints, 3, 3)
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand_as(rotations), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(20, prior.num_joints), atol=1e-5, rtol=0)


def test_encoding_undoes_decoding(prior: PosePrior) -> None:
    rotations = prior.decode(prior.code().sample((50,)))
    again = prior.decode(prior.encode(rotations))
    apart = geodesic_angle(again, rotations).mean()
    assert apart < (0.06 if isinstance(prior, VaePose | HeldPose) else 1e-4)


def test_the_code_has_one_density(prior: PosePrior) -> None:
    density = prior.code()
    assert density.batch_shape == ()
    assert density.event_shape == (prior.num_code,)
    code = density.sample((7, 2))
    assert density.log_prob(code).shape == (7, 2)
    wide = density.expand((7,))
    assert wide.batch_shape == (7,)
    torch.testing.assert_close(wide.log_prob(code[:, 0]), density.log_prob(code[:, 0]))


@pytest.mark.parametrize("name", NORMAL)
def test_whitened_codes_are_standard_normal(name: str) -> None:
    density = PRIORS[name]().code()
    zero = torch.zeros(density.event_shape)
    assert density.log_prob(zero).item() == pytest.approx(-0.5 * len(zero) * math.log(2 * math.pi), rel=1e-5)


def test_a_batch_is_a_loop(prior: PosePrior) -> None:
    code = prior.code().sample((4,))
    together = prior.decode(code)
    torch.testing.assert_close(together, torch.cat([prior.decode(one[None]) for one in code]), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        prior.encode(together), torch.cat([prior.encode(one[None]) for one in together]), atol=1e-4, rtol=1e-4
    )


def test_numbers_follow_the_input(prior: PosePrior) -> None:
    code = prior.code().sample((2,)).double()
    rotations = prior.decode(code)
    assert rotations.dtype == torch.float64
    assert prior.encode(rotations).dtype == torch.float64
    assert prior.double().code().sample().dtype == torch.float64


def test_training_mode_changes_nothing(prior: PosePrior) -> None:
    code = prior.code().sample((3,))
    before = prior.eval().decode(code), prior.encode(prior.decode(code))
    after = prior.train().decode(code), prior.encode(prior.decode(code))
    torch.testing.assert_close(before, after, atol=0, rtol=0)


def test_the_gradient_of_decoding(prior: PosePrior) -> None:
    prior = prior.double()
    code = prior.code().sample((1,)).requires_grad_()
    some = slice(None, None, 7)
    assert torch.autograd.gradcheck(lambda z: prior.decode(z)[:, some], code, fast_mode=True)


def test_the_gradient_is_finite_at_the_middle(prior: PosePrior) -> None:
    code = torch.zeros(2, prior.num_code, requires_grad=True)
    rotations = prior.decode(code)
    (rotations.square().sum() + prior.encode(rotations).sum() + prior.code().log_prob(code).sum()).backward()
    assert code.grad is not None
    assert code.grad.isfinite().all()


def test_wrong_shapes_are_refused(prior: PosePrior) -> None:
    with pytest.raises(TypeCheckError):
        prior.decode(torch.zeros(prior.num_code))


@pytest.mark.parametrize("name", ["gaussian", "mixture", "vae"])
def test_saving_and_loading(name: str, tmp_path: Path) -> None:
    prior = PRIORS[name]()
    path = tmp_path / "prior.safetensors"
    prior.save(path)  # type: ignore[operator]
    again = type(prior).load(path)  # type: ignore[attr-defined]
    code = prior.code().sample((3,))
    torch.testing.assert_close(again.decode(code), prior.decode(code), atol=0, rtol=0)
    torch.testing.assert_close(again.code().log_prob(code), prior.code().log_prob(code), atol=0, rtol=0)
    assert again.licence == prior.licence
    assert "mocap.cs.cmu.edu" in again.licence


def test_freedom_is_saved_and_loaded_beside_its_prior(tmp_path: Path) -> None:
    prior, path = freed_prior(), tmp_path / "freedom.safetensors"
    prior.save(path)
    again = FreedPose.load(path, prior.prior)
    torch.testing.assert_close(again.spread, prior.spread, atol=0, rtol=0)
    with pytest.raises(BadInput, match="spread"):
        FreedPose.load(path, GaussianPose.independent(5))
    gaussian_prior().save(path)
    with pytest.raises(BadInput, match="something else"):
        FreedPose.load(path, prior.prior)


def test_every_pose_has_a_code_once_joints_are_free() -> None:
    """Also poses that the decoder itself cannot say."""
    prior = freed_prior().double()
    poses = gaussian_prior().double().decode(1.5 * torch.randn(20, 63, dtype=torch.float64))
    code = prior.encode(poses)
    torch.testing.assert_close(prior.decode(code), poses, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        prior.decode(prior.unmoved(code[:, :32])), prior.prior.decode(code[:, :32]), atol=1e-12, rtol=0
    )


def test_held_joints_are_of_the_same_code() -> None:
    """And nothing but their own density moves what is left out, from where it is likeliest."""
    prior = freed_prior()
    code = prior.code().sample((5,)).requires_grad_()
    rotations = prior.held().decode(code)
    torch.testing.assert_close(rotations, prior.prior.decode(code[:, :32]), atol=0, rtol=0)
    (slope,) = torch.autograd.grad(rotations.square().sum() + rotations[..., 0, 1].sum(), code)
    assert not slope[:, 32:].any()
    torch.testing.assert_close(prior.held().encode(rotations), prior.unmoved(prior.prior.encode(rotations)))


def test_free_joints_scatter_about_the_decoder_as_far_as_they_are_said_to() -> None:
    prior = freed_prior().double()
    code = prior.code().sample((4000,))
    turned = matrix_to_axis_angle(prior.prior.decode(code[:, :32]).mT @ prior.decode(code))
    torch.testing.assert_close(turned.std(0), prior.spread, atol=0, rtol=0.06)
    assert prior.spread.max() < 0.4  # radians: small


def test_the_joined_density_is_the_product() -> None:
    one, other = Normal(torch.zeros(2), 1.0).to_event(1), mixture_prior().code()
    both = JoinedVectors(one, other)
    value = both.sample((5,))
    torch.testing.assert_close(both.log_prob(value), one.log_prob(value[:, :2]) + other.log_prob(value[:, 2:]))
    torch.testing.assert_close(both.mean, torch.cat([one.mean, other.mean]))
    with pytest.raises(ValueError, match="one batch shape"):
        JoinedVectors(one.expand((3,)), other)


@pytest.mark.parametrize("kind", [VaePose, GaussianPose, MixturePose, JointLimits])
@pytest.mark.parametrize("harm", ["missing", "cut", "foreign", "noise", "not finite"])
def test_broken_files_are_refused_in_a_sentence(kind: type, harm: str, tmp_path: Path) -> None:
    path = tmp_path / "prior.safetensors"
    if kind is VaePose:
        whole: GaussianPose | MixturePose | VaePose | JointLimits = VaePose(hidden=8, num_code=2)
    else:
        whole = {GaussianPose: gaussian_prior, MixturePose: mixture_prior, JointLimits: joint_limits}[kind]()
    if harm == "not finite":
        for tensor in [*whole.parameters(), *whole.buffers()]:
            tensor.data = torch.full_like(tensor, math.nan) if tensor.is_floating_point() else tensor
    other = gaussian_prior() if kind is not GaussianPose else mixture_prior()
    (other if harm == "foreign" else whole).save(path)
    data = path.read_bytes()
    if harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    if harm == "noise":
        path.write_bytes(b"\x00" * 100)
    if harm == "missing":
        path.unlink()
    with pytest.raises(BadInput, match=r"prior\.safetensors: expected") as caught:
        kind.load(path)  # type: ignore[attr-defined]
    assert "\n" not in str(caught.value)


def test_the_gaussian_is_the_one_fitted() -> None:
    truth = gaussian_prior()
    angles = matrix_to_axis_angle(truth.decode(truth.code().sample((20_000,))))
    again = GaussianPose.fitted(angles, torch.full((21, 3), 1e-3), torch.ones(20_000))
    torch.testing.assert_close(again.mean, truth.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(again.scale @ again.scale.mT, truth.scale @ truth.scale.mT, atol=0.03, rtol=0)


def test_the_code_of_the_gaussian_is_its_density_whitened() -> None:
    prior = gaussian_prior().double()
    code = prior.code().sample((5,))
    angles = matrix_to_axis_angle(prior.decode(code)).flatten(1)
    volume = prior.scale.diagonal().log().sum()
    torch.testing.assert_close(prior.density().log_prob(angles), prior.code().log_prob(code) - volume)


def test_the_max_mixture_bounds_the_mixture() -> None:
    true, largest = mixture_prior("sum").double(), mixture_prior("max").double()
    for code in (true.code().sample((200,)), torch.randn(200, 63, dtype=torch.float64)):
        whole, part = true.code().log_prob(code), largest.code().log_prob(code)
        assert (part <= whole + 1e-9).all()
        assert (whole <= part + math.log(8) + 1e-9).all()


def test_the_max_mixture_is_smplifys_energy() -> None:
    """Written out as SMPLify has it: squared distances, and weights over determinants relative to the smallest."""
    prior = mixture_prior("max").double()
    code = prior.code().sample((20,))
    roots = prior.scales.diagonal(dim1=-2, dim2=-1).prod(-1)
    weights = prior.chances / ((2 * math.pi) ** (63 / 2) * (roots / roots.min()))
    away = torch.linalg.solve_triangular(prior.scales, (code[:, None] - prior.means)[..., None], upper=False)
    energy = (0.5 * away.square().sum((-1, -2)) - weights.log()).amin(-1)
    torch.testing.assert_close(energy, -prior.code().log_prob(code) + smplify_constant(prior))


def test_a_mixture_of_one_is_a_gaussian() -> None:
    one = gaussian_prior()
    for form in ("sum", "max"):
        alone = MixturePose(one.mean[None], one.scale[None], torch.ones(1), form=form)  # type: ignore[arg-type]
        angles = one.density().sample((4,))
        torch.testing.assert_close(alone.code().log_prob(angles), one.density().log_prob(angles))


def test_draws_of_the_max_mixture_are_of_the_clouds() -> None:
    density = mixture_prior("max").code()
    assert isinstance(density, MaxMixture)
    assert density.sample((3, 2)).shape == (3, 2, 63)
    assert density.expand((4,)).sample().shape == (4, 63)


def test_a_mixture_keeps_its_clouds_in_another_form() -> None:
    prior = mixture_prior()
    assert isinstance(prior.in_form("max").code(), MaxMixture)
    with pytest.raises((BadInput, TypeCheckError), match="form"):
        prior.in_form("mean")  # type: ignore[arg-type]


def test_the_volume_of_all_rotations() -> None:
    """Integrated over the ball of half turns, the volume element gives 8 pi^2."""
    radius = (torch.arange(20_000, dtype=torch.float64) + 0.5) * math.pi / 20_000
    angles = torch.stack([radius, torch.zeros_like(radius), torch.zeros_like(radius)], dim=-1)
    shells = log_volume(angles).exp() * 4 * math.pi * radius.square()
    assert float(shells.sum() * math.pi / 20_000) == pytest.approx(8 * math.pi**2, rel=1e-6)


def test_the_volume_is_the_determinant_of_the_exponential_map() -> None:
    angles = torch.randn(6, 3, dtype=torch.float64)
    for angle in angles:
        centre = axis_angle_to_matrix(angle[None])[0]

        def nearby(step: Tensor, angle: Tensor = angle, centre: Tensor = centre) -> Tensor:
            return matrix_to_axis_angle((centre.mT @ axis_angle_to_matrix((angle + step)[None])[0])[None])[0]

        jacobian = torch.autograd.functional.jacobian(nearby, torch.zeros(3, dtype=torch.float64))
        torch.testing.assert_close(torch.linalg.det(jacobian).log(), log_volume(angle[None])[0])


def test_the_volume_of_small_angles_is_as_good_in_single_precision() -> None:
    size = torch.tensor([1e-6, 0.0099, 0.0101, 0.0121, 0.02, 0.05, 1.0, 3.1])
    angles = torch.stack([size, torch.zeros_like(size), torch.zeros_like(size)], dim=-1).requires_grad_()
    (slope,) = torch.autograd.grad(log_volume(angles).sum(), angles)
    half = size.double() / 2
    torch.testing.assert_close(slope[:, 0].double(), 1 / half.tan() - 1 / half, atol=2e-5, rtol=1e-3)


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(BadInput, match="spread"):
        GaussianPose.independent(5, 0.0)
    with pytest.raises(BadInput, match="scale"):
        GaussianPose(torch.zeros(6), torch.ones(6, 6))
    with pytest.raises(BadInput, match="spread"):
        FreedPose(GaussianPose.independent(5), torch.zeros(5, 3))
    with pytest.raises(BadInput, match="low"):
        JointLimits(torch.ones(2, 3), torch.ones(2, 3), torch.zeros(2, 3))


def test_what_was_held_out_is_known() -> None:
    clips = held_out_clips()
    assert len(clips) > 30
    assert all(map(is_held_out, clips))


def test_the_independent_gaussian_spreads_as_asked() -> None:
    prior = GaussianPose.independent(5, 0.2)
    angles = matrix_to_axis_angle(prior.decode(prior.code().sample((4000,))))
    assert angles.std().item() == pytest.approx(0.2, rel=0.05)
    assert isinstance(prior.density(), MultivariateNormal)


def test_the_card_is_of_these_files() -> None:
    card = json.loads((ASSETS / "pose_prior.json").read_text(encoding="utf-8"))
    assert sorted(card["sha256"]) == sorted(path.name for path in [*ASSETS.glob("pose_prior_*.safetensors"), LIMITS])
    for name, digest in card["sha256"].items():
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == digest
    text = (ASSETS / "pose_prior.md").read_text(encoding="utf-8")
    assert all(digest in text for digest in card["sha256"].values())
    assert card["acknowledgement"] in vae_prior().licence
    assert card["takes"]["held_out"] == len(held_out_clips())


def test_guides_can_stand_on_the_code(prior: PosePrior) -> None:
    def model() -> None:
        with pyro.plate("bodies", 2):
            code = pyro.sample("pose", prior.code())
        pyro.factor("upright", -prior.decode(code).diagonal(dim1=-2, dim2=-1).sum())

    pyro.clear_param_store()
    guide = AutoNormal(model)
    inference = SVI(model, guide, pyro.optim.Adam({"lr": 0.01}), Trace_ELBO())
    losses = [inference.step() for _ in range(3)]
    assert all(map(math.isfinite, losses))
    assert guide.median()["pose"].shape == (2, prior.num_code)
