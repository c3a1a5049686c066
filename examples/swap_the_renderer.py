"""One argument decides how a body becomes a picture: as a volume, in three ways, or as a mesh."""

import argparse
import math
import time

import torch
from pyro import poutine
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.contracts import Renderer
from probbody.features import CircleDirections, LogMixture, UniformBackground, random_features
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.kernels import surface_kernels
from probbody.inference import Adam, Stage, fit_map
from probbody.metrics import pa_mpjpe
from probbody.observation import Observation
from probbody.priors import vae_prior
from probbody.render import ClosedForm, Composited, MeshRenderer, VolumeRenderer
from probbody.systems import neural_body_volume

CHANNELS, SIDE = 32, 32


def main() -> None:
    """Invent people, draw what an extractor would answer finer than any fit will, and fit with each renderer."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true", help="one person, few steps")
    quick = ask.parse_args().quick
    torch.manual_seed(0)
    torch.set_num_threads(1)
    people, steps = (1, 30) if quick else (8, 100)

    body, prior = open_body(), vae_prior()
    kernels = surface_kernels(body)
    features = random_features(body, CircleDirections(4), CHANNELS, torch.Generator().manual_seed(0), wavelength=0.5)
    background = UniformBackground(CHANNELS)

    renderers: dict[str, Renderer] = {
        "volume": VolumeRenderer(kernels),
        "volume, closed form": VolumeRenderer(kernels, absorption=ClosedForm()),
        "volume, composited": VolumeRenderer(kernels, absorption=Composited()),
        "mesh": MeshRenderer(),
    }

    camera = PinholeCamera.looking_ahead(55.0, (SIDE, SIDE), batch=people)
    upright = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(people, 4)  # half a turn about x: y up to y down
    middle = torch.tensor([0.0, 0.0, math.log(4.0)]).expand(people, 3)
    turned = normalize(upright + 0.15 * torch.randn(people, 4), dim=-1)
    truth = {"pose": 0.7 * prior.code().sample((people,)), "orientation": turned, "place": middle}
    painter = neural_body_volume(
        body,
        features,
        background,
        prior,
        concentration=40.0,
        renderer=MeshRenderer(samples=8),
        likelihood=LogMixture(visible=1.0),
    )
    trace = poutine.trace(poutine.condition(painter, data=truth)).get_trace(Observation(camera))
    wanted = body(trace.nodes["_RETURN"]["value"]).joints
    observation = Observation(camera, features=trace.nodes["features"]["value"])

    start = {"orientation": upright[None], "place": middle[None] + 0.02 * torch.randn(1, people, 3)}
    stages = (Stage(steps, None, Adam(0.1, {"orientation": 0.03, "place": 0.005})),)
    for name, renderer in renderers.items():
        model = neural_body_volume(body, features, background, prior, concentration=40.0, renderer=renderer)
        began = time.perf_counter()
        fit = fit_map(model, observation, stages=stages, start=start)
        each = 1000 * (time.perf_counter() - began) / (steps * people)
        error = pa_mpjpe(body(fit.pose).joints, wanted).mean()
        print(f"{name}: joints {error:.0f} mm from the truth after a similarity, {each:.0f} ms a step and person")


if __name__ == "__main__":
    main()
