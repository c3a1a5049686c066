"""How many feature images a second are fitted, and what the time goes into.

``python benchmarks/fit_speed.py [--data FOLDER] [--quick]``. Eighty MAP steps of 3DNBF from start to end: body, 858 kernels,
field, renderer, likelihood, prior, Pyro; 64 x 64 pixels, 64 channels, batches of 8; two processes of one thread each, at
once. Both forms of the renderer are measured, plain torch and compiled (the extra ``fast``); the target is that of ``--form``,
the quicker of those at hand unless told, and its line says which. With ``--quick`` only that form is run to the end.

The pictures are the first of ``oracle_features``: poses of eight takes, cropped to 1.2 times the person's box.

Times are of the processor that a process has for itself; on a machine with other work to do it takes longer by the clock,
which is told too.
"""

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyro
import torch
from fits_of_captured_poses import held_out_poses
from oracle_scenes import OracleScenes, concentration, draw, oracle_background, oracle_features, starts
from pyro import poutine
from torch import Tensor
from verdicts import AtLeast, Target

from probbody.bodies.open_body import open_body
from probbody.densities import UniformRotation
from probbody.geometry.kernels import surface_kernels
from probbody.inference import feature_stages, fit_map
from probbody.inference.density import BodyELBO
from probbody.models import NeuralBodyVolume
from probbody.priors import vae_prior
from probbody.quantities import Surface
from probbody.render import StepByStep, VolumeRenderer, quickest
from probbody.systems import neural_body_volume

BATCH, STEPS, POSES = 8, 80, 200
FORMS = {"torch": StepByStep(), "compiled": quickest()}
if FORMS["compiled"] == StepByStep():
    del FORMS["compiled"]  # no numba here


