"""Whether a network that misjudges a body misreads its joints too, and what its maps of joints would add if it did not.

``python benchmarks/wrong_together.py [--data FOLDER] [--pictures N] [--seed N] [--quick]``. Drawn pictures that nothing was
learnt from (``learned_scenes.py``), clean and behind random patches of 80 px. First how far off joints are in the picture: by
the network's guess of the body, by its own maps of joints, by those of the second network that ships; and how errors of two of
them go together: their mean product over the root of their mean squares, each axis held to ``FAR``. Then the guess, put right
by places of the joints in the picture as far as the covariance of its errors says (``GuessErrors`` and nothing else: no prior,
no features, no bones): by what the maps say; by places with the maps' errors, taken from other pictures; by the true ones.
Maps count as they are sure, and the less the further they are off from the rest.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from learned_scenes import SELECTION, RandomPatch, unseen_pictures
from torch import Tensor
from torch.func import jacrev, vmap
from verdicts import Target

from probbody.bodies.open_body import open_body
from probbody.extractors import LearntFeatures
from probbody.extractors.guess_errors import GuessErrors, joint_codes
from probbody.extractors.shipped import second_features, shipped_features
from probbody.extractors.spots import likeliest_spots
from probbody.geometry.cameras import PinholeCamera
from probbody.inference.evaluate.on_synthocc import OnSynthOcc
from probbody.metrics import pa_mpjpe
from probbody.quantities import Record, joined
from probbody.synthocc import JOINTS, Clean, Condition

BATCH = 16
FAR, SCALE = 0.1, 0.02
"""Shares of the picture's width: where errors are held, and the standard deviation of a place, which has tails."""
ROUNDS, LONGEST = 12, 0.2
"""Steps towards the likeliest joints, and the longest of them along an axis, metres."""
CONDITIONS: tuple[Condition, ...] = (Clean(), RandomPatch(80))


@dataclass(frozen=True)
class Read(Record):
    """What two networks say of pictures, and the truth; places are in shares of the picture's width."""

    guess: Float[Tensor, "B E"]
    """The first network's first guess, as ``joint_code`` has it; ``depth`` is its root's."""
    depth: Float[Tensor, " B"]
    width: Float[Tensor, " B"]
    camera: PinholeCamera
    joints: Float[Tensor, "B J 3"]
    shown: Bool[Tensor, "B J"]
    maps: Float[Tensor, "B 2 J 3"]
    """Where each network's maps have the joints, and how surely."""

    def places(self, joints: Float[Tensor, "B J 3"]) -> Float[Tensor, "B J 2"]:
        """Joints in the picture."""
        return self.camera.project(joints)[..., :2] / self.camera.size[1]

    def guessed(self) -> Float[Tensor, "B J 3"]:
        """The guess as joints."""
        return joints_of(self.guess, self.depth)


def joints_of(code: Float[Tensor, "B E"], depth: Float[Tensor, " B"]) -> Float[Tensor, "B J 3"]:
    """What ``joint_code`` was made from, where the camera's frame is the world."""
    away = code[:, -1:].exp()
    root = torch.cat([code[:, -3:-1] / depth[:, None] * away, away], dim=1).unsqueeze(1)
    return torch.cat([root, root + code[:, :-3].unflatten(1, (-1, 3))], dim=1)


@torch.no_grad()
def read(trial: OnSynthOcc, condition: Condition, first: LearntFeatures, second: LearntFeatures) -> Read:
    """All pictures of a trial."""
    body, found = open_body(), []
    for start in range(0, len(trial), BATCH):
        scenes = condition.scenes(trial.benchmark, slice(start, min(start + BATCH, len(trial))))
        images, camera = scenes.pictures.images, scenes.pictures.camera
        reading, other = first.read(images, camera), second.reader.read(images, camera)
        assert reading.spots is not None
        assert other.spots is not None
        guesses = torch.stack([body(pose).joints for pose in (reading.pose, *reading.others)], dim=1)
        codes, depth = joint_codes(guesses, camera)
        maps = torch.stack([likeliest_spots(spots, camera.size) for spots in (reading.spots, other.spots)], dim=1)
        maps[..., :2] /= camera.size[1]
        joints = scenes.pictures.joints
        shown = torch.nn.functional.pad(
            scenes.shown, (0, joints.shape[1] - scenes.shown.shape[1])
        )  # hands are not told of
        found.append(Read(codes[:, 0], depth, GuessErrors.spread(codes), camera, joints, shown, maps))
    return joined(found)


def put_right(of: Read, errors: GuessErrors, told: Float[Tensor, "B J 3"]) -> Float[Tensor, "B J 3"]:
    """The likeliest joints given the guess and places, each as sure as it is, normal with tails: Gauss and Newton's rounds."""

    def seen(code: Tensor, depth: Tensor, focal: Tensor, centre: Tensor) -> Tensor:
        joints = joints_of(code[None], depth[None])[0]
        return (joints[:, :2] / joints[:, 2:] * focal + centre) / of.camera.size[1]

    places, sure = told[..., :2], told[..., 2]
    guess, known = of.guess, (of.depth, of.camera.focal, of.camera.centre)
    wide = of.width[:, None, None] * errors.scale
    trust = torch.cholesky_inverse(wide)  # of the guess: the inverse of its errors' covariance
    code = guess
    for _ in range(ROUNDS):
        off = places - vmap(seen)(code, *known)
        slope = vmap(jacrev(seen))(code, *known)
        weight = sure / SCALE**2 / (1 + 0.5 * (off / SCALE).square().sum(-1))
        pull = (slope * weight[..., None, None]).flatten(1, 2).mT
        hessian = trust + pull @ slope.flatten(1, 2)
        downhill = pull @ off.flatten(1).unsqueeze(-1) - trust @ (code - guess).unsqueeze(-1)
        step = torch.linalg.solve(hessian, downhill).squeeze(-1)
        code = code + step * (LONGEST / step.abs().amax(1, keepdim=True)).clamp_max(1)
    return joints_of(code, of.depth)


