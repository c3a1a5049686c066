"""MPI-INF-3DHP is read as released, both its MATLAB formats."""

import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from probbody.data.joint_sets import MPI_INF_3DHP17, MPI_INF_3DHP28
from probbody.data.mpi_inf_3dhp import read_3dhp_test, read_3dhp_training
from probbody.errors import BadInput

CHANCE = np.random.default_rng(0)
FRAMES = 5


CALIBRATION = """Skeletool Camera Calibration File V1.0
{cameras}"""
ONE = """name          {number}
  sensor      10 10
  size        2048 2048
  animated    0
  intrinsic   1497.693 0 {centre} 0 0 1497.103 1051.394 0 0 0 1 0 0 0 0 1
  extrinsic   0.9650164 0.00488022 0.262144 -562.8666 -0.004488356 0.9999 -0.002 1398.138 -0.26 0.001 0.965 3852.6 0 0 0 1
  radial      0
"""


def training_of_3dhp(folder: Path, cameras: int = 14) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True)
    content = {}
    for name, width in (("annot2", 56), ("annot3", 84), ("univ_annot3", 84)):
        cells = np.empty((cameras, 1), dtype=object)
        for camera in range(cameras):
            cells[camera, 0] = CHANCE.uniform(100, 1900, (FRAMES, width))
        content[name] = cells
    content["annot2"][min(2, cameras - 1), 0][3, 5] = 3000.0
    scipy.io.savemat(folder / "annot.mat", content)
    told = "".join(ONE.format(number=number, centre=1000 + number) for number in range(cameras))
    (folder / "camera.calibration").write_text(CALIBRATION.format(cameras=told))
    return content


def test_a_training_sequence_of_mpi_inf_3dhp(tmp_path: Path) -> None:
    content = training_of_3dhp(tmp_path / "S1" / "Seq2")
    people = read_3dhp_training(tmp_path / "S1" / "Seq2", cameras=(0, 2))
    assert len(people) == 2 * FRAMES - 1, "a frame with a joint outside the picture is left out"
    assert people.pictures[0] == "S1/Seq2/imageFrames/video_0/frame_000001.jpg"
    assert people.joints is not None and people.camera is not None and people.keypoints is not None  # noqa: PT018
    assert people.joints.joints is MPI_INF_3DHP28
    np.testing.assert_allclose(people.joints.places[1].flatten(), content["annot3"][0, 0][1] / 1000, atol=1e-5)
    np.testing.assert_allclose(people.keypoints.places[1].flatten(), content["annot2"][0, 0][1] + 0.5, atol=1e-3)
    np.testing.assert_allclose(people.camera.centre[-1], [1002.5, 1051.894], atol=1e-3)
    assert people.missing() == ("smpl",)
    universal = read_3dhp_training(tmp_path / "S1" / "Seq2", cameras=(0,), universal=True)
    assert universal.joints is not None
    np.testing.assert_allclose(universal.joints.places[0].flatten(), content["univ_annot3"][0, 0][0] / 1000, atol=1e-5)


def test_what_is_wrong_with_a_training_sequence_of_mpi_inf_3dhp_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "S1" / "Seq1"
    training_of_3dhp(folder, cameras=2)
    with pytest.raises(BadInput, match=r"expected camera 7, found only \[0, 1\]"):
        read_3dhp_training(folder, cameras=(7,))
    (folder / "camera.calibration").write_text("name 0\n intrinsic a b")
    with pytest.raises(BadInput, match="expected numbers of camera 0"):
        read_3dhp_training(folder, cameras=(0,))
    (folder / "camera.calibration").unlink()
    with pytest.raises(BadInput, match="calibration of MPI-INF-3DHP, found none"):
        read_3dhp_training(folder, cameras=(0,))
    (folder / "annot.mat").write_bytes(b"no matlab file, but long enough to be taken for one" * 9)
    with pytest.raises(BadInput, match="expected a MATLAB 5 file"):
        read_3dhp_training(folder)
    with pytest.raises(BadInput, match="found no such file"):
        read_3dhp_training(tmp_path)


def test_a_test_sequence_of_mpi_inf_3dhp(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    folder = tmp_path / "TS3"
    folder.mkdir()
    places, joints = CHANCE.uniform(0, 2000, (FRAMES, 1, 17, 2)), CHANCE.normal(0, 900, (FRAMES, 1, 17, 3))
    with h5py.File(folder / "annot_data.mat", "w") as file:
        file["annot2"], file["annot3"], file["univ_annot3"] = places, joints, 1.1 * joints
        file["valid_frame"] = np.array([[1.0], [0.0], [1.0], [1.0], [0.0]])
    people = read_3dhp_test(folder)
    assert people.pictures == tuple(f"TS3/imageSequence/img_00000{number}.jpg" for number in (1, 3, 4))
    assert people.joints is not None
    assert people.joints.joints is MPI_INF_3DHP17
    np.testing.assert_allclose(people.joints.places[1], 1.1 * joints[2, 0] / 1000, atol=1e-5)
    (folder / "annot_data.mat").write_bytes(b"none")
    with pytest.raises(BadInput, match=r"expected a MATLAB 7\.3 file"):
        read_3dhp_test(folder)


def test_a_test_sequence_needs_h5py_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "annot_data.mat").write_bytes(b"")
    with pytest.raises(BadInput, match="pip install h5py"):
        read_3dhp_test(tmp_path)
    with pytest.raises(BadInput, match="no such file"):
        read_3dhp_test(tmp_path / "none")
