"""Where a fit to keypoints begins."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probbody.bodies.joints import JointSet, joint_set
from probbody.contracts import ArticulatedBody, PosePrior
from probbody.geometry.cameras import CameraRig
from probbody.geometry.procrustes import similarity
from probbody.geometry.rotations import axis_angle_to_matrix, matrix_to_quaternion, quaternion_to_matrix
from probbody.observation import Observation
from probbody.quantities import Pose

from .result import Fit, as_fitted

_LAID = 3
"""Points that say how a body is turned."""
TURNS = (0.0, math.pi, 0.5 * math.pi, -0.5 * math.pi)
"""Facing the camera, turned away, and the two sides: radians about the body's vertical axis."""


def keypoint_starts(
    body: ArticulatedBody,
    prior: PosePrior,
    observation: Observation,
    turns: tuple[float, ...] = TURNS,
    noise: float = 0.3,
    joints: JointSet | None = None,
) -> dict[str, Float[Tensor, "starts B *_"]]:
    """Starts for bodies of which only keypoints are known: the prior's middle pose, upright along the torso, turned.

    In one view the distance follows from the bones: none looks longer than its length over the distance, so that the
    longest-looking ones tell how near the body is, whatever its pose; the middle of the keypoints then gives the place.
    In a rig of several views the torso is triangulated and the body laid onto it, or onto all points that two views see where
    these are too few of the torso; where they are too few of all, the view that sees the most of the body is all there is.

    Args:
        body, prior: those of the model.
        observation: with keypoints.
        turns: angles about the body's vertical axis (radians), one start each; 0 faces the camera.
        joints: the joint set of the keypoints, where the observation's layout is none that ``joint_set`` knows.
        noise: where the site ``noise`` starts, as a share of the person's box.

    Returns: values of the sites ``shape``, ``pose``, ``orientation``, ``place`` and ``noise``.

    Raises:
        ValueError: there are no keypoints, or no turns.
    """
    if not turns:
        raise ValueError("keypoint_starts: expected one turn or more, found none.")
    if observation.keypoints is None:
        raise ValueError("keypoint_starts: the observation holds no keypoints; give some, or start from a pose.")
    like = body.weights
    code = prior.code().mean.expand(len(observation), -1)
    shape = like.new_zeros(len(observation), body.num_shape)
    points, root = _standing(body, prior, code, shape, observation.layout)
    joints = joints or joint_set(observation.layout)
    in_rig = observation.camera.views > 1
    upright, middle = (
        _in_rig(points, root, joints, observation) if in_rig else (_along_torso(joints, observation), None)
    )
    starts: dict[str, list[Tensor]] = {name: [] for name in ("shape", "pose", "orientation", "place", "noise")}
    for turn in turns:
        orientation = upright @ axis_angle_to_matrix(like.new_tensor([0.0, turn, 0.0]))
        placed = torch.einsum("bij,bpj->bpi", orientation, points - root[:, None]) + root[:, None]
        place = _by_bones(points, placed, joints, observation) if middle is None else middle - placed.mean(1)
        values = (
            shape,
            code,
            matrix_to_quaternion(orientation),
            observation.camera.locate(place),
            like.new_full((len(observation),), noise),
        )
        for name, value in zip(starts, values, strict=True):
            starts[name].append(value)
    return {name: torch.stack(values) for name, values in starts.items()}


ALTERNATIVES = 4
"""A pose, and what it is most easily mistaken for."""


def alternatives(
    sites: dict[str, Float[Tensor, "B *_"]], body: ArticulatedBody, prior: PosePrior
) -> dict[str, Float[Tensor, "4 B *_"]]:
    """A pose that one has, and what it is most easily mistaken for, as starts of one batch.

    As it is; turned by 180 degrees about the body's vertical; its limbs mirrored; both. The last looks the same from far
    away but for left and right: it is the pose reflected in depth.

    Args:
        sites: one value a body, as ``Fit.sites()`` gives them; a ``pose`` or an ``orientation`` that is not among them is
            known, and stays.
        body, prior: those of the model.
    """
    found = {name: torch.stack([value] * ALTERNATIVES) for name, value in sites.items()}
    if (code := sites.get("pose")) is not None:
        other = prior.encode(mirrored_limbs(prior.decode(code), body.joint_names))
        found["pose"] = torch.stack([code, code, other, other])
    if (orientation := sites.get("orientation")) is not None:
        about = axis_angle_to_matrix(orientation.new_tensor([0.0, math.pi, 0.0]))
        turned = matrix_to_quaternion(quaternion_to_matrix(orientation) @ about)
        found["orientation"] = torch.stack([orientation, turned, orientation, turned])
    return found


