"""What a network took a body for, believed as far as such guesses were right before."""

import pyro
import pyro.distributions as dist
from jaxtyping import Float
from pyro import poutine
from torch import Tensor

from probbody.extractors.guess_errors import joint_code
from probbody.observation import Observation

from .evidence import Evidence, Scene


class GuessEvidence(Evidence):
    """Joints near where something else took them to be: the site ``points``, observed.

    What is rendered tells where a body is in the picture, and less well how deep each limb is; a network that has seen many
    people guesses that, and which of several people is meant. Here its guess is one more observation, whose errors were
    measured: see ``GuessErrors``.

    Args:
        scale: of the errors, lower triangular, in the units of ``joint_code``.
        weight: an exponent; what else is observed may come from the same picture, and be wrong with the guess.
    """

    scale: Float[Tensor, "E E"]

    def __init__(self, scale: Float[Tensor, "E E"], weight: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        if not 0 < weight < float("inf"):
            raise ValueError(f"weight: expected more than zero, found {weight}.")
        self.weight = weight

    def observe(self, scene: Scene, observation: Observation) -> None:
        """Add the site ``points`` where the observation holds the guessed places of all joints."""
        if observation.points is None:
            return
        joints, told = scene.surface.joints, observation.points
        if told.shape != joints.shape or 3 * joints.shape[1] != len(self.scale):
            raise ValueError(
                f"points: expected {len(self.scale) // 3} joints, whose errors are known, for a body with as many, found "
                f"{told.shape[1]} for one with {joints.shape[1]}."
            )
        depth = scene.camera.locate(told[:, 0])[:, 2].exp()
        here, guessed = (joint_code(each, scene.camera, depth) for each in (joints, told))
        density = dist.MultivariateNormal(here, scale_tril=self.scale.to(here), validate_args=False)
        with poutine.scale(scale=self.weight):
            pyro.sample("points", density, obs=guessed)
