"""Poses as a few Gaussian clouds: sitting, walking, reaching up."""

from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Float
from pyro.distributions import Categorical, MixtureSameFamily, MultivariateNormal, TorchDistribution, constraints
from pyro.distributions.torch_distribution import TorchDistributionMixin as Density
from torch import Tensor

from ..contracts import PosePrior
from ..errors import BadInput
from ..geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from .weights import expect_shapes, read_weights, write_weights

KIND = "pose prior, mixture"
Form = Literal["sum", "max"]


class MixturePose(PosePrior):
    """Axis-angles of the joints, radians, one after the other: they are the code.

    ``form`` chooses the density: ``sum`` is the true mixture, ``max`` SMPLify's, which counts the likeliest cloud alone:
    ``max_k log w_k N_k <= log sum_k w_k N_k <= max_k log w_k N_k + log K``.

    References: Bogo et al. (2016), arXiv:1607.08128; Olson and Agarwal (2013).
    """

    means: Float[Tensor, "G D"]
    scales: Float[Tensor, "G D D"]
    chances: Float[Tensor, " G"]

    def __init__(
        self,
        means: Float[Tensor, "G D"],
        scales: Float[Tensor, "G D D"],
        chances: Float[Tensor, " G"],
        *,
        form: Form = "sum",
        licence: str = "",
    ) -> None:
        super().__init__()
        if form not in get_args(Form):
            raise BadInput(f"form: expected 'sum' or 'max', found {form!r}.")
        if not (chances > 0).all() or means.shape[1] % 3 or not (scales.diagonal(dim1=-2, dim2=-1) > 0).all():
            raise BadInput("chances: expected positive chances and scales, three numbers a joint, found others.")
        self.register_buffer("means", means)
        self.register_buffer("scales", scales)
        self.register_buffer("chances", chances / chances.sum())
        self.form, self.licence = form, licence
        self.num_code, self.num_joints = means.shape[1], means.shape[1] // 3

    def in_form(self, form: Form) -> "MixturePose":
        """The same clouds, counted otherwise."""
        return MixturePose(self.means, self.scales, self.chances, form=form, licence=self.licence)

    def code(self) -> Density:
        """The density of the axis-angles, in the chosen form."""
        clouds = MultivariateNormal(self.means, scale_tril=self.scales)
        which = Categorical(probs=self.chances)
        return MaxMixture(which, clouds) if self.form == "max" else CloudMixture(which, clouds)

    def decode(self, code: Float[Tensor, "B Z"]) -> Float[Tensor, "B M 3 3"]:
        """The rotations of axis-angles."""
        return axis_angle_to_matrix(code.unflatten(-1, (self.num_joints, 3)))

    def encode(self, rotations: Float[Tensor, "B M 3 3"]) -> Float[Tensor, "B Z"]:
        """The axis-angles of rotations."""
        return matrix_to_axis_angle(rotations).flatten(-2)

    def save(self, path: str | Path, words: dict[str, str] | None = None) -> None:
        """To a safetensors file."""
        tensors = {"means": self.means, "scales": self.scales, "chances": self.chances}
        write_weights(path, tensors, {**(words or {}), "licence": self.licence}, KIND)

    @classmethod
    def load(cls, path: str | Path, form: Form = "sum") -> "MixturePose":
        """From a safetensors file; another kind of file is refused."""
        tensors, words = read_weights(path, KIND)
        count, size = tuple(tensors["means"].shape) if "means" in tensors else (8, 63)
        expect_shapes(path, tensors, {"means": (count, size), "scales": (count, size, size), "chances": (count,)})
        return cls(tensors["means"], tensors["scales"], tensors["chances"], form=form, licence=words.get("licence", ""))


class CloudMixture(MixtureSameFamily):
    """A mixture of densities on R^D that says so: torch's own names its support in a way that no guide can read."""

    support = constraints.real_vector


class MaxMixture(TorchDistribution):
    """The likeliest of several clouds alone: ``max_k log w_k p_k(x)``.

    Not a normalised density: its mass lies between 1/K and 1. SMPLify's energy is its negative, plus the log of the smallest
    ``sqrt(det S_k)``. Draws come from the mixture of the same clouds.
    """

    arg_constraints: dict = {}  # noqa: RUF012
    support = constraints.real_vector

    def __init__(self, which: Categorical, clouds: MultivariateNormal) -> None:
        self.which, self.clouds = which, clouds
        self.mixture = MixtureSameFamily(which, clouds)
        super().__init__(which.batch_shape, clouds.event_shape, validate_args=False)

    @property
    def mean(self) -> Float[Tensor, "*B D"]:
        """The mean of the true mixture."""
        return self.mixture.mean

    def log_prob(self, value: Float[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
        """The largest of the clouds' weighted log densities."""
        return (self.which.logits + self.clouds.log_prob(value[..., None, :])).amax(-1)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Float[Tensor, "*B D"]:
        """Draws of the true mixture."""
        return self.mixture.sample(torch.Size(sample_shape))

    def expand(self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: object = None) -> "MaxMixture":
        """The same density for a batch of bodies."""
        del _instance
        shape = torch.Size(batch_shape)
        count = self.which.logits.shape[-1]
        clouds = self.clouds.expand((*shape, count))
        return MaxMixture(self.which.expand(shape), clouds)


def smplify_constant(prior: MixturePose) -> float:
    """What SMPLify's pose energy adds to ``-log`` of the max-mixture: minus the log of the smallest ``sqrt(det S_k)``."""
    return -float(prior.scales.diagonal(dim1=-2, dim2=-1).log().sum(-1).min())
