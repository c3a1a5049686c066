"""Captured motion is read as it was made, and files that are none are refused in a sentence."""

import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from probbody.data.amass import read_amass
from probbody.data.bvh import read_bvh
from probbody.data.capture import read_motion, read_motions
from probbody.data.motion import is_held_out, mirrored, read_arrays, read_motion_npz
from probbody.data.rigs import DAZ, Rig, read_motion_bvh
from probbody.errors import BadInput
from probbody.geometry.rotations import axis_angle_to_matrix, geodesic_angle

DATA = Path(os.environ.get("PROBBODY_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
MOCAP = DATA / "mocap"
needs_mocap = pytest.mark.skipif(not MOCAP.exists(), reason="the shared mocap is not here")

SMALL = """HIERARCHY
ROOT pelvis
{
  OFFSET 0 1 0
  CHANNELS 6 Yposition Xposition Zposition Xrotation Zrotation Yrotation
  JOINT upper arm
  {
    OFFSET 2 0 0
    CHANNELS 2 Zrotation Xposition
    End Site
    {
      OFFSET 1 0 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.05
0 0 0 0 0 0 0 2
5 4 6 90 0 90 30 3
"""


def test_channels_are_read_in_the_order_in_which_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "small.bvh"
    path.write_text(SMALL)
    held = read_bvh(path)
    assert held.skeleton.names == ("pelvis", "upper arm")
    assert held.skeleton.parents == (-1, 0)
    assert held.skeleton.ends == {1: (1.0, 0.0, 0.0)}
    assert held.frame_time == 0.05
    torch.testing.assert_close(held.places[1], torch.tensor([[4.0, 5.0, 6.0], [3.0, 0.0, 0.0]]))
    quarter = torch.tensor([[torch.pi / 2, 0, 0], [0, torch.pi / 2, 0]])
    about_x, about_y = axis_angle_to_matrix(quarter)
    torch.testing.assert_close(held.rotations[1, 0], about_x @ about_y, atol=1e-6, rtol=0)
    torch.testing.assert_close(held.rotations[0], torch.eye(3).repeat(2, 1, 1))


HARMS = {
    "empty": lambda text: "",
    "no motion": lambda text: text.partition("MOTION")[0],
    "cut in the hierarchy": lambda text: text[:100] + "\nMOTION\nFrames: 1\nFrame Time: 0.1\n0",
    "cut in the motion": lambda text: text[:-8],
    "not a number": lambda text: text.replace("5 4 6", "5 four 6"),
    "infinite": lambda text: text.replace("5 4 6", "5 inf 6"),
    "unknown channel": lambda text: text.replace("Xposition Zposition", "Xscale Zposition"),
    "too many channels": lambda text: text.replace("CHANNELS 2", "CHANNELS 900000000000"),
    "unknown word": lambda text: text.replace("End Site", "Stop Site"),
    "broken offset": lambda text: text.replace("OFFSET 2 0 0", "OFFSET 2 0"),
    "two roots": lambda text: text.replace("MOTION", "ROOT other { }\nMOTION"),
    "no frames": lambda text: text.replace("Frames: 2", "Frames: 0"),
    "no time": lambda text: text.replace("0.05", "0"),
    "infinite offset": lambda text: text.replace("OFFSET 2 0 0", "OFFSET 1e400 0 0"),
    "superscript channels": lambda text: text.replace("CHANNELS 2", "CHANNELS ²"),
    "too deep": lambda text: "HIERARCHY ROOT a {" + " JOINT a {" * 5000 + "MOTION",
}


def test_a_joint_may_be_named_motion_and_a_file_begin_with_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "small.bvh"
    path.write_text(SMALL.replace("ROOT pelvis", "ROOT MOTION_root"), encoding="utf-8-sig")
    assert read_bvh(path).skeleton.names == ("MOTION_root", "upper arm")


def test_the_first_frame_is_motion_unless_a_rig_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "small.bvh"
    path.write_text(SMALL)
    rig = Rig("own", {"pelvis": ("pelvis",)}, metres=1.0, first_is_rest=False)
    assert len(read_motion_bvh(path, rig=rig)) == 2
    assert len(read_motion_bvh(path, rig=replace(rig, first_is_set=True))) == 1
    assert len(read_motion_bvh(path, rig=replace(rig, first_is_rest=True))) == 1
    with pytest.raises(BadInput, match="every: expected 1 or more, found 0"):
        read_motion_bvh(path, rig=rig, every=0)


@pytest.mark.parametrize("harm", HARMS)
def test_a_broken_bvh_is_refused_in_a_sentence(harm: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.bvh"
    path.write_text(HARMS[harm](SMALL))
    with pytest.raises(BadInput, match=r"broken\.bvh: expected") as caught:
        read_bvh(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_no_bvh(tmp_path: Path) -> None:
    path = tmp_path / "bytes.bvh"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(BadInput, match="cannot be read"):
        read_bvh(path)
    with pytest.raises(BadInput, match="nothing there"):
        read_bvh(tmp_path / "missing.bvh")
    path.write_text(SMALL)
    with pytest.raises(BadInput, match="expected the joints of"):
        read_motion_bvh(path)


@needs_mocap
@pytest.mark.parametrize(
    ("file", "every", "fps", "clip", "source"),
    [
        ("cmu_cgspeed_02_01", 4, None, "02_01", "cmu_train_30fps"),
        ("cmu_cgspeed_49_04", 4, None, "49_04", "cmu_train_30fps"),
        ("cmu_daz_60_10", 2, 60.0, "60_10", "cmu_train_30fps"),  # captured at 60 Hz, whatever the file says
        ("reactidle_003_genuine", 4, None, "003_genuine", "reactidle_train_6fps"),
    ],
)
def test_bvh_and_npz_tell_the_same_motion(file: str, every: int, fps: float | None, clip: str, source: str) -> None:
    read = read_motion_bvh(MOCAP / "raw" / f"{file}.bvh", every=every, fps=fps)
    known = read_motion_npz(MOCAP / f"{source}.npz")
    take = known.clip(clip)
    assert len(read) == len(take)
    assert read.fps == pytest.approx(known.fps, rel=1e-4)
    assert geodesic_angle(read.rotations, take.rotations).max() < 1e-5
    torch.testing.assert_close(read.translation, take.translation, atol=1e-5, rtol=0)


@needs_mocap
def test_a_rig_that_does_not_fit_is_refused() -> None:
    with pytest.raises(BadInput, match="cgspeed DAZ"):
        read_motion_bvh(MOCAP / "raw" / "cmu_cgspeed_02_01.bvh", rig=DAZ)


@needs_mocap
def test_the_shared_motion_is_read_whole() -> None:
    motions = read_motions(MOCAP)
    assert [len(motion) for motion in motions] == [3599, 56998, 8637]
    assert sum(len(motion.clips) for motion in motions) == 228
    assert all(motion.angles.isfinite().all() for motion in motions)


def motion_arrays(frames: int = 6) -> dict[str, np.ndarray]:
    return {
        "poses": np.zeros((frames, 24, 3), np.float32),
        "trans": np.zeros((frames, 3), np.float32),
        "valid": np.ones(frames, bool),
        "fps": np.array(30),
        "clip": np.array(["a", "b"]),
        "subject": np.array([1, 2]),
        "start": np.array([0, 4]),
        "length": np.array([4, frames - 4]),
    }


def amass_arrays(generation: str, frames: int = 5) -> dict[str, np.ndarray]:
    draws = np.random.default_rng(0)
    trans, betas = draws.normal(size=(frames, 3)), np.zeros(16)
    if generation == "smplh":
        poses = 0.3 * draws.normal(size=(frames, 156))
        return {"poses": poses, "trans": trans, "betas": betas, "mocap_framerate": np.array(120.0)}
    root, body = 0.3 * draws.normal(size=(frames, 3)), 0.3 * draws.normal(size=(frames, 63))
    rate = np.array(60.0)
    return {"root_orient": root, "pose_body": body, "trans": trans, "betas": betas, "mocap_frame_rate": rate}


def test_takes_are_cut_out_of_a_motion(tmp_path: Path) -> None:
    path = tmp_path / "motion.npz"
    arrays = motion_arrays()
    arrays["poses"][4:] = 0.5
    np.savez(path, **arrays)
    motion = read_motion(path, "CC0-1.0")
    assert motion.licence == "CC0-1.0"
    take = motion.clip("b")
    assert len(take) == 2
    assert (take.angles == 0.5).all()
    assert take.clips[0].subject == "2"
    with pytest.raises(BadInput, match="'c'"):
        motion.clip("c")


def _with(name: str, value: object) -> dict[str, np.ndarray]:
    return {**motion_arrays(), name: np.asarray(value)}


BROKEN = {
    "no poses": {name: value for name, value in motion_arrays().items() if name != "poses"},
    "SMPL-X joints": _with("poses", np.zeros((6, 55, 3))),
    "short trans": _with("trans", np.zeros((5, 3))),
    "not finite": _with("poses", np.full((6, 24, 3), np.nan)),
    "clip beyond the end": _with("length", [4, 900]),
    "uneven clips": _with("start", [0]),
    "objects": _with("clip", np.array([{}, None], dtype=object)),
    "no rate": _with("fps", np.nan),
    "a rate of nothing": _with("fps", 0),
    "a rate in words": _with("fps", "fast"),
    "two rates": _with("fps", [30, 60]),
    "a single pose": _with("poses", 0.0),
    "a start in words": _with("start", ["a", "b"]),
    "a start that is none": _with("start", [0.0, np.nan]),
    "poses in words": _with("poses", np.full((6, 24, 3), "a")),
    "complex poses": _with("poses", np.full((6, 24, 3), 1j)),
    "more than single precision holds": _with("poses", np.full((6, 24, 3), 1e300)),
}


@pytest.mark.parametrize("harm", BROKEN)
def test_a_broken_motion_file_is_refused_in_a_sentence(harm: str, tmp_path: Path) -> None:
    path = tmp_path / "motion.npz"
    np.savez(path, **BROKEN[harm])
    with pytest.raises(BadInput, match=r"motion\.npz: expected") as caught:
        read_motion(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY"], ids=["empty", "zip", "npy"])
def test_what_is_no_npz_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "motion.npz"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"motion\.npz: expected"):
        read_arrays(path)


def test_a_header_that_promises_petabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "motion.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**14, 24, 3)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("poses.npy", header.getvalue() + bytes(64))
    with pytest.raises(BadInput, match=r"motion\.npz: expected"):
        read_arrays(path)


def test_every_cut_of_a_motion_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "motion.npz"
    np.savez_compressed(path, **motion_arrays())
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:end])
        with pytest.raises(BadInput, match=r"motion\.npz: expected"):
            read_arrays(path)


@pytest.mark.parametrize("generation", ["smplh", "smplx"])
def test_amass_of_both_generations(generation: str, tmp_path: Path) -> None:
    path = tmp_path / "walk_poses.npz"
    arrays = amass_arrays(generation)
    beside = {} if generation == "smplh" else {"markers_latent_vids": np.array({"C7": 3832}, dtype=object)}
    np.savez(path, **arrays, **beside)
    motion = read_motion(path)
    body = arrays["poses"][:, 3:66] if generation == "smplh" else arrays["pose_body"]
    np.testing.assert_allclose(motion.angles[:, 1:22].flatten(1).numpy(), body, atol=1e-6)
    assert motion.fps == (120.0 if generation == "smplh" else 60.0)
    assert (motion.angles[:, 22:] == 0).all()
    assert "non-commercial" in motion.licence
    lying = read_amass(path, y_up=False)
    turn = axis_angle_to_matrix(torch.tensor([[-torch.pi / 2, 0.0, 0.0]]))[0]
    torch.testing.assert_close(motion.rotations[:, 0], turn @ lying.rotations[:, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(motion.translation, lying.translation @ turn.mT, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {"poses": np.zeros((5, 100))},
        {"trans": np.zeros((4, 3))},
        {"poses": np.full((5, 156), np.inf)},
        {"mocap_framerate": np.array("fast")},
        {"mocap_framerate": np.array(np.inf)},
    ],
    ids=["width", "trans", "infinite", "words", "rate"],
)
def test_a_broken_amass_file_is_refused(change: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "walk.npz"
    np.savez(path, **{**amass_arrays("smplh"), **change})
    with pytest.raises(BadInput, match=r"walk\.npz: expected"):
        read_motion(path)


@pytest.mark.parametrize("joints", [24, 21])
def test_a_mirror_image_mirrored_is_the_motion(joints: int) -> None:
    angles = torch.randn(5, joints, 3)
    torch.testing.assert_close(mirrored(mirrored(angles)), angles)
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    knees = (4, 5) if joints == 24 else (3, 4)
    left = axis_angle_to_matrix(angles[:, knees[0]])
    right = axis_angle_to_matrix(mirrored(angles)[:, knees[1]])
    torch.testing.assert_close(right, flip @ left @ flip, atol=1e-5, rtol=0)


def test_the_split_goes_by_name_alone() -> None:
    names = [f"{subject:02d}_{take:02d}" for subject in range(1, 101) for take in range(1, 11)]
    share = sum(map(is_held_out, names)) / len(names)
    assert 0.15 < share < 0.25
    assert is_held_out("02_02")
    assert not is_held_out("02_01")
