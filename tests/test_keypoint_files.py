"""What detectors and annotators write is read as they meant it, and what they never meant is told in one sentence."""

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from probbody.data.keypoints import People, check_inside, read_keypoints
from probbody.errors import BadInput

DATA = Path(os.environ.get("PROBBODY_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
COCO = DATA / "photos" / "coco_ccby" / "person_keypoints.json"
STATIC = DATA / "multiview" / "pose2sim_static"


def flat(count: int, confidence: float = 0.5, start: float = 10.0) -> list[float]:
    return [number for joint in range(count) for number in (start + joint, 2 * start + joint, confidence)]


def openpose(*people: list[Any]) -> dict[str, Any]:
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": person} for person in people]}


def person(image: int, number: int, **changes: Any) -> dict[str, Any]:
    made = {"image_id": image, "id": number, "category_id": 1, "keypoints": flat(17, 2), "bbox": [1, 2, 30, 40]}
    return made | {"num_keypoints": 17, "iscrowd": 0} | changes


def coco(*annotations: dict[str, Any]) -> dict[str, Any]:
    images = [{"id": 1, "file_name": "one.jpg"}, {"id": 2, "file_name": "val/two.jpg"}]
    return {"images": images, "annotations": list(annotations)}


def read(content: Any, folder: Path, **choices: Any) -> People:
    path = folder / "people.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_keypoints(path, **choices)


@pytest.mark.parametrize(
    ("count", "choice", "layout"), [(25, None, "openpose25"), (25, "body25b", "body25b"), (17, "coco17", "coco17")]
)
def test_openpose_is_read_as_it_stands(count: int, choice: str | None, layout: str, tmp_path: Path) -> None:
    people = read(openpose(flat(count), flat(count, 0.9, 50.0)), tmp_path, layout=choice)
    assert people.layout == layout
    assert people.names == ("0", "1")
    assert people.boxes is None
    assert people.keypoints.dtype == torch.float32
    assert torch.equal(people.keypoints[0].flatten(), torch.tensor(flat(count)))
    assert len(people) == 2
    assert len(people[1]) == 1
    assert torch.equal(people[-1].keypoints, people.keypoints[1:])
    with pytest.raises(BadInput, match="person: expected numbers 0 to 1, found 2"):
        people[2]


def test_coco_annotations_become_our_pixels_and_confidences(tmp_path: Path) -> None:
    keypoints = [*flat(15, 2), *[7, 8, 1], *[0, 0, 0]]
    crowd, empty = person(1, 8, iscrowd=1), person(1, 9, num_keypoints=0, keypoints=[0] * 51)
    box = {"image_id": 1, "id": 10, "bbox": [0, 0, 1, 1]}  # a dog has no keypoints
    people = read(coco(person(1, 7, keypoints=keypoints), crowd, empty, box, person(2, 11)), tmp_path, image="one.jpg")
    assert people.names == ("7",)
    assert people.keypoints[0, 0].tolist() == [10.5, 20.5, 1.0]
    assert people.keypoints[0, 15].tolist() == [7.5, 8.5, 1.0]  # hidden but labelled: where it is, is known
    assert people.keypoints[0, 16].tolist() == [0.0, 0.0, 0.0]
    assert people.boxes is not None
    assert people.boxes.tolist() == [[1.0, 2.0, 30.0, 40.0]]


def test_a_picture_is_found_by_its_name(tmp_path: Path) -> None:
    content = coco(person(1, 7), person(2, 11), person(2, 12))
    assert read(content, tmp_path, image="elsewhere/two.jpg").names == ("11", "12")
    with pytest.raises(BadInput, match=r"expected the picture three\.jpg, found one\.jpg, val/two\.jpg\.$"):
        read(content, tmp_path, image="three.jpg")
    with pytest.raises(BadInput, match=r"people of one picture, found 2; name one of one\.jpg, val/two\.jpg"):
        read(content, tmp_path)
    assert read(coco(person(2, 11)), tmp_path).names == ("11",)


def test_results_of_a_detector_are_read(tmp_path: Path) -> None:
    results = [
        {"image_id": image, "category_id": 1, "keypoints": flat(17, 0.7), "score": 0.9} for image in (785, 785, 9)
    ]
    people = read(results, tmp_path, image="000000000785.jpg")
    assert len(people) == 2
    assert people.boxes is None
    assert torch.allclose(people.keypoints[0, 0], torch.tensor([10.5, 20.5, 0.7]))
    assert len(read(results[2:], tmp_path)) == 1
    assert len(read(results[2:], tmp_path, image="holiday.jpg")) == 1  # the only picture there is
    with pytest.raises(BadInput, match=r"expected the picture 000000000001\.jpg, found 785, 9"):
        read(results, tmp_path, image="000000000001.jpg")
    with pytest.raises(BadInput, match="people of one picture, found 2"):
        read(results, tmp_path)


def test_what_is_missing_is_zero(tmp_path: Path) -> None:
    keypoints: list[Any] = flat(25, 0.5)
    keypoints[0:3] = [float("nan"), float("nan"), 0.0]
    keypoints[3:6] = [float("nan")] * 3
    keypoints[6:9] = [None, None, None]
    keypoints[9:12] = [12.0, 13.0, 0.0]
    keypoints[12:15] = [12.0, 13.0, 1.04]
    keypoints[15:18], keypoints[18:21] = [1e30, 13.0, 1.0], [12.0, -1e300, 1.0]  # nowhere in any picture
    people = read(openpose(keypoints, [0.0] * 75), tmp_path)
    assert people.names == ("0",)  # the second was not seen at all
    assert torch.equal(people.keypoints[0, :4], torch.zeros(4, 3))
    assert people.keypoints[0, 4].tolist() == [12.0, 13.0, 1.0]
    assert torch.equal(people.keypoints[0, 5:7], torch.zeros(2, 3))
    assert people.seen().sum() == 19
    assert people.keypoints.isfinite().all()


def spoiled(place: int, value: Any) -> dict[str, Any]:
    keypoints: list[Any] = flat(25)
    keypoints[place] = value
    return openpose(keypoints)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "expected JSON, but it cannot be understood"),
        ("[" * 100_000, "expected JSON, but it cannot be understood"),
        ('"text"', "expected OpenPose JSON"),
        ({"people": "none"}, "expected OpenPose JSON"),
        ({"version": 1}, "expected OpenPose JSON"),
        (openpose(), "at least one person, found none"),
        ([], "at least one person, found none"),
        (coco(), "at least one person, found none"),
        ({"people": [{"id": 3}]}, "expected 'pose_keypoints_2d' for each person"),
        ([{"image_id": 3}], "expected 'image_id' and 'keypoints'"),
        (
            openpose(flat(18)),
            "expected the 25 keypoints of openpose25, found 18 keypoints: OpenPose's COCO model is not read",
        ),
        (openpose(flat(23)), "expected the 25 keypoints of openpose25, found 23 keypoints; name the layout"),
        (openpose(flat(25)[:-1]), "found 74 numbers"),
        (coco(person(1, 7, keypoints=flat(14))), "person 7: expected the 17 keypoints of coco17, found 14 keypoints"),
        (openpose([0.0] * 75), "some confidence, found only zeros"),
        (spoiled(4, float("nan")), "finite coordinates for mid_shoulder"),
        (spoiled(4, None), "finite coordinates for mid_shoulder"),
        (spoiled(0, float("inf")), "finite coordinates for nose"),
        (spoiled(2, float("nan")), "finite coordinates for nose"),
        (spoiled(2, -0.1), "a confidence from 0 to 1 for nose, found -0.1"),
        (spoiled(2, 87.0), "a confidence from 0 to 1 for nose, found 87"),
        (spoiled(2, "0.5"), "a flat list of numbers"),
        (spoiled(2, [1]), "a flat list of numbers"),
        (spoiled(2, 10**400), "a flat list of numbers"),
        (openpose({"x": 1}), "a flat list of numbers"),  # type: ignore[arg-type]
        (coco(person(1, 7)) | {"categories": [{"keypoints": ["paw", "tail"]}]}, "found paw, tail; name their layout"),
    ],
)
def test_what_cannot_be_used_is_told(content: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=told) as refusal:
        read(content, tmp_path)
    assert str(refusal.value).startswith(str(tmp_path / "people.json"))
    assert str(refusal.value).endswith(".")
    assert "\n" not in str(refusal.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_keypoints(tmp_path / "none.json")
    with pytest.raises(BadInput, match="cannot be read"):
        read_keypoints(tmp_path)
    (tmp_path / "picture.json").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(BadInput, match="expected JSON"):
        read_keypoints(tmp_path / "picture.json")
    with pytest.raises(BadInput, match="'coco18' is no joint set"):
        read(openpose(flat(25)), tmp_path, layout="coco18")


def spoil(node: Any, rng: random.Random) -> None:
    """Puts nonsense somewhere into a tree of JSON."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(node[key], dict | list) and rng.random() < 0.7:
            node = node[key]
            continue
        node[key] = rng.choice([None, -1, 3, 1e300, 10**400, "x", [], {}, [[1]], {"keypoints": 3}, True, float("nan")])
        return


@pytest.mark.parametrize("seed", range(60))
def test_nonsense_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    results = [{"image_id": 1, "keypoints": flat(17), "bbox": [1, 2, 3, 4]}]
    named = coco(person(1, 7), person(1, 8)) | {"categories": [{"keypoints": ["nose"]}]}
    for whole in (openpose(flat(25), flat(25)), named, results):
        content = copy.deepcopy(whole)
        spoil(content, rng)
        try:
            people = read(content, tmp_path, image=rng.choice([None, "one.jpg"]))
        except BadInput:
            continue
        assert people.keypoints.isfinite().all()


def test_keypoints_must_lie_in_the_picture(tmp_path: Path) -> None:
    keypoints = flat(25, 0.5, 100.0)
    people = read(openpose(keypoints, flat(25, 0.5, 10.0)), tmp_path)
    check_inside(people, (400, 400))
    check_inside(people, (201, 101))  # one of the first person's lies inside
    with pytest.raises(BadInput, match=r"photo\.jpg: .* picture of 90 x 400 pixels, but all of person 0 lie outside"):
        check_inside(people, (400, 90), "photo.jpg")


@pytest.mark.skipif(not COCO.exists(), reason="the shared COCO photographs are not here")
def test_shared_annotations_are_read() -> None:
    images = {entry["file_name"]: entry for entry in json.loads(COCO.read_text())["images"]}
    found = {name: read_keypoints(COCO, image=name) for name in images}
    for name, people in found.items():
        assert people.layout == "coco17"
        assert people.boxes is not None
        check_inside(people, (images[name]["height"], images[name]["width"]), name)
    assert len(found["000000000785.jpg"]) == 1
    assert found["000000000785.jpg"].keypoints[0, 0].tolist() == [367.5, 81.5, 1.0]
    with pytest.raises(BadInput, match="found 000000000785"):
        read_keypoints(COCO, image="none.jpg")


@pytest.mark.skipif(not STATIC.exists(), reason="the shared multi-view recordings are not here")
def test_shared_detections_are_read() -> None:
    arrays = np.load(STATIC / "openpose_2d.npz")["cam01"]
    for frame, path in enumerate(sorted((STATIC / "openpose_json_sample").glob("*.json"))):
        people = read_keypoints(path, layout="body25b")
        assert torch.allclose(people.keypoints, torch.from_numpy(arrays[frame]).float())
        check_inside(people, (1920, 1088))
