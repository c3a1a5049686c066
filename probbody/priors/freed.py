"""Poses that another prior knows, each joint free to leave it a little."""

from pathlib import Path

import torch
from jaxtyping import Float
from pyro.distributions import Normal
from pyro.distributions.torch_distribution import TorchDistributionMixin as Density
from torch import Tensor

from ..contracts import PosePrior
from ..densities.joined import JoinedVectors
from ..errors import BadInput
from ..geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from .weights import expect_shapes, read_weights, write_weights

KIND = "pose prior, freedom of joints"


class FreedPose(PosePrior):
    """A pose of ``prior``, then a small turn of each joint in its own frame: what a decoder cannot say is said by these.

    The code is ``(z, r)``: the prior's own, and three standard normal numbers a joint;

    .. math:: R_j = D_j(z) \\exp(\\sigma_j r_j), \\qquad r_j \\sim N(0, 1)^3

    Every pose has a code: ``encode`` takes the prior's answer for z, and for r what is left, so that ``decode`` gives back
    the same rotations. ``spread`` (radians) is how far captured poses were from a decoder that had not learnt from them.
    """

    spread: Float[Tensor, "M 3"]

    def __init__(self, prior: PosePrior, spread: Float[Tensor, "M 3"]) -> None:
        super().__init__()
        if len(spread) != prior.num_joints or not (spread > 0).all():
            raise BadInput(
                f"spread: expected three positive numbers for each of {prior.num_joints} joints, found "
                f"{tuple(spread.shape)}, the least {float(spread.min()):g}."
            )
        self.prior = prior
        self.register_buffer("spread", spread)
        self.num_joints, self.licence = prior.num_joints, prior.licence
        self.num_code = prior.num_code + 3 * prior.num_joints

    def code(self) -> Density:
        """The prior's density of z, and standard normal r."""
        zero = torch.zeros_like(self.spread).flatten()
        return JoinedVectors(self.prior.code(), Normal(zero, torch.ones_like(zero)).to_event(1))

    def decode(self, code: Float[Tensor, "B Z"]) -> Float[Tensor, "B M 3 3"]:
        """The rotations of z, each turned by its r."""
        own, free = code[..., : self.prior.num_code], code[..., self.prior.num_code :]
        turns = self.spread.to(code) * free.unflatten(-1, (self.num_joints, 3))
        return self.prior.decode(own) @ axis_angle_to_matrix(turns)

    def encode(self, rotations: Float[Tensor, "B M 3 3"]) -> Float[Tensor, "B Z"]:
        """The prior's code of these rotations, and what is left."""
        own = self.prior.encode(rotations)
        left = matrix_to_axis_angle(self.prior.decode(own).mT @ rotations)
        return torch.cat([own, (left / self.spread.to(left)).flatten(-2)], dim=-1)

    def held(self) -> "HeldPose":
        """The same codes, whose joints stay where the prior puts them: for the first of two fits over the same sites."""
        return HeldPose(self)

    def unmoved(self, code: Float[Tensor, "*B z"]) -> Float[Tensor, "*B Z"]:
        """The code of a pose of the prior's own, no joint of which is turned."""
        return torch.cat([code, code.new_zeros(*code.shape[:-1], 3 * self.num_joints)], dim=-1)

    def save(self, path: str | Path, words: dict[str, str] | None = None) -> None:
        """The spread alone, to a safetensors file; the prior has its own."""
        write_weights(path, {"spread": self.spread}, {**(words or {}), "licence": self.licence}, KIND)

    @classmethod
    def load(cls, path: str | Path, prior: PosePrior) -> "FreedPose":
        """The spread from a safetensors file, about the prior that it was made for; another kind of file is refused."""
        tensors, _ = read_weights(path, KIND)
        expect_shapes(path, tensors, {"spread": (prior.num_joints, 3)})
        return cls(prior, tensors["spread"])


class HeldPose(PosePrior):
    """The codes of a ``FreedPose``, none of whose joints leaves the prior: r stands for nothing, and a fit leaves it at 0.

    A fit goes furthest while the decoder keeps its joints together; freed from the start they bend to what is near. So the
    first round of ``fit_features`` may be told of this prior and the second of the free one.
    """

    def __init__(self, freed: FreedPose) -> None:
        super().__init__()
        self.freed = freed
        self.num_joints, self.num_code, self.licence = freed.num_joints, freed.num_code, freed.licence

    def code(self) -> Density:
        """That of the free joints."""
        return self.freed.code()

    def decode(self, code: Float[Tensor, "B Z"]) -> Float[Tensor, "B M 3 3"]:
        """The rotations of z alone."""
        return self.freed.prior.decode(code[..., : self.freed.prior.num_code])

    def encode(self, rotations: Float[Tensor, "B M 3 3"]) -> Float[Tensor, "B Z"]:
        """The prior's code of these rotations; what is left is left out."""
        return self.freed.unmoved(self.freed.prior.encode(rotations))
