"""Ways downhill, for many bodies at once, none of which feels the others."""

import abc
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Losses = Callable[[], Float[Tensor, " B"]]
"""One loss a body at the parameters' present values; differentiable."""


class Optimiser(abc.ABC):
    """A rule that changes parameters, whose first dimension runs over bodies, to lower the loss of each."""

    @abc.abstractmethod
    def run(self, losses: Losses, parameters: Mapping[str, nn.Parameter], steps: int) -> Iterator[Float[Tensor, " B"]]:
        """Change ``parameters`` in place, ``steps`` times; before each change, yield the losses at the present values.

        Gradients at the values yielded are in ``parameters[...].grad``. The last yield is after the last change.
        """


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam with a rate that falls to a hundredth along a cosine.

    Args:
        rate: the first rate, in the units of the sites.
        rates: other first rates for some sites, by name.

    References: Kingma, Ba (2015), arXiv:1412.6980; Loshchilov, Hutter (2017), arXiv:1608.03983, for the cosine.
    """

    rate: float = 0.02
    rates: Mapping[str, float] = field(default_factory=dict)

    def run(self, losses: Losses, parameters: Mapping[str, nn.Parameter], steps: int) -> Iterator[Float[Tensor, " B"]]:
        """See ``Optimiser.run``."""
        groups = [{"params": [value], "lr": self.rates.get(name, self.rate)} for name, value in parameters.items()]
        adam = torch.optim.Adam(groups, betas=(0.9, 0.99))
        first = [group["lr"] for group in adam.param_groups]
        for step in range(steps):
            share = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))
            for group, rate in zip(adam.param_groups, first, strict=True):
                group["lr"] = rate * share
            yield _evaluate(losses, parameters)
            adam.step()
        yield _evaluate(losses, parameters)


@dataclass(frozen=True)
class LBFGS(Optimiser):
    """Limited-memory BFGS with a halving line search (Armijo), each body with its own memory and its own step.

    torch's L-BFGS has one step length for all parameters, so that one body's valley would decide another's step.

    Args:
        memory: how many pairs of steps and gradient changes are kept.
        halvings: how often a step is halved before it is given up, and the memory with it.

    References: Nocedal, Wright (2006), Numerical Optimization, algorithms 7.4 and 3.1.
    """

    memory: int = 10
    halvings: int = 12

    def run(self, losses: Losses, parameters: Mapping[str, nn.Parameter], steps: int) -> Iterator[Float[Tensor, " B"]]:
        """See ``Optimiser.run``."""
        values = list(parameters.values())
        loss = _evaluate(losses, parameters)
        place, slope = _flat(values, len(loss)), _flat([_grad(value) for value in values], len(loss))
        pairs: list[tuple[Tensor, Tensor]] = []
        for _ in range(steps):
            yield loss
            direction = -_two_loops(slope, pairs)
            downhill = (direction * slope).sum(-1) < 0
            direction = torch.where(downhill[:, None], direction, -slope)
            length = torch.ones_like(loss)
            if not pairs:
                length = (1 / slope.abs().sum(-1).clamp_min(1e-12)).clamp_max(1.0)
            moved = self._search(losses, values, place, direction, slope, loss, length)
            new_loss = _evaluate(losses, parameters)
            new_slope = _flat([_grad(value) for value in values], len(loss))
            pairs = [*pairs, (moved - place, new_slope - slope)][-self.memory :]
            stuck = (moved == place).all(-1)
            if stuck.any():  # forget what led nowhere: the next direction is the gradient's
                pairs = [(step.masked_fill(stuck[:, None], 0.0), change) for step, change in pairs]
            place, slope, loss = moved, new_slope, new_loss
        yield loss

    def _search(
        self,
        losses: Losses,
        values: list[nn.Parameter],
        place: Float[Tensor, "B D"],
        direction: Float[Tensor, "B D"],
        slope: Float[Tensor, "B D"],
        loss: Float[Tensor, " B"],
        length: Float[Tensor, " B"],
    ) -> Float[Tensor, "B D"]:
        expected = (direction * slope).sum(-1)
        accepted: Bool[Tensor, " B"] = torch.zeros_like(loss, dtype=torch.bool)
        for _ in range(self.halvings):
            _put(values, place + length[:, None] * direction)
            with torch.no_grad():
                trial = losses()
            accepted = accepted | (trial <= loss + 1e-4 * length * expected)  # not-a-number is never accepted
            if accepted.all():
                break
            length = torch.where(accepted, length, 0.5 * length)
        moved = torch.where(accepted[:, None], place + length[:, None] * direction, place)
        _put(values, moved)
        return moved


def _two_loops(slope: Float[Tensor, "B D"], pairs: list[tuple[Tensor, Tensor]]) -> Float[Tensor, "B D"]:
    """The inverse Hessian of the memory times the slope; pairs without curvature are passed over, body by body."""
    result, passed = slope, []
    for step, change in reversed(pairs):
        curvature = (step * change).sum(-1)
        kept = curvature > 1e-10 * change.square().sum(-1).clamp_min(1e-30)
        weight = torch.where(kept, 1 / curvature.where(kept, torch.ones_like(curvature)), 0.0)
        pull = weight * (step * result).sum(-1)
        result = result - pull[:, None] * change
        passed.append((step, change, weight, pull))
    if passed:
        step, change, weight, _ = passed[0]
        scale = 1 / (weight * change.square().sum(-1)).where(weight > 0, torch.ones_like(weight))
        result = result * scale[:, None]
    for step, change, weight, pull in reversed(passed):
        result = result + (pull - weight * (change * result).sum(-1))[:, None] * step
    return result


def _evaluate(losses: Losses, parameters: Mapping[str, nn.Parameter]) -> Float[Tensor, " B"]:
    for value in parameters.values():
        value.grad = None
    loss = losses()
    loss.sum().backward()
    return loss.detach()


def _grad(value: nn.Parameter) -> Tensor:
    return torch.zeros_like(value) if value.grad is None else value.grad


def _flat(values: list[Tensor] | list[nn.Parameter], bodies: int) -> Float[Tensor, "B D"]:
    return torch.cat([value.detach().reshape(bodies, -1) for value in values], dim=-1)


def _put(values: list[nn.Parameter], flat: Float[Tensor, "B D"]) -> None:
    with torch.no_grad():
        widths = [value.numel() // len(flat) for value in values]
        for value, part in zip(values, flat.split(widths, dim=-1), strict=True):
            value.copy_(part.reshape(value.shape))
