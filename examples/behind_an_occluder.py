"""A person stands behind a box: what is seen of them is explained by their body, and the box by something else."""

import argparse
import math

import torch
from PIL import Image
from pyro import poutine
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.contracts import ArticulatedBody
from probbody.features import CircleDirections, LogMixture, NoOutliers, UniformBackground, random_features
from probbody.geometry.cameras import PinholeCamera
from probbody.inference import Adam, Stage, fit_map
from probbody.metrics import mpjpe
from probbody.observation import Observation
from probbody.pictures import beside_each_other, draw_mesh
from probbody.priors import vae_prior
from probbody.quantities import Pose
from probbody.systems import neural_body_volume

CHANNELS, SIDE = 32, 48
BOX = (slice(28, 48), slice(6, 36))
"""Rows and columns of the feature map that the box hides: the legs."""


def main() -> None:
    """Invent people and what an extractor would answer, hide their legs, fit twice, and compare with the truth."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true", help="one person, few steps")
    ask.add_argument("--picture", default="behind_an_occluder.png", help="where to draw it")
    given = ask.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)

    # An extractor would have to be learnt; this one answers with an arbitrary vector for each point of the body.
    body, prior = open_body(), vae_prior()
    features = random_features(body, CircleDirections(4), CHANNELS, torch.Generator().manual_seed(0), wavelength=0.5)
    models = {
        name: neural_body_volume(
            body, features, UniformBackground(CHANNELS), prior, concentration=40.0, likelihood=likelihood
        )
        for name, likelihood in {
            "unhidden": LogMixture(visible=1.0),
            "outliers": LogMixture(),
            "no outliers": NoOutliers(),
        }.items()
    }

    # A model tells pictures as well as it explains them.
    people = 1 if given.quick else 6
    camera = PinholeCamera.looking_ahead(80.0, (SIDE, SIDE), batch=people)
    upright = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(people, 4)  # half a turn about x: y up to y down
    middle = torch.tensor([0.0, 0.0, math.log(4.0)]).expand(people, 3)
    turned = normalize(upright + 0.15 * torch.randn(people, 4), dim=-1)
    truth = {"pose": 0.7 * prior.code().sample((people,)), "orientation": turned, "place": middle}
    trace = poutine.trace(poutine.condition(models["unhidden"], data=truth)).get_trace(Observation(camera))
    pose, picture = trace.nodes["_RETURN"]["value"].detach(), trace.nodes["features"]["value"]
    box = normalize(torch.randn(CHANNELS), dim=0)[:, None, None]  # a look that nobody has seen before
    picture[:, :, *BOX] = normalize(box + 0.1 * torch.randn_like(picture[:, :, *BOX]), dim=1)
    observation = Observation(camera, features=picture)

    # From the prior's middle pose; the units of the sites differ, and so do the rates.
    start = {"orientation": upright[None], "place": middle[None] + 0.02 * torch.randn(1, people, 3)}
    stages = (Stage(60 if given.quick else 120, None, Adam(0.1, {"orientation": 0.03, "place": 0.005})),)
    fits = {
        name: fit_map(models[name], observation, stages=stages, start=start) for name in ("outliers", "no outliers")
    }

    hidden = behind(body, pose, camera)
    for name, words in (("outliers", "the box is something else"), ("no outliers", "all must be the body")):
        found, wanted = body(fits[name].pose).joints, body(pose).joints
        found = found - found[:, :1] + wanted[:, :1]
        seen, unseen = mpjpe(found, wanted, ~hidden).mean(), mpjpe(found, wanted, hidden).mean()
        print(f"{words}: joints in sight {seen:.0f} mm from the truth, joints behind the box {unseen:.0f} mm")
    sheet = [false_colours(picture[0], features.features.flatten(0, 1))]
    sheet += [over(sheet[0], body, shown, camera) for shown in (pose, *(fit.pose for fit in fits.values()))]
    beside_each_other(sheet).save(given.picture)
    print(f"{given.picture} shows the features; over them the truth, the fit, the fit that nothing may hide")


def behind(body: ArticulatedBody, pose: Pose, camera: PinholeCamera) -> Tensor:
    """Which joints the box hides."""
    u, v = camera.project(body(pose).joints)[..., :2].unbind(-1)
    return (u >= BOX[1].start) & (u < BOX[1].stop) & (v >= BOX[0].start) & (v < BOX[0].stop)


def false_colours(picture: Tensor, features: Tensor) -> Image.Image:
    """The three strongest directions among the body's features as red, green and blue."""
    axes = torch.linalg.svd(features - features.mean(0), full_matrices=False).Vh[:3]
    shown = (128 + 200 * (picture.movedim(0, -1) - features.mean(0)) @ axes.mT).clamp(0, 255).byte()
    return Image.fromarray(shown.numpy()).resize((384, 384), Image.Resampling.NEAREST)


def over(picture: Image.Image, body: ArticulatedBody, pose: Pose, camera: PinholeCamera) -> Image.Image:
    """The first person's body drawn over the picture."""
    vertices = body(pose[0]).vertices
    pixels = camera[0].resized(picture.size).project(vertices)
    drawn, front = picture.copy(), draw_mesh(picture.size, vertices[0], pixels[0], body.faces)
    drawn.paste(front, (0, 0), front)
    return drawn


if __name__ == "__main__":
    main()
