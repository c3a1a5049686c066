"""A photograph of a person, and no keypoints: a network reads it, and the body that best explains what it read is found."""

import argparse
import json
import math
from importlib.resources import files
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.extractors.shipped import shipped_features
from probbody.features import LogMixture, matches
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.crops import Crop
from probbody.inference import Sketch, fit_pixels
from probbody.maps import FalseColours, heat_over
from probbody.metrics import pa_mpjpe
from probbody.models import MatchedBody
from probbody.observation import Observation
from probbody.pictures import as_array, as_picture, beside_each_other, draw_mesh, read_picture
from probbody.priors import vae_prior
from probbody.systems import neural_body_volume, what_is_read

DEMO, DEMO_BOX = "demo.png", "220,140,420,560"
SIDE = 384


def main() -> None:
    """Read, start, fit, and draw what came of it."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("photograph", nargs="?", type=Path, help="yours; without it the picture that ships")
    ask.add_argument("--box", help="left,top,right,bottom of the person in your photograph, in pixels")
    ask.add_argument("--focal", type=float, help="focal length in pixels, where it is known")
    ask.add_argument("--quick", action="store_true", help="few steps")
    ask.add_argument("--picture", type=Path, default=Path("fit_your_photo.png"), help="where to draw it")
    given = ask.parse_args()
    edges = (given.box or ("" if given.photograph else DEMO_BOX)).split(",")
    if len(edges) != 4:
        ask.error("--box: expected left,top,right,bottom of the person in your photograph")
    torch.manual_seed(0)
    torch.set_num_threads(1)

    # The photograph, where the person is in it, and the camera that would have taken that part alone.
    photograph = read_picture(given.photograph or str(files("probbody.assets") / DEMO))
    box = torch.tensor([[float(edge) for edge in edges]])
    focal = given.focal or math.hypot(*photograph.size)
    camera = PinholeCamera.looking_ahead(focal, (photograph.height, photograph.width))
    learnt = shipped_features()
    crop = Crop.around(box, learnt.reader.size)
    view = crop.camera(camera)

    # What the network reads: a feature for each of 48 x 48 places, where it sees joints, and what it takes the body for.
    with torch.no_grad():
        reading = learnt.read(crop.warp(as_array(photograph)[None]), view)

    # The story that explains the features, and beside them what else the network told, believed as far as it was right
    # before; and a cheap one that only explains where points of the skin were found.
    body, prior = open_body(), vae_prior()
    model = neural_body_volume(
        body, learnt.features, learnt.background, prior,
        concentration=learnt.concentration, likelihood=LogMixture(temper=learnt.temper), evidence=what_is_read(learnt),
    )  # fmt: skip
    seen = Observation(view, features=reading.features, spots=reading.spots)
    vertex = torch.arange(0, len(body.weights), 4)
    found = matches(learnt.features, vertex, reading.features, learnt.concentration)
    height, width = reading.features.shape[2:]
    sketch = Sketch(MatchedBody(body, prior, vertex), Observation(view.resized((height, width)), found))

    steps = 15 if given.quick else 50
    fit = fit_pixels(model, body, prior, seen, reading.pose, (sketch,), others=reading.others, steps=steps)
    assert fit.evidence is not None
    assert fit.occlusion is not None
    if float(fit.evidence) <= 0:
        print("nothing here is explained by a body: is the person in the box?")
    covered = model.render(fit.pose, seen).coverage.sum()
    print(
        f"{float(fit.evidence):.0f} nats of evidence for this body, {float(fit.occlusion.sum() / covered):.0%} of it hidden"
    )
    print(f"it stands {float(body(fit.pose).joints[0, 0, 2]):.1f} m away, if the focal length is {focal:.0f} pixels")
    if given.photograph is None:
        compare(body(reading.pose).joints, body(fit.pose).joints, body.joint_names)

    large = Crop(crop.centre, crop.width, (SIDE, SIDE))
    picture = as_picture(large.warp(as_array(photograph)[None])[0])
    colours = FalseColours.of(learnt.features.features.flatten(0, 1)).picture(reading.features[0])
    sheet = [picture, colours.resize((SIDE, SIDE), Image.Resampling.NEAREST)]
    sheet += [
        over(picture, body(pose).vertices[0], body.faces, large.camera(camera)) for pose in (reading.pose, fit.pose)
    ]
    beside_each_other([*sheet, heat_over(picture, fit.occlusion[0])]).save(given.picture)
    print(
        f"{given.picture} shows the crop, its features, what the network took the body for, the fit, and what hides it"
    )


def compare(guessed: Tensor, fitted: Tensor, names: tuple[str, ...]) -> None:
    """The picture that ships has a truth; a table hides the person's legs in it."""
    card = json.loads((files("probbody.assets") / "demo.json").read_text(encoding="utf-8"))
    truth = torch.tensor(card["truth"]["joints3d_smpl24"])[None]
    seen = torch.tensor([not any(word in name for word in ("knee", "ankle", "foot")) for name in names])[None]
    away = [float(pa_mpjpe(joints, truth, seen)) for joints in (guessed, fitted)]
    print(
        f"joints in sight: {away[1]:.0f} mm from the truth after a similarity; as the network took it, {away[0]:.0f} mm"
    )


def over(picture: Image.Image, points: Tensor, faces: Tensor, camera: PinholeCamera) -> Image.Image:
    """A body drawn over a picture."""
    drawn, front = picture.copy(), draw_mesh(picture.size, points, camera.project(points[None])[0], faces)
    drawn.paste(front, (0, 0), front)
    return drawn


if __name__ == "__main__":
    main()
