"""How long a mesh takes to draw, against every face at every pixel, and how true areas and their gradients are.

    python benchmarks/speed_of_meshes.py [--quick]

The exit code is 1 where a target is missed.
"""

import argparse
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from verdicts import Target

from probbody.bodies.open_body import open_body
from probbody.contracts import Camera
from probbody.geometry.cameras import PinholeCamera, WeakPerspectiveCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose, Surface
from probbody.render.hits import look
from probbody.render.mesh import MeshRenderer

CHANNELS = 16


def measure(quick: bool) -> list[Target]:
    """The open body in two resolutions, one thread, one mesh unless told; each time the least of many."""
    return _speed(quick) + _truth(quick)


def people(detail: str, batch: int, seed: int = 0) -> Surface:
    """Bodies that stand 3 m ahead in random poses."""
    body, generator = open_body(detail), torch.Generator().manual_seed(seed)  # type: ignore[arg-type]
    turns = axis_angle_to_matrix(0.25 * torch.randn(batch, 24, 3, generator=generator))
    turns[:, 0] = turns[:, 0] @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    return body(Pose(turns, torch.zeros(batch, 10), torch.tensor([[0.0, 0.1, 3.0]]).repeat(batch, 1)))


def carrying(vertices: Tensor, like: Surface) -> Surface:
    """The same mesh with its vertices elsewhere."""
    return Surface(vertices, like.joints, like.frames, like.faces)


def _speed(quick: bool) -> list[Target]:
    print(
        f"\nmeshes: ms a mesh, {CHANNELS} attributes, one thread, the least of many runs; dense: every face at every pixel,"
    )
    print("in blocks (nan: passed over), finds faces alone; to be compared with 'hits': faces, shares and depths")
    head = ("faces", "px", "covered", "hits", "dense", "ratio", "forward", "and back", "8: forward", "and back")
    print("".join(f"{name:>11}" for name in head))
    targets = []
    for detail in ("coarse", "fine"):
        for side in (64,) if quick else (64, 128, 224):
            least = 0.2 if quick else 1.0
            surface, camera = people(detail, 1), PinholeCamera.looking_ahead(1.3 * side, (side, side))
            number, pixels = len(surface.faces), side * side
            seen = look(surface, camera, 1)
            hits = _least(lambda s=surface, c=camera: look(s, c, 1), least)  # type: ignore[misc]
            one = _times(surface, camera, least)
            eight = [
                t / 8
                for t in _times(people(detail, 8), PinholeCamera.looking_ahead(1.3 * side, (side, side), 8), least)
            ]
            naive = float("nan")
            if number * pixels < (3e7 if quick else 1e8):
                assert (
                    dense(surface, camera) == seen.face.new_full((pixels,), -1).index_copy(0, seen.place, seen.face)
                ).all()
                naive = _least(lambda s=surface, c=camera: dense(s, c), 0.0)  # type: ignore[misc]
            row = [hits, naive, naive / hits, *one, *eight]
            print(
                f"{number:11d}{side:11d}{len(seen.place):11d}" + "".join(f"{value:11.2f}" for value in row), flush=True
            )
            if side == 64 and detail == "fine":
                targets.append(Target(f"{number} faces at 64 px, forward", one[0], 3.0, " ms"))
    return targets


def _times(surface: Surface, camera: Camera, least: float) -> list[float]:
    renderer = MeshRenderer()
    carried = torch.randn(*surface.vertices.shape[:2], CHANNELS, requires_grad=True)
    moving = carrying(surface.vertices.clone().requires_grad_(), surface)

    def forward() -> None:
        with torch.no_grad():
            renderer(surface, carried, camera)

    def both() -> None:
        seen = renderer(moving, carried, camera)
        (seen.features.sum() + seen.coverage.sum() + seen.depth.sum()).backward()

    return [_least(forward, least), _least(both, least)]


