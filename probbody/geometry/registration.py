"""Kernels fitted to posed bodies: where they sit under the skin, how large they are, which bones they follow."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..contracts import ArticulatedBody
from ..quantities import Kernels, Pose, Surface
from .kernels import SurfaceKernels

_FAINT = 1e-4  # what a joint that did not carry a kernel starts from, so that it may come to
_TOGETHER = 2  # poses in one step


def registered(
    kernels: SurfaceKernels,
    body: ArticulatedBody,
    poses: Pose,
    *,
    steps: int = 150,
    rate: float = 0.02,
    points: int = 500,
    thickness: float = 0.005,
    seed: int = 0,
) -> SurfaceKernels:
    """The kernels that best explain points of the posed skin, as a mixture of equal shares.

    Maximises the mean log density of ``points`` spread evenly over the skin of each pose, and moved off it by a Gaussian of
    ``thickness`` metres (a sheet would ask for kernels without any), over offsets, precisions and blend weights, by Adam
    with a falling rate, two poses a step. Offsets are measured in the kernels' own size, so that one rate fits all. The
    same seed gives the same kernels. A body without faces, or fewer than one pose or step, is a ValueError.

    Zhang et al. (2023), 3D-aware neural body fitting, fit these to registered meshes too; their objective is not given.
    """
    if not len(body.faces) or not len(poses) or steps < 1:
        raise ValueError(
            f"registered: needs faces, poses and steps, found {len(body.faces)}, {len(poses)} and {steps} of them."
        )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        surface = body(poses)
    fitted = _Parameters(kernels)
    adam = torch.optim.Adam(fitted.leaves, lr=rate)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        chosen = torch.randint(len(poses), (min(_TOGETHER, len(poses)),), generator=generator).to(body.weights.device)
        some = surface[chosen]
        loss = -log_density(fitted()(some), skin(some, points, thickness, generator)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        slower.step()
    with torch.no_grad():
        return fitted()


def log_density(kernels: Kernels, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N"]:
    """Of points under the kernels as a mixture of equal shares, in nats (points in metres)."""
    factors = torch.linalg.cholesky(kernels.precisions)  # P = L L'
    away = points.unsqueeze(1) @ factors - (kernels.means.unsqueeze(2) @ factors)  # (B, K, N, 3)
    scale = factors.diagonal(dim1=-2, dim2=-1).log().sum(-1) - 1.5 * math.log(2 * math.pi)
    return torch.logsumexp(scale.unsqueeze(-1) - 0.5 * away.square().sum(-1), dim=1) - math.log(away.shape[1])


def skin(surface: Surface, count: int, thickness: float, generator: torch.Generator) -> Float[Tensor, "B N 3"]:
    """Points spread evenly over posed skins, moved off them by a Gaussian of ``thickness`` metres."""
    corners = surface.vertices[:, surface.faces]  # (B, F, 3, 3)
    across = torch.linalg.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    areas = across.norm(dim=-1)
    bodies = len(areas)
    rows = torch.multinomial(areas.cpu(), count, replacement=True, generator=generator).to(areas.device)
    shares = torch.rand(bodies, count, 2, generator=generator).to(areas)
    shares = torch.where(shares.sum(-1, keepdim=True) > 1, 1 - shares, shares)
    shares = torch.cat([1 - shares.sum(-1, keepdim=True), shares], dim=-1)
    places = (_taken(corners.flatten(2), rows).unflatten(-1, (3, 3)) * shares.unsqueeze(-1)).sum(2)
    normal = torch.nn.functional.normalize(_taken(across, rows), dim=-1)
    return places + thickness * torch.randn(bodies, count, 1, generator=generator).to(areas) * normal


def _taken(values: Float[Tensor, "B F C"], rows: Int[Tensor, "B N"]) -> Float[Tensor, "B N C"]:
    return values.gather(1, rows.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


class _Parameters:
    """Kernels by numbers that may have any value."""

    def __init__(self, kernels: SurfaceKernels) -> None:
        self.vertex, self.joints = kernels.vertex, kernels.weights.shape[1]
        factors = torch.linalg.cholesky(kernels.precisions)
        scale = factors.diagonal(dim1=-2, dim2=-1)
        self.size = scale.log().mean(-1).neg().exp()[:, None]
        lower = (factors * self.size.unsqueeze(-1)).tril(-1)
        parts = (kernels.offsets / self.size, scale.log(), lower, (kernels.weights + _FAINT).log())
        self.leaves = [part.detach().clone().requires_grad_() for part in parts]

    def __call__(self) -> SurfaceKernels:
        offsets, logs, lower, carried = self.leaves
        factors = lower.tril(-1) / self.size.unsqueeze(-1) + torch.diag_embed(logs.exp())
        return SurfaceKernels(self.vertex, offsets * self.size, factors @ factors.mT, carried.softmax(-1))
