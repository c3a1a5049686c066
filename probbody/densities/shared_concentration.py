"""Where many directions have one concentration, and that is sought: the cosines stay as they are from step to step."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from .bessel import log_peak
from .cosines import cosines
from .sphere import log_area

_IN_CACHE = 2**17  # numbers


class SharedConcentration:
    """Values under a ``VonMisesFisherMixture`` of directions of equal weight and one concentration, as a function of that.

    Args:
        value: unit vectors.
        directions: of any length; about one that is none the density is uniform.
    """

    def __init__(self, value: Float[Tensor, "N D"], directions: Float[Tensor, "R D"]) -> None:
        agree, length = cosines(value, directions)
        known = length > 0
        self._agree = agree[:, known]
        self._unknown, self._all, self._dim = int((~known).sum()), len(directions), value.shape[-1]

    def log_prob(self, concentration: Float[Tensor, ""]) -> Float[Tensor, " N"]:
        """The log density with respect to area on the sphere, in nats; once differentiable."""
        found = _Mixed.apply(concentration, self._agree) + log_peak(concentration, self._dim) - concentration
        if self._unknown:
            found = torch.logaddexp(found, found.new_tensor(math.log(self._unknown)))
        return found - math.log(self._all) - log_area(self._dim)


class _Mixed(torch.autograd.Function):
    r"""``log sum_r exp(kappa c_r)`` for each row of cosines; its slope in kappa is the mean of c under the softmax."""

    @staticmethod
    def forward(ctx: Any, kappa: Tensor, cosine: Tensor) -> Tensor:
        if not cosine.shape[1]:  # a sum of nothing
            ctx.save_for_backward(cosine.new_zeros(len(cosine)))
            return cosine.new_full((len(cosine),), -torch.inf)
        found, slopes = [], []
        for piece in cosine.split(max(_IN_CACHE // max(cosine.shape[1], 1), 1)):
            scaled = kappa * piece
            most = scaled.amax(-1, keepdim=True)
            share = scaled.sub_(most).exp_()
            total = share.sum(-1)
            found.append(most[:, 0] + total.log())
            slopes.append((share * piece).sum(-1) / total)
        ctx.save_for_backward(torch.cat(slopes))
        return torch.cat(found)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, along: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return (along * slope).sum(), None
