"""People in photographs, fitted to what annotators marked of them."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from verdicts import Target

from probbody.bodies.joints import SMPL24
from probbody.bodies.open_body import open_body
from probbody.data.keypoints import People, read_keypoints
from probbody.errors import BadInput
from probbody.inference.cli.outputs import report, sheet
from probbody.inference.cli.people import FittedPeople, Settings, enough_seen, fit_people
from probbody.metrics import reprojection_error
from probbody.pictures import read_picture
from probbody.priors import vae_prior

TALL = 60.0
"""Pixels: people whose box is lower than this are not counted."""


def measure(data: Path, quick: bool, pictures: Path | None) -> list[Target]:
    """Every annotated person of COCO's openly licensed pictures, as ``probbody fit`` treats them by default."""
    folder = data / "photos" / "coco_ccby"
    print(f"\n1. photographs: people higher than {TALL:g} px, defaults of the command line (focal lengths unknown)")
    print(
        "error: mean distance of the keypoints given, believed or not, as a share of the diagonal of the annotated box"
    )
    print(f"{'picture':14}{'person':>9}{'height px':>11}{'given':>7}{'error':>8}{'px':>7}{'lean':>6}  not believed")
    errors: list[float] = []
    for path in sorted(folder.glob("*.jpg"))[: 1 if quick else None]:
        people = read_keypoints(folder / "person_keypoints.json", image=path.name)
        try:
            people, passed_over = enough_seen(people, path.name)
        except BadInput as error:
            print(error)
            continue
        for name, count in passed_over.items():
            print(f"{path.stem:14}{name:>9}  passed over: {count} keypoints say neither where nor how large a body is")
        photograph = read_picture(path)
        fitted = fit_people(photograph, people, open_body(), vae_prior(), Settings())
        errors += _rows(path.stem, people, fitted)
        for person in range(len(people)) if pictures else ():
            assert pictures is not None
            sheet(photograph, fitted, person).save(pictures / f"{path.stem}_{people.names[person]}.png")
    error = torch.tensor(errors)
    large = int((error > 0.02).sum())
    print(
        f"{len(errors)} people, median {float(error.median()):.4f}, largest {float(error.max()):.4f}, {large} above 0.02"
    )
    for line in _SEEN_BY_EYE:
        print("  " + line)
    return [Target("photographs, median reprojection error", 100 * float(error.median()), 2.0, " %")]


def _rows(picture: str, people: People, fitted: FittedPeople) -> list[float]:
    """Prints a line for each tall person; returns their errors."""
    assert people.boxes is not None
    boxes: Float[Tensor, "B 4"] = people.boxes
    diagonal = boxes[:, 2:].norm(dim=-1)
    lean = _lean(fitted)
    error = reprojection_error(fitted.places, people.keypoints, diagonal)
    kept = []
    for person in range(len(people)):
        if boxes[person, 3] <= TALL:
            continue
        kept.append(float(error[person]))
        doubted = report(fitted, person)["keypoints_not_believed"]
        assert isinstance(doubted, list)
        given = int(people.seen()[person].sum())
        print(
            f"{picture:14}{people.names[person]:>9}{float(boxes[person, 3]):11.0f}{given:7}"
            f"{kept[-1]:8.4f}{kept[-1] * float(diagonal[person]):7.1f}{float(lean[person]):6.0f}  {', '.join(doubted)}"
        )
    return kept


def _lean(fitted: FittedPeople) -> Float[Tensor, " B"]:
    """Degrees between the line from the ankles to the neck and the plane of the picture; away from the camera is above 0."""
    joints = fitted.surface.joints
    ankles = 0.5 * (joints[:, SMPL24.index("left_ankle")] + joints[:, SMPL24.index("right_ankle")])
    up = torch.nn.functional.normalize(joints[:, SMPL24.index("neck")] - ankles, dim=-1)
    return up[:, 2].asin().rad2deg()


_SEEN_BY_EYE = (
    "seen by eye on the sheets (--pictures), which the error does not tell:",
    "- lean: people who stand lean by 12 to 33 degrees (1267515, 1306934, 1691872, 1699226, 200887), of which the camera above",
    "  the pool (129648) explains up to 20. One view hardly tells lean from shortness, and the prior of the orientation is",
    "  wide enough for a camera pitched by 20 degrees. The rider 209396 sits upright, his arms at the handlebar.",
    "- a keypoint that is right is not believed where limbs fold out of the prior's reach: 1295074 and 186932, a hip each,",
    "  1732309, a knee of somebody cut off at the hips.",
    "- 1267515, 1295074, 1699226, 1732309, 1738885 are cut by the picture's edge: what lies outside is the prior's guess.",
    "- what was not marked is guessed, plausibly but not truly: 200887's hands, which he holds before him, hang in the air;",
    "  the riders' far legs (186932, 187444) stand on air instead of lying about the horse.",
)
