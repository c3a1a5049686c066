"""Two minutes of learning: a small network comes to tell parts, joints and points of bodies in pictures drawn for it."""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from probbody.bodies.open_body import open_body
from probbody.extractors.small_unet import SmallUNet
from probbody.inference.learn.feature_data import lesson_of
from probbody.inference.learn.feature_pictures import progress_sheet
from probbody.inference.learn.feature_settings import FeatureTraining
from probbody.inference.learn.feature_training import examined, train_features
from probbody.inference.learn.lesson import Lesson
from probbody.inference.learn.picture_pool import pooled
from probbody.priors import vae_prior
from probbody.synth import DrawnBackdrops, Pictures, PriorPoses

SIDE = 128
"""Pixels of the pictures; the network that ships reads 192, has twice the weights and learnt for hours."""


class FewPictures:
    """Batches of some pictures that were drawn once, with what is known of them."""

    def __init__(self, pictures: Pictures, count: int, seed: int) -> None:
        self.body, self.seed = pictures.body, seed
        self.drawn = pooled(pictures.draw(seed, torch.arange(count)))

    def __call__(self, step: int, size: int) -> Lesson:
        """The batch of a step: the same whenever it is asked for."""
        generator = torch.Generator().manual_seed(1_000 * self.seed + step)
        chosen = torch.randperm(len(self.drawn), generator=generator)[:size]
        return lesson_of(self.drawn[chosen], self.body)


def main() -> None:
    """Draw, learn, measure on pictures that were not learnt from, show."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true", help="few pictures, few steps")
    ask.add_argument("--picture", type=Path, default=Path("train_a_tiny_reader.png"), help="where to draw it")
    given = ask.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)

    body, begun = open_body(), time.monotonic()
    pictures = Pictures(body, PriorPoses(vae_prior()), DrawnBackdrops(), (SIDE, SIDE))
    learnt_from, unseen = (FewPictures(pictures, *of) for of in ((64 if given.quick else 1_500, 0), (64, 1)))
    print(f"{len(learnt_from.drawn)} pictures drawn, {time.monotonic() - begun:.0f} s")

    training = FeatureTraining(steps=12 if given.quick else 500, batch=16, rate=3e-3, average=0.97, log_every=6)
    trunk = SmallUNet(widths=(16, 24, 48, 80, 128), blocks=(0, 0, 1, 1))
    with tempfile.TemporaryDirectory() as folder:  # a checkpoint that is kept can be gone on from: resume=True
        run = train_features(learnt_from, body, Path(folder) / "tiny", training, trunk=trunk, progress=False)
    first, last = run.log[0]["points"], run.log[-1]["points"]
    print(f"contrast: {last:.2f} nats a point, {first:.2f} at first; {time.monotonic() - begun:.0f} s")

    measured = examined(run, body, unseen, 64)
    print(f"in new pictures {measured.nearest:.0%} of points are found within 10 cm, by chance 2 %;")
    print(f"{measured.told_apart:.0%} of pairs of a place on a body and one elsewhere are told apart;")
    print(f"joints are {measured.mpjpe:.0f} mm away, those of the mean pose {measured.mean_mpjpe:.0f} mm")
    progress_sheet(run, unseen(0, 2 if given.quick else 6)).save(given.picture)
    print(f"{given.picture} shows pictures, features, parts, and the guessed (red) and true (green) joints")


if __name__ == "__main__":
    main()
