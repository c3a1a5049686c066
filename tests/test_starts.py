"""A fit begins where the keypoints already say that somebody stands: how far, which way up, facing whom."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from probbody.bodies.joints import joint_set
from probbody.bodies.open_body import open_body
from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import PosePrior
from probbody.geometry.cameras import CameraRig, PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix, geodesic_angle, matrix_to_quaternion, quaternion_to_matrix
from probbody.inference import alternatives, fit_map, keypoint_starts, triangulate
from probbody.inference.start import mirrored_limbs, without_keypoints
from probbody.models import KeypointBody
from probbody.observation import Observation
from probbody.priors import GaussianPose, gaussian_prior, vae_prior
from probbody.quantities import Pose

SIZE, FOCAL = (600, 800), 800.0
LAYOUTS = ("coco17", "openpose25", "h36m17", "smpl24")
PRIORS = {"gaussian": gaussian_prior, "vae": vae_prior}


@pytest.fixture(scope="module")
def body() -> SkinnedBody:
    return open_body("coarse")


def facing(turn: Tensor, roll: Tensor | float = 0.0) -> Tensor:
    """Upright before the camera, turned about the body's vertical, then rolled in the picture."""
    still = torch.zeros_like(turn)
    spin = axis_angle_to_matrix(torch.stack([still, still, still + roll], -1))
    return (
        spin
        @ axis_angle_to_matrix(turn.new_tensor([math.pi, 0.0, 0.0]))
        @ axis_angle_to_matrix(torch.stack([still, turn, still], -1))
    )


def people(body: SkinnedBody, prior: PosePrior, count: int, *, roll: float = 0.0, turned: bool = True) -> Pose:
    """Random people, two to ten metres away."""
    root = facing((math.tau if turned else 0.0) * torch.rand(count), roll)
    limbs = prior.decode(prior.code().sample((count,)))
    ends = torch.eye(3).expand(count, len(body.parents) - 1 - limbs.shape[1], 3, 3)
    away = 2 + 8 * torch.rand(count)
    place = torch.stack([0.1 * away * torch.randn(count), 0.1 * away * torch.randn(count), away], -1)
    return Pose(torch.cat([root[:, None], limbs, ends], 1), torch.randn(count, body.num_shape), place)


def seen(body: SkinnedBody, pose: Pose, layout: str, camera: PinholeCamera | CameraRig | None = None) -> Observation:
    camera = camera or PinholeCamera.looking_ahead(FOCAL, SIZE, batch=len(pose))
    pixels = camera.project(body.keypoints(body(pose), layout))[..., :2]
    return Observation(camera, torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1), layout)


def hidden(observation: Observation, *words: str) -> Observation:
    """The same without the joints whose names hold one of the words."""
    assert observation.keypoints is not None
    names = joint_set(observation.layout).names
    gone = torch.tensor([any(word in name for word in words) for name in names])
    return replace(observation, keypoints=observation.keypoints.masked_fill(gone[:, None], 0.0))


def depth(starts: dict[str, Tensor], start: int = 0) -> Tensor:
    return starts["place"][start, :, 2].exp()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("prior", PRIORS)
def test_bones_tell_the_distance_within_a_quarter(body: SkinnedBody, prior: str, layout: str) -> None:
    pose = people(body, PRIORS[prior](), 100)
    starts = keypoint_starts(body, PRIORS[prior](), seen(body, pose, layout))
    for start in range(4):
        off = (depth(starts, start) / pose.translation[:, 2]).log().abs()
        assert (off < math.log(1.25)).float().mean() > 0.94
        assert off.max() < math.log(1.5)


def test_a_person_at_twice_the_distance_starts_at_twice_the_distance(body: SkinnedBody) -> None:
    prior = gaussian_prior()
    near = people(body, prior, 1, turned=False)
    near = replace(near, translation=torch.tensor([[0.0, 0.0, 40.0]]))
    far = replace(near, translation=torch.tensor([[0.0, 0.0, 80.0]]))
    z = [depth(keypoint_starts(body, prior, seen(body, pose, "coco17"))) for pose in (near, far)]
    assert torch.allclose(z[1] / z[0], torch.tensor(2.0), rtol=0.02)


