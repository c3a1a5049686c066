"""``probbody fit``: pictures in, and keypoints or not; bodies out."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from tqdm import tqdm

from probbody.data.files import check_place
from probbody.errors import BadInput

from ..maximum import NonFiniteError
from ..start import ALTERNATIVES
from .by_keypoints import ByKeypoints
from .fitted import FittedPeople
from .outputs import MESHES, asked_otherwise, finished, write_people
from .parts import FEATURE_MODELS, KEYPOINTS, body_named, device_named, features_named, prior_named, with_second
from .people import Settings
from .pixels import ByPixels, Where
from .ways import Looked, Progress, Way, check_tells_apart, pictures_in


@dataclass(frozen=True)
class Asked:
    """Which parts a person asked for, by their names."""

    model: str | None = None
    """None is ``keypoints`` where there are any, else ``nbv``."""
    body: str = "coarse"
    prior: str = "vae"
    features: Path | None = None
    device: str = "auto"
    two_networks: bool = False


def run_fit(
    image: Path,
    keypoints: Path | None,
    out: Path,
    *,
    asked: Asked | None = None,
    where: Where | None = None,
    settings: Settings | None = None,
    meshes: tuple[str, ...] = ("glb",),
    again: bool = False,
) -> None:
    """Fit one picture or a folder of them; a picture that was finished before is passed over.

    The results of each picture are written whole when it is done, so that an interrupted run loses only those in work.
    In a folder a picture that cannot be used is named and passed over, and the run ends with ``BadInput`` after the others.
    """
    asked, where = asked or Asked(), replace(where or Where(), keypoints=keypoints)
    for kind in meshes:
        if kind not in MESHES:
            raise BadInput(f"--mesh: expected some of {', '.join(MESHES)}, found {kind!r}.")
    check_place(out)
    if image.is_dir():
        _check_folder(image, where)
    torch.set_num_threads(1)  # these tensors are small: a second thread only waits for the first
    way = _way(asked, where, settings)
    options = _options(asked, where, settings or Settings(), meshes)
    if not image.is_dir():
        if finished(out / image.stem, image) and not again:
            others = _with_other(asked_otherwise(out / image.stem, options))
            print(f"{out / image.stem}: finished before{others}, left as it is (--again fits anew)")
            return
        looked = way.look(image)
        with tqdm(desc=image.name, unit=" steps", leave=False, disable=None) as bar:
            people = _fitted(way, [looked], lambda done, total: _advance(bar, done, total))[0]
        if isinstance(people, BadInput):
            raise people
        _write(out / image.stem, looked, people, meshes, options)
        return
    _fit_folder(image, out, way, meshes, options, again=again)


def _check_folder(folder: Path, where: Where) -> None:
    """Refuses what would say the same of every picture."""
    if where.boxes:
        raise BadInput(f"--box: expected one picture, found {folder}, a folder; --mask takes a folder of masks.")
    if where.mask is not None and not where.mask.is_dir():
        raise BadInput(f"--mask: expected a folder of masks for {folder}, a folder, found {where.mask}.")
    if where.keypoints is not None and not where.keypoints.is_dir():
        check_tells_apart(where.keypoints, folder)


def _options(asked: Asked, where: Where, settings: Settings, meshes: tuple[str, ...]) -> dict[str, object]:
    """What was asked for, by the names of the options and as JSON keeps it; on which device is no matter."""
    told = {**asdict(asked), **asdict(where), **asdict(settings), "mesh": meshes, "box": where.boxes}
    kept = {name.replace("_", "-"): value for name, value in told.items() if name not in ("device", "boxes")}
    options: dict[str, object] = json.loads(json.dumps(kept, default=str))
    return options


def _with_other(options: Sequence[str]) -> str:
    return f" with other {', '.join(f'--{name}' for name in options)}" if options else ""


def _fit_folder(
    folder: Path, out: Path, way: Way, meshes: tuple[str, ...], options: Mapping[str, object], *, again: bool
) -> None:
    pictures = pictures_in(folder)
    places = {picture: out / name for picture, name in zip(pictures, names_of_results(pictures), strict=True)}
    stood = {picture for picture in pictures if finished(places[picture], picture) and not again}
    left = [picture for picture in pictures if picture not in stood]
    others = Counter(_with_other(asked_otherwise(places[picture], options)) for picture in stood)
    for other, count in others.items():
        if other:
            print(
                f"{out}: {count} of {len(pictures)} pictures finished before{other}, left as they are (--again fits anew)"
            )
    refused: list[str] = []
    with tqdm(desc="pictures", initial=len(pictures) - len(left), total=len(pictures), disable=None) as bar:
        for first in range(0, len(left), way.at_once):
            group = left[first : first + way.at_once]
            for picture, found in _found(way, group).items():
                if isinstance(found, BadInput):
                    tqdm.write(str(found), file=sys.stderr)
                    refused.append(picture.name)
                else:  # what cannot be written ends the run: the next could not either
                    _write(places[picture], *found, meshes, options)
            bar.update(len(group))
    if refused:
        raise BadInput(f"{folder}: {len(refused)} of {len(pictures)} pictures could not be used: {', '.join(refused)}.")


def _found(way: Way, pictures: Sequence[Path]) -> dict[Path, tuple[Looked, FittedPeople] | BadInput]:
    """What became of each picture of a group, in their order."""
    found: dict[Path, tuple[Looked, FittedPeople] | BadInput] = {}
    looked = []
    for picture in pictures:
        try:
            looked.append(way.look(picture))
        except BadInput as error:
            found[picture] = error
    for each, people in zip(looked, _fitted(way, looked), strict=True):
        found[each.path] = people if isinstance(people, BadInput) else (each, people)
    return {picture: found[picture] for picture in pictures}


def _fitted(way: Way, looked: Sequence[Looked], progress: Progress | None = None) -> Sequence[FittedPeople | BadInput]:
    """The people of each picture; where one of them meets numbers that are not finite the others are fitted without it."""
    try:
        return way.fit(looked, progress) if looked else []
    except NonFiniteError as error:
        if len(looked) == 1:
            refusal = BadInput(f"{looked[0].path}: expected a fit with finite numbers, but {error}.")
            refusal.__cause__ = error
            return [refusal]
        return [people for each in looked for people in _fitted(way, [each])]


def _write(
    where: Path, looked: Looked, people: FittedPeople, meshes: tuple[str, ...], options: Mapping[str, object]
) -> None:
    told = write_people(
        where, looked.photograph, people, meshes, picture=looked.path.name, sha256=looked.sha256, asked=options,
        passed_over=looked.passed_over,
    )  # fmt: skip
    for person, report in enumerate(told):
        tqdm.write(f"{where / f'person_{person}'}: {in_words(report)}")


def in_words(report: dict[str, object]) -> str:
    """What ``fit.json`` says, for somebody who waits."""
    if "told" in report:
        return str(report["told"])
    said = []
    if "reprojection_error" in report:
        said.append(f"keypoints within {100 * float(str(report['reprojection_error'])):.1f} % of the box")
    if "evidence_nats" in report:
        said.append(f"{float(str(report['evidence_nats'])):.0f} nats of evidence")
    return ", ".join([*said, *([] if report["converged"] else ["not converged"])])


def names_of_results(pictures: list[Path]) -> list[str]:
    """A folder's name for each picture: its stem, or its whole name where the stem could stand for another one."""
    stems = Counter(picture.stem for picture in pictures)
    whole = {picture.name for picture in pictures}
    return [p.stem if stems[p.stem] == 1 and p.stem not in whole else p.name for p in pictures]


