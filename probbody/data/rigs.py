"""The rigs that motion files come in, and which of their joints are which of SMPL's."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..bodies.joints import SMPL24
from ..errors import BadInput
from ..geometry.rotations import matrix_to_axis_angle
from .bvh import BvhMotion, Skeleton, read_bvh
from .motion import Clip, Motion


@dataclass(frozen=True)
class Rig:
    """A rig by the joints that it gives to SMPL's; several that follow each other turn as their product.

    ``metres`` is the file's unit of length. Where ``first_is_rest``, frame 0 is a T-pose set by hand, against which the
    rotations are taken; otherwise the zero pose is the T-pose. Where ``first_is_set``, as it then is, frame 0 is no motion.
    """

    name: str
    joints: dict[str, tuple[str, ...]]
    metres: float
    first_is_rest: bool
    first_is_set: bool = False

    def fits(self, skeleton: Skeleton) -> bool:
        """Whether the skeleton has every joint that this rig needs."""
        return all(name in skeleton.names for chain in self.joints.values() for name in chain)


def _both(pairs: dict[str, tuple[str, ...]], sides: tuple[str, str]) -> dict[str, tuple[str, ...]]:
    return {
        f"{side}_{joint}": tuple(name.replace("?", word) for name in chain)
        for joint, chain in pairs.items()
        for side, word in zip(("left", "right"), sides, strict=True)
    }


CGSPEED = Rig(
    "cgspeed MotionBuilder",
    {
        "pelvis": ("Hips",), "spine1": ("LowerBack",), "spine2": ("Spine",), "spine3": ("Spine1",),
        "neck": ("Neck",), "head": ("Neck1", "Head"),
        "left_hip": ("LHipJoint", "LeftUpLeg"), "right_hip": ("RHipJoint", "RightUpLeg"),
    }
    | _both(
        {"knee": ("?Leg",), "ankle": ("?Foot",), "foot": ("?ToeBase",), "collar": ("?Shoulder",), "shoulder": ("?Arm",),
         "elbow": ("?ForeArm",), "wrist": ("?Hand",), "hand": ("?FingerBase", "?HandIndex1")},
        ("Left", "Right"),
    ),
    metres=0.056444,
    first_is_rest=True,
    first_is_set=True,
)  # fmt: skip
DAZ = Rig(
    "cgspeed DAZ",
    {"pelvis": ("hip",), "spine1": ("abdomen",), "spine3": ("chest",), "neck": ("neck",), "head": ("head",)}
    | _both(
        {"hip": ("?Buttock", "?Thigh"), "knee": ("?Shin",), "ankle": ("?Foot",), "collar": ("?Collar",),
         "shoulder": ("?Shldr",), "elbow": ("?ForeArm",), "wrist": ("?Hand",)},
        ("l", "r"),
    ),
    metres=0.01,
    first_is_rest=False,
    first_is_set=True,
)  # fmt: skip
REACTIDLE = Rig(
    "ReActIdle",
    {"pelvis": ("pelvis",), "spine1": ("spine",), "spine2": ("spine.001",), "neck": ("neck",), "head": ("face",)}
    | _both(
        {"hip": ("thigh.?",), "knee": ("shin.?",), "ankle": ("foot.?",), "collar": ("shoulder.?",),
         "shoulder": ("upper_arm.?",), "elbow": ("forearm.?",)},
        ("L", "R"),
    ),
    metres=1.0,
    first_is_rest=False,
)  # fmt: skip
RIGS = (CGSPEED, DAZ, REACTIDLE)


def read_motion_bvh(
    path: str | Path, *, rig: Rig | None = None, every: int = 1, fps: float | None = None, licence: str = "not stated"
) -> Motion:
    """A BVH file in SMPL's joints, metres, one frame in ``every``.

    Without ``rig`` the one among ``RIGS`` that fits is taken. ``fps`` is the true rate of the file where its own is wrong
    (subjects 60 and 61 of CMU's database: 60, not 120). Joints that the rig has not stay at rest. A first frame that was
    set by hand, as in cgspeed's files, DAZ's too, is left out.
    """
    if every < 1:
        raise BadInput(f"every: expected 1 or more, found {every}.")
    held = read_bvh(path)
    rig = rig or next((known for known in RIGS if known.fits(held.skeleton)), None)
    if rig is None or not rig.fits(held.skeleton):
        raise BadInput(
            f"{path}: expected the joints of {_wanted(rig)}, found {', '.join(held.skeleton.names[:8])}, ..."
        )
    first = int(rig.first_is_rest or rig.first_is_set)
    rotations = smpl_rotations(held, rig)[first::every]
    if len(rotations) == 0:
        raise BadInput(f"{path}: expected motion after the first frame, found none.")
    rate = (fps or 1.0 / held.frame_time) / every
    clip = Clip(Path(path).stem, "", 0, len(rotations), source=rig.name)
    valid = torch.ones(len(rotations), dtype=torch.bool)
    return Motion(
        matrix_to_axis_angle(rotations), rig.metres * held.places[first::every, 0], valid, (clip,), rate, licence
    )


def smpl_rotations(held: BvhMotion, rig: Rig) -> Float[Tensor, "T 24 3 3"]:
    """The file's rotations as those of SMPL's joints, local, relative to the T-pose.

    With ``R_j`` a local rotation and ``G_j`` the world rotation of the joint in the rig's T-pose, SMPL's local rotation is
    ``G_parent R_j G_j^T``.
    """
    names = held.skeleton.names
    rest: list[Tensor] = []
    for joint, parent in enumerate(held.skeleton.parents):
        above = rest[parent] if parent >= 0 else torch.eye(3)
        rest.append(above @ held.rotations[0, joint] if rig.first_is_rest else torch.eye(3))
    found = torch.eye(3).repeat(len(held.rotations), 24, 1, 1)
    for place, smpl_name in enumerate(SMPL24.names):
        for here in map(names.index, rig.joints.get(smpl_name, ())):
            parent = held.skeleton.parents[here]
            above = rest[parent] if parent >= 0 else torch.eye(3)
            found[:, place] = found[:, place] @ above @ held.rotations[:, here] @ rest[here].mT
    return found


def _wanted(rig: Rig | None) -> str:
    return rig.name if rig else " or ".join(known.name for known in RIGS)
