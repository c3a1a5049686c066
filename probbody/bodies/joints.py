"""The joint sets that people use: which points they name, in which order, which bones join them, how they mirror.

Joints of the limbs share one name across the sets, although their centres differ by a centimetre or two between
datasets (most at the hips). Points of the middle line differ by more, and so have names of their own: the ``neck`` of SMPL
is a joint of the spine, that of OpenPose lies between the shoulders (``mid_shoulder``), that of Human3.6M and LSP is the
base of the neck (``thorax``), that of MPII and BODY_25B the top of it (``upper_neck``); ``pelvis`` is SMPL's root joint,
``mid_hip`` the middle of the hips. Each set keeps the words of its authors as aliases, so that
``joint_set("openpose25").index("neck")`` is 1.

References: COCO (arXiv:1405.0312), OpenPose (arXiv:1812.08008), Human3.6M (Ionescu et al., TPAMI 2014), SMPL (Loper et
al., 2015), MANO and SMPL-H (arXiv:2201.02610), SMPL-X (arXiv:1904.05866).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import BadInput


@dataclass(frozen=True)
class JointSet:
    """Named points in an order: ``edges`` are the bones to draw, ``mirror[p]`` the joint on the other side of joint ``p``."""

    name: str
    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    mirror: tuple[int, ...]
    aliases: tuple[tuple[str, str], ...] = ()
    """(the set's own word, the name here) where they differ."""

    def __len__(self) -> int:
        return len(self.names)

    def index(self, joint: str) -> int:
        """Where a joint stands, by its name or by the set's own word for it."""
        joint = dict(self.aliases).get(joint, joint)
        if joint not in self.names:
            raise BadInput(f"joint: {self.name} has no {joint!r}; its joints are {', '.join(self.names)}.")
        return self.names.index(joint)


@dataclass(frozen=True)
class Conversion:
    """Points carried from one joint set to another; absent ones are zero, with confidence zero, and named in ``missing``."""

    points: Float[Tensor, "*B Q D"]
    present: Bool[Tensor, " Q"]
    confidence: Float[Tensor, "*B Q"] | None
    missing: tuple[str, ...]


def joint_set(layout: str) -> JointSet:
    """The joint set of that name; ``lsp14`` is another word for ``h36m14``, ``smpl`` for ``smpl24``."""
    if layout not in _SETS:
        raise BadInput(f"layout: {layout!r} is no joint set known here; known are {', '.join(sorted(_SETS))}.")
    return _SETS[layout]


def convert(
    points: Float[Tensor, "*B P D"],
    source: str,
    target: str,
    *,
    confidence: Float[Tensor, "*B P"] | None = None,
    strict: bool = False,
) -> Conversion:
    """The points of ``target`` that ``source`` has, by name; ``mid_hip`` and ``mid_shoulder`` are derived where need be.

    Coordinates are of any kind and dimension (pixels, metres). A derived point is the mean of its parts and as sure as the
    least sure of them. With ``strict``, joints that cannot be had raise ``BadInput``, which names them all.
    """
    here, there = joint_set(source), joint_set(target)
    if points.shape[-2] != len(here):
        raise BadInput(f"points: {source} has {len(here)} joints, but {points.shape[-2]} were given.")
    parts = [_parts(joint, here.names) for joint in there.names]
    missing = tuple(name for name, own in zip(there.names, parts, strict=True) if not own)
    if strict and missing:
        raise BadInput(f"points: {source} has no {', '.join(missing)}, which {target} asks for.")
    placed = [points[..., own, :].mean(-2) if own else torch.zeros_like(points[..., 0, :]) for own in parts]
    carried = None
    if confidence is not None:
        least = [confidence[..., own].amin(-1) if own else torch.zeros_like(confidence[..., 0]) for own in parts]
        carried = torch.stack(least, dim=-1)
    present = torch.tensor([bool(own) for own in parts], device=points.device)
    return Conversion(torch.stack(placed, dim=-2), present, carried, missing)


def convert_keypoints(
    keypoints: Float[Tensor, "*B P 3"], source: str, target: str, *, strict: bool = False
) -> Float[Tensor, "*B Q 3"]:
    """``convert`` for detections (u, v, confidence): pixels and a weight; what is missing has confidence zero."""
    found = convert(keypoints[..., :2], source, target, confidence=keypoints[..., 2], strict=strict)
    assert found.confidence is not None
    return torch.cat([found.points, found.confidence[..., None]], dim=-1)


_DERIVED = {"mid_hip": ("left_hip", "right_hip"), "mid_shoulder": ("left_shoulder", "right_shoulder")}


def _parts(joint: str, names: Sequence[str]) -> list[int]:
    """The source joints whose mean is the joint; none where it cannot be had."""
    own = (joint,) if joint in names else _DERIVED.get(joint, ())
    return [names.index(part) for part in own] if all(part in names for part in own) else []


def _other_side(name: str) -> str:
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


def _joints(name: str, names: Sequence[str], chains: Sequence[str], **aliases: str) -> JointSet:
    """A joint set from its names and from chains of bones; a chain that begins with ``*`` exists on both sides."""
    both = [
        " ".join(side + joint if side + joint in names else joint for joint in chain.removeprefix("*").split())
        for chain in chains
        for side in (("left_", "right_") if chain.startswith("*") else ("",))
    ]
    edges = [pair for chain in both for pair in pairwise(names.index(joint) for joint in chain.split())]
    mirror = tuple(names.index(_other_side(joint)) for joint in names)
    return JointSet(name, tuple(names), tuple(dict.fromkeys(edges)), mirror, tuple(aliases.items()))


def _pairs(*joints: str) -> list[str]:
    return [f"{side}_{joint}" for joint in joints for side in ("left", "right")]


def _side(side: str, *joints: str) -> list[str]:
    return [f"{side}_{joint}" for joint in joints]


_LEG, _ARM, _FOOT = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"), ("big_toe", "small_toe", "heel")
_LIMBS = ("*hip knee ankle", "*shoulder elbow wrist")
_FACE, _FEET = "*nose eye ear", ("*ankle big_toe small_toe", "*ankle heel")
_HAND = [f"{finger}{bone}" for finger in ("index", "middle", "pinky", "ring", "thumb") for bone in (1, 2, 3)]
_FINGERS = [f"wrist {finger}1 {finger}2 {finger}3" for finger in ("index", "middle", "pinky", "ring", "thumb")]

_COCO = ["nose", *_pairs("eye", "ear", *_ARM, *_LEG)]
_COCO_BONES = ("left_hip right_hip", "left_shoulder right_shoulder", "*shoulder hip", _FACE, *_LIMBS)
COCO17 = _joints("coco17", _COCO, _COCO_BONES)
BODY25B = _joints(
    "body25b",
    [*_COCO, "upper_neck", "head_top", *_side("left", *_FOOT), *_side("right", *_FOOT)],
    (*_COCO_BONES, *_FEET, "*shoulder upper_neck", "upper_neck head_top"),
    neck="upper_neck",
)
OPENPOSE25 = _joints(
    "openpose25",
    [
        *("nose", "mid_shoulder", *_side("right", *_ARM), *_side("left", *_ARM)),
        *("mid_hip", *_side("right", *_LEG), *_side("left", *_LEG)),
        *("right_eye", "left_eye", "right_ear", "left_ear", *_side("left", *_FOOT), *_side("right", *_FOOT)),
    ],
    ("mid_hip mid_shoulder nose", "*mid_hip hip", "*mid_shoulder shoulder", _FACE, *_LIMBS, *_FEET),
    neck="mid_shoulder",
    pelvis="mid_hip",
)

_H36M_MIDDLE, _H36M_ARMS = ["spine", "thorax", "head_h36m", "head_top"], _side("left", *_ARM) + _side("right", *_ARM)
_H36M_BONES = ("mid_hip spine thorax head_h36m head_top", "*mid_hip hip", "*thorax shoulder", *_LIMBS)
H36M17 = _joints(  # the order of the joint regressor that evaluations on Human3.6M, 3DPW and MPI-INF-3DHP share
    "h36m17",
    ["mid_hip", *_side("left", *_LEG), *_side("right", *_LEG), *_H36M_MIDDLE, *_H36M_ARMS],
    _H36M_BONES,
    pelvis="mid_hip",
    neck="thorax",
    head="head_h36m",
)
H36M17_MMPOSE = _joints(  # right leg first; its "head" is the top, its "neck_base" the point between neck and nose
    "h36m17_mmpose",
    ["mid_hip", *_side("right", *_LEG), *_side("left", *_LEG), *_H36M_MIDDLE, *_H36M_ARMS],
    _H36M_BONES,
    root="mid_hip",
    neck_base="head_h36m",
    head="head_top",
)
H36M_TO_J14 = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)
"""Which of the 17 are scored, in the order of LSP: right ankle to hip, left hip to ankle, the arms likewise, neck, head top."""
H36M14 = _joints(
    "h36m14",
    [H36M17.names[joint] for joint in H36M_TO_J14],
    ("thorax head_top", "left_hip right_hip", "*thorax shoulder hip", *_LIMBS),
    neck="thorax",
)

