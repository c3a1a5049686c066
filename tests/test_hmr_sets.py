"""Data sets in the layouts of HMR and of VideoPose3D are read as they are passed around."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probbody.bodies.joints import H36M14, H36M17
from probbody.data.hmr_npz import read_hmr_npz
from probbody.data.human36m import read_h36m, read_h36m_positions
from probbody.errors import BadInput

CHANCE = np.random.default_rng(0)


def hmr(**changed: Any) -> dict[str, Any]:
    part, joints = np.zeros((3, 24, 3)), np.zeros((3, 24, 4))
    part[:, :14], joints[:, :19] = CHANCE.uniform(1, 90, (3, 14, 3)), CHANCE.normal(0, 1, (3, 19, 4))
    part[:, :14, 2], joints[:, :19, 3] = 1, 1
    content = {
        "imgname": np.array(["images/S9_Walk.60457274_000001.jpg"] * 2 + ["images/S9_Walk.60457274_000006.jpg"]),
        "center": CHANCE.uniform(200, 500, (3, 2)),
        "scale": np.array([1.0, 1.5, 2.0]),
        "pose": CHANCE.normal(0, 0.3, (3, 72)),
        "shape": CHANCE.normal(0, 1, (3, 10)),
        "part": part,
        "S": joints,
    }
    return {name: value for name, value in {**content, **changed}.items() if value is not None}


def test_a_set_in_hmrs_layout(tmp_path: Path) -> None:
    content = hmr()
    np.savez(tmp_path / "h36m.npz", **content)
    people = read_h36m(tmp_path / "h36m.npz")
    assert people.source == "Human3.6M"
    assert "academic use" in people.licence
    assert people.names == tuple(f"{name}/{n}" for name, n in zip(content["imgname"], (0, 1, 0), strict=True))
    assert people.boxes is not None and people.joints is not None and people.keypoints is not None  # noqa: PT018
    left, top, right, bottom = people.boxes[1].tolist()
    assert right - left == pytest.approx(300, abs=1e-3)
    assert (left + right) / 2 == pytest.approx(content["center"][1, 0] + 0.5, abs=1e-3)
    assert bottom - top == pytest.approx(300, abs=1e-3)
    assert people.joints.rooted
    assert people.missing() == ("camera",)
    chosen = people.joints.of(H36M17)
    np.testing.assert_allclose(chosen.places[0, 0], content["S"][0, 14, :3], atol=1e-6)
    np.testing.assert_allclose(chosen.places[0, 4], content["S"][0, 2, :3], atol=1e-6)
    lsp = people.joints.of(H36M14)
    np.testing.assert_allclose(lsp.places[0], content["S"][0][[*range(13), 18], :3], atol=1e-6)


def test_a_set_without_joints_or_bodies_says_so_and_bodies_that_were_not_fitted_are_left_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **hmr(pose=None, shape=None, S=None, part=None, openpose=np.ones((3, 25, 3))))
    people = read_hmr_npz(tmp_path / "a.npz", "MPII", "not stated")
    assert people.missing() == ("joints", "smpl", "camera")
    assert people.keypoints is not None
    assert people.keypoints.joints.name == "openpose25"
    np.savez(tmp_path / "b.npz", **hmr(has_smpl=np.array([1, 0, 1]), gender=np.array(["m", "f", "f"])))
    fitted = read_hmr_npz(tmp_path / "b.npz", "3DPW", "not stated")
    assert len(fitted) == 2
    assert fitted.sexes == ("male", "female")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"imgname": None}, "expected imgname"),
        ({"center": np.zeros((3, 3))}, r"center of shape \(N, 2\) with N = 3 as in imgname, found \(3, 3\)"),
        ({"scale": np.ones(2)}, "N = 3 as in imgname"),
        ({"pose": np.full((3, 72), np.nan)}, "expected finite pose"),
        ({"pose": np.zeros((3, 66))}, r"\(N, 72\)"),
        ({"shape": None}, "pose and shape together, found only pose"),
        ({"S": np.zeros((3, 17, 4))}, r"S of shape \(N, 24, 4\)"),
        ({"part": np.full((3, 24, 3), "x")}, "to hold numbers"),
    ],
)
def test_a_harmed_set_in_hmrs_layout_is_refused(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", **hmr(**changed))
    with pytest.raises(BadInput, match=told):
        read_hmr_npz(tmp_path / "bad.npz", "H36M", "not stated")


def test_positions_of_human36m_as_videopose3d_keeps_them(tmp_path: Path) -> None:
    positions = {"S9": {"Walking 1": CHANCE.normal(0, 1, (4, 32, 3)).astype("float32")}, "S11": {}}
    np.savez_compressed(tmp_path / "data_3d_h36m.npz", positions_3d=np.array(positions, dtype=object))
    (walk,) = read_h36m_positions(tmp_path / "data_3d_h36m.npz")
    assert (walk.subject, walk.action) == ("S9", "Walking 1")
    right_wrist = walk.joint_set.index("right_wrist")
    np.testing.assert_allclose(walk.joints[:, right_wrist], positions["S9"]["Walking 1"][:, 27])
    np.testing.assert_allclose(walk.joints[:, walk.joint_set.index("left_knee")], positions["S9"]["Walking 1"][:, 7])
    positions["S9"]["Walking 1"] = np.zeros((4, 16, 3), dtype="float32")
    np.savez_compressed(tmp_path / "bad.npz", positions_3d=np.array(positions, dtype=object))
    with pytest.raises(BadInput, match=r"S9: expected Walking 1 of shape \(frames, 32, 3\)"):
        read_h36m_positions(tmp_path / "bad.npz")
    np.savez_compressed(tmp_path / "worse.npz", positions_2d=1)
    with pytest.raises(BadInput, match="expected positions_3d"):
        read_h36m_positions(tmp_path / "worse.npz")
