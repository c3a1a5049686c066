"""Names of data sets meet their readers, the joints that they are judged by, and where in a folder their files are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from probbody.bodies.joints import H36M17
from probbody.bodies.open_body import open_body
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.smpl import smpl
from probbody.data.annotated import AnnotatedPeople, LabelledPoints, people_joined
from probbody.data.coco_eft import read_eft
from probbody.data.human36m import read_h36m
from probbody.data.mpi_inf_3dhp import read_3dhp_test
from probbody.data.oh3d50k import read_oh3d50k
from probbody.data.pw3d import OCCLUDED, SPLITS, read_pw3d
from probbody.errors import BadInput
from probbody.quantities import Pose

from ..evaluate.judged import H36M, LSP14, SMPL22, Judged
from ..evaluate.measured import OF_3DHP, OF_BOXES, PUBLISHED, Measure
from ..evaluate.method import Method
from ..evaluate.on_set import OnSet
from .boxes import BEYOND
from .crops import MARGIN

AROUND_JOINTS = MARGIN * (1 + 2 * BEYOND)
"""Of crops around boxes that just hold the joints."""
MPJPE, PA_MPJPE, PCKH = PUBLISHED
REGRESSOR = "J_regressor_h36m.npy"


@dataclass(frozen=True)
class KnownSet:
    """One that ``--set`` may name."""

    title: str
    read: Callable[[Path], AnnotatedPeople]
    """From the folder that holds it."""
    judged: Judged
    margin: float
    """Of crops around its boxes."""
    measures: Sequence[Measure]
    every: int = 1
    """Of its people one in so many is measured, as published."""


def _3dhp(folder: Path) -> AnnotatedPeople:
    takes = sorted(each for each in folder.glob("TS*") if each.is_dir())
    if not takes:
        raise BadInput(f"{folder}: expected the test sequences of MPI-INF-3DHP, TS1 to TS6, found none.")
    return people_joined([read_3dhp_test(take) for take in takes])


def _coco(folder: Path) -> AnnotatedPeople:
    fits = sorted(folder.glob("COCO2014-*.json"))
    if len(fits) != 1:
        raise BadInput(f"{folder}: expected one file of EFT fits, COCO2014-*.json, found {len(fits)}.")
    return read_eft(fits[0], keypoints=folder / "annotations" / "person_keypoints_train2014.json")


def _h36m(protocol: int) -> KnownSet:
    """As SPIN wrote it: protocol 1 has all cameras, 2 the frontal one."""

    def read(folder: Path) -> AnnotatedPeople:
        return read_h36m(folder / f"h36m_valid_protocol{protocol}.npz")

    return KnownSet(f"Human3.6M, protocol {protocol}", read, LSP14, 1.0, (MPJPE, PA_MPJPE))


_IN_METRES = (MPJPE, PA_MPJPE, OF_BOXES[0])
SETS: dict[str, KnownSet] = {
    "3dpw": KnownSet("3DPW", read_pw3d, SMPL22, AROUND_JOINTS, _IN_METRES, 30),
    "3dpw-occ": KnownSet(
        "3DPW-Occ", lambda folder: read_pw3d(folder, SPLITS, OCCLUDED), SMPL22, AROUND_JOINTS, _IN_METRES, 1
    ),
    "h36m-p1": _h36m(1),
    "h36m-p2": _h36m(2),
    "3dhp": KnownSet("MPI-INF-3DHP", _3dhp, H36M, AROUND_JOINTS, (MPJPE, PA_MPJPE, *OF_3DHP)),
    "coco-eft": KnownSet("COCO-EFT", _coco, LSP14, 1.0, OF_BOXES),
    "3doh": KnownSet("3DOH50K", read_oh3d50k, LSP14, MARGIN, (MPJPE, PA_MPJPE, PCKH)),
}
"""In their published layouts. Boxes of HMR's family are crops already."""


def trial_on_set(
    name: str,
    folder: Path | None,
    bodies: Path | None,
    pictures: tuple[int, int] | None,
    size: tuple[int, int],
    victim: Method | None = None,
) -> OnSet:
    """The set of that name, of which only the people from one number to before another are taken, if told.

    With ``bodies``, a folder of licensed SMPL files, the truth is the 14 joints of published tables on the set's SMPL bodies.
    """
    if folder is None:
        raise BadInput(f"--set {name}: expected --folder, where the data set is, found none.")
    if not folder.is_dir():
        raise BadInput(f"--folder: expected a folder with {SETS[name].title}, found none at {folder}.")
    known = SETS[name]
    people = known.read(folder)[:: known.every]
    if pictures is not None:
        first, last = pictures
        if len(people) <= first:
            words = f"expected some of the {len(people)} people of {known.title}"
            raise BadInput(f"--pictures: {words}, found {first}:{last}.")
        people = people[first:last]
    if bodies is not None:
        people, known = posed_by_smpl(people, bodies), replace(known, judged=LSP14)
    return OnSet(
        known.title,
        people,
        folder,
        known.judged,
        margin=known.margin,
        size=size,
        body=open_body(),
        measures=known.measures,
        victim=victim,
    )


def posed_by_smpl(people: AnnotatedPeople, folder: Path) -> AnnotatedPeople:
    """The same people, whose joints are Human3.6M's of their SMPL bodies, each of its sex."""
    if people.smpl is None:
        raise BadInput(f"--smpl: expected a set with SMPL bodies, found none in {people.source}.")
    sexes = people.sexes or ("neutral",) * len(people)
    bodies = {sex: _body(folder, sex) for sex in dict.fromkeys(sexes)}
    shift = people.smpl.translation
    places = torch.zeros(len(people), len(H36M17), 3)
    for sex, body in bodies.items():
        rows = [row for row, each in enumerate(sexes) if each == sex]
        labels = people.smpl[rows]
        shape = labels.shape[:, : body.num_shape]
        where = shape.new_zeros(len(rows), 3) if labels.translation is None else labels.translation
        with torch.no_grad():
            places[rows] = body.keypoints(body(Pose(labels.rotations, shape, where)), H36M17.name)
    points = LabelledPoints(places, torch.ones(places.shape[:2]), H36M17, rooted=shift is None)
    licence = "; ".join(dict.fromkeys([people.licence, *(body.licence for body in bodies.values())]))
    return replace(people, joints=points, licence=licence)


def _body(folder: Path, sex: str) -> SkinnedBody:
    files = [each for each in sorted(folder.glob("*")) if each.suffix.lower() in (".npz", ".pkl")]
    own = [each for each in files if sex in each.stem.lower().replace("-", "_").split("_")]
    if len(own) != 1:
        raise BadInput(f"{folder}: expected one SMPL file (.npz, .pkl) with {sex} in its name, found {len(own)}.")
    if not (folder / REGRESSOR).is_file():
        raise BadInput(f"{folder}: expected {REGRESSOR}, by which published joints are taken, found none.")
    return smpl(own[0], h36m=folder / REGRESSOR)
