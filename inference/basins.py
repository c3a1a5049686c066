"""How much of the posterior lies about a maximum of it."""

from collections.abc import Mapping

import pyro
import torch
from jaxtyping import Float
from torch import Tensor

from probbody.observation import Observation

from .density import Model, log_terms

AT_ONCE = 600
"""Rows of Hessians, of all bodies together, that one backward pass finds: more take memory, fewer time."""


def log_masses(
    model: Model,
    observation: Observation,
    sites: Mapping[str, Float[Tensor, "B *_"]],
    least: float = 1.0,
) -> Float[Tensor, " B"]:
    r"""Laplace's estimate of the logarithm of the posterior mass, up to the evidence, in the basin of each maximum.

    .. math:: \log m = \log p(x, \theta) + \tfrac D2 \log 2\pi - \tfrac12 \log\det H, \quad H = -\nabla^2 \log p(x, \theta)

    The highest maximum is often a narrow one: a pose bent until it passes through a keypoint that is wrong pays with a
    prior that is a little lower, and with far fewer poses about it that would do as well. Masses count both.

    Args:
        model: any Pyro program.
        observation: what was seen.
        sites: a value of each latent site, one a body, near a maximum.
        least: eigenvalues of the Hessian below this are taken for it: where a maximum was only nearly reached they may be
            negative. 1 is the curvature of a standard normal, such as a code's prior.

    Returns: nats. Where the curvature is not finite so is the mass: not-a-number.

    References: MacKay (2003), Information Theory, Inference, and Learning Algorithms, chapter 27, for the method and chapter
        28 for the factor by which narrow explanations are penalised.
    """
    bodies = len(observation)
    leaves = {name: value.detach().clone().requires_grad_() for name, value in sites.items()}
    unchecked = {"validate_distributions_pyro": False, "validate_distributions_torch": False, "validate_poutine": False}
    with torch.random.fork_rng(), torch.enable_grad(), pyro.settings.context(**unchecked):
        terms = log_terms(model, leaves, observation)
        log_density = torch.stack(list(terms.values())).sum(0)
        curvature = -_second_derivatives(log_density, list(leaves.values()))
    size = curvature.shape[-1]
    finite = torch.isfinite(curvature).all(-1).all(-1)
    safe = torch.where(finite[:, None, None], curvature, torch.eye(size).to(curvature)).double()
    spectrum = torch.linalg.eigvalsh(safe).clamp_min(least)
    volume = 0.5 * size * torch.log(torch.tensor(2 * torch.pi)) - 0.5 * spectrum.log().sum(-1)
    masses = log_density.detach() + volume.to(log_density)
    return torch.where(finite, masses, torch.nan).reshape(bodies)


def _second_derivatives(log_density: Float[Tensor, " B"], leaves: list[Tensor]) -> Float[Tensor, "B D D"]:
    """The Hessian of each body's log density; bodies do not feel each other, so that a row of all costs one pass."""
    bodies = len(log_density)
    slopes = torch.autograd.grad(log_density.sum(), leaves, create_graph=True)
    slope = torch.cat([part.reshape(bodies, -1) for part in slopes], dim=-1)
    rows = []
    for some in torch.eye(slope.shape[-1]).to(slope).split(max(AT_ONCE // bodies, 1)):
        parts = torch.autograd.grad(
            slope.sum(0), leaves, some, retain_graph=True, is_grads_batched=True, materialize_grads=True
        )
        rows.append(torch.cat([part.reshape(len(some), bodies, -1) for part in parts], dim=-1))
    hessian = torch.cat(rows).transpose(0, 1).detach()
    return 0.5 * (hessian + hessian.mT)
