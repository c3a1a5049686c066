"""How far a network's guesses of a body are from the body: measured on pictures that it did not learn from."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import Camera
from ..quantities import Record

FLOOR = 0.001
"""Metres, of the depth its share: no direction of the errors is taken to be known better than this."""
AGREED = 0.05
"""Metres that are added to how far guesses are apart: guesses that agree may all be wrong."""
_ROUNDS = 30
_LOG_TWO_PI = math.log(2 * math.pi)


def joint_code(joints: Float[Tensor, "B J 3"], camera: Camera, depth: Float[Tensor, " B"]) -> Float[Tensor, "B E"]:
    """World joints in the numbers that guesses are off by, which are of a like size wherever a body stands.

    All but the root relative to it along the camera's axes (metres), then the root, which is the first joint: across the view
    (right, down; metres at ``depth``), and the logarithm of its own depth. ``depth`` (metres) must be one for the two that are
    compared.
    """
    root = camera.locate(joints[:, 0])
    others = camera.turned(joints - joints[:, :1])[:, 1:].flatten(1)
    return torch.cat([others, root[:, :2] * depth.unsqueeze(1), root[:, 2:]], dim=1)


def joint_codes(
    guesses: Float[Tensor, "B K J 3"], camera: Camera
) -> tuple[Float[Tensor, "B K E"], Float[Tensor, " B"]]:
    """The codes of several guesses of each body, and the depth that they have in common: the first one's."""
    depth = camera.locate(guesses[:, 0, 0])[:, 2].exp()
    return torch.stack([joint_code(joints, camera, depth) for joints in guesses.unbind(1)], dim=1), depth


@dataclass(frozen=True)
class GuessErrors(Record):
    r"""Errors of one guess among several, nobody knows which: normal, and the wider the further guesses are apart.

    Guessed less true joints, both as ``joint_codes`` has them, divided by a width :math:`w`, are normal about nothing. Joints
    are wrong together, a knee with its ankle, both ankles where the body is turned: the scale knows that. :math:`w` is the
    root mean square of how far two guesses differ along an axis, over joints and pairs, and ``AGREED`` more.

    Errors that nothing is known of have long tails, and of Student's densities one of few degrees of freedom is likelier; but
    its peak is, in so many dimensions, so narrow that the most probable body hardly leaves the guess, whatever else is seen.
    With the width the tails are shorter, and it says which guesses to leave; they are not yet a normal's. Of first guesses
    with a width told by two looks, of 1,024 pictures that fitted nothing, half of them varied, a tenth of the squared distances
    is above 135 and a hundredth above 252; with none above 128 and 329; a normal has 89 and 103.
    """

    scale: Float[Tensor, "E E"]
    """Lower triangular, in the units of ``joint_code`` over metres; ``E`` is three times the joints."""
    usual: float = 1.0
    """``w`` of a guess that is the only one."""

    @staticmethod
    def spread(codes: Float[Tensor, "B K E"]) -> Float[Tensor, " B"]:
        """``w`` of several guesses, metres."""
        count, joints = codes.shape[1], codes[..., :-3]
        apart = (joints - joints.mean(1, keepdim=True)).square().mean((1, 2)) * (2 * count / max(count - 1, 1))
        return apart.sqrt() + AGREED

    def width(self, codes: Float[Tensor, "B K E"]) -> Float[Tensor, " B"]:
        """``w``, metres, of a guess that is the only one too."""
        return self.spread(codes) if codes.shape[1] > 1 else codes.new_full((len(codes),), self.usual)

    def log_prob(self, errors: Float[Tensor, "B K E"], width: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Of guesses with these errors, of which one counts: the mean of their densities."""
        far = torch.linalg.solve_triangular(self.scale.to(errors), (errors / width[:, None, None]).mT, upper=False)
        volume = self.scale.diagonal().log().sum().to(errors) + len(self.scale) * (width.log() + 0.5 * _LOG_TWO_PI)
        return (-0.5 * far.square().sum(1)).logsumexp(1) - math.log(errors.shape[1]) - volume

    @classmethod
    def fit(cls, errors: Float[Tensor, "N K E"], width: Float[Tensor, " N"]) -> "GuessErrors":
        """Of greatest likelihood, but for the floor, by expectation maximisation; ``usual`` is the median width.

        Args:
            errors: as of ``joint_codes``, guessed less true.
            width: of each body's guesses, metres: see ``spread``.

        Raises:
            ValueError: there are no more bodies than numbers of an error.
        """
        count, several, size = errors.shape
        if count <= size:
            raise ValueError(f"errors: expected more than {size} bodies, found {count}.")
        usual = float(width.median())
        scaled = errors.double() / width.double()[:, None, None]
        least = (FLOOR / usual) ** 2 * torch.eye(size, dtype=torch.double, device=errors.device)
        share = scaled.new_full((count, several), 1 / several)
        for _ in range(_ROUNDS if several > 1 else 1):
            spread = torch.einsum("nk,nki,nkj->ij", share, scaled, scaled) / count
            scale = torch.linalg.cholesky(spread + least)
            far = torch.linalg.solve_triangular(scale, scaled.mT, upper=False)
            share = (-0.5 * far.square().sum(1)).softmax(1)
        return cls(scale.to(errors), usual)
