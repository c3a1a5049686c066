"""``probbody fit``: pictures and keypoints in, bodies out."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import PosePrior
from probbody.data.keypoints import People, check_inside, read_keypoints
from probbody.errors import BadInput
from probbody.pictures import read_picture

from ..maximum import NonFiniteError
from .outputs import MESHES, write_people
from .parts import body_named, device_named, prior_named
from .people import Settings, fit_people

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
    for kind in set(meshes) - set(MESHES):
        raise BadInput(f"--mesh: expected some of {', '.join(MESHES)}, found {kind!r}.")
    settings = settings or Settings()
    place = device_named(device)
    torch.set_num_threads(1)  # these tensors are small: a second thread only waits for the first
    parts = Parts(body_named(body).to(place), prior_named(prior).to(place), settings, meshes)
    if not image.is_dir():
        where = out / image.stem
        if where.exists() and not again:
            print(f"{where}: finished before, left as it is (--again fits anew)")
            return
        people = read_people(image, keypoints, layout)
        _fit_one(image, people, where, parts)
        return
    pictures = pictures_in(image)
    left = [picture for picture in pictures if again or not (out / _name(picture, pictures)).exists()]
    refused = []
    for picture in tqdm(left, desc="pictures", initial=len(pictures) - len(left), total=len(pictures), disable=None):
        try:
            people = read_people(picture, keypoints, layout)
            _fit_one(picture, people, out / _name(picture, pictures), parts)
        except BadInput as error:
            tqdm.write(str(error), file=sys.stderr)
            refused.append(picture.name)
    if refused:
        raise BadInput(f"{image}: {len(refused)} of {len(pictures)} pictures could not be used: {', '.join(refused)}.")


def read_people(image: Path, keypoints: Path, layout: str | None) -> People:
    """The people of one picture, from a file, or from the file in a folder that is named after the picture."""
    if keypoints.is_dir():
        names = (f"{image.stem}_keypoints.json", f"{image.stem}.json")
        found = next((keypoints / name for name in names if (keypoints / name).exists()), None)
        if found is None:
            raise BadInput(f"{keypoints}: expected {' or '.join(names)} for {image.name}, found neither.")
        keypoints = found
    return read_keypoints(keypoints, image=image.name, layout=layout)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, in the order of their names."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not found:
        raise BadInput(f"{folder}: expected pictures ({', '.join(PICTURES)}), found none.")
    return found


def _name(picture: Path, pictures: list[Path]) -> str:
    """The folder of a picture's results: its stem, or its whole name where two share the stem."""
    return picture.stem if sum(other.stem == picture.stem for other in pictures) == 1 else picture.name


def _fit_one(image: Path, people: People, where: Path, parts: Parts) -> None:
    photograph = read_picture(image)
    check_inside(people, (photograph.height, photograph.width), str(image))
    try:
        fitted = fit_people(photograph, people, parts.body, parts.prior, parts.settings)
    except NonFiniteError as error:
        raise BadInput(f"{image}: expected a fit with finite numbers, but {error}.") from error
    for person, told in enumerate(write_people(where, photograph, fitted, parts.meshes)):
        share = 100 * float(str(told["reprojection_error"]))
        flag = "" if told["converged"] else ", not converged"
        tqdm.write(f"{where / f'person_{person}'}: keypoints within {share:.1f} % of the box{flag}")
