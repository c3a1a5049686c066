"""``probbody fit``: pictures and keypoints in, bodies out."""

import errno
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import PosePrior
from probbody.data.files import refused_kindly
from probbody.data.keypoints import People, check_inside, read_keypoints
from probbody.errors import BadInput
from probbody.pictures import read_picture

from ..maximum import NonFiniteError
from .outputs import MESHES, finished, write_people
from .parts import body_named, device_named, prior_named
from .people import CONFIDENT, FEWEST, FittedPeople, Settings, enough_seen, fit_people

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Parts:
    """What every picture of a run is fitted with."""

    body: SkinnedBody
    prior: PosePrior
    settings: Settings
    meshes: tuple[str, ...]


def run_fit(
    image: Path,
    keypoints: Path,
    out: Path,
    *,
    body: str = "coarse",
    prior: str = "vae",
    layout: str | None = None,
    device: str = "auto",
    settings: Settings | None = None,
    meshes: tuple[str, ...] = ("glb",),
    again: bool = False,
) -> None:
    """Fit one picture or a folder of them; a picture that was finished before is passed over.

    The results of each picture are written whole when it is done, so that an interrupted run loses only the one in work.
    In a folder a picture that cannot be used is named and passed over, and the run ends with ``BadInput`` after the others.
    """
    for kind in meshes:
        if kind not in MESHES:
            raise BadInput(f"--mesh: expected some of {', '.join(MESHES)}, found {kind!r}.")
    _check_place(out)
    place = device_named(device)
    torch.set_num_threads(1)  # these tensors are small: a second thread only waits for the first
    parts = _parts(body, prior, place, settings or Settings(), meshes)
    if not image.is_dir():
        if finished(out / image.stem, image.name) and not again:
            print(f"{out / image.stem}: finished before, left as it is (--again fits anew)")
            return
        with tqdm(desc=image.name, unit=" steps", leave=False, disable=None) as bar:
            work = _fitted(image, keypoints, layout, parts, lambda done, total: _advance(bar, done, total))
        _write(out / image.stem, image, work, parts)
        return
    _fit_folder(image, keypoints, out, layout, parts, again=again)


def _fit_folder(folder: Path, keypoints: Path, out: Path, layout: str | None, parts: Parts, *, again: bool) -> None:
    pictures = pictures_in(folder)
    places = {picture: out / name for picture, name in zip(pictures, names_of_results(pictures), strict=True)}
    left = [picture for picture in pictures if not finished(places[picture], picture.name) or again]
    refused = []
    for picture in tqdm(left, desc="pictures", initial=len(pictures) - len(left), total=len(pictures), disable=None):
        try:
            work = _fitted(picture, keypoints, layout, parts)
        except BadInput as error:
            tqdm.write(str(error), file=sys.stderr)
            refused.append(picture.name)
            continue
        _write(places[picture], picture, work, parts)  # what cannot be written ends the run: the next could not either
    if refused:
        raise BadInput(f"{folder}: {len(refused)} of {len(pictures)} pictures could not be used: {', '.join(refused)}.")


def read_people(image: Path, keypoints: Path, layout: str | None) -> People:
    """The people of one picture, from a file, or from the file in a folder that is named after the picture."""
    if keypoints.is_dir():
        names = [f"{name}{ending}" for name in (image.name, image.stem) for ending in ("_keypoints.json", ".json")]
        found = next((keypoints / name for name in names if (keypoints / name).exists()), None)
        if found is None:
            raise BadInput(f"{keypoints}: expected {names[2]} or {names[3]} for {image.name}, found neither.")
        keypoints = found
    return read_keypoints(keypoints, image=image.name, layout=layout)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, in the order of their names."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not found:
        raise BadInput(f"{folder}: expected pictures ({', '.join(PICTURES)}), found none.")
    return found


def names_of_results(pictures: list[Path]) -> list[str]:
    """A folder's name for each picture: its stem, or its whole name where the stem could stand for another one."""
    stems = Counter(picture.stem for picture in pictures)
    whole = {picture.name for picture in pictures}
    return [p.stem if stems[p.stem] == 1 and p.stem not in whole else p.name for p in pictures]


@dataclass(frozen=True)
class _Work:
    photograph: Image.Image
    people: FittedPeople
    passed_over: dict[str, int]


def _fitted(
    image: Path,
    keypoints: Path,
    layout: str | None,
    parts: Parts,
    progress: Callable[[int, int], None] | None = None,
) -> _Work:
    photograph = read_picture(image)
    people, passed_over = enough_seen(read_people(image, keypoints, layout), str(image))
    for name, count in passed_over.items():
        few = f"keypoints of confidence {CONFIDENT:g} or more: {count}, expected {FEWEST}"
        tqdm.write(f"{image}: person {name} passed over ({few})")
    check_inside(people, (photograph.height, photograph.width), str(image))
    try:
        fitted = fit_people(photograph, people, parts.body, parts.prior, parts.settings, progress)
    except NonFiniteError as error:
        raise BadInput(f"{image}: expected a fit with finite numbers, but {error}.") from error
    return _Work(photograph, fitted, passed_over)


def _write(where: Path, image: Path, work: _Work, parts: Parts) -> None:
    told = write_people(
        where, work.photograph, work.people, parts.meshes, picture=image.name, passed_over=work.passed_over
    )
    for person, report in enumerate(told):
        share = 100 * float(str(report["reprojection_error"]))
        flag = "" if report["converged"] else ", not converged"
        tqdm.write(f"{where / f'person_{person}'}: keypoints within {share:.1f} % of the box{flag}")


def _parts(body: str, prior: str, place: torch.device, settings: Settings, meshes: tuple[str, ...]) -> Parts:
    solid, expected = body_named(body), prior_named(prior)
    if expected.num_joints > len(solid.parents) - 1:
        raise BadInput(
            f"--body: expected a body of {expected.num_joints + 1} joints or more, which the priors of whole people move, "
            f"found {len(solid.parents)} joints in {body}."
        )
    return Parts(solid.to(place), expected.to(place), settings, meshes)


def _check_place(out: Path) -> None:
    """Refuses a place that cannot be written to before anything is fitted."""
    with refused_kindly(out):
        standing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
        if not standing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "is a file", str(standing))
        if not os.access(standing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission", str(standing))


def _advance(bar: tqdm, done: int, total: int) -> None:
    bar.total = total
    bar.update(min(done, total) - bar.n)
