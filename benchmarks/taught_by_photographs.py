"""What learning on from photographs is worth: fits to marked keypoints as labels, each photograph left out in turn.

``python benchmarks/taught_by_photographs.py --pool POOL [--data FOLDER] [--frames FOLDER] [--steps N] [--real N] [--out FOLDER]
[--seed N] [--quick]``. The shipped network learns on from drawn pictures of the pool and, ``--real`` of each 24, crops of real
people, posed as a fit to their keypoints has them. Real people are those of COCO's openly licensed photographs and the filmed
person of ``filmed_person.py``. Nobody is measured by a network that saw their photograph: for each photograph, and for the
film, the network learns on anew from all the others; "drawn alone" learns on as long from the pool only. Networks are kept in
the folder, and a run that was stopped goes on after the last whole one. What is measured is the network's own guess, from one
look: what features say of a body is kept as it shipped, so fits by these networks would mean little.
"""

import argparse
import os
import sys
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

import torch
from filmed_person import FRAMES, LIMBS, Film
from jaxtyping import Float
from keypoint_shares import pck, pck_less, shares
from marked_people import away_from, marked_people
from PIL import Image
from torch import Tensor
from tqdm import tqdm
from verdicts import AtLeast, Target

from probbody.bodies.joints import BODY25B
from probbody.bodies.open_body import open_body
from probbody.bodies.skinned import SkinnedBody
from probbody.data.keypoints import People
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.rest_joints import RestJoints
from probbody.extractors.shipped import load_features, save_features, shipped_features
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.crops import Crop
from probbody.geometry.meshes import vertex_normals
from probbody.inference.cli.boxes import keypoint_boxes
from probbody.inference.cli.crops import MARGIN
from probbody.inference.cli.people import Settings, fit_people, focal_of
from probbody.inference.learn.feature_checkpoint import begin_with
from probbody.inference.learn.feature_data import Lessons, PoolLessons
from probbody.inference.learn.feature_run import draws
from probbody.inference.learn.feature_settings import FeatureTraining
from probbody.inference.learn.feature_training import new_run
from probbody.inference.learn.lesson import Lesson
from probbody.inference.learn.norms import settle_norms
from probbody.inference.learn.picture_pool import STRIDE, PicturePool
from probbody.metrics import pa_mpjpe
from probbody.pictures import as_array
from probbody.priors import vae_prior
from probbody.quantities import Pose, joined
from probbody.render import MeshRenderer

BATCH = 24
WAYS = 16
"""Crops of each person to learn from, every other one mirrored."""
NEAR = 0.025
"""Metres behind what a pixel shows within which a vertex still counts as seen."""
FILM = "film"
SHIPPED, DRAWN, REAL = "shipped", "drawn alone", "real too"
TOLD = (SHIPPED, DRAWN, REAL)


@dataclass(frozen=True)
class RealPeople:
    """People of one photograph or film, a row each, as a fit to their keypoints has them."""

    name: str
    pictures: tuple[Float[Tensor, "3 H W"], ...]
    people: People
    usual: PinholeCamera
    """As one would take it that has only the picture."""
    fitted: PinholeCamera
    pose: Pose
    """In the frame of both cameras."""
    truth: dict[str, Float[Tensor, " 3"]] | None = None
    """Where joints are, by name, in some frame; None where that is not known."""

    def cut(self, boxes: Float[Tensor, "B 4"], size: tuple[int, int]) -> tuple[Float[Tensor, "B 3 H W"], Crop]:
        """What boxes (left, top, right, bottom) hold."""
        crop = Crop.around(boxes, size, MARGIN)
        rows = [crop[torch.tensor([row])].warp(picture[None]) for row, picture in enumerate(self.pictures)]
        return torch.cat(rows).clamp(0, 1), crop

    def guessed(self, reader: PersonReader) -> Pose:
        """What a network takes them for, from their boxes alone."""
        images, crop = self.cut(keypoint_boxes(self.people), reader.size)
        with torch.no_grad():
            return reader.read(images, crop.camera(self.usual)).pose

    def away(self, pose: Pose, body: SkinnedBody) -> Float[Tensor, "B P"]:
        """How far keypoints are off, in longer sides of the box; NaN where none is marked."""
        places = self.usual.project(body.keypoints(body(pose), self.people.layout))[..., :2]
        return away_from(self.people, places, self._sides())

    def _sides(self) -> Float[Tensor, " B"]:
        boxes = keypoint_boxes(self.people)
        return (boxes[:, 2:] - boxes[:, :2]).amax(-1)

    def lessons(self, body: SkinnedBody, size: tuple[int, int], generator: torch.Generator) -> list[Lesson]:
        """Crops of them to learn from."""
        rest, found = RestJoints.of(body), []
        boxes, extent = keypoint_boxes(self.people), self._sides()[:, None]
        for way in range(WAYS):
            draw = 2 * torch.rand(len(boxes), 3, generator=generator) - 1
            middle = (boxes[:, 2:] + boxes[:, :2]) / 2 + 0.08 * extent * draw[:, :2]
            half = extent / 2 * (0.2 * draw[:, 2:]).exp()
            images, crop = self.cut(torch.cat([middle - half, middle + half], 1), size)
            camera, pose = crop.camera(self.fitted), self.pose
            if way % 2:
                images, camera, pose = images.flip(3), camera.mirrored(), rest.mirrored(pose)
            found.append(_lesson(images, camera, pose, body))
        return found


