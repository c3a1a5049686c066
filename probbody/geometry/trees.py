"""Kinematic trees: where the joints go when each turns about its parent.

Inside, coordinates come first and bodies last ("planes"): a product of thousands of 3 x 3 matrices is then one product and
one sum along contiguous bodies, four times as fast on a processor as a batched product of small matrices.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor


def forward_kinematics(
    rotations: Float[Tensor, "B J 3 3"], joints: Float[Tensor, "B J 3"], parents: tuple[int, ...]
) -> Float[Tensor, "B J 4 4"]:
    """World transforms of the joints: how each frame is turned, and where its joint is (metres).

    ``joints`` are places at rest in the world, ``rotations`` relative to the parent, ``parents`` -1 for the root, which comes
    first and stays in its place; a parent comes before its children. Anything else is a ValueError.
    """
    turned, places = kinematic_planes(rotations.permute(2, 3, 1, 0), joints.permute(2, 1, 0), parents)
    return homogeneous(turned, places)


def rest_to_posed(world: Float[Tensor, "B J 4 4"], joints: Float[Tensor, "B J 3"]) -> Float[Tensor, "B J 4 4"]:
    """The transforms that carry points at rest along with each joint: ``world`` after moving the joint at rest to 0."""
    planes = world.permute(2, 3, 1, 0)
    turned = planes[:3, :3]
    return homogeneous(turned, offsets(turned, planes[:3, 3], joints.permute(2, 1, 0)))


def kinematic_planes(
    rotations: Float[Tensor, "3 3 J B"], joints: Float[Tensor, "3 J B"], parents: tuple[int, ...]
) -> tuple[Float[Tensor, "3 3 J B"], Float[Tensor, "3 J B"]]:
    """How the frames are turned and where the joints are, in planes.

    Rotations run by pointer doubling: after k products each joint holds those of its 2^k nearest ancestors, so that a chain
    of n joints takes log2(n) products. Positions are sums of turned bones over ancestors: one product with a constant matrix.
    """
    if len(parents) != rotations.shape[2]:
        raise ValueError(f"{rotations.shape[2]} rotations came with {len(parents)} parents.")
    jumps, order, back, above, ancestry = _constants(parents, rotations.dtype, rotations.device)
    turned = rotations if order is None else rotations.index_select(2, order)
    for jump in jumps:
        done, deeper = turned.split([len(parents) - len(jump), len(jump)], dim=2)
        turned = torch.cat([done, product(turned.index_select(2, jump), deeper)], dim=2)
    turned = turned if back is None else turned.index_select(2, back)
    root = joints[:, :1]
    bones = (turned.index_select(2, above) * (joints[:, 1:] - joints.index_select(1, above))).sum(1)
    return turned, ancestry @ torch.cat([root, bones], dim=1)


def offsets(
    turned: Float[Tensor, "3 3 J B"], places: Float[Tensor, "3 J B"], joints: Float[Tensor, "3 J B"]
) -> Float[Tensor, "3 J B"]:
    """What to add after turning a point at rest about the origin, so that it goes along with the joint."""
    return places - (turned * joints).sum(1)


def product(a: Float[Tensor, "3 3 *N"], b: Float[Tensor, "3 3 *N"]) -> Float[Tensor, "3 3 *N"]:
    """Matrix products of planes, each entry of the rest by itself."""
    return (a.unsqueeze(2) * b.unsqueeze(0)).sum(1)


def homogeneous(turned: Float[Tensor, "3 3 J B"], places: Float[Tensor, "3 J B"]) -> Float[Tensor, "B J 4 4"]:
    """Planes as rigid transforms x -> R x + t, bodies first."""
    upper = torch.cat([turned, places.unsqueeze(1)], dim=1)
    last = torch.zeros_like(upper[:1])
    last[:, 3] = 1.0
    return torch.cat([upper, last]).permute(3, 2, 0, 1).contiguous()


def check_tree(parents: tuple[int, ...]) -> None:
    """Refuses, with a ValueError, parents that are not one tree with the root first and parents before children."""
    if not parents or parents[0] != -1:
        raise ValueError(f"parents must begin with the root, whose parent is -1, but they are {list(parents)}.")
    for joint, parent in enumerate(parents[1:], start=1):
        if not 0 <= parent < joint:
            raise ValueError(f"the parent of joint {joint} must be one of the joints 0 to {joint - 1}, not {parent}.")


@lru_cache(maxsize=64)
def _constants(
    parents: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> tuple[list[Tensor], Tensor | None, Tensor | None, Tensor, Tensor]:
    """What a tree of joints fixes once for all.

    With joints in order of depth: for the k-th doubling the 2^k-th ancestors of those that have one, which are the last. That
    order and its inverse (None where the joints already come so). The parents of all but the root, and a matrix whose row i
    is 1 at joint i and at its ancestors.
    """
    check_tree(parents)
    lines: list[list[int]] = [[0]]  # from each joint up to the root
    for joint, parent in enumerate(parents[1:], start=1):
        lines.append([joint, *lines[parent]])
    order = sorted(range(len(parents)), key=lambda joint: len(lines[joint]))
    place = sorted(range(len(parents)), key=order.__getitem__)
    jumps, far = [], 1
    while far < len(lines[order[-1]]):
        jumps.append([place[lines[joint][far]] for joint in order if len(lines[joint]) > far])
        far *= 2
    with torch.inference_mode(False):  # kept for later calls, which may want gradients
        ancestry = torch.zeros(len(parents), len(parents), dtype=dtype)
        for joint, line in enumerate(lines):
            ancestry[joint, line] = 1.0
        level = order == sorted(order)
        return (
            [torch.tensor(jump, device=device) for jump in jumps],
            None if level else torch.tensor(order, device=device),
            None if level else torch.tensor(place, device=device),
            torch.tensor(parents[1:], dtype=torch.long, device=device),
            ancestry.to(device),
        )
