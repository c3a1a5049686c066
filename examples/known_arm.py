"""One arm of a person cannot be seen, but a sensor on it says how it is turned: what is known is conditioned on."""

import argparse
import math

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float
from pyro import poutine
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.features import CircleDirections, LogMixture, UniformBackground, random_features
from probbody.geometry.cameras import PinholeCamera
from probbody.inference import Adam, Stage, fit_map
from probbody.metrics import mpjpe
from probbody.models import NeuralBodyVolume
from probbody.models.evidence import Evidence, Scene
from probbody.observation import Observation
from probbody.priors import vae_prior
from probbody.quantities import Surface
from probbody.systems import neural_body_volume

CHANNELS, SIDE = 32, 40
ARM = ("left_shoulder", "left_elbow")


class ArmSensor(Evidence):
    """Two sensors that measure how shoulder and elbow are turned: the site ``arm`` (2, 3, 3).

    The site ``pose`` is the code of all joints together, so that one arm of it cannot be conditioned on by itself. What is
    measured of a pose is a site of its own, which follows from the pose up to the sensor's noise. Sites that are known as
    they are (``orientation``, ``place``, ``shape``, all of ``pose``) need no such thing: they go into ``condition``.
    """

    def __init__(self, joints: list[int], noise: float = 0.05) -> None:
        super().__init__()
        self.joints, self.noise = joints, noise

    def attributes(self, surface: Surface) -> Float[Tensor, "B V E"]:
        """None: nothing of it is in the picture."""
        return surface.vertices[..., :0]

    def observe(self, scene: Scene, observation: Observation) -> None:
        """A site without data: a draw, until somebody conditions on it."""
        turned = scene.pose.rotations[:, self.joints]
        pyro.sample("arm", dist.Normal(turned, self.noise).to_event(3))


def main() -> None:
    """Invent people and what an extractor would answer, hide the left arm, fit without and with the sensor."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true", help="one person, few steps")
    quick = ask.parse_args().quick
    torch.manual_seed(0)
    torch.set_num_threads(1)
    people, steps = (1, 40) if quick else (8, 120)

    body, prior = open_body(), vae_prior()
    features = random_features(body, CircleDirections(4), CHANNELS, torch.Generator().manual_seed(0), wavelength=0.5)
    sensors = [body.joint_names.index(name) for name in ARM]

    def told(evidence: tuple[Evidence, ...] = (), visible: float = 0.5) -> NeuralBodyVolume:
        parts = body, features, UniformBackground(CHANNELS), prior
        return neural_body_volume(*parts, concentration=40.0, likelihood=LogMixture(visible), evidence=evidence)

    camera = PinholeCamera.looking_ahead(68.0, (SIDE, SIDE), batch=people)
    upright = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(people, 4)  # half a turn about x: y up to y down
    middle = torch.tensor([0.0, 0.0, math.log(4.0)]).expand(people, 3)
    truth = {"orientation": upright, "place": middle, "pose": 0.9 * prior.code().sample((people,))}
    painter = told((ArmSensor(sensors),), visible=1.0)
    trace = poutine.trace(poutine.condition(painter, data=truth)).get_trace(Observation(camera))
    pose, picture, measured = (trace.nodes[name]["value"].detach() for name in ("_RETURN", "features", "arm"))
    picture = picture.clone()
    post = normalize(torch.randn(CHANNELS), dim=0)[:, None, None]
    picture[..., 23:] = normalize(post + 0.1 * torch.randn_like(picture[..., 23:]), dim=1)  # the person's left
    observation = Observation(camera, features=picture)

    start = {"orientation": upright[None], "place": middle[None] + 0.02 * torch.randn(1, people, 3)}
    stages = (Stage(steps, None, Adam(0.1, {"orientation": 0.03, "place": 0.005})),)
    models = {
        "from the picture alone": told(),
        "knowing the arm": poutine.condition(told((ArmSensor(sensors),)), data={"arm": measured}),
    }
    limb = [body.joint_names.index(f"left_{name}") for name in ("elbow", "wrist", "hand")]
    wanted = body(pose).joints
    for words, model in models.items():
        fit = fit_map(model, observation, stages=stages, start=start)
        found = body(fit.pose).joints
        found = found - found[:, :1] + wanted[:, :1]
        error = mpjpe(found[:, limb], wanted[:, limb]).mean()
        print(f"{words}: hidden arm {error:.0f} mm from the truth, all joints {mpjpe(found, wanted).mean():.0f} mm")


if __name__ == "__main__":
    main()
