"""Any extractor of features will do: what a body looks like to it is learnt from a few hundred drawn pictures."""

import argparse

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.contracts import ArticulatedBody, PosePrior
from probbody.extractors.shipped import shipped_features
from probbody.features import LogMixture, matches
from probbody.geometry.cameras import PinholeCamera
from probbody.inference import Sketch, fit_pixels
from probbody.inference.learn.field_of import Extractor, SeenBody, field_of
from probbody.maps import FalseColours, on_top_of_each_other
from probbody.metrics import pa_mpjpe
from probbody.models import MatchedBody
from probbody.observation import Observation
from probbody.pictures import as_picture, beside_each_other, draw_mesh
from probbody.priors import vae_prior
from probbody.quantities import Pose
from probbody.synth import DrawnBackdrops, LabelledPictures, Pictures, PriorPoses
from probbody.systems import neural_body_volume

SIDE, TEMPER = 192, 0.01
"""Pixels of the pictures; what the evidence of a pixel counts for: neighbours are wrong together."""


def some_network() -> Extractor:
    """Yours would be here, any callable from pictures to a map of vectors. This one is at hand: an inner layer of ours."""
    reader = shipped_features().reader

    def extract(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        with torch.no_grad():
            return reader.maps(images).fine  # type: ignore[operator]

    return extract


def main() -> None:
    """Learn the field, fit people in pictures that were not learnt from, compare with the truth."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true", help="few pictures, few steps")
    ask.add_argument("--picture", default="another_extractor.png", help="where to draw it")
    given = ask.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)

    body, prior, extract = open_body(), vae_prior(), some_network()
    pictures = Pictures(body, PriorPoses(prior), DrawnBackdrops(), (SIDE, SIDE))
    seen = field_of(extract, body, pictures, 32 if given.quick else 400)
    print(f"{seen.features.channels} numbers a place; they scatter with a concentration of {seen.concentration:.0f}")

    drawn = pictures.draw(1, torch.arange(4 if given.quick else 6))  # another seed
    features = normalize(extract(drawn.images), dim=1)
    guess = upright(body, prior, drawn.camera)  # this extractor guesses nothing
    fitted = fit(seen, body, prior, Observation(drawn.camera, features=features), guess, 15 if given.quick else 60)

    away = [pa_mpjpe(body(pose).joints, drawn.joints).mean() for pose in (guess, fitted)]
    print(f"joints: {away[1]:.0f} mm from the truth after a similarity; standing upright, {away[0]:.0f} mm")
    sheet(drawn, features, seen, body, fitted).save(given.picture)
    print(f"{given.picture} shows pictures, their features, and the bodies fitted to these")


def fit(
    seen: SeenBody, body: ArticulatedBody, prior: PosePrior, observation: Observation, guess: Pose, steps: int
) -> Pose:
    """The bodies that explain the features best, from starts that points of the skin lead to."""
    assert observation.features is not None
    model = neural_body_volume(
        body, seen.features, seen.background, prior,
        concentration=seen.concentration, likelihood=LogMixture(temper=TEMPER),
    )  # fmt: skip
    vertex = torch.arange(0, len(body.weights), 4)
    found = matches(seen.features, vertex, observation.features, seen.concentration)
    height, width = observation.features.shape[2:]
    sketch = Sketch(MatchedBody(body, prior, vertex), Observation(observation.camera.resized((height, width)), found))
    return fit_pixels(model, body, prior, observation, guess, (sketch,), steps=steps).pose


def upright(body: ArticulatedBody, prior: PosePrior, camera: PinholeCamera) -> Pose:
    """People who stand in the middle of their pictures, facing the camera, and fill them."""
    count = len(camera)
    limbs = prior.decode(prior.code().mean.expand(count, -1))
    root = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(count, 1, 3, 3)  # y up to y down
    still = torch.eye(3).expand(count, len(body.parents) - 1 - limbs.shape[1], 3, 3)
    away = 1.3 * 1.75 * camera.focal[:, 1] / camera.size[0]
    middle = torch.tensor([[camera.size[1] / 2, camera.size[0] / 2]]).expand(count, 2)
    across = (middle - camera.centre) / camera.focal
    place = torch.cat([across * away[:, None], away[:, None]], dim=1)
    return Pose(torch.cat([root, limbs, still], dim=1), torch.zeros(count, body.num_shape), place)


def sheet(drawn: LabelledPictures, features: Tensor, seen: SeenBody, body: ArticulatedBody, pose: Pose) -> Image.Image:
    """A row of pictures, a row of their features in false colours, a row of bodies over the pictures."""
    colours = FalseColours.of(seen.features.features.flatten(0, 1))
    plain = [as_picture(image) for image in drawn.images]
    maps = [colours.picture(each).resize((SIDE, SIDE), Image.Resampling.NEAREST) for each in features]
    vertices, over = body(pose).vertices, [picture.copy() for picture in plain]
    pixels = drawn.camera.project(vertices)
    for number, picture in enumerate(over):
        front = draw_mesh((SIDE, SIDE), vertices[number], pixels[number], body.faces)
        picture.paste(front, (0, 0), front)
    return on_top_of_each_other([beside_each_other(row) for row in (plain, maps, over)])


if __name__ == "__main__":
    main()