class Mixed:
    """Batches that are part of drawn pictures, part of real ones."""

    def __init__(self, drawn: Lessons, real: Lesson | None, share: int, seed: int) -> None:
        self.drawn, self.real, self.share, self.seed = drawn, real, share, seed

    def __call__(self, step: int, size: int) -> Lesson:
        """The same for the same step."""
        if self.real is None:
            return self.drawn(step, size)
        count = self.share * size // BATCH
        chosen = torch.randint(len(self.real), (count,), generator=draws(self.seed, step))
        return joined([self.drawn(step, size - count), self.real[chosen]])


def main() -> None:
    """Print the table and the targets; exit code 1 if one is missed."""
    options = _options()
    torch.set_num_threads(1)
    body = open_body()
    everybody = _everybody(options, body)
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"learnt on for {options.steps} steps of {BATCH} pictures, {options.real} of them real; seed {options.seed}")
    drawn = _taught([], DRAWN, body, options)
    found: dict[str, dict[str, Pose]] = {}
    for each in everybody:
        others = [other for other in everybody if other is not each]
        real = _taught(others, f"without {each.name}", body, options)
        readers = {SHIPPED: _shipped(), DRAWN: drawn, REAL: real}
        found[each.name] = {name: each.guessed(reader) for name, reader in readers.items()}
    targets = _told(everybody, found, body)
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


def _told(everybody: list[RealPeople], found: dict[str, dict[str, Pose]], body: SkinnedBody) -> list[Target | AtLeast]:
    """A line for each photograph, one for all, one for the film."""
    photographed = [each for each in everybody if each.truth is None]
    away = {n: [each.away(found[each.name][n], body) for each in photographed] for n in TOLD}
    print(
        "\nguess of the network that did not see the photograph, one look; PCK at 0.2 (0.1) of the longer side of the box"
    )
    print(f"{'picture':20}{'people':>8}" + "".join(f"{name:>14}" for name in TOLD))
    for number, each in enumerate(photographed):
        print(f"{each.name:20}{len(each.people):8}" + "".join(shares(away[name][number]) for name in TOLD))
    pooled = {name: torch.cat(rows) for name, rows in away.items()}
    names = tuple(name for each in photographed for name in each.people.names)
    print(f"{'all keypoints':28}" + "".join(shares(pooled[name]) for name in TOLD))
    for limit in (0.2, 0.1) if len(names) > 1 else ():
        for other in (SHIPPED, DRAWN):
            less = pck_less(pooled[REAL], pooled[other], limit, names)
            print(f"{REAL} less {other}, at {limit}: {less.estimate:+.3f} [{less.low:+.3f}, {less.high:+.3f}]")
    gained = pck(pooled[REAL], 0.2) - pck(pooled[DRAWN], 0.2)
    words = "PCK at 0.2 with real pictures less that with drawn ones alone"
    targets: list[Target | AtLeast] = [AtLeast(words, gained, 0.0)]
    for film in (each for each in everybody if each.truth is not None):
        errors = {name: _off(film, found[film.name][name], body) for name in TOLD}
        print(f"{film.name + ', median PA-MPJPE, mm':28}" + "".join(f"{float(errors[n].median()):14.1f}" for n in TOLD))
        closer = float(errors[REAL].median() - errors[DRAWN].median())
        targets.append(
            Target("film: PA-MPJPE with photographs less that with drawn pictures alone", closer, 0.0, " mm")
        )
    return targets


def _off(film: RealPeople, pose: Pose, body: SkinnedBody) -> Float[Tensor, " B"]:
    """PA-MPJPE of the limbs' joints, mm."""
    assert film.truth is not None
    joints = body.keypoints(body(pose), BODY25B.name)[:, [BODY25B.index(name) for name in film.truth]]
    return pa_mpjpe(joints, torch.stack(list(film.truth.values())).expand(len(joints), -1, -1))


