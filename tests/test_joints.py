"""The orders that other programs write are ours too."""

import pytest
import torch

from probbody.bodies.joints import (
    BODY25B,
    COCO17,
    H36M14,
    H36M17,
    H36M17_MMPOSE,
    H36M_TO_J14,
    MANO16,
    OPENPOSE25,
    SMPL24,
    SMPLH52,
    SMPLX55,
    JointSet,
    convert,
    convert_keypoints,
    joint_set,
)
from probbody.errors import BadInput

SETS = (COCO17, BODY25B, OPENPOSE25, H36M17, H36M17_MMPOSE, H36M14, SMPL24, SMPLH52, SMPLX55, MANO16)
EVERY_SET = pytest.mark.parametrize("joints", SETS, ids=lambda joints: joints.name)


@EVERY_SET
def test_a_set_is_well_formed(joints: JointSet) -> None:
    assert len(set(joints.names)) == len(joints) == int(joints.name.split("_")[0].removesuffix("b")[-2:])
    assert all(0 <= end < len(joints) for edge in joints.edges for end in edge)
    assert len({frozenset(edge) for edge in joints.edges}) == len(joints.edges)
    assert {end for edge in joints.edges for end in edge} == set(range(len(joints)))  # each joint is drawn
    assert joint_set(joints.name) is joints


@EVERY_SET
def test_the_mirror_swaps_the_sides(joints: JointSet) -> None:
    for joint, other in enumerate(joints.mirror):
        assert joints.mirror[other] == joint
        swapped = joints.names[joint].replace("left_", "*").replace("right_", "left_").replace("*", "right_")
        assert joints.names[other] == swapped
    mirrored = {frozenset(joints.mirror[end] for end in edge) for edge in joints.edges}
    assert mirrored == {frozenset(edge) for edge in joints.edges}


@EVERY_SET
def test_aliases_are_the_words_of_the_set(joints: JointSet) -> None:
    for own, name in joints.aliases:
        assert own not in joints.names
        assert joints.names[joints.index(own)] == name
    with pytest.raises(BadInput, match="has no 'tail'"):
        joints.index("tail")


@pytest.mark.parametrize(
    ("layout", "facts"),
    [
        ("coco17", {0: "nose", 5: "left_shoulder", 10: "right_wrist", 11: "left_hip", 16: "right_ankle"}),
        ("body25b", {5: "left_shoulder", 17: "upper_neck", 18: "head_top", 19: "left_big_toe", 24: "right_heel"}),
        ("openpose25", {4: "right_wrist", 8: "mid_hip", 11: "right_ankle", 15: "right_eye", 19: "left_big_toe"}),
        ("h36m17", {0: "mid_hip", 3: "left_ankle", 6: "right_ankle", 10: "head_top", 13: "left_wrist"}),
        ("h36m17_mmpose", {3: "right_ankle", 6: "left_ankle", 8: "thorax", 11: "left_shoulder"}),
        (
            "lsp14",
            {0: "right_ankle", 3: "left_hip", 6: "right_wrist", 9: "left_shoulder", 12: "thorax", 13: "head_top"},
        ),
        ("smpl24", {0: "pelvis", 12: "neck", 15: "head", 20: "left_wrist", 23: "right_hand"}),
        ("smplh52", {21: "right_wrist", 22: "left_index1", 36: "left_thumb3", 37: "right_index1", 51: "right_thumb3"}),
        ("smplx55", {22: "jaw", 24: "right_eyeball", 25: "left_index1", 40: "right_index1"}),
        ("mano16", {0: "wrist", 1: "index1", 7: "pinky1", 13: "thumb1"}),
    ],
)
def test_the_orders_are_those_of_the_field(layout: str, facts: dict[int, str]) -> None:
    assert {joint: joint_set(layout).names[joint] for joint in facts} == facts


def test_the_words_of_two_authors_differ() -> None:
    assert joint_set("openpose25").index("neck") == 1
    assert joint_set("h36m17").index("head") == 9
    assert joint_set("h36m17_mmpose").index("head") == 10
    assert joint_set("h36m17").index("pelvis") == joint_set("h36m17_mmpose").index("root") == 0


def test_the_fourteen_are_chosen_from_the_seventeen() -> None:
    points = torch.randn(2, 17, 3)
    chosen = convert(points, "h36m17", "h36m14", strict=True)
    assert torch.equal(chosen.points, points[:, list(H36M_TO_J14)])
    assert chosen.present.all()
    assert chosen.confidence is None


@EVERY_SET
def test_the_way_there_and_back_loses_nothing_that_was_present(joints: JointSet) -> None:
    points = torch.randn(3, len(joints), 2, dtype=torch.float64)
    for other in SETS:
        there = convert(points, joints.name, other.name)
        back = convert(there.points, other.name, joints.name)
        shared = [joint for joint, name in enumerate(joints.names) if name in other.names]
        assert torch.equal(back.points[:, shared], points[:, shared])
        assert there.missing == tuple(n for n, there_is in zip(other.names, there.present, strict=True) if not there_is)
        assert not there.points[:, ~there.present].any()


def test_middles_are_derived_from_their_sides() -> None:
    keypoints = torch.rand(17, 3)
    keypoints[5, 2], keypoints[6, 2] = 0.9, 0.2
    keypoints[12] = 0.0  # the right hip was not seen
    found = convert_keypoints(keypoints, "coco17", "openpose25")
    assert torch.allclose(found[1, :2], (keypoints[5, :2] + keypoints[6, :2]) / 2)
    assert found[1, 2] == keypoints[6, 2]
    assert found[8, 2] == 0
    assert torch.equal(found[19:], torch.zeros(6, 3))
    assert convert(keypoints, "coco17", "openpose25").missing[0] == "left_big_toe"


def test_a_lost_point_does_not_reach_the_others() -> None:
    points = torch.rand(17, 3)
    points[0] = torch.nan
    found = convert(points, "coco17", "openpose25").points
    assert found[0].isnan().all()
    assert found[1:].isfinite().all()


def test_strict_names_what_is_missing() -> None:
    with pytest.raises(
        BadInput, match="h36m14 has no nose, left_eye, right_eye, left_ear, right_ear, which coco17 asks"
    ):
        convert(torch.zeros(1, 14, 3), "h36m14", "coco17", strict=True)


def test_wrong_names_and_counts_are_refused() -> None:
    with pytest.raises(BadInput, match=r"'coco18'.*known are .*openpose25"):
        joint_set("coco18")
    with pytest.raises(BadInput, match="coco17 has 17 joints, but 25 were given"):
        convert(torch.zeros(25, 3), "coco17", "openpose25")
