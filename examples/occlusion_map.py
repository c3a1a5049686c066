"""Three people, one of them half hidden and one wholly: at every pixel, the chance that something hides the body."""

import argparse
import math

import torch
from PIL import Image
from pyro import poutine
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.features import CircleDirections, LogMixture, UniformBackground, random_features
from probbody.geometry.cameras import PinholeCamera
from probbody.inference import Adam, Stage, fit_map
from probbody.observation import Observation
from probbody.pictures import beside_each_other
from probbody.priors import vae_prior
from probbody.systems import neural_body_volume

CHANNELS, SIDE = 32, 48
NAMES = ("in full sight", "behind a screen from the left", "behind a wall")


def main() -> None:
    """Invent three people and what an extractor would answer, hide them, fit, and look at what the fits say is hidden."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true", help="few steps")
    ask.add_argument("--picture", default="occlusion_map.png", help="where to draw it")
    given = ask.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)

    body, prior = open_body(), vae_prior()
    features = random_features(body, CircleDirections(4), CHANNELS, torch.Generator().manual_seed(0), wavelength=0.5)
    background = UniformBackground(CHANNELS)
    model = neural_body_volume(body, features, background, prior, concentration=40.0)
    unhidden = neural_body_volume(
        body, features, background, prior, concentration=40.0, likelihood=LogMixture(visible=1.0)
    )

    camera = PinholeCamera.looking_ahead(80.0, (SIDE, SIDE), batch=3)
    upright = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(3, 4)  # half a turn about x: y up to y down
    middle = torch.tensor([0.0, 0.0, math.log(4.0)]).expand(3, 3)
    truth = {"pose": 0.7 * prior.code().sample((1,)).expand(3, -1), "orientation": upright, "place": middle}
    truth["shape"] = torch.zeros(3, body.num_shape)
    trace = poutine.trace(poutine.condition(unhidden, data=truth)).get_trace(Observation(camera))
    pose, picture = trace.nodes["_RETURN"]["value"].detach(), trace.nodes["features"]["value"]
    hidden = torch.zeros(3, SIDE, SIDE, dtype=torch.bool)
    hidden[1, :, : SIDE // 2], hidden[2] = True, True
    screen = normalize(torch.randn(CHANNELS), dim=0) + 0.1 * torch.randn(3, SIDE, SIDE, CHANNELS)
    picture = torch.where(hidden[:, None], normalize(screen, dim=-1).movedim(-1, 1), picture)
    observation = Observation(camera, features=picture)

    start = {"orientation": upright[None], "place": middle[None] + 0.02 * torch.randn(1, 3, 3)}
    stages = (Stage(30 if given.quick else 120, None, Adam(0.1, {"orientation": 0.03, "place": 0.005})),)
    fit = fit_map(model, observation, stages=stages, start=start)
    assert fit.occlusion is not None
    assert fit.evidence is not None

    covered = model.render(pose, observation).coverage > 0.5
    given_body = fit.occlusion / model.render(fit.pose, observation).coverage.clamp_min(1e-6)
    for person, name in enumerate(NAMES):
        print(f"{name}: {fit.evidence[person]:.0f} nats of evidence")
        if fit.evidence[person] > 0:
            right = ((given_body[person] > 0.5) == hidden[person])[covered[person]].float().mean()
            print(f"    rightly called seen or hidden: {100 * right:.0f} % of the pixels that the body covers")
        else:
            print("    nothing of them was seen: no pixel speaks for the pose that came out")
    columns = [shown(map_) for map_ in (*(hidden & covered).float(), *fit.occlusion)]
    beside_each_other(columns).save(given.picture)
    print(f"{given.picture} shows what is hidden of each, and then for each where the fit says so")


def shown(chances: Tensor) -> Image.Image:
    """A map of chances, dark where they are low."""
    grey = (255 * chances.clamp(0, 1)).round().byte()
    return Image.fromarray(grey.numpy()).convert("RGB").resize((240, 240), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()
