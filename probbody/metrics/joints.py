"""How far a body is from the truth: one number a body, in millimetres."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .alignments import FEWEST, Alignment, AsTheyAre, Procrustes, Rooted
from .scores import Scores, joint_scores


def mpjpe(
    found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], seen: Bool[Tensor, "B P"] | None = None, root: int = 0
) -> Float[Tensor, " B"]:
    """Mean distance of joints in millimetres, after the joint ``root`` of both was moved to the origin.

    Points are metres; ``seen`` chooses the joints that count (all without it). A body none of whose joints count is a
    ValueError. Ionescu et al. (2014), Human3.6M, protocol 1.
    """
    return _each(found, truth, Rooted((root,)), seen, fewest=1)


def pa_mpjpe(
    found: Float[Tensor, "B P 3"], truth: Float[Tensor, "B P 3"], seen: Bool[Tensor, "B P"] | None = None
) -> Float[Tensor, " B"]:
    """Mean distance of joints in millimetres, after the best similarity (scale, rotation, place) of found onto truth.

    Fewer than four joints fit by a similarity whatever they are, so they are refused, with a ValueError; in ``joint_scores``
    such bodies are left out and counted instead.
    """
    return _each(found, truth, Procrustes(), seen, fewest=FEWEST)


def pve(
    found: Float[Tensor, "B V 3"],
    truth: Float[Tensor, "B V 3"],
    found_root: Float[Tensor, "B 3"],
    truth_root: Float[Tensor, "B 3"],
) -> Float[Tensor, " B"]:
    """Mean distance of vertices (PVE, also MPVPE) in millimetres, after the root joint of both was moved to the origin."""
    return _each(found - found_root.unsqueeze(1), truth - truth_root.unsqueeze(1), AsTheyAre(), None, fewest=1)


def reprojection_error(
    found: Float[Tensor, "B P 2"], keypoints: Float[Tensor, "B P 3"], extent: Float[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """Mean distance of the keypoints seen (confidence above zero) as a share of ``extent``, a length in pixels."""
    away, seen = (found - keypoints[..., :2]).norm(dim=-1), keypoints[..., 2] > 0
    return torch.where(seen, away, 0.0).sum(1) / seen.sum(1) / extent


def _each(
    found: Float[Tensor, "B P 3"],
    truth: Float[Tensor, "B P 3"],
    alignment: Alignment,
    seen: Bool[Tensor, "B P"] | None,
    fewest: int,
) -> Float[Tensor, " B"]:
    """The mean of each body; those that cannot be measured are refused."""
    held: Scores = joint_scores(found, truth, alignment, seen)
    least = found.shape[1] if seen is None or not len(seen) else int(seen.sum(1).min())
    if least < fewest:
        needs = (
            "a similarity needs at least 4 joints to say anything" if fewest > 1 else "at least one joint must count"
        )
        raise ValueError(f"{'pa_mpjpe' if fewest > 1 else 'mpjpe'}: {needs}, a body has {least}.")
    if not bool(held.measured.all()):
        raise ValueError("pa_mpjpe: the joints of a body all lie in one place, so that no similarity is defined.")
    return held.of_images()
