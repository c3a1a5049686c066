"""Where the poses of drawn people come from."""

import abc
import copy

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import PosePrior
from ..geometry.rotations import axis_angle_to_matrix
from .chances import Chances


class Poses(abc.ABC):
    """A source of poses without the root: rotations of the joints that follow it, in the body's order."""

    @abc.abstractmethod
    def draw(self, chances: Chances) -> Float[Tensor, "B M 3 3"]:
        """A pose for each picture, float64 on the device of the chances."""


class CapturedPoses(Poses):
    """Frames of captured motion, each as likely as its chance, with a little trembling of every joint.

    Args:
        angles: axis-angles in radians.
        chances: of each frame; they need not sum to 1.
        trembling: standard deviation of a small rotation of each joint about a random axis, radians.
    """

    def __init__(self, angles: Float[Tensor, "T M 3"], chances: Float[Tensor, " T"], trembling: float = 0.04) -> None:
        if len(angles) == 0 or len(angles) != len(chances):
            raise ValueError(
                f"CapturedPoses: expected a chance for each of some frames, found {len(angles)} and {len(chances)}."
            )
        total = chances.double().cumsum(0)
        if not 0 <= trembling < torch.inf:
            raise ValueError(f"CapturedPoses: expected a finite trembling of at least 0, found {trembling}.")
        if not (bool(angles.isfinite().all()) and bool((chances >= 0).all()) and 0 < float(total[-1]) < torch.inf):
            raise ValueError("CapturedPoses: expected finite angles and chances of at least 0 that are not all 0.")
        self._angles, self._ends, self._trembling = angles, total / total[-1], trembling

    def draw(self, chances: Chances) -> Float[Tensor, "B M 3 3"]:
        """A frame for each picture."""
        fine = chances.uniform().double() + 2.0**-24 * chances.uniform().double()  # there may be more than 2^24 frames
        frames = torch.searchsorted(self._ends.to(fine.device), fine).clamp_max(len(self._angles) - 1)
        chosen = self._angles[frames.to(self._angles.device)].to(fine)
        shake = self._trembling * chances.normal(*chosen.shape[1:]).to(fine)
        return axis_angle_to_matrix(chosen) @ axis_angle_to_matrix(shake)


class PriorPoses(Poses):
    """Poses drawn from a density over poses."""

    def __init__(self, prior: PosePrior) -> None:
        self._prior = copy.deepcopy(prior).cpu()

    def draw(self, chances: Chances) -> Float[Tensor, "B M 3 3"]:
        """A code for each picture, decoded."""
        density = self._prior.code()
        codes = []
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for number in chances.integers():
                torch.default_generator.manual_seed(
                    number
                )  # torch.manual_seed would seed GPUs too, and nothing restores these
                codes.append(density.sample())
            decoded = self._prior.decode(torch.stack(codes).double())
        return decoded.double().to(chances.keys.device)