_SPINE = "pelvis spine1 spine2 spine3 neck head"
_SMPL22 = ["pelvis", *_pairs("hip"), "spine1", *_pairs("knee"), "spine2", *_pairs("ankle"), "spine3", *_pairs("foot")]
_SMPL22 += ["neck", *_pairs("collar"), "head", *_pairs("shoulder", "elbow", "wrist")]
_SMPL_BONES = (_SPINE, "*pelvis hip knee ankle foot", "*spine3 collar shoulder elbow wrist")
_HANDS = [*_side("left", *_HAND), *_side("right", *_HAND)]
SMPL24 = _joints("smpl24", [*_SMPL22, *_pairs("hand")], (*_SMPL_BONES, "*wrist hand"))
SMPLH52 = _joints("smplh52", [*_SMPL22, *_HANDS], (*_SMPL_BONES, *(f"*{finger}" for finger in _FINGERS)))
SMPLX55 = _joints(
    "smplx55",
    [*_SMPL22, "jaw", "left_eyeball", "right_eyeball", *_HANDS],
    (*_SMPL_BONES, "head jaw", "*head eyeball", *(f"*{finger}" for finger in _FINGERS)),
)
MANO16 = _joints("mano16", ["wrist", *_HAND], _FINGERS)  # one hand, left or right as the file has it

_ALL = (COCO17, BODY25B, OPENPOSE25, H36M17, H36M17_MMPOSE, H36M14, SMPL24, SMPLH52, SMPLX55, MANO16)
_SETS = {known.name: known for known in _ALL} | {"lsp14": H36M14, "smpl": SMPL24}
