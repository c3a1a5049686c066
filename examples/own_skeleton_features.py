"""A hand of sixteen joints: any skeleton becomes a body with features, and is fitted like a person."""

import argparse
import math

import torch
from PIL import Image
from pyro import poutine
from torch.nn.functional import normalize

from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.tubes import tubes
from probbody.features import LogMixture, SphereDirections, UniformBackground, random_features
from probbody.geometry.cameras import PinholeCamera
from probbody.inference import Adam, Stage, fit_map
from probbody.metrics import pa_mpjpe
from probbody.observation import Observation
from probbody.pictures import beside_each_other, draw_mesh
from probbody.priors.gaussian import GaussianPose
from probbody.quantities import Pose
from probbody.systems import neural_body_volume

CHANNELS, SIDE = 32, 40


def hand() -> SkinnedBody:
    """A hand's bones: a wrist, and five chains of a knuckle and three bones (metres)."""
    names, parents, places = ["wrist"], [-1], [(0.0, 0.0, 0.0)]
    for finger, (lean, palm, length) in {
        "thumb": (-0.9, 0.045, 0.035),
        "index": (-0.25, 0.09, 0.03),
        "middle": (0.0, 0.092, 0.033),
        "ring": (0.2, 0.088, 0.03),
        "little": (0.42, 0.08, 0.024),
    }.items():
        for bone in range(4):
            along = palm + bone * length
            parents.append(0 if bone == 0 else len(names) - 1)
            names.append(f"{finger}{bone}")
            places.append((along * math.sin(lean), along * math.cos(lean), 0.0))
    return tubes(places, parents, names=tuple(names), radius=0.25, rings=4)


def main() -> None:
    """Invent hands and what an extractor would answer, put a pencil before them, fit, and compare with the truth."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true", help="one hand, few steps")
    ask.add_argument("--picture", default="own_skeleton_features.png", help="where to draw it")
    given = ask.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    hands = 1 if given.quick else 8

    body = hand()
    prior = GaussianPose.independent(len(body.parents) - 1, spread=0.25)
    # Fingers point anywhere: six directions along the axes, waves of the size of a finger.
    generator = torch.Generator().manual_seed(0)
    features = random_features(body, SphereDirections.axes(), CHANNELS, generator, wavelength=0.06)
    background = UniformBackground(CHANNELS)
    model = neural_body_volume(body, features, background, prior, concentration=40.0)
    painter = neural_body_volume(
        body, features, background, prior, concentration=40.0, likelihood=LogMixture(visible=1.0)
    )

    camera = PinholeCamera.looking_ahead(90.0, (SIDE, SIDE), batch=hands)
    upright = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(hands, 4)  # half a turn about x: y up to y down
    middle = torch.tensor([0.02, 0.14, math.log(0.6)]).expand(hands, 3)
    truth = {"orientation": normalize(upright + 0.1 * torch.randn(hands, 4), dim=-1), "place": middle}
    trace = poutine.trace(poutine.condition(painter, data=truth)).get_trace(Observation(camera))
    pose, picture = trace.nodes["_RETURN"]["value"].detach(), trace.nodes["features"]["value"].clone()
    pencil = normalize(torch.randn(CHANNELS), dim=0)[:, None, None]
    picture[:, :, 16:19] = normalize(pencil + 0.1 * torch.randn(hands, CHANNELS, 3, SIDE), dim=1)
    observation = Observation(camera, features=picture)

    start = {"orientation": upright[None], "place": middle[None] + 0.02 * torch.randn(1, hands, 3)}
    stages = (Stage(40 if given.quick else 150, None, Adam(0.1, {"orientation": 0.03, "place": 0.005})),)
    fit = fit_map(model, observation, stages=stages, start=start)
    error = pa_mpjpe(body(fit.pose).joints, body(pose).joints)
    print(f"joints: {error.mean():.1f} mm from the truth after a similarity, {error.max():.1f} mm for the worst hand")
    beside_each_other([drawn(body, shown, camera) for shown in (pose, fit.pose)]).save(given.picture)
    print(f"{given.picture} shows the truth and the fit of the first hand, and the pencil before it")


def drawn(body: SkinnedBody, pose: Pose, camera: PinholeCamera) -> Image.Image:
    """The first hand, the rows that the pencil covers in grey."""
    size = (360, 360)
    vertices = body(pose[0]).vertices
    front = draw_mesh(size, vertices[0], camera[0].resized(size).project(vertices)[0], body.faces)
    sheet = Image.new("RGB", size, (255, 255, 255))
    sheet.paste(front, (0, 0), front)
    grey = Image.new("RGB", (size[0], 3 * size[1] // SIDE), (150, 150, 150))
    sheet.paste(grey, (0, 16 * size[1] // SIDE), Image.new("L", grey.size, 130))
    return sheet


if __name__ == "__main__":
    main()