@pytest.mark.parametrize("roll", [0.0, 0.5 * math.pi, -0.5 * math.pi, math.pi, 0.7])
def test_the_facing_start_is_nearest_for_who_faces_the_camera_upright_or_lying(body: SkinnedBody, roll: float) -> None:
    prior = gaussian_prior()
    pose = people(body, prior, 30, roll=roll, turned=False)
    starts = keypoint_starts(body, prior, seen(body, pose, "coco17"))
    angles = torch.stack([geodesic_angle(quaternion_to_matrix(o), pose.rotations[:, 0]) for o in starts["orientation"]])
    assert (angles.argmin(0) == 0).float().mean() > 0.95
    assert angles[0].median() < math.radians(15)


def test_the_starts_are_the_turns_asked_for(body: SkinnedBody) -> None:
    prior = gaussian_prior()
    observation = seen(body, people(body, prior, 3, turned=False), "coco17")
    turns = (0.3, 1.0, -2.0)
    orientation = quaternion_to_matrix(keypoint_starts(body, prior, observation, turns=turns)["orientation"])
    between = geodesic_angle(orientation[:1].expand_as(orientation), orientation)
    for turn, angle in zip(turns, between, strict=True):
        assert torch.allclose(angle, torch.tensor(abs(turn - turns[0])), atol=1e-3)


def test_the_start_lies_over_the_keypoints(body: SkinnedBody) -> None:
    prior = gaussian_prior()
    observation = seen(body, people(body, prior, 40), "coco17")
    starts = keypoint_starts(body, prior, observation)
    assert observation.keypoints is not None
    for orientation, code in zip(starts["orientation"], starts["place"], strict=True):
        limbs = prior.decode(starts["pose"][0])
        ends = torch.eye(3).expand(40, len(body.parents) - 1 - limbs.shape[1], 3, 3)
        root = quaternion_to_matrix(orientation)[:, None]
        pose = Pose(torch.cat([root, limbs, ends], 1), starts["shape"][0], observation.camera.place(code))
        pixels = observation.camera.project(body.keypoints(body(pose), "coco17"))[..., :2]
        apart = (pixels.mean(1) - observation.keypoints[..., :2].mean(1)).norm(dim=-1)
        assert (apart < 0.25 * observation.extent()[:, 0]).all()


@pytest.mark.parametrize("gone", [("hip",), ("shoulder",), ("hip", "shoulder"), ("hip", "knee", "ankle"), ("left",)])
@pytest.mark.parametrize("layout", ["coco17", "openpose25"])
def test_missing_parts_still_give_a_start(body: SkinnedBody, layout: str, gone: tuple[str, ...]) -> None:
    prior = gaussian_prior()
    pose = people(body, prior, 30, turned=False)
    observation = hidden(seen(body, pose, layout), *gone)
    starts = keypoint_starts(body, prior, observation)
    assert all(value.isfinite().all() for value in starts.values())
    off = (depth(starts) / pose.translation[:, 2]).log().abs()
    assert off.median() < math.log(1.25)
    assert (geodesic_angle(quaternion_to_matrix(starts["orientation"][0]), pose.rotations[:, 0]) < 1.2).all()


def test_one_keypoint_or_none_gives_a_finite_start(body: SkinnedBody) -> None:
    observation = seen(body, people(body, gaussian_prior(), 2), "coco17")
    assert observation.keypoints is not None
    for kept in (0, 1):
        points = observation.keypoints.clone()
        points[:, kept:] = 0.0
        starts = keypoint_starts(body, gaussian_prior(), replace(observation, keypoints=points))
        assert all(value.isfinite().all() for value in starts.values())


def test_the_dtype_of_the_body_is_kept(body: SkinnedBody) -> None:
    prior = gaussian_prior()
    observation = seen(body, people(body, prior, 3), "coco17")
    single = keypoint_starts(body, prior, observation)
    double = keypoint_starts(
        open_body("coarse").double(), gaussian_prior().double(), observation.to(dtype=torch.float64)
    )
    for name, value in double.items():
        assert value.dtype == torch.float64, name
        other = single[name].double()
        if name == "orientation":  # a quaternion and its negative are one rotation
            other = other * (other * value).sum(-1, keepdim=True).sign()
        assert torch.allclose(value, other, atol=1e-4), name


