"""3DPW is read as released: the tests write it in that layout, and whatever is wrong is told in one sentence."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from probbody.data.joint_sets import OPENPOSE18
from probbody.data.pw3d import OCCLUDED, SPLITS, read_pw3d, read_pw3d_sequence
from probbody.errors import BadInput

CHANCE = np.random.default_rng(0)
FRAMES = 5


def turns(count: int) -> np.ndarray:
    return Rotation.random(count, rng=CHANCE).as_matrix()


def pw3d(sequence: str = "downtown_cafe_00", people: int = 2) -> dict[str, Any]:
    cameras = np.tile(np.eye(4), (FRAMES, 1, 1))
    cameras[:, :3, :3], cameras[:, :3, 3] = turns(FRAMES), [0.1, 0.2, 5.0]
    valid = np.ones((people, FRAMES), dtype=np.uint8)
    valid[0, 1] = 0
    seen = CHANCE.uniform(100, 900, (people, FRAMES, 3, 18))
    seen[:, :, 2] = 0.9
    seen[:, :, 2, 4] = 0
    return {
        "sequence": sequence,
        "poses": [CHANCE.normal(0, 0.5, (FRAMES, 72)) for _ in range(people)],
        "trans": [CHANCE.normal(0, 1, (FRAMES, 3)) for _ in range(people)],
        "betas": [CHANCE.normal(0, 1, 10) for _ in range(people)],
        "betas_clothed": [CHANCE.normal(0, 1, 10) for _ in range(people)],
        "genders": ["m", "f"][:people],
        "poses2d": list(seen),
        "jointPositions": [CHANCE.normal(0, 1, (FRAMES, 72)) for _ in range(people)],
        "campose_valid": list(valid),
        "cam_poses": cameras,
        "cam_intrinsics": np.array([[1961.0, 0, 540], [0, 1969, 960], [0, 0, 1]]),
        "img_frame_ids": np.arange(FRAMES),
    }


def put(path: Path, content: Any) -> Path:
    """A pickle, protocol 2, as Python 2 wrote 3DPW."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


def test_a_sequence_of_3dpw_stands_in_its_cameras_frame(tmp_path: Path) -> None:
    content = pw3d()
    people = read_pw3d_sequence(put(tmp_path / "downtown_cafe_00.pkl", content))
    assert len(people) == 2 * FRAMES - 1
    assert people.pictures[:2] == (
        "imageFiles/downtown_cafe_00/image_00000.jpg",
        "imageFiles/downtown_cafe_00/image_00002.jpg",
    )
    assert people.names[-1] == "downtown_cafe_00/00004/1"
    assert people.sexes[0] == "male"
    assert people.sexes[-1] == "female"
    assert people.missing() == ()
    assert "3DPW, non-commercial" in people.licence
    assert people.joints is not None and people.smpl is not None  # noqa: PT018
    assert people.keypoints is not None and people.camera is not None  # noqa: PT018
    turn, shift = content["cam_poses"][2, :3, :3], content["cam_poses"][2, :3, 3]
    joints = content["jointPositions"][0][2].reshape(24, 3) @ turn.T + shift
    np.testing.assert_allclose(people.joints.places[1], joints, atol=1e-5)
    root = turn @ Rotation.from_rotvec(content["poses"][0][2, :3]).as_matrix()
    np.testing.assert_allclose(people.smpl.rotations[1, 0], root, atol=1e-5)
    np.testing.assert_allclose(people.smpl.angles[1, 1:].flatten(), content["poses"][0][2, 3:], atol=1e-6)
    assert people.keypoints.joints is OPENPOSE18
    np.testing.assert_allclose(people.keypoints.places[0, 0], content["poses2d"][0][0, :2, 0] + 0.5, atol=1e-3)
    assert people.keypoints.confidence[0, 4] == 0
    assert people.keypoints.places[0, 4].tolist() == [0, 0]
    assert people.camera.cameras((1920, 1080)).centre[0].tolist() == [540.5, 960.5]


