"""Volumes drawn by compiled code are those drawn by torch, and so are their gradients."""

import ast
import hashlib
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from probbody.geometry.cameras import PinholeCamera
from probbody.quantities import Kernels
from probbody.render.absorption import ClosedForm
from probbody.render.compiled.tracing import Compiled, quickest
from probbody.render.conservative import Conservative
from probbody.render.sight import ByThickness, EachAlike, OpticalDepth
from probbody.render.tracing import StepByStep, Tracing
from probbody.render.volume import VolumeRenderer
from tests.test_volume_renderer import ahead, cloud, posed_body, turned, weakly

numba = pytest.importorskip("numba", reason="the extra `fast` is not installed")
F32, F64 = torch.float32, torch.float64
FOLDER = Path(__file__).parents[1] / "probbody" / "render" / "compiled"


def renderer(tracing: Tracing, opacity: float | OpticalDepth = 2.0, **rest: object) -> VolumeRenderer:
    return VolumeRenderer(lambda surface: pytest.fail("no surface here"), opacity, tracing=tracing, **rest)


def scenes() -> dict[str, tuple[Kernels, object]]:
    around = cloud(1, 20)
    around.means[:, :5, 2] += around.means.new_tensor([-2.01, -2.0, -1.99, -1.9, -3.0])  # behind the camera, and on it
    posed, camera = posed_body()
    crowd = cloud(1, 600)
    return {
        "some": (cloud(2, 30), ahead(2)),
        "different cameras": (cloud(3, 30), turned(ahead(3))),
        "parallel rays": (cloud(2, 30), weakly((11, 7))),
        "one kernel": (cloud(1, 1), ahead(1, (5, 70))),
        "behind the camera and on it": (around, ahead(1)),
        "one of two out of sight": (
            replace(cloud(2, 9), means=cloud(2, 9).means * cloud(2, 9).means.new_tensor([[[1.0]], [[-1.0]]])),
            ahead(2),
        ),
        "nothing in sight": (replace(cloud(2, 9), means=-cloud(2, 9).means), ahead(2)),
        "no more than a pixel": (cloud(2, 40), PinholeCamera.looking_ahead(50.0, (1, 1), 2).to(F64)),
        "a body": (posed, camera),
        "a crowd": (replace(crowd, precisions=25 * crowd.precisions), ahead(1, (9, 12), 15.0)),
    }


SCENES = scenes()


def pictures_and_slopes(draws: VolumeRenderer, kernels: Kernels, camera: object, dtype: torch.dtype) -> list[Tensor]:
    """Features, coverage, depth; and the gradients of a sum over all of them to whatever is given."""
    names = [name for name in ("focal", "centre", "scale", "shift") if hasattr(camera, name)]
    given = {name: getattr(camera, name).to(dtype).clone().requires_grad_() for name in names}
    seen = replace(camera.to(dtype), **given)  # type: ignore[attr-defined, type-var]
    means, precisions = (part.to(dtype).clone().requires_grad_() for part in (kernels.means, kernels.precisions))
    generator = torch.Generator().manual_seed(1)
    bodies, count = means.shape[:2]
    attributes = torch.randn(bodies, count, 7, generator=generator, dtype=F64).to(dtype).requires_grad_()
    drawn = draws.draw(Kernels(means, precisions, kernels.vertex), attributes, seen)
    parts = [drawn.features, drawn.coverage, drawn.depth]
    weights = [torch.randn(part.shape, generator=generator, dtype=F64).to(dtype) for part in parts]
    total = torch.stack([(part * weight).sum() for part, weight in zip(parts, weights, strict=True)]).sum()
    inputs = [means, precisions, attributes, *given.values()]
    slopes = torch.autograd.grad(total, inputs, allow_unused=True)
    return [part.detach() for part in parts] + [
        torch.zeros_like(one) if slope is None else slope for one, slope in zip(inputs, slopes, strict=True)
    ]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("depth", [ByThickness(1.5), EachAlike(1.5)])
@pytest.mark.parametrize(("dtype", "near"), [(F64, 1e-10), (F32, 1e-4)])
def test_pictures_and_gradients_are_those_of_torch(
    scene: str, depth: OpticalDepth, dtype: torch.dtype, near: float
) -> None:
    there, here = (
        pictures_and_slopes(renderer(tracing, depth), *SCENES[scene], dtype) for tracing in (StepByStep(), Compiled())
    )
    for wanted, found in zip(there, here, strict=True):
        assert found.dtype == dtype
        assert bool(found.isfinite().all())
        torch.testing.assert_close(found, wanted, rtol=0, atol=near * max(1.0, float(wanted.abs().max())))


def test_gradients_are_those_of_finite_differences() -> None:
    kernels, camera = cloud(2, 6), turned(ahead(2, (3, 4), 8.0))
    draws = renderer(Compiled(), 1.5, cut=20.0)

    def draw(means: Tensor, precisions: Tensor, attributes: Tensor, focal: Tensor) -> tuple[Tensor, ...]:
        drawn = draws.draw(Kernels(means, precisions, kernels.vertex), attributes, replace(camera, focal=focal))
        return drawn.features, drawn.coverage, drawn.depth

    inputs = [kernels.means, kernels.precisions, torch.randn(2, 6, 2, dtype=F64), camera.focal.clone()]
    assert torch.autograd.gradcheck(draw, [part.requires_grad_() for part in inputs], fast_mode=True)


