"""COCO with EFT fits and 3DOH50K are read as released."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from probbody.data.coco_eft import read_eft
from probbody.data.oh3d50k import read_oh3d50k
from probbody.errors import BadInput

CHANCE = np.random.default_rng(0)


def turns(count: int) -> np.ndarray:
    return Rotation.random(count, rng=CHANCE).as_matrix()


def eft(**changed: Any) -> dict[str, Any]:
    def person(number: int) -> dict[str, Any]:
        return {
            "parm_pose": turns(24).tolist(),
            "parm_shape": CHANCE.normal(0, 1, 10).tolist(),
            "parm_cam": [0.9, 0.05, -0.1],
            "bbox_scale": 1.25,
            "bbox_center": [300.0, 200.0],
            "joint_validity_openpose18": [True] * 18,
            "smpltype": "smpl",
            "annotId": 1000 + number,
            "imageName": f"COCO_train2014_00000000000{number}.jpg",
            **changed,
        }

    return {"ver": 0.1, "data": [person(1), person(2)]}


def test_fits_of_eft_to_coco(tmp_path: Path) -> None:
    content = eft()
    (tmp_path / "fits.json").write_text(json.dumps(content))
    people = read_eft(tmp_path / "fits.json")
    assert people.pictures[0] == "train2014/COCO_train2014_000000000001.jpg"
    assert people.names[0] == "COCO_train2014_000000000001/1001"
    assert "CC BY-NC 4.0" in people.licence
    assert people.missing() == ("keypoints", "joints", "camera")
    assert people.smpl is not None and people.boxes is not None and people.weak_camera is not None  # noqa: PT018
    np.testing.assert_allclose(people.smpl.rotations[1], content["data"][1]["parm_pose"], atol=1e-5)
    assert people.boxes[0].tolist() == [175.5, 75.5, 425.5, 325.5]
    torch.testing.assert_close(people.weak_camera[1], torch.tensor([0.9, 0.05, -0.1]))
    annotations = [{"id": number, "keypoints": [10, 20, 2] * 16 + [0, 0, 0]} for number in (7, 1002, 1001)]
    (tmp_path / "coco.json").write_text(json.dumps({"annotations": annotations}))
    both = read_eft(tmp_path / "fits.json", keypoints=tmp_path / "coco.json")
    assert both.keypoints is not None
    assert both.keypoints.places[0, 0].tolist() == [10.5, 20.5]
    assert both.keypoints.confidence[0].tolist() == [1.0] * 16 + [0.0]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"parm_pose": np.zeros((24, 3, 3)).tolist()}, "expected rotations in parm_pose"),
        ({"parm_pose": np.eye(3).tolist()}, r"parm_pose of shape \(24, 3, 3\)"),
        ({"parm_shape": [0.0] * 9}, "parm_shape"),
        ({"bbox_scale": float("nan")}, "expected finite bbox_scale"),
        ({"imageName": ""}, "imageName"),
    ],
)
def test_harmed_fits_of_eft_are_refused(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(eft(**changed)))
    with pytest.raises(BadInput, match=told):
        read_eft(tmp_path / "bad.json")


def test_fits_of_eft_without_their_annotation_are_refused(tmp_path: Path) -> None:
    (tmp_path / "fits.json").write_text(json.dumps(eft()))
    (tmp_path / "coco.json").write_text(json.dumps({"annotations": [{"id": 1001, "keypoints": [0] * 51}]}))
    with pytest.raises(BadInput, match="expected annotation 1002"):
        read_eft(tmp_path / "fits.json", keypoints=tmp_path / "coco.json")
    for broken in ("", "[]", '{"data": []}', '{"data": [1]}'):
        (tmp_path / "fits.json").write_text(broken)
        with pytest.raises(BadInput, match=r"fits\.json: expected"):
            read_eft(tmp_path / "fits.json")


def oh3d(**changed: Any) -> dict[str, Any]:
    outside = np.eye(4)
    outside[:3, :3] = turns(1)[0]
    entry = {
        "img_path": "images\\00001.jpg",
        "bbox": [[100.0, 50.0], [300.0, 450.0]],
        "betas": CHANCE.normal(0, 1, (1, 10)).tolist(),
        "pose": CHANCE.normal(0, 0.3, (1, 72)).tolist(),
        "trans": [[0.0, 0.1, 0.2]],
        "scale": [1.1],
        "intri": [[1500.0, 0, 960], [0, 1501.0, 540], [0, 0, 1]],
        "extri": outside.tolist(),
        "lsp_joints_2d": CHANCE.uniform(100, 400, (14, 2)).tolist(),
        "lsp_joints_3d": CHANCE.normal(0, 1, (14, 3)).tolist(),
        "smpl_joints_2d": CHANCE.uniform(100, 400, (24, 2)).tolist(),
        "smpl_joints_3d": CHANCE.normal(0, 1, (24, 3)).tolist(),
        "mask_path": "masks\\00001.png",
    }
    return {"00001": {**entry, **changed}, "00002": {**entry, "img_path": "images\\00002.jpg"}}


def put_oh3d(folder: Path, content: Any) -> Path:
    (folder / "testset").mkdir()
    (folder / "testset" / "annots.json").write_text(json.dumps(content))
    return folder


def test_people_of_3doh50k(tmp_path: Path) -> None:
    content = oh3d()
    people = read_oh3d50k(put_oh3d(tmp_path, content))
    assert people.pictures == ("testset/images/00001.jpg", "testset/images/00002.jpg")
    assert people.missing() == ("joints",)
    assert people.smpl is not None and people.camera is not None and people.boxes is not None  # noqa: PT018
    entry = content["00001"]
    root = np.array(entry["extri"])[:3, :3] @ Rotation.from_rotvec(entry["pose"][0][:3]).as_matrix()
    np.testing.assert_allclose(people.smpl.rotations[0, 0], root, atol=1e-5)
    assert people.smpl.translation is None
    assert people.boxes[0].tolist() == [100.5, 50.5, 300.5, 450.5]
    assert people.camera.focal[0].tolist() == [1500, 1501]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"pose": [[0.0] * 69]}, r"00001: expected pose of shape \(1, 72\) or \(72\), found \(1, 69\)"),
        ({"lsp_joints_2d": [[0.0, 0.0]] * 13}, "lsp_joints_2d"),
        ({"extri": np.zeros((4, 4)).tolist()}, "expected a rotation in extri"),
        ({"img_path": None}, "expected img_path"),
    ],
)
def test_harmed_annotations_of_3doh50k_are_refused(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=told):
        read_oh3d50k(put_oh3d(tmp_path, oh3d(**changed)))


def test_annotations_of_3doh50k_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_oh3d50k(tmp_path)
    with pytest.raises(BadInput, match="one object a picture"):
        read_oh3d50k(put_oh3d(tmp_path, []))