def test_bodies_of_a_batch_do_not_see_each_other(body: SkinnedBody) -> None:
    observation = seen(body, people(body, gaussian_prior(), 3), "coco17")
    together = keypoint_starts(body, gaussian_prior(), observation)
    alone = [keypoint_starts(body, gaussian_prior(), observation[b]) for b in range(3)]
    for name, value in together.items():
        assert torch.allclose(value, torch.cat([each[name] for each in alone], dim=1), atol=1e-5), name


def test_without_keypoints_there_is_no_start(body: SkinnedBody) -> None:
    with pytest.raises(ValueError, match="no keypoints"):
        keypoint_starts(body, gaussian_prior(), Observation(PinholeCamera.looking_ahead(FOCAL, SIZE)))


def rig(views: int, batch: int, dtype: torch.dtype = torch.float64) -> CameraRig:
    """Cameras in a circle of six metres around the world's origin, looking inwards, y down."""
    found = []
    for view in range(views):
        turn = axis_angle_to_matrix(torch.tensor([0.0, 1.1 * view, 0.0], dtype=dtype)).expand(batch, 3, 3)
        ahead = PinholeCamera.looking_ahead(FOCAL, SIZE, batch=batch).to(dtype=dtype)
        away = torch.tensor([0.0, 0.0, 6.0], dtype=dtype).expand(batch, 3)
        found.append(replace(ahead, rotation=turn.contiguous(), translation=away.contiguous()))
    return CameraRig(tuple(found))


@pytest.mark.parametrize("views", [2, 3, 5])
def test_triangulation_finds_the_points(views: int) -> None:
    points = torch.randn(4, 17, 3, dtype=torch.float64)
    cameras = rig(views, 4)
    confidence = 0.2 + 0.8 * torch.rand(4, 17 * views, 1, dtype=torch.float64)
    keypoints = torch.cat([cameras.project(points)[..., :2], confidence], -1)
    found, weight = triangulate(Observation(cameras, keypoints))
    assert torch.allclose(found, points, atol=1e-5)
    assert torch.allclose(weight, confidence[..., 0].unflatten(1, (views, -1)).sum(1))


def test_a_point_seen_once_has_no_place() -> None:
    points, cameras = torch.randn(1, 17, 3, dtype=torch.float64), rig(3, 1)
    keypoints = torch.cat([cameras.project(points)[..., :2], torch.ones(1, 51, 1, dtype=torch.float64)], -1)
    keypoints = keypoints.unflatten(1, (3, 17)).clone()
    keypoints[:, 1:, 4] = 0.0  # seen in the first view alone
    keypoints[:, :, 5] = 0.0  # never seen
    keypoints[:, 0, 6] = torch.tensor([1e4, -1e4, 0.0])  # wrong where it was not seen
    found, weight = triangulate(Observation(cameras, keypoints.flatten(1, 2)))
    assert torch.equal(weight[0, 4:6], torch.zeros(2, dtype=torch.float64))
    assert torch.equal(found[0, 4:6], torch.zeros(2, 3, dtype=torch.float64))
    rest = [p for p in range(17) if p not in (4, 5)]
    assert torch.allclose(found[0, rest], points[0, rest], atol=1e-5)


def test_a_rig_tells_where_the_body_stands_and_how_it_is_turned(body: SkinnedBody) -> None:
    prior = gaussian_prior()
    pose = people(body, prior, 20)
    pose = replace(pose, translation=torch.randn(20, 3) * torch.tensor([1.0, 0.3, 1.0]))
    cameras = rig(3, 20, torch.float32)
    starts = keypoint_starts(body, prior, seen(body, pose, "coco17", cameras))
    angle = geodesic_angle(quaternion_to_matrix(starts["orientation"][0]), pose.rotations[:, 0])
    assert angle.median() < math.radians(20)
    assert angle.max() < math.radians(40)  # the torso bends, the start's does not
    assert ((cameras.place(starts["place"][0]) - pose.translation).norm(dim=-1) < 0.35).all()


