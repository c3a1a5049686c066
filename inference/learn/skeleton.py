"""A standing adult as a tree of joints: enough body to measure poses in metres."""

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.geometry.trees import forward_kinematics

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
# metres from parent to child in the T-pose, rounded proportions of an adult of 1.70 m
BONES = (
    (0.0, 0.0, 0.0),
    (0.06, -0.09, 0.0), (-0.06, -0.09, 0.0), (0.0, 0.11, -0.02),
    (0.04, -0.38, 0.0), (-0.04, -0.38, 0.0), (0.0, 0.13, 0.0),
    (-0.01, -0.40, -0.03), (0.01, -0.40, -0.03), (0.0, 0.05, 0.02),
    (0.03, -0.06, 0.12), (-0.03, -0.06, 0.12), (0.0, 0.21, -0.04),
    (0.07, 0.12, -0.02), (-0.07, 0.12, -0.02), (0.0, 0.09, 0.05),
    (0.11, 0.03, -0.01), (-0.11, 0.03, -0.01),
    (0.26, 0.0, -0.02), (-0.26, 0.0, -0.02),
    (0.25, 0.0, 0.0), (-0.25, 0.0, 0.0),
    (0.09, 0.0, -0.01), (-0.09, 0.0, -0.01),
)  # fmt: skip


def joint_positions(rotations: Float[Tensor, "B 21 3 3"]) -> Float[Tensor, "B 24 3"]:
    """Where the joints are, in metres, with the pelvis upright at the origin."""
    rest = torch.zeros(24, 3, dtype=rotations.dtype, device=rotations.device)
    for joint, (parent, bone) in enumerate(zip(PARENTS, BONES, strict=True)):
        rest[joint] = torch.tensor(bone).to(rest) + (rest[parent] if parent >= 0 else 0)
    still = torch.eye(3).to(rotations).expand(len(rotations), 1, 3, 3)
    every = torch.cat([still, rotations, still, still], dim=1)
    world = forward_kinematics(every, rest.expand(len(rotations), 24, 3), PARENTS)
    return world[..., :3, 3]


def bone_directions() -> Float[Tensor, "21 3"]:
    """Unit vectors along the bone that each joint after the pelvis carries: to its first child, or on as it came."""
    found = []
    for joint in range(1, 22):
        child = next((other for other, parent in enumerate(PARENTS) if parent == joint), joint)
        found.append(BONES[child])
    bones = torch.tensor(found)
    return bones / bones.norm(dim=-1, keepdim=True)
