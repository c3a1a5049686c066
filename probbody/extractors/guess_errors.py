"""How far a network's guess of a body is from the body: measured on pictures that it did not learn from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import Camera
from ..quantities import Record

FLOOR = 0.001
"""Metres, of the depth its share: no direction of the errors is taken to be known better than this."""


def joint_code(joints: Float[Tensor, "B J 3"], camera: Camera, depth: Float[Tensor, " B"]) -> Float[Tensor, "B E"]:
    """World joints in the numbers that guesses are off by, which are of a like size wherever a body stands.

    All but the root relative to it along the camera's axes (metres), then the root, which is the first joint: across the view
    (right, down; metres at ``depth``), and the logarithm of its own depth. ``depth`` (metres) must be one for the two that are
    compared.
    """
    root = camera.locate(joints[:, 0])
    others = camera.turned(joints - joints[:, :1])[:, 1:].flatten(1)
    return torch.cat([others, root[:, :2] * depth.unsqueeze(1), root[:, 2:]], dim=1)


@dataclass(frozen=True)
class GuessErrors(Record):
    """Guessed less true joints, both as ``joint_code`` has them at the guessed root's depth: normal about nothing.

    Joints are wrong together, a knee with its ankle, both ankles where the body is turned: the scale knows that. Of Student's
    densities one of few degrees of freedom is likelier (219 for 213 nats a guess), as some guesses are wrong altogether; but in
    so many dimensions its peak is so narrow that the most probable body hardly leaves the guess, whatever else is seen.
    """

    scale: Float[Tensor, "E E"]
    """Lower triangular, in the units of ``joint_code``; ``E`` is three times the joints."""

    @classmethod
    def fit(cls, errors: Float[Tensor, "N E"]) -> "GuessErrors":
        """Of greatest likelihood, but for the floor."""
        if len(errors) <= errors.shape[1]:
            raise ValueError(f"errors: expected more than {errors.shape[1]} guesses, found {len(errors)}.")
        data = errors.double()
        least = FLOOR**2 * torch.eye(data.shape[1], dtype=data.dtype, device=data.device)
        return cls(torch.linalg.cholesky(data.mT @ data / len(data) + least).to(errors))
