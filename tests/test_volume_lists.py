"""Which pairs a volume draws, in which order, and how lists of unequal length lie in columns."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.kernels import surface_kernels
from probbody.geometry.rest import at_rest
from probbody.quantities import Kernels
from probbody.render.columns import Columns
from probbody.render.fronts import in_front, nearest_first
from probbody.render.lists import lists
from probbody.render.pairs import Pairs
from probbody.render.volume import VolumeRenderer

F64 = torch.float64


def some_pairs(count: int = 3_000, pixels: int = 300, kernels: int = 40) -> tuple[Pairs, Tensor, Tensor]:
    """Pairs kernel by kernel at random, their depths and optical depths."""
    generator = torch.Generator().manual_seed(0)
    counts = torch.bincount(torch.randint(kernels, (count,), generator=generator), minlength=kernels)
    kernel = torch.arange(kernels).repeat_interleave(counts)
    pixel = (pixels * torch.rand(count, generator=generator) ** 2).long()  # some rays meet many, some few
    depth = 2 + torch.rand(count, generator=generator)
    return Pairs(counts, kernel, pixel, depth, depth), depth, 4 * torch.rand(count, generator=generator)


@pytest.mark.parametrize("scale", [1, 2**28])
def test_pairs_come_pixel_by_pixel_and_nearest_first(scale: int) -> None:
    pairs, depth, _ = some_pairs()
    order = nearest_first(replace(pairs, pixel=pairs.pixel * scale), depth)
    wanted = sorted(range(len(depth)), key=lambda n: (int(pairs.pixel[n]), float(depth[n])))
    assert order.tolist() == wanted


def test_what_hardly_any_light_reaches_is_left_out_and_nothing_else() -> None:
    pairs, depth, tau = some_pairs()
    order = nearest_first(pairs, depth)
    left, again = in_front(pairs, order, tau, 1e-3)
    passed: dict[int, float] = {}
    kept = []
    for pair in order.tolist():
        pixel = int(pairs.pixel[pair])
        if passed.get(pixel, 0.0) < -math.log(1e-3):
            kept.append(pair)
        passed[pixel] = passed.get(pixel, 0.0) + float(tau[pair])
    assert 0 < len(kept) < len(depth)
    assert [sorted(kept)[n] for n in again.tolist()] == kept
    assert left.kernel.tolist() == [int(pairs.kernel[n]) for n in sorted(kept)]
    assert left.pixel.tolist() == [int(pairs.pixel[n]) for n in sorted(kept)]
    assert left.counts.tolist() == torch.bincount(left.kernel, minlength=len(pairs.counts)).tolist()
    assert in_front(pairs, order, tau, 0.0)[0] is pairs


def test_every_pair_has_its_place_in_the_columns() -> None:
    pairs, depth, _ = some_pairs()
    found = lists(pairs, nearest_first(pairs, depth), 300)
    grid = found.source.view(-1, found.columns.width)
    real = torch.ones_like(found.source, dtype=torch.bool).index_fill_(0, found.filling, False).view_as(grid)
    assert found.source[found.slot_by_kernel].tolist() == list(range(len(depth)))
    assert pairs.kernel[found.source[found.slot]].equal(found.kernel)
    for ray, place in enumerate(found.column.tolist()):
        band, column = divmod(place, found.columns.width)
        rows = slice(int(found.columns.begins[band]), int(found.columns.ends[band]) + 1)
        own = grid[rows, column]
        count = int(real[rows, column].sum())
        assert real[rows, column][:count].all()
        assert (own[count:] == own[count - 1]).all()
        assert (pairs.pixel[own] == found.rays[ray]).all()
        assert depth[own].diff().ge(0).all()


def test_sums_and_steps_along_columns_are_those_of_each_list() -> None:
    columns = Columns.of((1, 3, 4), 5, torch.device("cpu"))
    values = torch.randn(8, 5, dtype=F64, generator=torch.Generator().manual_seed(1))
    bands = values.split([1, 3, 4])
    torch.testing.assert_close(columns.sums(values), torch.stack([band.sum(0) for band in bands]))
    before = columns.before(values, 7.0)
    every = [torch.cat([torch.full((1, 5), 7.0, dtype=F64), band]) for band in bands]
    torch.testing.assert_close(before, torch.cat([each[:-1] for each in every] + [each[-1:] for each in every]))
    falls = columns.falls(before)
    torch.testing.assert_close(falls, -torch.cat([each.diff(dim=0) for each in every]))
    # and the adjoints: <A x, y> = <x, A' y>
    other, longer = torch.randn(8, 5, dtype=F64), torch.randn(11, 5, dtype=F64)
    product = (columns.before(values) * longer).sum()
    torch.testing.assert_close((values * columns.undo_before(longer)).sum(), product)
    torch.testing.assert_close((columns.falls(longer) * other).sum(), (longer * columns.undo_falls(other)).sum())


def test_what_is_left_out_changes_the_picture_of_a_body_by_less_than_float32_shows() -> None:

    body = open_body()
    rest = at_rest(body)
    kernels = surface_kernels(body)(rest)
    away = kernels.means - rest.vertices.mean(1) + torch.tensor([0.0, 0.0, 2.5])
    kernels = Kernels(away.requires_grad_(), kernels.precisions, kernels.vertex)
    attributes = torch.randn(1, kernels.means.shape[1], 8, generator=torch.Generator().manual_seed(2))
    camera = PinholeCamera.looking_ahead(75.0, (64, 64), 1)
    pictures, slopes = [], []
    for faint in (0.0, 1e-6):
        drawn = VolumeRenderer(lambda surface: surface, faint=faint).draw(kernels, attributes, camera)  # type: ignore[arg-type, return-value]
        pictures.append(drawn)
        slopes.append(torch.autograd.grad(drawn.features.square().sum(), kernels.means)[0])
    assert (pictures[0].coverage - pictures[1].coverage).abs().max() < 2e-6
    assert (pictures[0].features - pictures[1].features).norm() < 1e-3 * pictures[0].features.norm()
    assert torch.cosine_similarity(slopes[0].flatten(), slopes[1].flatten(), dim=0) > 0.99999