def strangers(
    maps: Float[Tensor, "B J 3"], true: Float[Tensor, "B J 2"], shown: Bool[Tensor, "B J"]
) -> Float[Tensor, "B J 3"]:
    """The true places with the errors of another picture's map, shown joints with those of shown ones, and how sure it was."""
    generator = torch.Generator().manual_seed(0)
    found = maps.clone()
    for joint in range(maps.shape[1]):
        for some in (shown[:, joint], ~shown[:, joint]):
            rows = some.nonzero().flatten()
            other = rows[torch.randperm(len(rows), generator=generator)]
            found[rows, joint, :2] = true[rows, joint] + (maps[other, joint, :2] - true[other, joint])
            found[rows, joint, 2] = maps[other, joint, 2]
    return found


def together(one: Float[Tensor, "N 2"], other: Float[Tensor, "N 2"]) -> float:
    """How far errors go together: 1 where they are the same, 0 where they have nothing to do with each other."""
    one, other = one.clamp(-FAR, FAR), other.clamp(-FAR, FAR)
    return float((one * other).mean() / (one.square().mean() * other.square().mean()).sqrt())


def tell_errors(of: Read, name: str) -> float:
    """How far off joints are in the picture, and what goes together; returns that of guess and maps, of joints one sees."""
    true, several = of.places(of.joints), {"guess": of.places(of.guessed())}
    several |= {"maps": of.maps[:, 0, :, :2], "second's maps": of.maps[:, 1, :, :2]}
    inside = ((true > 0) & (true < 1)).all(-1)
    inside[:, JOINTS:] = False
    of_shown = torch.nan
    for words, some in (("shown", of.shown & inside), ("hidden", ~of.shown & inside)):
        off = {key: (place - true)[some] for key, place in several.items()}
        middle = ", ".join(
            f"{key} {100 * float(each.norm(dim=-1).median()):.1f} %" for key, each in off.items() if len(each)
        )
        pairs = [("guess", "maps"), ("guess", "second's maps"), ("maps", "second's maps")]
        shares = ", ".join(f"{a} and {b} {together(off[a], off[b]):.2f}" for a, b in pairs)
        print(f"{name}, {int(some.sum())} joints {words}: off by (median) {middle}; together: {shares}")
        of_shown = together(off["guess"], off["maps"]) if words == "shown" else of_shown
    return of_shown


def tell_corrections(of: Read, errors: GuessErrors, name: str) -> None:
    """PA-MPJPE of the guess, put right by this and that."""
    true, truth = of.places(of.joints), of.joints[:, :JOINTS]
    first, second = of.maps.unbind(1)
    ways = {
        "its maps": first,
        "maps as far off, their errors of other pictures": strangers(first, true, of.shown),
        "the second network's maps": second,
        "those as far off, of other pictures": strangers(second, true, of.shown),
        "true places of joints that are shown": torch.cat([true, of.shown[..., None].to(true)], dim=-1),
    }
    before = pa_mpjpe(of.guessed()[:, :JOINTS], truth)
    print(f"{name:6s} {'the guess':50s} {float(before.mean()):6.1f} mm")
    for words, told in ways.items():
        after = pa_mpjpe(put_right(of, errors, told)[:, :JOINTS], truth)
        less, error = after - before, float((after - before).std()) / len(before) ** 0.5
        print(
            f"{name:6s} {words:50s} {float(after.mean()):6.1f} mm, {float(less.mean()):+5.1f} (standard error {error:.1f})"
        )
    print()


def main() -> None:
    """Print both tables and the targets; exit code 1 if one is missed."""
    options = _options()
    torch.set_num_threads(1)
    trial = unseen_pictures(options.data, 16 if options.quick else options.pictures, options.seed)
    first, second = shipped_features(), second_features()
    print(
        f"{len(trial)} drawn pictures that nothing was learnt from, seed {options.seed}; shares of the picture's width\n"
    )
    targets = []
    for condition in CONDITIONS:
        of = read(trial, condition, first, second)
        share = tell_errors(of, condition.name)
        tell_corrections(of, first.guesses[0], condition.name)
        words = f"how far errors of guess and maps go together where joints are shown, {condition.name}"
        targets.append(Target(words, share, 0.2))
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


def _options() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    asked.add_argument("--data", type=Path, default=Path(os.environ.get("PROBBODY_DATA", beside)))
    asked.add_argument("--pictures", type=int, default=400)
    asked.add_argument("--seed", type=int, default=SELECTION)
    asked.add_argument("--quick", action="store_true")
    return asked.parse_args()


if __name__ == "__main__":
    main()
