"""Bodies of other proportions: bones that are longer or shorter than a body's shapes make them."""

import torch
from jaxtyping import Float
from torch import Tensor

from .skinned import SkinnedBody


def with_bone_lengths(body: SkinnedBody, spread: float = 0.05) -> SkinnedBody:
    """The same body with one more shape coefficient for each bone, those of left and right together.

    A coefficient of 1 makes the bone longer by the share ``spread`` of its length in the template, and the skin along it
    with it; all that hangs on the bone is carried along. So shapes stay standard normal, the prior of a body that people's
    shapes reach but not quite. The coefficients follow the body's own, in the order of the joints at the ends of the bones.
    """
    if not spread > 0:
        raise ValueError(f"spread: expected a positive share of the bones' lengths, found {spread}.")
    moved = torch.stack([_carried(body, ends) for ends in _pairs(body)], dim=-1) * spread  # (J, 3, K)
    skin = torch.stack([_skin(body, ends) for ends in _pairs(body)], dim=-1) * spread
    skin = skin + torch.einsum("vj,jxk->vxk", body.weights, moved)
    return SkinnedBody(
        template=body.template,
        faces=body.faces,
        weights=body.weights,
        parents=body.parents,
        joint_names=body.joint_names,
        joint_template=body.joint_template,
        shape_directions=torch.cat([body.shape_directions, skin], dim=-1),
        joint_directions=torch.cat([body.joint_directions, moved], dim=-1),
        pose_directions=body.pose_directions,
        regressors=body.regressors,
        licence=body.licence,
    )


def _pairs(body: SkinnedBody) -> list[tuple[int, ...]]:
    """The joints at the ends of the bones that grow together."""
    groups: dict[str, list[int]] = {}
    for joint, name in enumerate(body.joint_names):
        if body.parents[joint] >= 0:
            words = [word for word in name.split("_") if word not in ("left", "right")]
            groups.setdefault("_".join(words), []).append(joint)
    return [tuple(ends) for ends in groups.values()]


def _bone(body: SkinnedBody, end: int) -> Float[Tensor, " 3"]:
    return body.joint_template[end] - body.joint_template[body.parents[end]]


def _carried(body: SkinnedBody, ends: tuple[int, ...]) -> Float[Tensor, "J 3"]:
    """How far each joint goes when these bones become twice as long."""
    away = torch.zeros_like(body.joint_template)
    for joint, parent in enumerate(body.parents):
        if parent >= 0:
            away[joint] = away[parent] + (_bone(body, joint) if joint in ends else 0.0)
    return away


def _skin(body: SkinnedBody, ends: tuple[int, ...]) -> Float[Tensor, "V 3"]:
    """How far the skin along these bones goes beside what carries it, from nothing at their beginning to all at their end."""
    away = torch.zeros_like(body.template)
    for end in ends:
        bone, start = _bone(body, end), body.parents[end]
        along = (body.template - body.joint_template[start]) @ bone / bone.square().sum().clamp_min(1e-8)
        away = away + (body.weights[:, start] * along.clamp(0, 1))[:, None] * bone
    return away