def without_keypoints(
    fit: Fit, body: ArticulatedBody, observation: Observation, count: int
) -> Float[Tensor, "N B M 3"]:
    """The observed keypoints without one of them, ``N`` times: each of the ``count`` that the fit explains worst.

    Worst is furthest from where the fit puts them, against the person's extent in the view; those not seen come last.
    """
    assert observation.keypoints is not None
    camera = as_fitted(observation, fit.sites().get("focal")).camera
    with torch.no_grad():
        skeleton = body.reduced(observation.layout)
        places = camera.project(skeleton.keypoints(skeleton(fit.pose), observation.layout))[..., :2]
    away = (places - observation.keypoints[..., :2]).norm(dim=-1).unflatten(1, (camera.views, -1))
    away = (away / observation.extent()[..., None]).flatten(1)
    away = away.masked_fill(observation.keypoints[..., 2] <= 0, -1.0)
    worst = away.topk(min(count, away.shape[1]), dim=1).indices.T  # (N, B)
    masked = observation.keypoints.repeat(len(worst), 1, 1, 1)
    masked[..., 2] = masked[..., 2].scatter(2, worst[..., None], 0.0)
    return masked


def mirrored_limbs(rotations: Float[Tensor, "B M 3 3"], names: tuple[str, ...]) -> Float[Tensor, "B M 3 3"]:
    """The joints after the root with left and right exchanged; ``names`` are the body's, the root first."""
    limbs = names[1 : 1 + rotations.shape[1]]
    other_side = {"left": "right", "right": "left"}
    swapped = ["_".join(other_side.get(word, word) for word in name.split("_")) for name in limbs]
    across = torch.diag(rotations.new_tensor([-1.0, 1.0, 1.0]))
    order = [limbs.index(name) if name in limbs else place for place, name in enumerate(swapped)]
    return across @ rotations[:, order] @ across


def _standing(
    body: ArticulatedBody, prior: PosePrior, code: Tensor, shape: Tensor, layout: str
) -> tuple[Float[Tensor, "B P 3"], Float[Tensor, "B 3"]]:
    """The keypoints and the root of the prior's middle pose, in the body's own frame."""
    limbs = prior.decode(code)
    still = torch.eye(3).to(shape).expand(len(shape), len(body.parents), 3, 3)
    rotations = torch.cat([still[:, :1], limbs, still[:, 1 + limbs.shape[1] :]], dim=1)
    skeleton = body.reduced(layout)
    surface = skeleton(Pose(rotations, shape, torch.zeros_like(shape[:, :1]).expand(-1, 3)))
    return skeleton.keypoints(surface, layout), surface.joints[:, 0]


def _torso(joints: JointSet) -> tuple[list[int], list[int]]:
    """The shoulders and the hips that a joint set has."""
    found = [[i for i, name in enumerate(joints.names) if part in name] for part in ("shoulder", "hip")]
    return found[0], found[1]


def _along_torso(joints: JointSet, observation: Observation) -> Float[Tensor, "B 3 3"]:
    """Facing the camera, the body's vertical along the torso as the picture shows it; upright where it is not seen."""
    assert observation.keypoints is not None
    ends = []
    if not all(_torso(joints)):
        return axis_angle_to_matrix(observation.keypoints.new_tensor([[math.pi, 0.0, 0.0]])).expand(
            len(observation), 3, 3
        )
    for part in _torso(joints):
        weight = observation.keypoints[:, part, 2:]
        total = weight.sum(1)
        ends.append(((observation.keypoints[:, part, :2] * weight).sum(1) / total.clamp_min(1e-6), total[:, 0] > 0))
    (top, top_seen), (bottom, bottom_seen) = ends
    up = torch.where((top_seen & bottom_seen)[:, None], top - bottom, top.new_tensor([0.0, -1.0]))
    roll = torch.atan2(up[:, 0], -up[:, 1])
    spin = torch.stack([torch.zeros_like(roll), torch.zeros_like(roll), roll], dim=-1)
    facing = axis_angle_to_matrix(up.new_tensor([math.pi, 0.0, 0.0]))  # y up to y down, and towards the camera
    return axis_angle_to_matrix(spin) @ facing


