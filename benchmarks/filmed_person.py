"""One standing person in four calibrated videos, found in pixels alone, against joints marked in the same frames.

The detections and joints that come with these videos are of another moment, when the person stood elsewhere
(``fits_of_a_rig.py`` starts from them); they say nothing of these frames. So 12 joints and the top of the head were marked by
eye in one frame of each view (``filmed_person.json``), and their places follow from the four rays of each. Each camera's
picture may be shifted as a whole meanwhile, as the cameras were moved by up to 20 px since they were calibrated; then the marks
agree to about 5 px, 1 cm. The person stands still, with the arms out, two cameras see the back, and faces are blurred.

Frames are decoded by PyAV (``pip install av``), or read from a folder of pictures: ``cam01/5.png`` is the sixth of the first
camera.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from fits_of_a_rig import fitted_joints, read_views
from jaxtyping import Float
from marked_people import METHODS, fitted_by_all
from PIL import Image
from torch import Tensor
from verdicts import AtLeast, Target

from probbody.bodies.joints import BODY25B
from probbody.bodies.open_body import open_body
from probbody.data.json_files import read_json
from probbody.data.keypoints import People
from probbody.extractors import LearntFeatures
from probbody.geometry.cameras import PinholeCamera
from probbody.inference.cli.boxes import keypoint_boxes
from probbody.inference.cli.fitted import FittedPeople
from probbody.inference.cli.outputs import sheet
from probbody.inference.cli.ways import Looked
from probbody.metrics import pa_mpjpe
from probbody.pictures import read_picture
from probbody.priors import vae_prior

FRAMES = (5, 0, 10)
"""The first is the one that was marked."""
LIMBS = 12
"""The first so many points are the joints of the limbs."""
TOLD = (*METHODS, "marks")
"""The last was told the marks of its view: what one view and the body allow."""


@dataclass(frozen=True)
class View:
    """Some frames of one camera, and the marks in them, which lend methods their box alone."""

    name: str
    frames: list[Image.Image]
    camera: PinholeCamera
    marks: Float[Tensor, "B 25 3"]

    def looked(self) -> list[Looked]:
        """As a way from pixels to bodies is asked."""
        names = tuple(str(number) for number in range(len(self.frames)))
        boxes = keypoint_boxes(People(self.marks, BODY25B.name, None, names))
        return [Looked(Path(self.name), frame, boxes=boxes[[n]]) for n, frame in enumerate(self.frames)]


@dataclass(frozen=True)
class Film:
    """What was filmed, and where the marked points are in the cameras' world."""

    views: list[View]
    """Empty where the frames cannot be had."""
    names: list[str]
    truth: Float[Tensor, "P 3"]
    left: Float[Tensor, "views P"]
    """How far marks are from it, pixels."""

    @classmethod
    def read(
        cls, data: Path, frames: Path | None, chosen: tuple[int, ...] = FRAMES, count: int | None = None
    ) -> "Film":
        """Some frames of the first ``count`` cameras."""
        folder = data / "multiview" / "pose2sim_static"
        cameras = [camera[[0]] for camera in read_views(folder, slice(0, 1))[0]]
        marked = read_json(Path(__file__).with_suffix(".json"))
        names = marked["joints"]
        marks = torch.stack([torch.tensor(marked[f"cam0{number + 1}"]).float() for number in range(len(cameras))])
        truth, left = triangulated(cameras, marks)
        views = list(_views(folder, frames, chosen, cameras[:count], _as_keypoints(marks, names)))
        return cls(views, names, truth, left)


