"""A body from a skeleton alone: a closed tube around every bone."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import BadInput
from ..geometry.trees import check_tree
from .regressors import KeypointRegressor
from .skinned import SkinnedBody

_SIZE = 0.05  # one standard deviation of overall size: people's heights differ by about that much
_GIRTH = 0.15  # one standard deviation of thickness


def tubes(
    joints: Float[Tensor, "J 3"] | Int[Tensor, "J 3"] | list[list[float]] | list[tuple[float, float, float]],
    parents: tuple[int, ...] | list[int],
    *,
    names: tuple[str, ...] | None = None,
    radius: float = 0.15,
    rings: int = 6,
    sides: int = 8,
) -> SkinnedBody:
    """The body of any tree of joints: an arm, a hand, a gripper, an animal.

    Args:
        joints: places at rest, metres, y up; the root first.
        parents: the parent of each joint, -1 for the root; parents come before their children.
        names: one for each joint; ``joint0`` and so on unless given.
        radius: of a tube, as a share of its bone's length: 0.15 is about that of a human forearm, 0.25 of a finger.
        rings: rings of vertices along a bone, two or more.
        sides: vertices around a ring, three or more.

    The shape has two directions, in standard deviations: overall size (5 %, about the root) and girth (15 %). A bone turns
    with the joint it starts from; near its ends the skin is shared with the neighbouring bones. A joint at the end of a chain
    has no bone, so that its own rotation moves nothing. A bone without length gets no tube. The layout ``joints`` has every
    joint as a keypoint. Joints that are no tree, or that all lie in one place, are a BadInput.
    """
    exact = isinstance(joints, Tensor) and joints.is_floating_point()
    places = torch.as_tensor(joints, dtype=None if exact else torch.get_default_dtype())
    tree = tuple(int(parent) for parent in parents)
    _refuse_nonsense(places, tree, radius, rings, sides)
    bones = [
        joint for joint, parent in enumerate(tree) if parent >= 0 and bool((places[joint] != places[parent]).any())
    ]
    if not bones:
        raise BadInput("tubes: the joints must not all lie in one place.")
    vertices, thick, faces, weights = _skin(
        places, tree, bones, _profile(rings, sides, radius, places), _faces(rings, sides)
    )
    size = torch.stack([_SIZE * (vertices - places[0]), _GIRTH * thick], dim=-1)
    still = _SIZE * (places - places[0])
    return SkinnedBody(
        template=vertices,
        faces=faces,
        weights=weights,
        parents=tree,
        joint_names=tuple(f"joint{j}" for j in range(len(tree))) if names is None else tuple(names),
        joint_template=places,
        shape_directions=size,
        joint_directions=torch.stack([still, torch.zeros_like(still)], dim=-1),
        pose_directions=None,
        regressors={"joints": KeypointRegressor(torch.arange(len(tree)), torch.eye(len(tree), dtype=places.dtype))},
        licence="made from the caller's own joints",
    )


def _refuse_nonsense(places: Tensor, tree: tuple[int, ...], radius: float, rings: int, sides: int) -> None:
    if places.ndim != 2 or places.shape != (len(tree), 3):
        raise BadInput(
            f"tubes: joints must have the shape ({len(tree)}, 3), one row a parent, not {tuple(places.shape)}."
        )
    if rings < 2 or sides < 3 or not 0 < radius < math.inf:
        raise BadInput(
            f"tubes: a tube needs a positive radius, 2 rings and 3 sides or more, not {radius}, {rings} and {sides}."
        )
    try:
        check_tree(tree)
    except ValueError as error:
        raise BadInput(f"tubes: {error}") from None


def _skin(
    places: Tensor, tree: tuple[int, ...], bones: list[int], profile: tuple[Tensor, Tensor], faces: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same tube along every bone: vertices, how they lie off the bones, faces, weights."""
    along, out = profile
    start = places[[tree[joint] for joint in bones]]
    axis = places[bones] - start
    side, other = _across(axis)
    thick = out[:, :1] * side.unsqueeze(1) + out[:, 1:] * other.unsqueeze(1)  # (bones, points, 3)
    vertices = start.unsqueeze(1) + along[:, None] * axis.unsqueeze(1) + thick
    faces = faces + len(along) * torch.arange(len(bones))[:, None, None]
    weights = torch.cat([_weights(along, joint, tree) for joint in bones])
    return vertices.flatten(0, 1), thick.flatten(0, 1), faces.flatten(0, 1), weights


def _profile(rings: int, sides: int, radius: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """Of a bone of length 1: how far along each point is, and how far out in two directions; the poles come last."""
    along = torch.linspace(0, 1, rings, dtype=like.dtype, device=like.device)
    width = torch.full_like(along, radius)
    width[[0, -1]] = 0.75 * radius  # rounded ends
    angle = 2 * torch.pi * torch.arange(sides, dtype=like.dtype, device=like.device) / sides
    out = width[:, None, None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
    poles = torch.tensor([-0.5 * radius, 1 + 0.5 * radius], dtype=like.dtype, device=like.device)
    return torch.cat([along.repeat_interleave(sides), poles]), torch.cat([out.flatten(0, 1), out.new_zeros(2, 2)])


def _across(axis: Tensor) -> tuple[Tensor, Tensor]:
    """Two vectors as long as the axis, at right angles to it and to each other; a right-handed three with it."""
    length = axis.norm(dim=-1, keepdim=True)
    apart = torch.nn.functional.one_hot(axis.abs().argmin(-1), 3).to(axis)
    side = torch.nn.functional.normalize(torch.linalg.cross(axis, apart), dim=-1)
    return side * length, torch.linalg.cross(axis, side)


def _faces(rings: int, sides: int) -> Tensor:
    """Triangles of one closed tube, counter-clockwise as seen from outside."""
    first, last = rings * sides, rings * sides + 1
    faces = []
    for k in range(sides):
        n = (k + 1) % sides
        faces += [(first, n, k), (last, last - 1 - sides + k, last - 1 - sides + n)]
        for ring in range(0, (rings - 1) * sides, sides):
            faces += [(ring + k, ring + n, ring + sides + n), (ring + k, ring + sides + n, ring + sides + k)]
    return torch.tensor(faces)


def _weights(along: Tensor, joint: int, tree: tuple[int, ...]) -> Tensor:
    """Which joints carry the points of the bone that ends at ``joint``: its start, and near the ends half the neighbour."""
    start = tree[joint]
    weights = along.new_zeros(len(along), len(tree))
    below = (0.5 - 2 * along).clamp(0, 0.5) if tree[start] >= 0 else torch.zeros_like(along)
    above = (2 * along - 1.5).clamp(0, 0.5) if joint in tree else torch.zeros_like(along)  # an end bears nothing
    weights[:, start] = 1 - below - above
    if tree[start] >= 0:
        weights[:, tree[start]] = below
    weights[:, joint] += above
    return weights
