"""Kinematic trees: where the joints go when each turns about its parent."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor


def forward_kinematics(
    rotations: Float[Tensor, "B J 3 3"], joints: Float[Tensor, "B J 3"], parents: tuple[int, ...]
) -> Float[Tensor, "B J 4 4"]:
    """World transforms of the joints: how each frame is turned, and where its joint is (metres).

    ``joints`` are places at rest in the world, ``rotations`` relative to the parent, ``parents`` -1 for the root, which comes
    first and stays in its place; a parent comes before its children, anything else is a ValueError. Rotations run by pointer
    doubling: after k products each joint holds those of its 2^k nearest ancestors, so a chain of n takes log2(n) batched
    products. Positions are then sums of turned bones over ancestors: one product with a constant matrix.
    """
    if len(parents) != rotations.shape[1]:
        raise ValueError(f"forward_kinematics: {rotations.shape[1]} rotations came with {len(parents)} parents.")
    jumps, above = _jumps(parents)
    turned = rotations
    for jump in jumps:
        turned = _hop(turned, torch.tensor(jump, device=turned.device))
    bones = joints - joints.index_select(1, torch.tensor(above, device=joints.device))
    bones = torch.cat([joints[:, :1], bones[:, 1:]], dim=1)
    carried = turned.index_select(1, torch.tensor(above, device=turned.device)) @ bones.unsqueeze(-1)
    carried = torch.cat([bones[:, :1], carried[:, 1:, :, 0]], dim=1)
    ancestry = torch.tensor(_ancestry(parents), dtype=carried.dtype, device=carried.device)
    places = torch.einsum("ij,bjd->bid", ancestry, carried)
    return homogeneous(turned, places)


def rest_to_posed(world: Float[Tensor, "B J 4 4"], joints: Float[Tensor, "B J 3"]) -> Float[Tensor, "B J 4 4"]:
    """The transforms that carry points at rest along with each joint: ``world`` after moving the joint at rest to 0."""
    rotations = world[..., :3, :3]
    return homogeneous(rotations, world[..., :3, 3] - (rotations @ joints.unsqueeze(-1)).squeeze(-1))


def homogeneous(rotations: Float[Tensor, "*B 3 3"], places: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 4 4"]:
    """Rigid transforms as 4 x 4 matrices: x goes to R x + t."""
    upper = torch.cat([rotations, places.unsqueeze(-1)], dim=-1)
    last = upper.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*upper.shape[:-2], 1, 4)
    return torch.cat([upper, last], dim=-2)


@lru_cache(maxsize=64)
def _jumps(parents: tuple[int, ...]) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """For each doubling the ancestor of each joint (J where there is none), and the parents with the root its own."""
    check_tree(parents)
    none = len(parents)
    ancestor = [none if parent < 0 else parent for parent in parents] + [none]
    jumps = []
    while any(a != none for a in ancestor):
        jumps.append(tuple(ancestor[:-1]))
        ancestor = [ancestor[a] for a in ancestor]
    return tuple(jumps), tuple(max(parent, 0) for parent in parents)


def _hop(turned: Tensor, ancestor: Tensor) -> Tensor:
    still = torch.eye(3, dtype=turned.dtype, device=turned.device).expand(len(turned), 1, 3, 3)
    return torch.cat([turned, still], dim=1).index_select(1, ancestor) @ turned


@lru_cache(maxsize=64)
def _ancestry(parents: tuple[int, ...]) -> tuple[tuple[float, ...], ...]:
    """Row i is 1 at joint i and at its ancestors."""
    rows: list[list[float]] = []
    for joint, parent in enumerate(parents):
        row = list(rows[parent]) if parent >= 0 else [0.0] * len(parents)
        row[joint] = 1.0
        rows.append(row)
    return tuple(map(tuple, rows))


def check_tree(parents: tuple[int, ...]) -> None:
    """Refuses, with a ValueError, parents that are not one tree with the root first and parents before children."""
    if not parents or parents[0] != -1:
        raise ValueError(f"parents must begin with the root, whose parent is -1, but they are {list(parents)}.")
    for joint, parent in enumerate(parents[1:], start=1):
        if not 0 <= parent < joint:
            raise ValueError(f"the parent of joint {joint} must be one of the joints 0 to {joint - 1}, not {parent}.")
