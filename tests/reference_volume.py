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
    kernels: Kernels, camera: Camera, peak: float, thick: bool = True
) -> tuple[Float[Tensor, "B P K"], Float[Tensor, "B P K"], Float[Tensor, "B P K"]]:
    """Optical depth, distance of the densest point from the ray's origin, standard deviation along the ray (metres)."""
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
    return tau, along, inverse.rsqrt()


def exact_weights(
    tau: Float[Tensor, "*B K"], along: Float[Tensor, "*B K"], spread: Float[Tensor, "*B K"], steps: int = 32
) -> Float[Tensor, "*B K"]:
    """The integral of transmittance times each kernel's density: Gauss-Legendre between all points of interest.

    The points are each densest one and 1, 2, 4 and 7 deviations from it; between any two that follow each other all
    densities are smooth.
    """
    shifts = tau.new_tensor([-7, -4, -2, -1, 0, 1, 2, 4, 7])
    points = (along.unsqueeze(-1) + shifts * spread.unsqueeze(-1)).flatten(-2).sort(dim=-1).values.detach()
    nodes, shares = _gauss_legendre(steps, tau)
    start, length = points[..., :-1, None], points.diff(dim=-1).unsqueeze(-1)
    where = (start + 0.5 * (nodes + 1) * length).flatten(-2)  # (*B, T)
    share = (0.5 * shares * length).flatten(-2)
    away = (where.unsqueeze(-1) - along.unsqueeze(-2)) / spread.unsqueeze(-2)  # (*B, T, K)
    before = (tau.unsqueeze(-2) * 0.5 * torch.erfc(-away * math.sqrt(0.5))).sum(-1, keepdim=True)
    density = torch.exp(-0.5 * away.square()) / (math.sqrt(2 * math.pi) * spread.unsqueeze(-2))
    return tau * (share.unsqueeze(-1) * torch.exp(-before) * density).sum(-2)


def _gauss_legendre(steps: int, like: Tensor) -> tuple[Tensor, Tensor]:
    import numpy as np

    nodes, shares = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy(nodes).to(like), torch.from_numpy(shares).to(like)


def conservative_weights(tau: Tensor, along: Tensor, spread: Tensor) -> Tensor:
    """The interval rule, written as it is said."""
    order = along.argsort(dim=-1)
    tau, along, spread = (part.gather(-1, order) for part in (tau, along, spread))
    away = (along.unsqueeze(-1) - along.unsqueeze(-2)) / spread.unsqueeze(-2)
    passed = 0.5 * (1 + torch.erf(away * math.sqrt(0.5)))
    passed = torch.cat([torch.zeros_like(passed[..., :1, :]), passed, torch.ones_like(passed[..., :1, :])], dim=-2)
    before = (passed * tau.unsqueeze(-2)).sum(-1)
    step = before.diff(dim=-1)
    small = step.abs() < 1e-6
    safe = torch.where(small, 1.0, step)
    mean = torch.exp(-before[..., :-1]) * torch.where(small, 1 - step / 2, (1 - torch.exp(-safe)) / safe)
    weights = tau * (passed.diff(dim=-2) * mean.unsqueeze(-1)).sum(-2)
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
