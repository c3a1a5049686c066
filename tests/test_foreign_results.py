"""Results of other programs are read in their own words, and only where they fit the pictures."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from probbody.data.hmr_results import read_results
from probbody.errors import BadInput

CHANCE = np.random.default_rng(0)
ANGLES = CHANCE.normal(0, 0.5, (3, 24, 3))
TURNS = Rotation.from_rotvec(ANGLES.reshape(-1, 3)).as_matrix().reshape(3, 24, 3, 3)
BETAS, JOINTS, CAMERA = CHANCE.normal(0, 1, (3, 10)), CHANCE.normal(0, 1, (3, 17, 3)), CHANCE.normal(0, 1, (3, 3))
NAMES = ["imageFiles/a/image_00000.jpg", "imageFiles/a/image_00030.jpg", "imageFiles/b/image_00000.jpg"]

WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SPIN's evaluation": (
        "npz",
        {"pose": ANGLES.reshape(3, 72), "betas": BETAS, "pred_joints": JOINTS, "camera": CAMERA},
    ),
    "mmhuman3d's results": ("json", {"poses": TURNS, "betas": BETAS, "keypoints": JOINTS}),
    "VIBE": ("pkl", {1: {"pose": ANGLES.reshape(3, 72), "betas": BETAS, "joints3d": JOINTS, "pred_cam": CAMERA}}),
    "HMR2": (
        "npz",
        {"global_orient": TURNS[:, :1], "body_pose": TURNS[:, 1:], "betas": BETAS, "pred_keypoints_3d": JOINTS},
    ),
    "angles in two parts": (
        "npz",
        {
            "global_orient": ANGLES[:, 0],
            "body_pose": ANGLES[:, 1:].reshape(3, 69),
            "betas": BETAS,
            "pred_joints": JOINTS,
        },
    ),
}


def put(path: Path, content: dict[str, Any]) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps({name: np.asarray(value).tolist() for name, value in content.items()}))
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        np.savez(path, **content)
    return path


@pytest.mark.parametrize("writer", WRITERS)
def test_results_are_the_same_in_whatever_words(writer: str, tmp_path: Path) -> None:
    ending, content = WRITERS[writer]
    found = read_results(put(tmp_path / f"results.{ending}", content), licence="of the method's authors")
    assert len(found) == 3
    assert found.rotations is not None and found.shape is not None and found.joints is not None  # noqa: PT018
    np.testing.assert_allclose(found.rotations, TURNS, atol=1e-5)
    np.testing.assert_allclose(found.shape, BETAS, atol=1e-5)
    np.testing.assert_allclose(found.joints, JOINTS, atol=1e-5)
    assert found.licence == "of the method's authors"
    with pytest.raises(BadInput, match=r"expected the picture of each row \(imgname\), found no names"):
        found.check_names()
    assert found.of(NAMES) is found
    with pytest.raises(BadInput, match="results for 2 pictures, found 3"):
        found.of(NAMES[:2])


def test_results_with_names_are_put_in_the_order_of_the_pictures(tmp_path: Path) -> None:
    folder = "/somewhere/else/"
    path = put(tmp_path / "r.npz", {"pose": ANGLES, "imgname": np.array([folder + NAMES[2], *NAMES[:2]])})
    found = read_results(path).of(NAMES)
    assert found.rotations is not None
    np.testing.assert_allclose(found.rotations, TURNS[[1, 2, 0]], atol=1e-5)
    assert len(read_results(path).of(NAMES[1:2])) == 1
    with pytest.raises(BadInput, match=r"expected one result for c/image\.jpg, found none"):
        read_results(path).of(["c/image.jpg"])
    twice = put(tmp_path / "t.npz", {"pose": ANGLES, "imgname": np.array([NAMES[0], NAMES[0], NAMES[1]])})
    with pytest.raises(BadInput, match="found 2"):
        read_results(twice).of(NAMES[:1])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"betas": BETAS}, "expected pose, poses, pred_pose or pred_joints.*found betas"),
        ({"pose": np.full((3, 72), np.nan)}, "expected finite pose"),
        ({"pose": np.zeros((3, 66))}, "expected pose of shape"),
        ({"pose": np.zeros((3, 24, 3, 3))}, "expected rotation matrices, found something else in row 0"),
        ({"pose": ANGLES, "betas": BETAS[:2]}, "N = 3 as in pose"),
        ({"pose": ANGLES, "imgname": np.array(NAMES[:2])}, "expected 3 entries of imgname"),
        ({"pred_joints": np.zeros((3, 17, 2))}, "pred_joints of shape"),
        ({"pose": np.zeros((0, 72))}, "expected results of at least one person, found none"),
    ],
)
def test_harmed_results_are_refused_in_a_sentence(content: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=told):
        read_results(put(tmp_path / "bad.npz", content))


def test_files_that_are_no_results_are_refused(tmp_path: Path) -> None:
    for name, content in (("a.json", b"[1, 2]"), ("b.json", b"{"), ("c.npz", b"no archive"), ("d.pkl", b"no pickle")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=name):
            read_results(tmp_path / name)
    with pytest.raises(BadInput, match="cannot be read"):
        read_results(tmp_path / "none.npz")
    mirrored = TURNS * np.array([1.0, 1.0, -1.0])
    with pytest.raises(BadInput, match="row 0"):
        read_results(put(tmp_path / "mirror.npz", {"pred_rotmat": mirrored}))
    only_joints = read_results(put(tmp_path / "joints.npz", {"pred_joints": JOINTS}))
    assert only_joints.rotations is None
    only_pose = read_results(put(tmp_path / "pose.npz", {"pose": ANGLES}))
    assert only_pose.joints is None
    assert torch.equal(only_pose[[1]].rotations, only_pose.rotations[1:2])  # type: ignore[index, arg-type]
