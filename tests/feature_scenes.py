"""Small pictures of features that a model itself tells of: an arm of tubes, 16 channels, 20 pixels."""

import math
from collections.abc import Callable

import torch
from pyro import poutine
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.tubes import tubes
from probbody.contracts import Likelihood, Renderer
from probbody.features.backgrounds import UniformBackground
from probbody.features.directions import CircleDirections
from probbody.features.fields import DirectedFeatures
from probbody.features.likelihoods import LogMixture
from probbody.features.random_features import random_features
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.kernels import surface_kernels
from probbody.inference import Adam, Fit, Stage, fit_map
from probbody.models.evidence import Evidence
from probbody.observation import Observation
from probbody.priors.gaussian import GaussianPose
from probbody.quantities import Pose
from probbody.render.volume import VolumeRenderer
from probbody.systems import neural_body_volume

SIDE, CHANNELS, KAPPA = 20, 16, 30.0
Story = Callable[[Observation], Pose]


def arm() -> SkinnedBody:
    """Four joints in a crooked row, and a thumb; half a metre long."""
    places = [[-0.3, 0.0, 0.0], [-0.05, 0.1, 0.0], [0.15, 0.0, 0.05], [0.3, 0.1, 0.0], [0.2, -0.15, 0.0]]
    return tubes(places, [-1, 0, 1, 2, 2], radius=0.2, rings=4, sides=6)


def features_of(body: SkinnedBody, seed: int = 0) -> DirectedFeatures:
    generator = torch.Generator().manual_seed(seed)
    return random_features(body, CircleDirections(4), CHANNELS, generator, wavelength=0.3)


def volume(body: SkinnedBody, count: int = 60) -> VolumeRenderer:
    return VolumeRenderer(surface_kernels(body, count))


def story(
    body: SkinnedBody | None = None,
    renderer: Renderer | None = None,
    likelihood: Likelihood | None = None,
    evidence: tuple[Evidence, ...] = (),
) -> Story:
    """3DNBF about an arm, its joints within 0.3 rad of rest."""
    body = body or arm()
    return neural_body_volume(
        body,
        features_of(body),
        UniformBackground(CHANNELS),
        GaussianPose.independent(len(body.parents) - 1, 0.3),
        concentration=KAPPA,
        renderer=renderer or volume(body),
        likelihood=likelihood,
        evidence=evidence,
    )


def camera(batch: int, focal: float = 30.0) -> PinholeCamera:
    return PinholeCamera.looking_ahead(focal, (SIDE, SIDE), batch=batch)


def truth(told: Story, batch: int, seed: int = 0, distance: float = 1.2) -> dict[str, Tensor]:
    """Values of the sites, drawn once."""
    generator = torch.Generator().manual_seed(seed)

    def draw(width: int) -> Tensor:
        return torch.randn(batch, width, generator=generator)

    body, prior = told.body, told.pose_prior  # type: ignore[attr-defined]
    facing = normalize(torch.tensor([0.0, 1.0, 0.0, 0.0]) + 0.2 * draw(4), dim=-1)
    place = torch.tensor([0.0, 0.0, math.log(distance)]) + 0.03 * draw(3)
    found = {"shape": 0.5 * draw(body.num_shape), "pose": draw(prior.num_code), "orientation": facing, "place": place}
    return {name: value.to(body.weights) for name, value in found.items()}


def seen(told: Story, sites: dict[str, Tensor], seed: int = 0) -> tuple[Observation, Pose]:
    """What the model tells of these sites when nothing hides the body, and the pose."""
    image = told.image  # type: ignore[attr-defined]
    image.likelihood, kept = LogMixture(visible=1.0), image.likelihood
    view = camera(len(sites["place"])).to(sites["place"])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trace = poutine.trace(poutine.condition(told, data=sites)).get_trace(Observation(view))
    image.likelihood = kept
    return Observation(view, features=trace.nodes["features"]["value"]), trace.nodes["_RETURN"]["value"].detach()


def hidden(observation: Observation, box: tuple[slice, slice]) -> Observation:
    """The same with one strange direction, and a little noise, before a box of rows and columns."""
    assert observation.features is not None
    features = observation.features.clone()
    strange = normalize(torch.ones(CHANNELS), dim=0)[None, :, None, None]
    part = features[:, :, box[0], box[1]]
    features[:, :, box[0], box[1]] = normalize(strange + 0.05 * torch.randn_like(part), dim=1).to(features)
    return Observation(observation.camera, features=features)


def astray(sites: dict[str, Tensor], by: float = 1.0, seed: int = 1) -> dict[str, Tensor]:
    """One start for each body, near the truth: joints off by about 0.15 rad, the place by 2 cm, the shape the mean."""
    generator = torch.Generator().manual_seed(seed)
    off = {"pose": 0.5, "orientation": 0.05, "place": 0.02, "shape": 0.0}
    return {
        name: (value + by * off[name] * torch.randn(value.shape, generator=generator).to(value))[None]
        for name, value in sites.items()
    }


def loss_at(told: Story, sites: dict[str, Tensor], observation: Observation) -> float:
    """The negative log density of everything, in nats, summed over the bodies."""
    trace = poutine.trace(poutine.condition(told, data=sites)).get_trace(observation)
    return -float(trace.log_prob_sum())


def fit(told: Story, observation: Observation, start: dict[str, Tensor], steps: int = 25) -> Fit:
    """Adam over all sites, at rates that suit their units."""
    adam = Adam(0.1, {"orientation": 0.03, "place": 0.005})
    return fit_map(told, observation, stages=(Stage(steps, None, adam),), start=start)


def off(told: Story, pose: Pose, wanted: Pose, observation: Observation) -> Tensor:
    """By how many pixels joints are off, the mean over the joints: depth is a matter of the shape's prior."""
    return (pixels(told, pose, observation) - pixels(told, wanted, observation)).norm(dim=-1).mean(-1)


def pixels(told: Story, pose: Pose, observation: Observation) -> Tensor:
    """Where the joints are in the picture."""
    joints = told.body(pose).joints  # type: ignore[attr-defined]
    return observation.camera.project(joints)[..., :2]
