"""Bodies of every shape brought into one pose, arms and legs straight, by the skinning of their own rig."""

import numpy as np
from jaxtyping import Float

from .makehuman import MakeHuman

_LIMBS = {  # bone -> the bone that it points at
    "thigh": "calf",
    "calf": "foot",
    "upperarm": "lowerarm",
    "lowerarm": "hand",
    "hand": "middle_01",
}
_FINGERS = ("index", "middle", "ring", "pinky")
_UNCURLED = 0.6  # how much of the curl of the fingers is taken out
_FOREARM_SHARE = 0.5  # of the twist between elbow and palm


def t_posed(
    source: MakeHuman, vertices: Float[np.ndarray, "N A 3"]
) -> tuple[Float[np.ndarray, "N A 3"], Float[np.ndarray, "N E 3"]]:
    """Vertices and bone heads in the T-pose: palms down, elbows hinged about the vertical, feet forward.

    Helpers without weights follow no bone and are not to be used; eyeballs follow the head.
    """
    heads = np.stack([vertices[:, own].mean(axis=1) for own in source.heads], axis=1)
    turns = _turns(source, heads)
    places = np.zeros_like(heads)
    for bone, parent in enumerate(source.parents):
        places[:, bone] = heads[:, bone]
        if parent >= 0:
            offset = heads[:, bone] - heads[:, parent]
            places[:, bone] = places[:, parent] + (turns[:, parent] @ offset[..., None])[..., 0]
    shifts = places - (turns @ heads[..., None])[..., 0]
    posed = np.zeros(vertices.shape)
    for bone in range(len(source.bones)):  # bone by bone: a body has 53 of them and few vertices follow each
        own = np.flatnonzero(source.weights[:, bone])
        moved = vertices[:, own] @ turns[:, bone].transpose(0, 2, 1) + shifts[:, None, bone]
        posed[:, own] += source.weights[own, bone, None] * moved
    return posed / source.weights.sum(axis=1).clip(1e-9)[:, None], places


def _turns(source: MakeHuman, heads: Float[np.ndarray, "N E 3"]) -> Float[np.ndarray, "N E 3 3"]:
    """How each bone turns from its place at rest, in world axes."""
    turns = np.broadcast_to(np.eye(3), (*heads.shape[:2], 3, 3)).copy()
    at = {name: heads[:, number] for number, name in enumerate(source.bones)}
    for number, name in enumerate(source.bones):
        bone, _, side = name.rpartition("_")
        parent = source.parents[number]
        if side not in ("l", "r"):
            continue
        out = np.array([1.0 if side == "l" else -1.0, 0.0, 0.0])
        if bone in ("thigh", "calf"):
            turns[:, number] = _shortest(at[f"{_LIMBS[bone]}_{side}"] - at[name], np.array([0.0, -1.0, 0.0]))
        elif bone == "foot":
            along = (at[f"ball_{side}"] - at[name]) * [1.0, 0.0, 1.0]
            turns[:, number] = _shortest(along, np.array([0.0, 0.0, 1.0]))
        elif bone in ("upperarm", "lowerarm", "hand"):
            turns[:, number] = _arm(at, bone, side, out)
        elif bone.startswith(_FINGERS):
            turns[:, number] = _finger(at, bone, side, out, turns[:, source.bones.index(f"hand_{side}")])
        elif parent >= 0:
            turns[:, number] = turns[:, parent]
    return turns


def _arm(
    at: dict[str, Float[np.ndarray, "N 3"]], bone: str, side: str, out: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "N 3 3"]:
    """The bone along x; the elbow's hinge (its natural bend shows it) upright, the knuckles level, index finger first."""
    forearm = at[f"hand_{side}"] - at[f"lowerarm_{side}"]
    hinge = np.cross(forearm, at[f"lowerarm_{side}"] - at[f"upperarm_{side}"]) * out[0]
    knuckles = at[f"index_01_{side}"] - at[f"pinky_01_{side}"]
    hand = at[f"middle_01_{side}"] - at[f"hand_{side}"]
    if bone == "upperarm":
        return _aligned(at[f"lowerarm_{side}"] - at[f"upperarm_{side}"], hinge, out, np.array([0.0, 1.0, 0.0]))
    if bone == "hand":
        return _aligned(hand, knuckles, out, np.array([0.0, 0.0, 1.0]))
    by_elbow = _aligned(forearm, hinge, out, np.array([0.0, 1.0, 0.0]))
    level = (_shortest(hand, forearm) @ knuckles[..., None])[..., 0]
    by_palm = _aligned(forearm, level, out, np.array([0.0, 0.0, 1.0]))
    between = by_palm @ by_elbow.transpose(0, 2, 1)  # about x
    angle = np.arctan2(between[:, 2, 1], between[:, 1, 1])
    return _about(np.array([1.0, 0.0, 0.0]), _FOREARM_SHARE * angle) @ by_elbow


def _finger(
    at: dict[str, Float[np.ndarray, "N 3"]],
    bone: str,
    side: str,
    out: Float[np.ndarray, "3"],
    hand: Float[np.ndarray, "N 3 3"],
) -> Float[np.ndarray, "N 3 3"]:
    """The phalanx as the hand turns it, and then a share of the way back to level."""
    finger, number = bone.split("_")
    last = min(int(number), 2)
    along = at[f"{finger}_0{last + 1}_{side}"] - at[f"{finger}_0{last}_{side}"]
    along = (hand @ along[..., None])[..., 0]
    sag = np.arctan2(-along[:, 1], along[:, 0] * out[0])
    return _about(np.array([0.0, 0.0, 1.0]), _UNCURLED * sag * out[0]) @ hand


def _unit(vectors: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _aligned(
    along: Float[np.ndarray, "N 3"],
    across: Float[np.ndarray, "N 3"],
    to: Float[np.ndarray, "3"],
    up: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "N 3 3"]:
    """The rotation that takes ``along`` to ``to``, and ``across`` as near as it can to ``up``."""
    first = _unit(along)
    second = _unit(across - (across * first).sum(-1, keepdims=True) * first)
    here = np.stack([first, second, np.cross(first, second)], axis=-1)
    there = np.stack([to, up, np.cross(to, up)], axis=-1)
    return there @ here.transpose(0, 2, 1)


def _shortest(start: Float[np.ndarray, "N 3"], end: Float[np.ndarray, "*E 3"]) -> Float[np.ndarray, "N 3 3"]:
    """The rotation about the common normal that takes one direction to the other."""
    a, b = _unit(start), np.broadcast_to(_unit(end), start.shape)
    axis = np.cross(a, b)
    return _about(
        axis / np.linalg.norm(axis, axis=-1, keepdims=True).clip(1e-12),
        np.arctan2(np.linalg.norm(axis, axis=-1), (a * b).sum(-1)),
    )


def _about(axis: Float[np.ndarray, "*E 3"], angle: Float[np.ndarray, " N"]) -> Float[np.ndarray, "N 3 3"]:
    """Rotation about a unit axis (Rodrigues)."""
    axis = np.broadcast_to(axis, (len(angle), 3))
    zero = np.zeros(len(angle))
    x, y, z = axis.T
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + s * cross + (1 - c) * cross @ cross