@pytest.mark.parametrize("gone", [slice(17, 34), [5, 6, 11, 12], slice(0, 17)], ids=["second", "torso", "first"])
def test_two_views_that_share_too_little_still_give_a_start(body: SkinnedBody, gone: slice | list[int]) -> None:
    prior = gaussian_prior()
    pose = people(body, prior, 6, turned=False)
    pose = replace(pose, translation=torch.tensor([0.5, 0.0, 0.0]).expand(6, 3))
    cameras = rig(2, 6, torch.float32)
    observation = seen(body, pose, "coco17", cameras)
    assert observation.keypoints is not None
    keypoints = observation.keypoints.clone()
    keypoints[:3, gone, 2] = 0.0
    starts = keypoint_starts(body, prior, replace(observation, keypoints=keypoints))
    whole = keypoint_starts(body, prior, observation)
    away = torch.stack([cameras.place(each) - pose.translation for each in starts["place"]]).norm(dim=-1)
    assert (away[:, :3] < 3.0).all(), "metres; one view knows the distance by the bones alone"
    for name, value in starts.items():
        torch.testing.assert_close(value[:, 3:], whole[name][:, 3:])


def test_no_turns_are_no_start(body: SkinnedBody) -> None:
    camera = PinholeCamera.looking_ahead(FOCAL, SIZE)
    with pytest.raises(ValueError, match="expected one turn or more"):
        keypoint_starts(body, gaussian_prior(), Observation(camera, torch.ones(1, 17, 3)), turns=())


def test_alternatives_are_what_a_pose_is_mistaken_for() -> None:
    body, prior = open_body(), GaussianPose.independent(21, 0.3)
    torch.manual_seed(1)
    facing = matrix_to_quaternion(axis_angle_to_matrix(torch.tensor([[math.pi, 0.0, 0.0], [2.9, 0.3, 0.2]])))
    sites = {"pose": prior.code().sample((2,)), "orientation": facing, "shape": torch.zeros(2, body.num_shape)}
    starts = alternatives(sites, body, prior)
    torch.testing.assert_close(starts["pose"][0], sites["pose"])
    torch.testing.assert_close(starts["shape"], torch.zeros(4, 2, body.num_shape))
    mirror = torch.tensor(joint_set("smpl24").mirror)
    joints = []
    for number in (0, 3):  # as it is, and turned with its limbs mirrored
        limbs = prior.decode(starts["pose"][number])
        still = torch.eye(3).expand(2, 2, 3, 3)
        root = quaternion_to_matrix(starts["orientation"][number])[:, None]
        surface = body(Pose(torch.cat([root, limbs, still], 1), sites["shape"], torch.zeros(2, 3)))
        joints.append(body.keypoints(surface, "smpl24"))
    # the first faces along the axis, so that the other is its reflection in depth, left and right exchanged
    reflected = joints[1][0, mirror] * torch.tensor([1.0, 1.0, -1.0])
    torch.testing.assert_close(reflected, joints[0][0], rtol=0, atol=2e-3)


def test_mirroring_limbs_twice_changes_nothing() -> None:
    names = open_body().joint_names
    limbs = axis_angle_to_matrix(torch.randn(3, 21, 3))
    torch.testing.assert_close(mirrored_limbs(mirrored_limbs(limbs, names), names), limbs)


@pytest.mark.parametrize("focal_spread", [0.0, 0.3])
def test_keypoints_are_doubted_from_the_worst_explained_on(body: SkinnedBody, focal_spread: float) -> None:
    prior = gaussian_prior()
    model = KeypointBody(body, prior, focal_spread=focal_spread)
    observation = hidden(seen(body, people(body, prior, 2, turned=False), "coco17"), "eye")
    fit = fit_map(model, observation, steps=1, start=keypoint_starts(body, prior, observation, turns=(0.0,)))
    camera = observation.camera.zoomed(fit.sites()["focal"]) if focal_spread else observation.camera
    places = camera.project(body.keypoints(body(fit.pose), "coco17"))[..., :2]
    keypoints = torch.cat([places, observation.keypoints[..., 2:]], -1)  # type: ignore[index]
    for person, joint, far in ((0, 9, 60.0), (0, 3, 30.0), (1, 16, 50.0), (1, 6, 20.0)):
        keypoints[person, joint, 0] += far
    masked = without_keypoints(fit, body, replace(observation, keypoints=keypoints), 2)
    assert masked.shape == (2, 2, 17, 3)
    gone = [[(masked[n, b, :, 2] < keypoints[b, :, 2]).nonzero().flatten().tolist() for b in (0, 1)] for n in (0, 1)]
    assert gone == [[[9], [16]], [[3], [6]]]
    torch.testing.assert_close(masked[..., :2], keypoints[..., :2].expand(2, 2, 17, 2))
