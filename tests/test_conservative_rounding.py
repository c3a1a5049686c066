"""The conservative rule where rounding swallows what an interval holds."""

import torch

from probbody.render.columns import Columns
from probbody.render.conservative import Conservative


def test_faint_neighbours_behind_much_else_have_the_gradients_of_float64() -> None:
    columns = Columns.of((7,), 1, torch.device("cpu"))
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        thick, faint, near, far = (torch.rand(count, generator=generator) for count in (5, 2, 5, 2))
        depth = torch.cat([3.87 + 0.05 * near.sort()[0], 3.99 + 2e-5 * far.sort()[0]])
        ray = (torch.cat([2 * thick, 1e-3 * faint]), depth, 0.01 + 0.006 * torch.rand(7, generator=generator))
        found = []
        for dtype in (torch.float32, torch.float64):
            tau, where, spread = (part.to(dtype).unsqueeze(1) for part in ray)
            _, memory = Conservative().weights(tau, where, spread, columns)
            found.append(Conservative().gradient(where.square(), memory, columns))
        for single, exact in zip(*found, strict=True):
            assert (single.double() - exact).abs().max() <= 1e-3 * exact.abs().max()
