"""Bodies at rest."""

import torch

from ..contracts import ArticulatedBody
from ..quantities import Pose, Surface


def at_rest(body: ArticulatedBody) -> Surface:
    """One body of mean shape without any rotation, at the world's origin."""
    still = torch.eye(3).to(body.weights).expand(1, len(body.parents), 3, 3)
    with torch.no_grad():
        return body(Pose(still, body.weights.new_zeros(1, body.num_shape), body.weights.new_zeros(1, 3)))