def _way(asked: Asked, where: Where, settings: Settings | None) -> Way:
    """The parts that were asked for, put together."""
    name = asked.model or (FEATURE_MODELS[0] if where.keypoints is None else KEYPOINTS)
    if name not in (*FEATURE_MODELS, KEYPOINTS):
        raise BadInput(f"--model: expected one of {', '.join((*FEATURE_MODELS, KEYPOINTS))}, found {name!r}.")
    if where.boxes and where.mask is not None:
        raise BadInput("--box, --mask: expected one of them, found both.")
    if where.layout is not None and where.keypoints is None:
        raise BadInput(f"--layout: expected --keypoints beside it, found {where.layout!r} alone.")
    place = device_named(asked.device)
    body, prior = body_named(asked.body), prior_named(asked.prior)
    if prior.num_joints > len(body.parents) - 1:
        raise BadInput(
            f"--body: expected a body of {prior.num_joints + 1} joints or more, which the priors of whole people move, "
            f"found {len(body.parents)} joints in {asked.body}."
        )
    body, prior = body.to(place), prior.to(place)
    if name != KEYPOINTS:
        if settings is not None and settings.starts > ALTERNATIVES:
            raise BadInput(
                f"--starts: expected at most {ALTERNATIVES} from pixels (as guessed, turned, mirrored, both),"
                f" found {settings.starts}."
            )
        learnt = features_named(asked.features, body, place)
        learnt = with_second(learnt) if asked.two_networks else learnt
        return ByPixels(where, body, prior, learnt, settings or Settings(), name)
    if where.keypoints is None:
        raise BadInput("--model keypoints: expected --keypoints, found none.")
    if where.boxes or where.mask is not None or asked.features is not None or asked.two_networks:
        raise BadInput(
            "--box, --mask, --features, --two-networks: expected --model nbv or neural-smpl, which look at the picture, "
            "found keypoints."
        )
    return ByKeypoints(where.keypoints, where.layout, body, prior, settings or Settings())


def _advance(bar: tqdm, done: int, total: int) -> None:
    bar.total = total
    bar.update(min(done, total) - bar.n)
