"""What a network took a body for, believed as far as such guesses were right before."""

import pyro

from probbody.extractors.guess_errors import GuessErrors, joint_code, joint_codes
from probbody.observation import Observation

from .evidence import Evidence, Scene


class GuessEvidence(Evidence):
    """Joints near where something else took them to be: the factor ``points``, of one of its guesses, nobody knows which.

    What is rendered tells where a body is in the picture, and less well how deep each limb is; a network that has seen many
    people guesses that, and which of several people is meant. Here its guesses are one more observation, whose errors were
    measured; where they are far from each other, each pulls the less. See ``GuessErrors``.

    Args:
        errors: of the guesses.
        weight: an exponent; what else is observed may come from the same picture, and be wrong with the guess.
        which: of the guesses observed; networks that are wrong each by itself are a piece of evidence each. Those of any
            but the first have their factor's name end with where theirs begin.
    """

    def __init__(self, errors: GuessErrors, weight: float = 1.0, which: slice = slice(None)) -> None:
        super().__init__()
        if not 0 < weight < float("inf"):
            raise ValueError(f"weight: expected more than zero, found {weight}.")
        self.errors, self.weight, self.which = errors, weight, which
        self.site = f"points_{which.start}" if which.start else "points"

    def observe(self, scene: Scene, observation: Observation) -> None:
        """Add the factor where the observation holds guessed places of all joints."""
        if observation.points is None or not (told := observation.points[:, self.which]).shape[1]:
            return
        joints, known = scene.surface.joints, len(self.errors.scale)
        if told.shape[2:] != joints.shape[1:] or 3 * joints.shape[1] != known:
            raise ValueError(
                f"points: expected {known // 3} joints, whose errors are known, for a body with as many, found "
                f"{told.shape[2]} for one with {joints.shape[1]}."
            )
        codes, depth = joint_codes(told, scene.camera)
        here = joint_code(joints, scene.camera, depth)
        told_of = self.errors.log_prob(codes - here.unsqueeze(1), self.errors.width(codes))
        pyro.factor(self.site, self.weight * told_of)
