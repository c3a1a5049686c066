"""Where a person would put the joints and the keypoints on a body in the T-pose."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from .makehuman import BODY, MakeHuman

SIDES = {"left": ("l", "r"), "right": ("r", "l")}
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
_PAIRS = {  # joint of one side -> bone heads and their shares; "other" means the bone of the other side
    "hip": {"thigh": 0.925, "thigh other": 0.075},  # towards the femoral heads: 17 cm apart
    "knee": {"calf": 1.0},
    "ankle": {"foot": 1.0},
    "foot": {"ball": 1.0},
    "collar": {"clavicle": 1.0},
    "shoulder": {"upperarm": 1.0},
    "elbow": {"lowerarm": 1.0},
    "wrist": {"hand": 1.0},
    "hand": {"middle_01": 1.0},
}
_MIDDLE = {
    "pelvis": {"thigh_l": 0.275, "thigh_r": 0.275, "spine_01": 0.45},
    "spine1": {"spine_01": 1.0},
    "spine2": {"spine_02": 1.0},
    "spine3": {"spine_03": 1.0},
    "neck": {"neck_01": 1.0},
    "head": {"head": 1.0},
}
_HINGES = {"elbow": (0, 0.5), "knee": (1, 0.4)}  # the limb's axis; how far the joint is from the back skin to the front


def _both(*joints: str) -> list[str]:
    return [f"{side}_{joint}" for joint in joints for side in SIDES]


JOINTS = (
    "pelvis",
    *_both("hip"),
    "spine1",
    *_both("knee"),
    "spine2",
    *_both("ankle"),
    "spine3",
    *_both("foot"),
    "neck",
    *_both("collar"),
    "head",
    *_both("shoulder", "elbow", "wrist", "hand"),
)


def joint_shares(bones: tuple[str, ...]) -> Float[np.ndarray, "J E"]:
    """Each of the 24 joints as a weighted sum of the heads of the rig's bones."""
    shares = np.zeros((len(JOINTS), len(bones)))
    for row, joint in enumerate(JOINTS):
        side, _, name = joint.partition("_")
        if joint in _MIDDLE:
            parts = _MIDDLE[joint]
        else:
            own, other = SIDES[side]
            parts = {_bone(bone, own, other): share for bone, share in _PAIRS[name].items()}
        for bone, share in parts.items():
            shares[row, bones.index(bone)] = share
    return shares


def hinges(points: Float[np.ndarray, "A 3"], places: Float[np.ndarray, "J 3"]) -> dict[str, tuple[int, int]]:
    """The front and back vertices of elbows and knees, between which the joint lies."""
    found = {}
    for name, (axis, _) in _HINGES.items():
        for side in SIDES:
            place = places[JOINTS.index(f"{side}_{name}")]
            near = (np.abs(points[:BODY, axis] - place[axis]) < 0.012) & (points[:BODY, 0] * place[0] > 0)
            depth = points[:BODY, 2]
            found[f"{side}_{name}"] = _extreme(depth, near), _extreme(-depth, near)
    return found


def joints(
    source: MakeHuman,
    points: Float[np.ndarray, "N A 3"],
    heads: Float[np.ndarray, "N E 3"],
    hinges: Mapping[str, tuple[int, int]],
) -> Float[np.ndarray, "N J 3"]:
    """The 24 joints of bodies in the T-pose."""
    placed = np.einsum("je,ned->njd", joint_shares(source.bones), heads)
    for joint, (front, back) in hinges.items():
        share = _HINGES[joint.partition("_")[2]][1]
        placed[:, JOINTS.index(joint), 2] = share * points[:, front, 2] + (1 - share) * points[:, back, 2]
    return placed


def _bone(bone: str, own: str, other: str) -> str:
    return f"{bone.removesuffix(' other')}_{other if bone.endswith(' other') else own}"


def folded(source: MakeHuman, influences: int = 4) -> Float[np.ndarray, "A J"]:
    """The rig's 53 bones gathered into 24 joints: fingers follow the hand joint, thumbs the wrist; few influences a vertex."""
    weights = np.zeros((len(source.vertices), len(JOINTS)))
    main = {max(row, key=lambda bone: row[bone]): joint for joint, row in _MIDDLE.items() if joint != "pelvis"}
    for number, name in enumerate(source.bones):
        bone, _, letter = name.rpartition("_")
        if letter not in ("l", "r"):
            joint = main.get(name, "pelvis")
        else:
            side = "left" if letter == "l" else "right"
            owners = [own for own, row in _PAIRS.items() if bone in row]
            finger = "wrist" if bone.startswith("thumb") else "hand"
            joint = f"{side}_{owners[0] if owners else finger}"
        weights[:, JOINTS.index(joint)] += source.weights[:, number]
    first_left_out = np.sort(weights, axis=1)[
        :, [-influences - 1]
    ]  # those equal to it go too, or the sides would differ
    weights = np.where(weights > first_left_out, weights, 0)
    weights = np.round(weights / weights.sum(axis=1, keepdims=True).clip(1e-9) * 4096) / 4096
    rows = np.arange(len(weights))
    weights[rows, weights.argmax(axis=1)] += 1 - weights.sum(axis=1)
    return weights


