"""What is drawn, and the plain ways of drawing it that the renderer is measured against."""

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from probbody.bodies.open_body import open_body
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.kernels import surface_kernels
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Kernels, Pose, Surface
from probbody.render.sight import ByThickness, sight


def people(batch: int, detail: str = "coarse", dtype: torch.dtype = torch.float32, spread: float = 0.3) -> Surface:
    """Bodies at the origin, every joint turned by about 17 degrees; 0 for T-poses."""
    body = open_body(detail).to(dtype)  # type: ignore[arg-type]
    turns = spread * torch.randn(batch, 24, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    return body(
        Pose(axis_angle_to_matrix(turns), torch.zeros(batch, 10, dtype=dtype), torch.zeros(batch, 3, dtype=dtype))
    )


def camera(batch: int, size: int = 64, dtype: torch.dtype = torch.float32) -> PinholeCamera:
    """From 2.5 m before the chest; a body is about four fifths as high as the picture."""
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0])).repeat(batch, 1, 1)
    away = torch.tensor([[0.0, -0.1, 2.5]]).repeat(batch, 1)
    seen = PinholeCamera.looking_ahead(75.0 * size / 64, (size, size), batch)
    return replace(seen, rotation=upright, translation=away).to(dtype)


def kernels_of(batch: int, dtype: torch.dtype = torch.float32, spread: float = 0.3) -> Kernels:
    """The 858 default kernels, as leaves that gradients are taken to."""
    kernels = surface_kernels(open_body().to(dtype))(people(batch, dtype=dtype, spread=spread))
    return replace(
        kernels, means=kernels.means.detach().requires_grad_(), precisions=kernels.precisions.detach().requires_grad_()
    )


def balls(count: int) -> Kernels:
    """As many round kernels as asked for on one body, of a deviation half of their distance, whatever their number."""
    surface = people(1, "fine")
    points = torch.cat([surface.vertices[0], surface.vertices[0][surface.faces].mean(1)])
    chosen = torch.randperm(len(points), generator=torch.Generator().manual_seed(1))[:count]
    size = 0.5 * math.sqrt(1.9 / count)  # square metres of skin
    precisions = (torch.eye(3) / size**2).expand(1, count, 3, 3)
    return Kernels(points[chosen].unsqueeze(0).requires_grad_(), precisions, torch.arange(count))


def every_pair(
    kernels: Kernels, seen: PinholeCamera, chosen: Tensor | None = None, peak: float = 2.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Optical depth, depth and deviation of every kernel at every pixel, or of some chosen for each pixel: (B, P, K) each."""
    bodies, count = kernels.means.shape[:2]
    found = sight(kernels, seen, ByThickness(peak))
    numbers = found.numbers.view(11, bodies, 1, count)
    if chosen is not None:
        numbers = numbers.flatten(1).index_select(1, rows_of(chosen, count).flatten()).view(11, *chosen.shape)
    u, v, z, k, dd, da, db, aa, ab, bb, amplitude = numbers
    rows, columns = (torch.arange(side) + 0.5 for side in seen.size)
    x = columns.repeat(len(rows))[:, None] - u
    y = rows.repeat_interleave(len(columns))[:, None] - v
    line = da * x + db * y
    square = aa * x * x + (2 * ab * x + bb * y) * y
    along = line + k * square
    deep = dd + k * (line + along)
    spread = deep.rsqrt()
    tau = amplitude * torch.exp((-0.5 * (dd * square - line * line) / deep).clamp_min(-60)) * spread
    return tau * found.slant.view(bodies, -1, 1).sqrt(), z - along / deep, spread


def rows_of(chosen: Tensor, count: int) -> Tensor:
    """Kernels of all bodies in one row."""
    return chosen + count * torch.arange(len(chosen))[:, None, None]


def sorted_by_depth(kernels: Kernels, attributes: Tensor, seen: PinholeCamera) -> Tensor:
    """Every kernel at every pixel, sorted by depth and composited: (B, P, C)."""
    tau, depth, _ = every_pair(kernels, seen)
    order = depth.argsort(dim=-1)
    tau = tau.gather(-1, order)
    weights = -torch.expm1(-tau) * torch.exp(tau - tau.cumsum(-1))
    return torch.zeros_like(weights).scatter(-1, order, weights) @ attributes


def top_twenty(kernels: Kernels, attributes: Tensor, seen: PinholeCamera) -> Tensor:
    """The twenty kernels that most cover each pixel, by the closed form: (B, P, C)."""
    with torch.no_grad():
        chosen = every_pair(kernels, seen)[0].topk(20, dim=-1).indices
    tau, depth, spread = every_pair(kernels, seen, chosen)
    away = (depth.unsqueeze(-1) - depth.unsqueeze(-2)) / spread.unsqueeze(-2)
    before = (0.5 * (1 + torch.erf(away * math.sqrt(0.5))) * tau.unsqueeze(-2)).sum(-1)
    weights = (tau * torch.exp(-before)).flatten(0, 1)
    rows = rows_of(chosen, kernels.means.shape[1]).flatten(0, 1)
    packed = embedding_bag(rows, attributes.flatten(0, 1), mode="sum", per_sample_weights=weights)
    return packed.view(len(chosen), -1, attributes.shape[-1])