def _by_bones(
    points: Float[Tensor, "B P 3"], placed: Float[Tensor, "B P 3"], joints: JointSet, observation: Observation
) -> Float[Tensor, "B 3"]:
    """The translation that puts the keypoints' middle on its ray, as far away as the longest-looking bones say."""
    assert observation.keypoints is not None
    origins, directions = observation.camera.rays(observation.keypoints[..., :2])
    seen = observation.keypoints[..., 2] > 0
    first, second = torch.tensor(joints.edges, device=points.device).T
    length = (points[:, first] - points[:, second]).norm(dim=-1)
    apparent = (directions[:, first] - directions[:, second]).norm(dim=-1)
    distance = length / apparent.clamp_min(1e-4)
    known = seen[:, first] & seen[:, second] & (length > 0.1)  # metres: the face's points say nothing of distance
    distance = distance.masked_fill(~known, torch.nan).nanquantile(0.2, dim=1).nan_to_num(nan=4.0).clamp(0.3, 1e3)
    ray = torch.nn.functional.normalize(_middle(directions, seen), dim=-1)
    return origins[:, 0] + ray * distance[:, None] - _middle(placed, seen)


def _middle(points: Float[Tensor, "B P D"], seen: Bool[Tensor, "B P"]) -> Float[Tensor, "B D"]:
    """The median of the points seen, along each axis: a wrong one in ten does not move it far."""
    return points.masked_fill(~seen[..., None], torch.nan).nanmedian(dim=1).values.nan_to_num(nan=0.0)


def _in_rig(
    points: Float[Tensor, "B P 3"], root: Float[Tensor, "B 3"], joints: JointSet, observation: Observation
) -> tuple[Float[Tensor, "B 3 3"], Float[Tensor, "B 3"]]:
    """How bodies are turned in the world, and where the middles of their keypoints are, from rays of several views."""
    found, weight = triangulate(observation)
    torso = weight.new_zeros(len(joints.names))
    torso[[index for part in _torso(joints) for index in part]] = 1.0
    told = torch.where((weight * torso > 0).sum(1, True) >= _LAID, weight * torso, weight)
    known = (told > 0).sum(1) >= _LAID
    upright, middle = _in_best_view(points, root, joints, observation)
    if known.any():
        laid = similarity(points[known], found[known], told[known], scaled=False)
        upright, middle = upright.clone(), middle.clone()
        upright[known] = laid.rotation
        middle[known] = ((found * weight[..., None]).sum(1) / weight.sum(1, keepdim=True).clamp_min(1e-6))[known]
    return upright, middle


def _in_best_view(
    points: Float[Tensor, "B P 3"], root: Float[Tensor, "B 3"], joints: JointSet, observation: Observation
) -> tuple[Float[Tensor, "B 3 3"], Float[Tensor, "B 3"]]:
    """The same from the view of each body alone that sees the most of it."""
    assert observation.keypoints is not None
    rig = observation.camera
    assert isinstance(rig, CameraRig)
    keypoints = observation.keypoints.unflatten(1, (rig.views, -1))
    best = (keypoints[..., 2] > 0).sum(2).argmax(1)
    upright, middle = [], []
    for body, view in enumerate(best.tolist()):
        camera = rig.cameras[view][body]
        alone = Observation(camera, keypoints=keypoints[body : body + 1, view], layout=observation.layout)
        facing = camera.rotation.mT @ _along_torso(joints, alone)
        placed = torch.einsum("bij,bpj->bpi", facing, points[[body]] - root[[body], None]) + root[[body], None]
        upright.append(facing)
        middle.append(placed.mean(1) + _by_bones(points[[body]], placed, joints, alone))
    return torch.cat(upright), torch.cat(middle)


def triangulate(observation: Observation) -> tuple[Float[Tensor, "B P 3"], Float[Tensor, "B P"]]:
    """The points nearest to the rays of all views, weighted by confidence (least squares), and the sum of confidences.

    A point seen in fewer than two views has weight zero and lies at the origin of the world.
    """
    assert observation.keypoints is not None
    views = observation.camera.views
    origins, directions = observation.camera.rays(observation.keypoints[..., :2])
    weight = observation.keypoints[..., 2].clamp_min(0).unflatten(1, (views, -1))
    across = torch.eye(3).to(directions) - directions[..., :, None] * directions[..., None, :]
    across = across.unflatten(1, (views, -1)) * weight[..., None, None]
    normal = across.sum(1)
    target = torch.einsum("bvpij,bvpj->bpi", across, origins.unflatten(1, (views, -1)))
    enough = (weight > 0).sum(1) >= 2
    normal = torch.where(enough[..., None, None], normal, torch.eye(3).to(normal))
    found = torch.linalg.solve(normal, target)
    return torch.where(enough[..., None], found, 0.0), torch.where(enough, weight.sum(1), 0.0)
