"""How long a volume takes to draw, against the plain ways of drawing it, and how close each rule comes to the exact integral.

    python benchmarks/speed_of_volumes.py [--quick]

The exit code is 1 where a target is missed.
"""

import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from verdicts import AtLeast, Target
from volume_scenes import balls, camera, kernels_of, sorted_by_depth, top_twenty

from probbody.geometry.cameras import PinholeCamera
from probbody.quantities import Kernels
from probbody.render.absorption import Absorption, ClosedForm, Composited
from probbody.render.compiled.tracing import Compiled, quickest
from probbody.render.conservative import Conservative
from probbody.render.lists import lists
from probbody.render.pairs import Meeting, pairs_within
from probbody.render.sight import sight
from probbody.render.tracing import StepByStep, Tracing
from probbody.render.volume import VolumeRenderer

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests import reference_volume as twin

CHANNELS = 64
FORMS: dict[str, Absorption] = {"conservative": Conservative(), "closed form": ClosedForm(), "composited": Composited()}
COMPILED = quickest()
"""Where there is no numba, ``StepByStep``, and then it is not measured."""
Verdicts = list[Target | AtLeast]
Way = Callable[[Kernels, Tensor, PinholeCamera], Tensor]


def measure(quick: bool) -> Verdicts:
    """One thread, 858 kernels, 64 x 64 pixels and 64 channels unless told; each time the least of many."""
    return _speed(quick) + _growth(quick) + _truth(quick)


def drawing(
    absorption: Absorption = FORMS["conservative"],
    opacity: float = 2.0,
    cut: float = 4.0,
    tracing: Tracing = StepByStep(),  # noqa: B008  frozen
) -> VolumeRenderer:
    """A renderer for kernels that are given."""
    return VolumeRenderer(lambda surface: surface, opacity, absorption, cut, tracing=tracing)  # type: ignore[arg-type, return-value]


def _by(form: Absorption, tracing: Tracing = StepByStep()) -> Way:  # noqa: B008  frozen
    return lambda kernels, attributes, seen: drawing(form, tracing=tracing).draw(kernels, attributes, seen).features


def _speed(quick: bool) -> Verdicts:
    print(
        "\n1. volumes: milliseconds of CPU time forward, and forward and backward to means, precisions and attributes"
    )
    print(f"{'':24}{'1 body':>18}{'8 bodies':>18}")
    ways: dict[str, Way] = {name: _by(form) for name, form in FORMS.items()}
    if isinstance(COMPILED, Compiled):
        ways |= {"conservative, compiled": _by(FORMS["conservative"], COMPILED)}
    ways |= {"dense, top 20": top_twenty, "dense, sorted": sorted_by_depth}
    batches = (1, 8)
    found = {(name, batch): [math.inf, math.inf] for name in ways for batch in batches}
    for batch in batches:
        kernels, attributes = kernels_of(batch), torch.randn(batch, 858, CHANNELS).requires_grad_()
        for turn in range(4 if quick else 20):
            for name, way in ways.items():
                plain = name.startswith("dense")
                if turn < ((1 if quick or batch > 1 else 4) if plain else 1000):
                    for _ in range(1 if plain else 3):
                        spent = _once(way, kernels, attributes, camera(batch))
                        found[name, batch] = [min(pair) for pair in zip(found[name, batch], spent, strict=True)]
    for name in ways:
        print(f"{name:24}" + "".join("{:9.1f}{:9.1f}".format(*found[name, batch]) for batch in batches), flush=True)
    times = {key: value[1] for key, value in found.items()}
    extra = [float(_alone(way)) for way in ("conservative", "dense, top 20")]
    print(f"extra memory, 8 bodies: {extra[0]:.0f} MB; dense, top 20: {extra[1]:.0f} MB")
    ratio = {key: times[key[0], key[1]] / times["conservative", key[1]] for key in times}
    compiled = [
        AtLeast(f"conservative over compiled, bodies: {batch}", 1 / ratio["conservative, compiled", batch], 2)
        for batch in batches
        if ("conservative, compiled", batch) in ratio
    ]
    return [
        *compiled,
        AtLeast("dense sorted over conservative, 1 body", ratio["dense, sorted", 1], 25),
        AtLeast("dense sorted over conservative, 8 bodies", ratio["dense, sorted", 8], 60),
        AtLeast("dense top 20 over conservative, 1 body", ratio["dense, top 20", 1], 5),
        AtLeast("dense top 20 over conservative, 8 bodies", ratio["dense, top 20", 8], 12),
        Target("extra memory, 8 bodies", extra[0], 100, " MB"),
        Target("forward and backward, 1 body", times["conservative", 1], 12, " ms"),
        Target("forward and backward, 8 bodies", times["conservative", 8], 70, " ms"),
    ]