def skin_points(source: MakeHuman, points: Float[np.ndarray, "A 3"]) -> dict[str, int]:
    """Vertices that a person would point at, found on one body in the T-pose and the same on all."""
    body = points[:BODY]
    found: dict[str, int] = {}
    eye = points[source.groups["helper-l-eye"]].mean(axis=0)
    head = body[:, 1] > eye[1] - 0.14
    middle = np.abs(body[:, 0]) < 1e-4
    nose = head & middle & (body[:, 1] < eye[1])
    found["nose"] = _extreme(body[:, 2], nose & (body[:, 1] > eye[1] - 0.06))
    found["head_top"] = _extreme(body[:, 1], middle)
    left = {
        "eye": int(source.groups["helper-l-eye"][points[source.groups["helper-l-eye"], 2].argmax()]),
        "ear": _nearest(body, _ear(eye), head & (body[:, 0] > 0)),
    }
    foot = (body[:, 0] > 0) & (body[:, 1] < body[:, 1].min() + 0.10)
    big, small = (points[source.groups[f"joint-l-toe-{toe}"]].mean(axis=0) for toe in ("1-3", "5-4"))
    inner = foot & (np.abs(body[:, 0] - big[0]) < 0.02)
    outer = foot & (np.abs(body[:, 0] - small[0]) < 0.012)
    left["big_toe"] = _extreme(body[:, 2] + 0.3 * body[:, 1], inner)
    left["small_toe"] = _extreme(body[:, 2] + 0.3 * body[:, 1], outer)
    left["heel"] = _extreme(-body[:, 2] - 0.5 * body[:, 1], foot)
    for name, vertex in left.items():
        found[f"left_{name}"], found[f"right_{name}"] = vertex, int(source.mirror[vertex])
    return found


def _ear(eye: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Where the ear canal opens, of a body of average size."""
    return np.array([0.068, eye[1] - 0.025, eye[2] - 0.062])


def _extreme(score: Float[np.ndarray, " V"], among: Float[np.ndarray, " V"] | Int[np.ndarray, " V"]) -> int:
    return int(np.where(among, score, -np.inf).argmax())


def _nearest(body: Float[np.ndarray, "V 3"], place: Float[np.ndarray, "3"], among: Int[np.ndarray, " V"]) -> int:
    return _extreme(-np.linalg.norm(body - place, axis=1), among)


def keypoints(skin: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Every keypoint as a weighted sum of joints and skin points, by name.

    ``_marked`` are the places where people point who mark photographs, and detectors after them: shoulders above the joint,
    hips below it, ankles above it, by as much as the COCO points that come with anny lie above or below our joints in the
    T-pose (27, 16 and 16 mm).
    """
    points = {name: {name: 1.0} for name in (*JOINTS, *skin)}
    for side in SIDES:
        hip, knee, ankle, shoulder = (f"{side}_{name}" for name in ("hip", "knee", "ankle", "shoulder"))
        points[f"{shoulder}_marked"] = {shoulder: 1.0, "head": 0.04, "pelvis": -0.04}  # up along the trunk
        points[f"{hip}_marked"] = {hip: 0.96, knee: 0.04}
        points[f"{ankle}_marked"] = {ankle: 0.96, knee: 0.04}
    for middle in ("hip", "shoulder"):
        halves = [points[f"{side}_{middle}_marked"] for side in SIDES]
        points[f"mid_{middle}_marked"] = {
            part: sum(half.get(part, 0.0) for half in halves) / 2 for part in {**halves[0], **halves[1]}
        }
    points["mid_hip"] = {"left_hip": 0.5, "right_hip": 0.5}
    points["mid_shoulder"] = {"left_shoulder": 0.5, "right_shoulder": 0.5}
    points["thorax"] = {"left_shoulder": 0.3, "right_shoulder": 0.3, "neck": 0.4}
    points["spine"] = {"spine3": 1.0}
    points["upper_neck"] = {"head": 0.7, "neck": 0.3}
    points["head_h36m"] = {"nose": 0.4, "head": 0.2, "left_ear": 0.2, "right_ear": 0.2}
    return points
