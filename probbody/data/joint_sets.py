"""The joint sets of data sets, beside those that people share (``probbody.bodies.joints``), under the same names.

Where a set has two tops of the head or two necks, the one that evaluations use has the plain name.
"""

from ..bodies.joints import JointSet


def _joints(name: str, names: list[str], parents: list[int]) -> JointSet:
    """A joint set whose bones join each joint to its parent; -1 where there is none."""
    other = {"left": "right", "right": "left"}
    swapped = ["_".join(other.get(word, word) for word in joint.split("_")) for joint in names]
    edges = tuple((parent, joint) for joint, parent in enumerate(parents) if parent >= 0)
    return JointSet(name, tuple(names), edges, tuple(names.index(joint) for joint in swapped))


_LEG, _ARM = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")


def _side(side: str, *joints: str) -> list[str]:
    return [f"{side}_{joint}" for joint in joints]


SPIN24 = _joints(  # what SPIN and its descendants store as S and part: a union of the joints of several data sets
    "spin24",
    [
        *_side("right", *reversed(_LEG)),
        *_side("left", *_LEG),
        *_side("right", *reversed(_ARM)),
        *_side("left", *_ARM),
        *("thorax", "head_top_lsp", "mid_hip", "thorax_mpii", "spine", "head_h36m", "head_top"),
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    ],
    [1, 2, 14, 14, 3, 4, 7, 8, 12, 12, 9, 10, 16, 12, -1, 12, 14, 12, 17, 17, 19, 19, 20, 21],
)
OPENPOSE18 = _joints(  # OpenPose's COCO model; 3DPW's poses2d
    "openpose18",
    [
        *("nose", "mid_shoulder"),
        *_side("right", *_ARM),
        *_side("left", *_ARM),
        *_side("right", *_LEG),
        *_side("left", *_LEG),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
    ],
    [1, -1, 1, 2, 3, 1, 5, 6, 1, 8, 9, 1, 11, 12, 0, 0, 14, 15],
)
_TOES = (*_LEG, "foot", "toe")
_HANDS = ("clavicle", *_ARM, "hand")
MPI_INF_3DHP28 = _joints(
    "mpi_inf_3dhp28",
    [
        *("spine3", "spine4", "spine2", "spine", "mid_hip", "thorax", "head_h36m", "head_top"),
        *_side("left", *_HANDS),
        *_side("right", *_HANDS),
        *_side("left", *_TOES),
        *_side("right", *_TOES),
    ],
    [2, 0, 3, 4, -1, 1, 5, 6, 5, 8, 9, 10, 11, 5, 13, 14, 15, 16, 4, 18, 19, 20, 21, 4, 23, 24, 25, 26],
)
MPI_INF_3DHP17 = _joints(  # the test set's
    "mpi_inf_3dhp17",
    [
        *("head_top", "thorax"),
        *_side("right", *_ARM),
        *_side("left", *_ARM),
        *_side("right", *_LEG),
        *_side("left", *_LEG),
        *("mid_hip", "spine", "head_h36m"),
    ],
    [16, 15, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, -1, 14, 1],
)
