"""The mass about a maximum is the integral that it stands for, and it weighs broad against narrow."""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from probbody.geometry.cameras import PinholeCamera
from probbody.inference import log_masses
from probbody.observation import Observation
from probbody.quantities import Pose

F64 = torch.float64


def nobody(count: int) -> tuple[Observation, Pose]:
    camera = PinholeCamera.looking_ahead(100.0, (10, 10), batch=count).to(dtype=F64)
    still = Pose(
        torch.eye(3, dtype=F64).expand(count, 1, 3, 3),
        torch.zeros(count, 1, dtype=F64),
        torch.zeros(count, 3, dtype=F64),
    )
    return Observation(camera), still


def test_the_mass_of_a_normal_is_its_integral() -> None:
    observation, pose = nobody(2)
    scale = torch.tensor([0.1, 0.5], dtype=F64)

    def model(observation: Observation) -> Pose:
        with pyro.plate("bodies", len(observation)):
            wide = pyro.sample("wide", dist.Normal(torch.zeros(3, dtype=F64), 0.7).to_event(1))
            narrow = pyro.sample("narrow", dist.Normal(0.5 * wide.sum(-1), scale))
            pyro.sample("seen", dist.Normal(narrow, 0.2), obs=torch.tensor([0.3, 0.3], dtype=F64))
        return pose

    spread = (3 * 0.35**2 + scale.square() + 0.04).sqrt()  # of what is seen, before it is
    evidence = dist.Normal(torch.zeros(2, dtype=F64), spread).log_prob(torch.tensor(0.3, dtype=F64))
    gain = 0.3 / spread.square()
    best = {"wide": (0.5 * 0.49 * gain)[:, None].expand(2, 3), "narrow": gain * (spread.square() - 0.04)}
    torch.testing.assert_close(log_masses(model, observation, best), evidence)


def cloud(value: Tensor) -> Tensor:
    """A narrow peak at -1 with a tenth of the mass, a broad one at 1 with the rest."""
    narrow = math.log(0.1) + dist.Normal(-1.0, 0.01).log_prob(value)
    broad = math.log(0.9) + dist.Normal(1.0, 0.3).log_prob(value)
    return torch.maximum(narrow, broad) - torch.nn.functional.logsigmoid((narrow - broad).abs())


def test_a_narrow_peak_is_higher_but_weighs_less() -> None:
    observation, pose = nobody(2)

    def model(observation: Observation) -> Pose:
        with pyro.plate("bodies", len(observation)):
            place = pyro.sample("place", dist.Uniform(torch.tensor(-2.0, dtype=F64), 2.0))
            pyro.factor("cloud", cloud(place))
        return pose

    places = torch.tensor([-1.0, 1.0], dtype=F64)
    assert cloud(places)[0] > cloud(places)[1]
    masses = log_masses(model, observation, {"place": places}) + math.log(4)
    torch.testing.assert_close(masses.exp(), torch.tensor([0.1, 0.9], dtype=F64), rtol=1e-2, atol=0)


def test_where_the_density_bends_upwards_the_least_curvature_is_taken() -> None:
    observation, pose = nobody(1)

    def model(observation: Observation) -> Pose:
        with pyro.plate("bodies", len(observation)):
            height = pyro.sample("height", dist.Normal(torch.tensor(0.0, dtype=F64), 1.0))
            pyro.factor("hollow", 2 * height.square())
        return pose

    mass = log_masses(model, observation, {"height": torch.zeros(1, dtype=F64)}, least=1.0)
    torch.testing.assert_close(mass, torch.zeros(1, dtype=F64))


def test_curvature_that_is_not_finite_has_no_mass() -> None:
    observation, pose = nobody(2)

    def model(observation: Observation) -> Pose:
        with pyro.plate("bodies", len(observation)):
            height = pyro.sample("height", dist.Normal(torch.tensor(0.0, dtype=F64), 1.0))
            pyro.factor("root", -height.abs().sqrt())
        return pose

    masses = log_masses(model, observation, {"height": torch.tensor([0.0, 1.0], dtype=F64)})
    assert masses.isnan().tolist() == [True, False]