def _everybody(options: argparse.Namespace, body: SkinnedBody) -> list[RealPeople]:
    """Those of each photograph, and of the film if its frames can be had."""
    found = []
    for marked in marked_people(options.data / "photos" / "coco_ccby", options.quick):
        found.append(_as_fitted(marked.path.stem, marked.photograph, marked.people, body))
    film = Film.read(options.data, options.frames, FRAMES[:1] if options.quick else FRAMES)
    views = []
    for view in film.views:
        focal = float(view.camera.focal[0].mean())
        for number, frame in enumerate(view.frames):
            one = People(view.marks[[number]], BODY25B.name, None, (f"{view.name} {number}",))
            views.append(_as_fitted(FILM, frame, one, body, focal))
    if not views:
        print("without the film: its videos cannot be decoded here; pip install av, or give --frames")
        return found
    names = tuple(each.people.names[0] for each in views)
    people = People(torch.cat([each.people.keypoints for each in views]), BODY25B.name, None, names)
    usual, fitted, pose = (joined([getattr(each, name) for each in views]) for name in ("usual", "fitted", "pose"))
    pictures = tuple(each.pictures[0] for each in views)
    limbs = {name: place for name, place in zip(film.names[:LIMBS], film.truth[:LIMBS], strict=True)}
    return [*found, RealPeople(FILM, pictures, people, usual, fitted, pose, limbs)]


def _as_fitted(
    name: str, photograph: Image.Image, people: People, body: SkinnedBody, focal: float | None = None
) -> RealPeople:
    fitted = fit_people(photograph, people, body, vae_prior(), Settings(focal))
    assumed, _ = focal_of(photograph, Settings(focal))
    usual = PinholeCamera.looking_ahead(assumed, (photograph.height, photograph.width), batch=len(people))
    return RealPeople(name, (as_array(photograph),) * len(people), people, usual, fitted.camera, fitted.fit.pose)


@torch.no_grad()
def _lesson(images: Float[Tensor, "B 3 H W"], camera: PinholeCamera, pose: Pose, body: SkinnedBody) -> Lesson:
    """Pictures with what a bare body in that pose shows; what hides it is not known."""
    surface = body(pose)
    maps = MeshRenderer(samples=1).maps(surface, camera)
    middle = slice(STRIDE // 2, None, STRIDE)
    shown = maps.vertex[:, middle, middle]
    parts = torch.where(shown < 0, 0, 1 + body.weights.argmax(-1)[shown.clamp_min(0)])
    points = camera.project(surface.vertices)
    (height, width), pixel = camera.size, points[..., :2].floor().long()
    inside = ((pixel >= 0) & (pixel < torch.tensor([width, height]))).all(-1)
    place = pixel[..., 1].clamp(0, height - 1) * width + pixel[..., 0].clamp(0, width - 1)
    near = points[..., 2] <= maps.depth.flatten(1).gather(1, place) + NEAR
    towards = vertex_normals(surface.vertices, surface.faces) * surface.vertices  # cameras are at the origin
    visible, hidden = inside & near & (towards.sum(-1) < 0), torch.zeros_like(parts, dtype=torch.bool)
    return Lesson(images, camera, pose, surface, parts, parts > 0, hidden, visible)


def _taught(others: list[RealPeople], name: str, body: SkinnedBody, options: argparse.Namespace) -> PersonReader:
    """The shipped network after learning on, from the pool and others; the one that is kept, if there is one."""
    # networks of a run with other settings are not taken up
    settings = f"{options.steps}_{options.rate:g}_{options.real}_{options.seed}"
    path = options.out / f"{name.replace(' ', '_')}_{settings}.safetensors"
    shipped = shipped_features()
    if not path.exists():
        generator = torch.Generator().manual_seed(options.seed)
        size = _shipped().size
        real = [lesson for each in others for lesson in each.lessons(body, size, generator)]
        pool = PoolLessons(PicturePool(options.pool), body, options.seed)
        training = FeatureTraining(
            steps=options.steps, batch=BATCH, rate=options.rate, warm_up=30, average=0.99, seed=options.seed
        )
        lessons = Mixed(pool, joined(real) if real else None, options.real, options.seed)
        run = new_run(body, training, None, pool)
        with as_file(files("probbody.assets") / "person_reader.safetensors") as weights:
            begin_with(run, weights)
        for step in tqdm(range(options.steps), desc=name, disable=None):
            run.advance(lessons(step, BATCH))
        settle_norms(run.average, pool, training.variation, 512 if not options.quick else 64)
        save_features(path, replace(shipped, reader=run.average))
    reader = load_features(path).reader
    assert isinstance(reader, PersonReader)
    return reader


def _shipped() -> PersonReader:
    reader = shipped_features().reader
    assert isinstance(reader, PersonReader)
    return reader


def _options() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    asked.add_argument("--data", type=Path, default=Path(os.environ.get("PROBBODY_DATA", beside)))
    asked.add_argument("--frames", type=Path, help="the videos' frames as pictures: cam01/0.png, ...")
    asked.add_argument("--pool", type=Path, required=True, help="drawn pictures: see probbody synth --pool")
    asked.add_argument("--steps", type=int, default=300)
    asked.add_argument("--rate", type=float, default=4e-4)
    asked.add_argument("--real", type=int, default=8, help=f"real pictures of each {BATCH}")
    asked.add_argument("--out", type=Path, default=Path("out/taught_by_photographs"))
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    if options.quick:
        options.steps = 2
    return options


if __name__ == "__main__":
    main()