def test_a_body_of_3dpw_posed_in_the_world_and_moved_is_the_body_posed_by_its_labels(tmp_path: Path) -> None:
    """R (v + trans) + t is what the turned root and the new translation give, whatever pelvis the shape has."""
    content = pw3d(people=1)
    pelvis = np.array([0.01, -0.23, 0.02])
    for frame in range(FRAMES):
        content["jointPositions"][0][frame, :3] = pelvis + content["trans"][0][frame]
    people = read_pw3d_sequence(put(tmp_path / "a.pkl", content))
    assert people.smpl is not None and people.smpl.translation is not None  # noqa: PT018
    point = np.array([0.3, 0.5, -0.1])  # of the body at rest, on the pelvis
    turn, shift = content["cam_poses"][0, :3, :3], content["cam_poses"][0, :3, 3]
    before = Rotation.from_rotvec(content["poses"][0][0, :3]).as_matrix()
    world = before @ (point - pelvis) + pelvis + content["trans"][0][0]
    mine = people.smpl.rotations[0, 0].double().numpy() @ (point - pelvis) + pelvis
    np.testing.assert_allclose(turn @ world + shift, mine + people.smpl.translation[0].numpy(), atol=1e-5)


def test_frames_whose_keypoints_span_no_box_are_left_out(tmp_path: Path) -> None:
    content = pw3d()
    content["poses2d"][0][2, 2, 1:] = 0  # one keypoint alone
    content["poses2d"][1][3, 1, :] = 50.0  # all in one row
    people = read_pw3d_sequence(put(tmp_path / "downtown_cafe_00.pkl", content))
    assert len(people) == 2 * FRAMES - 3
    assert people.boxes is not None
    assert bool((people.boxes[:, 2:] > people.boxes[:, :2]).all())


def test_splits_of_3dpw_are_joined_and_3dpw_occ_is_chosen_by_name(tmp_path: Path) -> None:
    for split, name in (("train", "courtyard_golf_00"), ("validation", "courtyard_hug_00"), ("test", "flat_guitar_01")):
        put(tmp_path / "sequenceFiles" / split / f"{name}.pkl", pw3d(name, people=1))
    assert set(read_pw3d(tmp_path).videos) == {"flat_guitar_01"}
    occluded = read_pw3d(tmp_path, SPLITS, OCCLUDED)
    assert list(dict.fromkeys(occluded.videos)) == ["courtyard_golf_00", "flat_guitar_01"]
    every = occluded[::3]
    assert every.names == occluded.names[::3]
    assert every.joints is not None and occluded.joints is not None  # noqa: PT018
    assert torch.equal(every.joints.places, occluded.joints.places[::3])
    with pytest.raises(BadInput, match=r"found 8 missing, the first imageFiles/courtyard_golf_00/image_00000\.jpg"):
        occluded.check_pictures(tmp_path)
    with pytest.raises(BadInput, match=r"expected the \.pkl files"):
        read_pw3d(tmp_path / "elsewhere")


HARMS_3DPW: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no poses": (lambda c: c.pop("poses"), "expected poses, found only"),
    "no camera": (lambda c: c.pop("cam_poses"), "expected cam_poses"),
    "23 joints": (
        lambda c: c.update(jointPositions=[p[:, :69] for p in c["jointPositions"]]),
        r"\(frames, 72\).*\(5, 69\)",
    ),
    "NaN": (lambda c: c["poses"][1].__setitem__((3, 7), np.nan), "person 1: expected finite poses, found nan"),
    "too few frames": (lambda c: c["trans"].__setitem__(0, c["trans"][0][:3]), "frames = 5 as in cam_poses"),
    "one person less": (lambda c: c["genders"].pop(), "genders of 2 people, found 1"),
    "no rotation": (lambda c: c["cam_poses"].__setitem__(3, np.zeros((4, 4))), "rotation in cam_poses of frame 3"),
    "never valid": (lambda c: c.update(campose_valid=[np.zeros(FRAMES)] * 2), "camera is valid"),
    "text": (lambda c: c.update(poses=[["a"], ["b"]]), "to hold numbers"),
}


@pytest.mark.parametrize("harm", HARMS_3DPW)
def test_a_harmed_sequence_of_3dpw_is_refused_in_a_sentence(harm: str, tmp_path: Path) -> None:
    content = pw3d()
    HARMS_3DPW[harm][0](content)
    with pytest.raises(BadInput, match=HARMS_3DPW[harm][1]) as refusal:
        read_pw3d_sequence(put(tmp_path / "bad.pkl", content))
    assert "bad.pkl" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_pickle_of_3dpw_that_is_cut_off_or_none_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "cut.pkl", pw3d())
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadInput, match="cut off or broken"):
        read_pw3d_sequence(path)
    with pytest.raises(BadInput, match="a dictionary"):
        read_pw3d_sequence(put(tmp_path / "list.pkl", [1, 2]))
    with pytest.raises(BadInput, match="cannot be read"):
        read_pw3d_sequence(tmp_path / "none.pkl")
