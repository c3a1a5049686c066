"""Slow readable twins of the volume renderer: every ray with every kernel, by the textbook, in the dtype that is given."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.contracts import Camera
from probbody.quantities import Kernels


def pixel_rays(camera: Camera, bodies: int, like: Tensor) -> tuple[Float[Tensor, "B P 3"], Float[Tensor, "B P 3"]]:
    """Origins and unit directions through all pixel centres, row by row."""
    height, width = camera.size
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return camera.rays(torch.stack([u, v], dim=-1).flatten(0, 1).to(like).expand(bodies, -1, 2))


def profiles(
    kernels: Kernels, camera: Camera, peak: float, thick: bool = True, cut: float = math.inf
) -> tuple[Float[Tensor, "B P K"], Float[Tensor, "B P K"], Float[Tensor, "B P K"]]:
    """Optical depth, distance of the densest point from the ray's origin, standard deviation along the ray (metres).

    Optical depth is zero where a ray passes the mean at more than ``cut`` deviations.
    """
    origins, ahead = pixel_rays(camera, len(kernels.means), kernels.means)
    from_origin = kernels.means.unsqueeze(1) - origins.unsqueeze(2)  # (B, P, K, 3)
    turned = torch.einsum("bkij,bpj->bpki", kernels.precisions, ahead)
    inverse = torch.einsum("bpki,bpi->bpk", turned, ahead)
    along = torch.einsum("bpki,bpki->bpk", turned, from_origin) / inverse
    miss = from_origin - along.unsqueeze(-1) * ahead.unsqueeze(2)
    away = torch.einsum("bpki,bkij,bpkj->bpk", miss, kernels.precisions, miss)
    tau = peak * torch.exp(-0.5 * away)
    if thick:
        largest = torch.linalg.eigvalsh(kernels.precisions)[..., -1]
        tau = tau * (largest.unsqueeze(1) / inverse).sqrt()
    return torch.where(away <= cut * cut, tau, 0.0), along, inverse.rsqrt()


def exact_weights(
    tau: Float[Tensor, "*B K"], along: Float[Tensor, "*B K"], spread: Float[Tensor, "*B K"], steps: int = 400
) -> Float[Tensor, "*B K"]:
    """The integral of transmittance times each kernel's density, by the trapezoid rule.

    The integrand is smooth and vanishes at both ends, 8 deviations beyond all kernels, where the rule converges faster than
    any power of the step; a step should not be much longer than the least deviation.
    """
    first = (along - 8 * spread).amin(-1, keepdim=True).detach()
    last = (along + 8 * spread).amax(-1, keepdim=True).detach()
    where = first + (last - first) * torch.linspace(0, 1, steps + 1, dtype=tau.dtype)
    away = (where.unsqueeze(-1) - along.unsqueeze(-2)) / spread.unsqueeze(-2)  # (*B, T, K)
    before = (tau.unsqueeze(-2) * 0.5 * torch.erfc(-away * math.sqrt(0.5))).sum(-1, keepdim=True)
    density = torch.exp(-0.5 * away.square()) / (math.sqrt(2 * math.pi) * spread.unsqueeze(-2))
    return tau * (torch.exp(-before) * density).sum(-2) * (last - first) / steps


def strongest(parts: tuple[Tensor, Tensor, Tensor], count: int) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Of profiles only the kernels with the most optical depth, ray by ray, and which they are."""
    chosen = parts[0].topk(count, dim=-1).indices
    tau, along, spread = (part.gather(-1, chosen) for part in parts)
    return (tau, along, spread), chosen


def conservative_weights(tau: Tensor, along: Tensor, spread: Tensor) -> Tensor:
    """The rule of ``conservative.py``, written as it is said."""
    order = along.argsort(dim=-1)
    tau, along, spread = (part.gather(-1, order) for part in (tau, along, spread))
    away = (along.unsqueeze(-1) - along.unsqueeze(-2)) / spread.unsqueeze(-2)
    none, one = torch.zeros_like(away[..., :1, :]), torch.ones_like(away[..., :1, :])
    passed = torch.cat([none, 0.5 * (1 + torch.erf(away * math.sqrt(0.5))), one], dim=-2).diff(dim=-2)
    bell = torch.cat([none, torch.exp(-0.5 * away.square()) / math.sqrt(2 * math.pi), none], dim=-2).diff(dim=-2)
    moment = along.unsqueeze(-2) * passed - spread.unsqueeze(-2) * bell  # of each kernel in each interval
    step = (tau.unsqueeze(-2) * passed).sum(-1).clamp_min(1e-15)
    middle = (tau.unsqueeze(-2) * moment).sum(-1) / step
    light = torch.exp(torch.cat([torch.zeros_like(step[..., :1]), -step.cumsum(-1)], dim=-1))
    gap = along.diff(dim=-1)
    lumps = (gap / (spread[..., 1:] + spread[..., :-1]) / 3) ** 4
    half = math.sqrt(12 * (math.pi / 2 - 1))
    before, behind = half * (along[..., :1] - middle[..., :1]), half * (middle[..., -1:] - along[..., -1:])
    width = torch.cat([before, gap * (1.2 + 0.8 * lumps / (lumps + 1)), behind], dim=-1).clamp_min(1e-6)
    level, slope = -light.diff(dim=-1) / step, light.diff(dim=-1) / width
    tilted = slope.unsqueeze(-1) * (moment - middle.unsqueeze(-1) * passed)
    weights = tau * (level.unsqueeze(-1) * passed + tilted).sum(-2)
    kept = weights.clamp_min(0)
    weights = kept * weights.sum(-1, keepdim=True) / kept.sum(-1, keepdim=True)
    return torch.zeros_like(weights).scatter(-1, order, weights)


def closed_form_weights(tau: Tensor, along: Tensor, spread: Tensor) -> Tensor:
    """Transmittance at each densest point."""
    away = (along.unsqueeze(-1) - along.unsqueeze(-2)) / spread.unsqueeze(-2)
    before = (0.5 * (1 + torch.erf(away * math.sqrt(0.5))) * tau.unsqueeze(-2)).sum(-1)
    return tau * torch.exp(-before)


def composited_weights(tau: Tensor, along: Tensor, spread: Tensor) -> Tensor:
    """One after the other."""
    order = along.argsort(dim=-1)
    sorted_tau = tau.gather(-1, order)
    before = sorted_tau.cumsum(-1) - sorted_tau
    weights = (1 - torch.exp(-sorted_tau)) * torch.exp(-before)
    return torch.zeros_like(weights).scatter(-1, order, weights)


def picture(
    weights: Float[Tensor, "B P K"], attributes: Float[Tensor, "B K C"], camera: Camera
) -> Float[Tensor, "B C H W"]:
    """Weights times attributes, as a picture."""
    return (weights @ attributes).mT.unflatten(-1, camera.size)