def test_float32_is_no_further_from_float64_than_torch_is() -> None:
    kernels, camera = SCENES["a body"]
    exact, there, here = (
        pictures_and_slopes(renderer(tracing), kernels, camera, dtype)
        for tracing, dtype in ((StepByStep(), F64), (StepByStep(), F32), (Compiled(), F32))
    )
    for wanted, plain, found in zip(exact, there, here, strict=True):
        slack = 1e-6 * float(wanted.norm())
        assert (found.double() - wanted).norm() <= 2 * (plain.double() - wanted).norm() + slack


def test_a_gradient_can_be_taken_twice_and_of_any_part_alone() -> None:
    kernels, camera = SCENES["some"]
    means = kernels.means.clone().requires_grad_()
    attributes = torch.randn(2, 30, 3, dtype=F64)
    slopes = []
    for tracing in (StepByStep(), Compiled()):
        drawn = renderer(tracing).draw(replace(kernels, means=means), attributes, camera)  # type: ignore[arg-type]
        parts = [drawn.features, drawn.coverage, drawn.depth]
        slopes.append([torch.autograd.grad(part.sum(), means, retain_graph=True)[0] for part in (*parts, *parts)])
    for wanted, found in zip(*slopes, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10 * float(wanted.abs().max()))


@pytest.mark.parametrize("shift", [0.0, 1e-7, 3e-6])
def test_kernels_in_one_place_are_drawn_as_torch_draws_them(shift: float) -> None:
    one = cloud(1, 4)
    means = one.means.repeat(1, 3, 1) + shift * torch.randn(1, 12, 3, dtype=F64)
    kernels = Kernels(means, one.precisions.repeat(1, 3, 1, 1), torch.arange(12))
    there, here = (pictures_and_slopes(renderer(way), kernels, ahead(1), F64)[:3] for way in (StepByStep(), Compiled()))
    for wanted, found in zip(there, here, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("faint", [0.0, 1e-2])
def test_as_much_is_left_out_as_in_torch(faint: float) -> None:
    kernels, camera = SCENES["a crowd"]
    there, here = (
        pictures_and_slopes(renderer(way, 3.0, faint=faint), kernels, camera, F64) for way in (StepByStep(), Compiled())
    )
    for wanted, found in zip(there, here, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10 * max(1.0, float(wanted.abs().max())))


def test_a_long_queue_is_in_order() -> None:
    queues = importlib.import_module("probbody.render.compiled.queues")
    generator = torch.Generator().manual_seed(0)
    for count in (0, 1, 31, 32, 33, 64, 97, 1000):
        depth = torch.rand(count, generator=generator).mul(50).round().numpy()  # many are alike
        queue = torch.randperm(count, generator=generator).int().numpy()
        queues.sort(queue, depth, queue.copy())
        assert queue.tolist() == sorted(range(count), key=lambda place: (depth[place], place))


class Unknown(OpticalDepth):
    """How much light kernels take is not a number."""

    thick = True

    def amplitude(self, precisions: Tensor) -> Tensor:
        return torch.full_like(precisions[..., 0, 0], torch.nan)


def test_what_is_not_a_number_is_not_hidden() -> None:
    kernels, camera = SCENES["some"]
    attributes = torch.ones(2, 30, 2, dtype=F64)
    attributes[0, 3, 1] = torch.nan
    drawn = renderer(Compiled()).draw(kernels, attributes, camera).features  # type: ignore[arg-type]
    assert bool(drawn[0, 1].isnan().any())
    assert bool(drawn[:, 0].isfinite().all())
    dark = renderer(Compiled(), Unknown()).draw(kernels, torch.ones(2, 30, 1, dtype=F64), camera)  # type: ignore[arg-type]
    assert bool(dark.coverage.isnan().any())


def test_what_the_compiled_code_does_not_know_is_drawn_by_torch() -> None:
    kernels, camera = SCENES["some"]
    attributes = torch.randn(2, 30, 3, dtype=F64)
    for rest, carried in (({"absorption": ClosedForm()}, attributes), ({}, attributes.float())):
        there, here = (
            renderer(way, **rest).draw(kernels, carried, camera).features  # type: ignore[arg-type]
            for way in (StepByStep(), Compiled())
        )
        assert here.equal(there)
        assert here.dtype == carried.dtype
    assert renderer(Compiled()).absorption == Conservative()


def test_without_numba_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert quickest() == Compiled()
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ImportError, match=r'pip install "probbody\[fast\]"'):
        Compiled()
    assert quickest() == StepByStep()


def test_where_no_cache_can_be_written_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    jit = importlib.import_module("probbody.render.compiled.jit")
    njit = numba.njit

    def refuse(cache: bool = False, **options: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(jit.numba, "njit", refuse)
    double = jit.compiled(jit.EXACT)(lambda value: 2 * value)
    assert double(21) == 42


def test_a_file_changes_with_those_whose_functions_are_compiled_into_its_own() -> None:
    """numba takes a function from its cache as long as the function's own file is as it was, whatever that calls."""
    for path in FOLDER.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module not in ("jit", "pairs")
        }
        if "compiled" not in path.read_text(encoding="utf-8") or path.stem in ("__init__", "tracing", "followed"):
            continue
        stamps = {name: hashlib.sha256((FOLDER / f"{name}.py").read_bytes()).hexdigest()[:8] for name in used}
        module = importlib.import_module(f"probbody.render.compiled.{path.stem}")
        assert getattr(module, "MADE_OF", {}) == stamps, f"{path.name}: MADE_OF should be {stamps}"
