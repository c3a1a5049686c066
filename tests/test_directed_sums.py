"""Features of points, summed by how their limbs are turned, are the likeliest rows."""

import torch
from torch.nn.functional import normalize

from probbody.bodies.tubes import tubes
from probbody.features import CircleDirections
from probbody.features.limbs import limbs_of
from probbody.inference.learn.directed_sums import DirectedSums
from probbody.inference.learn.feature_sampling import Marking, PointFeatures

BODY = tubes(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.5, 0.0]]), (-1, 0))
MARKING = Marking(limbs_of(BODY), CircleDirections(3))


def sights(count: int, vertices: int, seed: int = 0) -> PointFeatures:
    generator = torch.Generator().manual_seed(seed)
    features = normalize(torch.randn(count, 5, generator=generator, dtype=torch.float64), dim=-1)
    shares = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    vertex = torch.randint(vertices, (count,), generator=generator)
    return PointFeatures(features, vertex, shares / shares.sum(-1, keepdim=True))


def test_rows_are_the_likeliest() -> None:
    seen, sums = sights(200, 4), DirectedSums.of(MARKING, 5, torch.float64)
    for part in (slice(None, 70), slice(70, None)):
        sums.add(PointFeatures(seen.features[part], seen.vertex[part], seen.shares[part]))
    rows = sums.rows(borrowed=0.0)

    def explained(rows: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nd,no,nod->", seen.features, seen.shares, rows[seen.vertex])

    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        moved = normalize(rows + 0.1 * torch.randn(rows.shape, generator=generator, dtype=rows.dtype), dim=-1)
        assert explained(moved) < explained(rows)


def test_a_direction_that_was_not_seen_is_as_the_others_and_a_vertex_that_was_not_is_nothing() -> None:
    seen = sights(50, 2)
    seen.shares[:] = torch.tensor([1.0, 0.0, 0.0])
    sums = DirectedSums.of(MARKING, 5, torch.float64)
    sums.add(seen)
    rows = sums.rows()
    torch.testing.assert_close(rows[:2, 1], rows[:2, 0])
    torch.testing.assert_close(rows[:2].norm(dim=-1), torch.ones(2, 3, dtype=torch.float64))
    assert torch.equal(rows[2:], torch.zeros_like(rows[2:]))
