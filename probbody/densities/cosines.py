"""How far directions agree, over pictures of them.

The inner loop of every density of directions: 32,768 pixels of 64 channels, eighty times a fit. Written so that nothing of
that size is kept or copied, and so that it is as quick where channels come before pixels as where they come after.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

_IN_CACHE = 2**18  # numbers
_NO_LENGTH = 1e-24  # the square of a length at which a direction is taken for none


def cosines(
    value: Float[Tensor, "*#N D"], directions: Float[Tensor, "*#N O D"]
) -> tuple[Float[Tensor, "*N O"], Float[Tensor, "*#N O"]]:
    """``m_o.x`` of unit vectors x with the directions m_o, and the length that each direction came with.

    A direction shorter than 1e-12 is none: its cosine, its gradient and its length are zero. The lengths carry no gradient.
    """
    if directions.dim() == 2:
        length, known = lengths(directions)
        return _inner_with_all(value, directions * (known / length)[:, None]), (known * length).detach()
    if value.shape[:-1] == directions.shape[:-2]:
        return _Cosines.apply(value, directions)
    length, known = lengths(directions)
    inner = torch.stack([(value * direction).sum(-1) for direction in directions.unbind(-2)], -1)
    return inner * (known / length), (known * length).detach()


def lengths(directions: Float[Tensor, "*N D"]) -> tuple[Float[Tensor, "*N"], Tensor]:
    """Lengths, one where a direction is none, and whether there is one."""
    # a sum of squares, not a norm: that is many times slower where channels come before pixels
    squared = (directions * directions).sum(-1)
    known = squared > _NO_LENGTH
    return torch.where(known, squared, 1.0).sqrt(), known


class _Cosines(torch.autograd.Function):
    """As the plain formula, one direction at a time and without keeping products of values and directions."""

    @staticmethod
    def forward(value: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        # each direction's map on its own, not interleaved: what is multiplied with them later runs several times quicker
        squared = torch.stack([_inner(part, part) for part in directions.unbind(-2)]).movedim(0, -1)
        inner = torch.stack([_inner(value, part) for part in directions.unbind(-2)]).movedim(0, -1)
        length = torch.where(squared > _NO_LENGTH, squared, 0.0).sqrt()
        return inner * torch.where(squared > _NO_LENGTH, squared, torch.inf).rsqrt(), length

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, *output)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None], value: Tensor, directions: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        both = [
            part.expand(info.batch_size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip((value, directions), in_dims, strict=True)
        ]
        return _Cosines.apply(*both), (0, 0)

    @staticmethod
    def backward(ctx: Any, *along: Tensor) -> tuple[Tensor | None, Tensor | None]:
        value, directions, cosine, length = ctx.saved_tensors
        needs = ctx.needs_input_grad
        if torch.is_grad_enabled():  # a second derivative is asked for
            return _slopes(value, directions, along[0], needs)
        inverse = torch.where(length > 0, length, torch.inf).reciprocal()
        outward = along[0] * inverse
        by_value = (outward[..., None] * directions).sum(-2) if needs[0] else None
        if not needs[1]:
            return by_value, None
        inward = (-outward * cosine * inverse).movedim(-1, 0).contiguous()
        outward = outward.movedim(-1, 0).contiguous()
        by_directions = torch.empty_like(directions)
        for o in range(directions.shape[-2]):
            part = torch.mul(value, outward[o, ..., None], out=by_directions[..., o, :])
            part.addcmul_(directions[..., o, :], inward[o, ..., None])
        return by_value, by_directions


def _slopes(value: Tensor, directions: Tensor, along: Tensor, needs: tuple) -> tuple[Tensor | None, Tensor | None]:
    """The same derivatives by the plain formula, which can itself be differentiated."""
    length, known = lengths(directions)
    cosine = (value[..., None, :] * directions).sum(-1) * (known / length)
    outward = along * (known / length)
    by_value = (outward[..., None] * directions).sum(-2) if needs[0] else None
    inward = -outward * cosine / length
    by_directions = outward[..., None] * value[..., None, :] + inward[..., None] * directions if needs[1] else None
    return by_value, by_directions


def _inner(one: Tensor, other: Tensor) -> Tensor:
    """Inner products of rows (N, *M, D), in pieces whose products stay in the processor's cache."""
    if one.device.type != "cpu":
        return (one * other).sum(-1)
    piece = max(1, _IN_CACHE // max(1, one[:1].numel()))
    return torch.cat([(a * b).sum(-1) for a, b in zip(one.split(piece), other.split(piece), strict=True)])


def _inner_with_all(value: Tensor, directions: Tensor) -> Tensor:
    """The inner product of every value (*N, D) with every one of (O, D) directions."""
    if value.dim() > 2 and value.stride(-1) != 1:
        # channels before pixels: multiplied as they lie
        return (directions @ value.flatten(1, -2).mT).mT.unflatten(1, value.shape[1:-1])
    return value @ directions.mT