def main() -> None:
    """Print the tables and the targets; exit code 1 if one is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    asked.add_argument("--data", type=Path, default=Path(os.environ.get("PROBBODY_DATA", beside)))
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--worker", type=int, default=0, help=argparse.SUPPRESS)
    asked.add_argument("--form", choices=FORMS, default=list(FORMS)[-1], help="of which the target is told")
    options = asked.parse_args()
    torch.set_num_threads(1)
    if options.worker:
        print(*min(_seconds(options.data, options.form) for _ in range(options.worker)))
        return
    rounds = 1 if options.quick else 3
    print(f"80 steps of 3DNBF, batches of {BATCH}: torch {torch.__version__}, one thread a process; least of {rounds}")
    both = {}
    for form in [options.form] if options.quick else FORMS:
        if not options.quick:
            _tell(f"{form}, one process", _together(1, rounds, form, options.data))
        both[form] = _together(2, rounds, form, options.data)
        _tell(f"{form}, two processes", both[form])
    shares = {form: _parts(form, options.data, 3 if options.quick else 10) for form in FORMS}
    rate, form = sum(BATCH / one for one, _ in both[options.form]), options.form
    targets = [
        AtLeast(f"images a second, two processes, renderer {form}", rate, 2.0),
        Target(f"Pyro's share of a step, batches of 8, renderer {form}", 100 * shares[form], 15.0, " %"),
    ]
    print()
    for target in targets:
        print(target)
    sys.exit(0 if all(target.held for target in targets) else 1)


def _tell(who: str, seconds: list[tuple[float, float]]) -> None:
    busy, clock = (max(column) for column in zip(*seconds, strict=True))
    rate, told = (sum(BATCH / one for one in column) for column in zip(*seconds, strict=True))
    print(f"{who + ':':25}{busy:6.2f} s a batch, {rate:5.2f} images a second; by the clock {clock:6.2f} s, {told:5.2f}")


def _together(count: int, rounds: int, form: str, data: Path) -> list[tuple[float, float]]:
    """Seconds of the processor and of the clock, of each of ``count`` processes that run at once."""
    command = [sys.executable, __file__, "--worker", str(rounds), "--form", form, "--data", str(data)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    found = [process.communicate()[0].split() for process in running]
    return [(float(busy), float(clock)) for busy, clock in found]


def _scenes(data: Path, form: str) -> tuple[NeuralBodyVolume, OracleScenes, dict[str, Tensor]]:
    angles = held_out_poses(data / "mocap", POSES)[0]
    mixed = torch.randperm(POSES, generator=torch.Generator().manual_seed(0))[:BATCH]
    scenes = draw(angles[mixed], 0.2, seed=100)
    prior, body = vae_prior(), open_body()
    renderer = VolumeRenderer(surface_kernels(body), tracing=FORMS[form])
    model = neural_body_volume(
        body, oracle_features(), oracle_background(), prior, concentration=concentration(), renderer=renderer
    )
    return model, scenes, starts(scenes, prior)


def _seconds(data: Path, form: str) -> tuple[float, float]:
    model, scenes, start = _scenes(data, form)
    fit_map(model, scenes.observation, stages=feature_stages(4), start=start)  # what is compiled is compiled here
    begun, busy = time.perf_counter(), time.process_time()
    fit_map(model, scenes.observation, stages=feature_stages(STEPS), start=start)
    return time.process_time() - busy, time.perf_counter() - begun


def _parts(form: str, data: Path, rounds: int) -> float:
    """Milliseconds of a step, part by part; returns the share of it that is not in a step without Pyro."""
    model, scenes, start = _scenes(data, form)
    sites = {name: value[0].clone().requires_grad_() for name, value in start.items()}
    observation, features = scenes.observation, scenes.observation.features
    assert features is not None
    story, image = model.story, model.image
    camera = image.camera(observation.camera, observation)
    normal = torch.distributions.Normal(0.0, 1.0)
    middle = torch.tensor([0.0, 0.0, math.log(story.depth)])

    def surface() -> Surface:
        place = observation.camera.place(sites["place"])
        return model.body(story.assemble(sites["pose"], sites["orientation"], sites["shape"], place))

    def plain() -> Tensor:
        rendering, _ = image.render(surface(), camera)
        prior = normal.log_prob(sites["shape"]).sum() + model.pose_prior.code().log_prob(sites["pose"]).sum()
        prior = prior + UniformRotation().log_prob(sites["orientation"]).sum()
        prior = prior + normal.log_prob(sites["place"] - middle).sum()
        return image.density(rendering).log_prob(features).sum() + prior

    def with_pyro() -> Tensor:
        with pyro.settings.context(validate_distributions_pyro=False, validate_distributions_torch=False):
            told = poutine.condition(model, data=sites)
            return torch.stack(list(BodyELBO().terms(told, lambda _: None, observation).values())).sum()

    def body() -> Tensor:
        return surface().vertices.sum()

    def rendered() -> Tensor:
        return image.render(surface(), camera)[0].features.square().sum()

    agree = float((plain() - with_pyro()).detach().abs() / plain().detach().abs())
    assert agree < 1e-4, f"the density without Pyro is another one, by {agree:.2g}"
    spent = {one.__name__: _step(one, list(sites.values()), rounds) for one in (body, rendered, plain, with_pyro)}
    print(f"{form}: milliseconds of a step, forward and backward, least of {rounds}: body {spent['body']:.1f}; field and "
          f"renderer {spent['rendered'] - spent['body']:.1f}; likelihood and priors {spent['plain'] - spent['rendered']:.1f}; "
          f"Pyro {spent['with_pyro'] - spent['plain']:.1f}; all {spent['with_pyro']:.1f}")  # fmt: skip
    return (spent["with_pyro"] - spent["plain"]) / spent["with_pyro"]


def _step(objective: Callable[[], Tensor], leaves: list[Tensor], rounds: int) -> float:
    best = math.inf
    for _ in range(rounds + 1):
        begun = time.process_time()
        torch.autograd.grad(objective(), leaves, allow_unused=True)
        best = min(best, time.process_time() - begun)
    return 1000 * best


if __name__ == "__main__":
    main()