def measure(
    data: Path, frames: Path | None, learnt: LearntFeatures, pictures: Path | None, quick: bool
) -> list[Target | AtLeast]:
    """PA-MPJPE for each camera; nothing but a sentence where the frames cannot be had."""
    print("\n2. one standing person in four calibrated cameras, one at a time, focal lengths known")
    chosen = FRAMES[:1] if quick else FRAMES
    film = Film.read(data, frames, chosen, 1 if quick else None)
    if not film.views:
        print("not measured: the videos cannot be decoded here; pip install av, or give --frames")
        return []
    left, names = film.left, film.names
    print(f"marks by eye, which agree to {float(left.median()):.0f} px (median), {float(left.max()):.0f} px (worst)")
    print(f"median PA-MPJPE over {len(chosen)} frame(s), mm: {LIMBS} joints of the limbs")
    print(f"{'':12}" + "".join(f"{name:>12}" for name in TOLD))
    every: list[Float[Tensor, "M B"]] = []
    for view in film.views:
        found = _joints(view, names, learnt, pictures)
        target = film.truth.expand(len(chosen), -1, -1)[:, :LIMBS]
        every.append(torch.stack([pa_mpjpe(found[name][:, :LIMBS], target) for name in TOLD]))
        _print_row(view.name, every[-1])
    pooled = torch.cat(every, dim=1)
    _print_row("all cameras", pooled)
    told = dict(zip(TOLD, pooled.median(1).values.tolist(), strict=True))
    return [
        Target("filmed person: PA-MPJPE of 3DNBF less the regressor's", told["3DNBF"] - told["regressor"], 0.0, " mm")
    ]


def triangulated(
    cameras: list[PinholeCamera], marks: Float[Tensor, "views P 2"], rounds: int = 200
) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "views P"]]:
    """The points nearest to the rays through their marks, each view shifted as a whole, and how many pixels are left over."""
    shift = marks.new_zeros(len(cameras), 1, 2)
    for _ in range(rounds):
        rays = [camera.rays((mark + move)[None]) for camera, mark, move in zip(cameras, marks, shift, strict=True)]
        origins, ways = (torch.cat(each) for each in zip(*rays, strict=True))
        across = torch.eye(3) - ways.unsqueeze(-1) * ways.unsqueeze(-2)
        points = torch.linalg.solve(across.sum(0), (across @ origins.unsqueeze(-1)).sum(0)).squeeze(-1)
        off = torch.cat([camera.project(points[None])[..., :2] for camera in cameras]) - marks
        shift = off.mean(1, keepdim=True)
    return points, (off - shift).norm(dim=-1)


def _as_keypoints(marks: Float[Tensor, "views P 2"], names: list[str]) -> Float[Tensor, "views 25 3"]:
    held = torch.zeros(len(marks), len(BODY25B), 3)
    held[:, [BODY25B.index(name) for name in names]] = torch.cat([marks, torch.ones_like(marks[..., :1])], -1)
    return held


def _joints(
    view: View, names: list[str], learnt: LearntFeatures, pictures: Path | None
) -> dict[str, Float[Tensor, "B P 3"]]:
    """The points marked, as each method finds them."""
    fits = fitted_by_all(view.looked(), learnt, float(view.camera.focal[0].mean()))
    if pictures is not None:
        sheet(view.frames[0], fits["3DNBF"][0], 0).save(pictures / f"filmed_{view.name}.png")
    index = [BODY25B.index(name) for name in names]
    found = {name: torch.cat([_of(fitted) for fitted in several])[:, index] for name, several in fits.items()}
    return found | {"marks": fitted_joints(view.camera, view.marks, names, open_body(), vae_prior())}


@torch.no_grad()
def _of(fitted: FittedPeople) -> Float[Tensor, "B P 3"]:
    return fitted.body.keypoints(fitted.surface, BODY25B.name)


def _print_row(name: str, errors: Float[Tensor, "M B"]) -> None:
    print(f"{name:12}" + "".join(f"{error:12.1f}" for error in errors.median(1).values.tolist()), flush=True)


def _views(
    folder: Path,
    frames: Path | None,
    chosen: tuple[int, ...],
    cameras: list[PinholeCamera],
    marks: Float[Tensor, "views 25 3"],
) -> Iterator[View]:
    """The cameras whose frames can be had."""
    for number, camera in enumerate(cameras):
        name, rows = f"cam0{number + 1}", [0] * len(chosen)
        pictures = _frames(folder / f"{name}.mp4", frames, name, chosen)
        if pictures:
            yield View(name, pictures, camera[rows], marks[[number] * len(chosen)])


def _frames(video: Path, frames: Path | None, name: str, chosen: tuple[int, ...]) -> list[Image.Image]:
    if frames is not None:
        return [read_picture(frames / name / f"{frame}.png") for frame in chosen]
    try:
        av = importlib.import_module("av")
    except ImportError:
        return []
    with av.open(str(video)) as held:
        decoded = [frame.to_image() for frame in held.decode(video=0)]
    return [decoded[frame] for frame in chosen]