def _least(run: Callable[[], object], seconds: float) -> float:
    """Milliseconds of the quickest run in that many seconds, after one that does not count where there is time."""
    best, begun = float("inf"), time.perf_counter()
    if seconds:
        run()
    while best == float("inf") or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def dense(surface: Surface, camera: Camera) -> Tensor:
    """The nearest face at each pixel (-1: none) by trying all of them, some hundred pixels at a time."""
    height, width = camera.size
    points = camera.project(surface.vertices)[0]
    corners = points[surface.faces]  # (F, 3, 3)
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    found = []
    for place in torch.stack([columns, rows], -1).view(-1, 1, 1, 2).split(2_000_000 // len(corners) + 1):
        (u, v), near = (corners[..., :2] - place).unbind(-1), 1 / corners[..., 2]
        first, second, third = (u[..., j] * v[..., k] - v[..., j] * u[..., k] for j, k in ((1, 2), (2, 0), (0, 1)))
        least, most = (bound(bound(first, second), third) for bound in (torch.minimum, torch.maximum))
        level = (first * near[:, 0] + second * near[:, 1] + third * near[:, 2]) / (first + second + third)
        level = torch.where((least > 0) | (most < 0), level, 0)
        best, face = level.max(-1)
        found.append(torch.where(best > 0, face, -1))
    return torch.cat(found)


def _truth(quick: bool) -> list[Target]:
    """Of each mean, its standard deviation over poses and places: the first is bias, the second is noise of one picture."""
    print("\nareas at 64 px and their gradients, as shares of what they should be: mean and standard deviation over")
    print(
        "poses and places on the picture. Zooming by a share changes an area by twice the share; moving it changes the"
    )
    print(
        "mean place by as much; turning about the vertical axis: slope of a line through finite differences at 16 x 16 samples"
    )
    names = ("area", "zoomed", "moved", "turned")
    print(f"{'faces':>8}{'px covered':>12}{'samples':>9}" + "".join(f"{name:>18}" for name in names))
    targets, number = [], 6 if quick else 40
    for detail in ("coarse", "fine"):
        surface = people(detail, number, seed=1).to(torch.float64)
        place = torch.rand(number, 2, generator=torch.Generator().manual_seed(2)).double() / 30
        camera = WeakPerspectiveCamera(torch.full((number,), 0.8).double(), place, (64, 64))
        exact = _areas(surface, camera, 16)
        turned = _turned(surface, camera, 16, differences=True)
        for samples in (1, 2, 4):
            found = _areas(surface, camera, samples) / exact[0] / torch.tensor([[1.0], [2.0], [1.0]])
            slope, spread = _line(turned, _turned(surface, camera, samples))
            mean, noise = [*found.mean(1).tolist(), slope], [*found.std(1).tolist(), spread]
            cells = "".join(f"{a:10.3f} ±{b:6.3f}" for a, b in zip(mean, noise, strict=True))
            print(f"{len(surface.faces):8d}{exact[0].mean():12.0f}{samples:9d}{cells}", flush=True)
            if samples == 2:
                what = f"{len(surface.faces)} faces, "
                targets.append(Target(what + "bias of the area", abs(mean[0] - 1), 0.01))
                targets.append(
                    Target(what + "bias of its gradients", max(abs(m - 1) for m in mean[1:]), 0.1 if quick else 0.05)
                )
    return targets


def _areas(surface: Surface, camera: WeakPerspectiveCamera, samples: int) -> Tensor:
    """Area, its change by zooming, and the change of its moment along u by moving: three rows, a column for each body."""
    factor = torch.ones(len(camera), dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(len(camera), dtype=torch.float64, requires_grad=True)
    vertices = surface.vertices + torch.stack([shift, 0 * shift, 0 * shift], -1).unsqueeze(1)
    zoomed = camera.zoomed(factor)
    seen = MeshRenderer(samples)(carrying(vertices, surface), torch.ones_like(vertices[..., :1]), zoomed).coverage
    area = seen.sum((1, 2))
    moment = (seen * (torch.arange(64) - 31.5)).sum((1, 2))
    (by_zoom,) = torch.autograd.grad(area.sum(), factor, retain_graph=True)
    (by_shift,) = torch.autograd.grad(moment.sum(), shift)
    return torch.stack([area.detach(), by_zoom, by_shift / camera.magnification])


def _turned(surface: Surface, camera: Camera, samples: int, differences: bool = False) -> Tensor:
    """How a smooth picture's sum under the body changes as the body turns about the vertical axis through the pelvis."""
    rows, columns = torch.meshgrid(torch.arange(64).double(), torch.arange(64).double(), indexing="ij")
    smooth = torch.cos(columns / 16 + rows / 32) + torch.sin(rows / 13 - columns / 21)

    def total(angle: Tensor) -> Tensor:
        turn = axis_angle_to_matrix(torch.stack([0 * angle, angle, 0 * angle], -1))
        middle = surface.joints[:, :1]
        vertices = (surface.vertices - middle) @ turn.mT + middle
        seen = MeshRenderer(samples)(carrying(vertices, surface), torch.ones_like(vertices[..., :1]), camera)
        return (seen.coverage * smooth).sum((1, 2))

    angle = torch.zeros(len(camera), dtype=torch.float64, requires_grad=True)
    if not differences:
        return torch.autograd.grad(total(angle).sum(), angle)[0]
    step = 0.02
    with torch.no_grad():
        return (total(angle + step) - total(angle - step)) / (2 * step)


def _line(right: Tensor, found: Tensor) -> tuple[float, float]:
    """The slope of a line through the origin, and what is left beside it as a share of what is right."""
    slope = (right * found).sum() / right.square().sum()
    return slope.item(), ((found - slope * right).norm() / right.norm()).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little of everything")
    torch.set_num_threads(1)
    wanted = measure(parser.parse_args().quick)
    print()
    for target in wanted:
        print(target)
    sys.exit(int(any(not target.held for target in wanted)))
