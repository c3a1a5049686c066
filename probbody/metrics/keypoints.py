"""How far keypoints are from the truth in the picture, measured by the person: PCK and PCKh."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..bodies.joints import JointSet
from .alignments import AsTheyAre
from .scores import Scores, joint_scores

PCKH = 0.5
"""Share of the head's length within which a keypoint counts as found (Andriluka et al., CVPR 2014)."""


def keypoint_scores(
    found: Float[Tensor, "B P 2"],
    truth: Float[Tensor, "B P 2"],
    size: Float[Tensor, " B"],
    counted: Bool[Tensor, "B P"] | None = None,
    joints: tuple[str, ...] = (),
) -> Scores:
    """Distances in pixels as shares of ``size``, a length in the same pixels: of the box, of the torso, of the head.

    ``keypoint_scores(...).below(0.1).pooled()`` is PCK at a tenth of that length. PCKh is ``below(PCKH)`` with the head's
    length; papers average it ``over_joints()``. A size that is not positive and finite is a ValueError.
    """
    fits = (size > 0) & size.isfinite()
    if not bool(fits.all()):
        body = int((~fits).nonzero()[0])
        raise ValueError(f"size: expected positive, finite lengths, found {float(size[body]):g} for body {body}.")
    flat = torch.zeros_like(found[..., :1])
    apart = joint_scores(
        torch.cat([found, flat], dim=-1), torch.cat([truth, flat], dim=-1), AsTheyAre(), counted, joints=joints
    )
    return Scores(apart.values / 1000 / size.unsqueeze(1), apart.counted, apart.measured, "share of the size", joints)


def head_lengths(keypoints: Float[Tensor, "B P D"], joints: JointSet) -> Float[Tensor, " B"]:
    """From the base of the neck (``thorax``) to the top of the head, in the unit of the keypoints.

    3DNBF and its relatives measure PCKh by this length; MPII by 0.6 of the diagonal of the head's box, which is another one.
    """
    neck, top = keypoints[:, joints.index("thorax")], keypoints[:, joints.index("head_top")]
    return (neck - top).norm(dim=-1)


def box_lengths(boxes: Float[Tensor, "B 4"]) -> Float[Tensor, " B"]:
    """The longer side of each box (left, top, right, bottom)."""
    return (boxes[:, 2:] - boxes[:, :2]).amax(1)