def _once(draw: Way, kernels: Kernels, attributes: Tensor, seen: PinholeCamera) -> tuple[float, float]:
    begun = time.process_time()
    picture = draw(kernels, attributes, seen)
    drawn = time.process_time()
    picture.backward(torch.ones_like(picture))
    return 1000 * (drawn - begun), 1000 * (time.process_time() - begun)


def _alone(way: str) -> str:
    """What a process of its own needs in addition, in MB."""
    return subprocess.run([sys.executable, __file__, way], check=True, capture_output=True, text=True).stdout


def extra_memory(way: str) -> float:
    """MB at the peak of drawing eight bodies and of the gradient, over what the process had before."""
    draw = top_twenty if way.startswith("dense") else _by(FORMS[way])
    for batch in (1, 8):  # the first brings the libraries in
        kernels, attributes = kernels_of(batch), torch.randn(batch, 858, CHANNELS).requires_grad_()
        before = _memory("VmRSS")
        _once(draw, kernels, attributes, camera(batch))
    return _memory("VmHWM") - before


def _memory(kind: str) -> float:
    """MB of this process, as Linux tells it: now (VmRSS), or at most so far (VmHWM)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith(kind)), math.nan)


def _growth(quick: bool) -> Verdicts:
    print(
        "\n2. growth: forward and backward of the conservative rule; what is drawn are pairs, and pairs of pairs on a ray"
    )
    print(f"{'':24}{'ms':>10}{'pairs':>12}{'of pairs':>12}{'ns each':>9}")
    counts = (215, 858, 3435) if quick else (215, 858, 3435, 6870, 13_740)
    sizes = (32, 64, 128) if quick else (32, 64, 128, 256)
    batches = (1, 8) if quick else (1, 2, 8, 32)
    steepest = {}
    for what, scenes in (
        ("kernels", [(n, balls(n), camera(1)) for n in counts]),
        ("map", [(n, kernels_of(1), camera(1, n)) for n in sizes]),
        ("bodies", [(n, kernels_of(n), camera(n)) for n in batches]),
    ):
        rows = []
        for number, kernels, seen in scenes:
            attributes = torch.randn(*kernels.means.shape[:2], CHANNELS).requires_grad_()
            spent = min(
                _once(_by(FORMS["conservative"]), kernels, attributes, seen)[1] for _ in range(3 if quick else 6)
            )
            pairs, tables = _drawn(kernels, seen)
            rows.append((spent, pairs, tables))
            print(f"{f'{number} {what}':24}{spent:10.1f}{pairs:12d}{tables:12d}{1e6 * spent / tables:9.1f}", flush=True)
        steepest[what] = math.log(rows[-1][0] / rows[0][0]) / math.log(rows[-1][2] / rows[0][2])
    return [
        Target(f"growth with {what}: exponent of time over what is drawn", value, 1.1)
        for what, value in steepest.items()
    ]


def _drawn(kernels: Kernels, seen: PinholeCamera) -> tuple[int, int]:
    """Pairs, and entries of the tables that hold every two kernels of a ray."""
    depth = drawing().opacity
    with torch.no_grad():
        found = sight(kernels, seen, depth)
        bodies, size = len(kernels.means), seen.size
        pairs = pairs_within(found, size, bodies, 4.0)
        listed = lists(pairs, Meeting.apply(found.numbers, found.slant, pairs, True)[1], bodies * math.prod(size))
    return len(pairs.kernel), sum(rows * rows * columns for rows, columns in listed.blocks)


def _truth(quick: bool) -> Verdicts:
    print("\n3. truth: a body of 858 kernels in float64, against quadrature of the exact integral over the same pairs;")
    print(
        "features: relative error, independent features and smooth ones; gradient: cosine to the exact one, of a squared loss"
    )
    print("to means; opacity: greatest error; 'cut': the same against kernels without a cut at 4 deviations")
    head = f"{'features':>17}{'gradient':>19}{'opacity':>10}{'cut':>9}"
    print(f"{'':28}{head}")
    worst: dict[str, list[float]] = {"features": [], "smooth": [], "cosine": [], "opacity": []}
    for posed in (False, True):
        for peak in (2.0,) if quick else (1.0, 2.0, 4.0):
            for name, numbers in _errors(0.3 if posed else 0.0, peak).items():
                apart, smooth, first, second, opacity, cut = numbers
                label = f"{'bent' if posed else 'T-pose'} {peak:.0f} {name}"
                print(
                    f"{label:28}{100 * apart:8.2f}%{100 * smooth:7.2f}%{first:10.5f}{second:9.5f}{opacity:10.1e}{cut:9.1e}",
                    flush=True,
                )
                if name == "conservative":
                    for key, value in zip(worst, (apart, smooth, min(first, second), opacity), strict=True):
                        worst[key].append(value)
    return [
        Target("conservative, independent features, greatest error", 100 * max(worst["features"]), 2, " %"),
        Target("conservative, smooth features, greatest error", 100 * max(worst["smooth"]), 0.5, " %"),
        Target("conservative, gradient, 1 less the least cosine", 1 - min(worst["cosine"]), 1e-3),
        Target("conservative, opacity, greatest error", max(worst["opacity"]), 1e-5),
    ]


def _errors(spread: float, peak: float) -> dict[str, list[float]]:
    kernels, seen = kernels_of(1, torch.float64, spread), camera(1, 32, torch.float64)
    generator = torch.Generator().manual_seed(1)
    apart = torch.nn.functional.normalize(torch.randn(1, 858, 16, generator=generator, dtype=torch.float64), dim=-1)
    waves = torch.randn(3, 16, generator=generator, dtype=torch.float64) / 0.3
    carried = (apart, (kernels.means.detach() @ waves).sin())
    parts = twin.profiles(kernels, seen, peak, cut=4.0)
    uncut = twin.profiles(kernels, seen, peak)[0].sum(-1)[0]
    hit = parts[0][0].sum(-1) > 0
    most = int((parts[0] > 0).sum(-1).max())
    parts, chosen = twin.strongest(tuple(part[:, hit] for part in parts), most)  # type: ignore[arg-type]
    exact = twin.exact_weights(*parts, steps=500)[0]
    wanted = [(exact.unsqueeze(-1) * attributes[0, chosen[0]]).sum(1) for attributes in carried]
    found: dict[str, list[float]] = {}
    for name, form in FORMS.items():
        errors, cosines = [], []
        for attributes, right in zip(carried, wanted, strict=True):
            drawn = drawing(form, peak).draw(kernels, attributes, seen)
            features = drawn.features[0].flatten(1).mT[hit]
            target = right.detach().roll(1, dims=0)
            grads = [
                torch.autograd.grad((given - target).square().sum(), kernels.means, retain_graph=True)[0].flatten()
                for given in (features, right)
            ]
            errors.append(float(((features - right).norm() / right.norm()).detach()))
            cosines.append(float(torch.cosine_similarity(grads[0], grads[1], dim=0)))
        coverage = drawn.coverage.flatten().detach()
        opacity = float((coverage[hit] - exact.sum(-1)).detach().abs().max())
        found[name] = [*errors, *cosines, opacity, float((coverage + torch.expm1(-uncut)).detach().abs().max())]
    return found


def main() -> int:
    """This section alone, or the memory of one way of drawing."""
    torch.set_num_threads(1)
    if sys.argv[1:] and not sys.argv[1].startswith("--"):
        print(extra_memory(sys.argv[1]))
        return 0
    targets = measure("--quick" in sys.argv)
    print()
    for target in targets:
        print(target)
    return int(any(not target.held for target in targets))


if __name__ == "__main__":
    sys.exit(main())
