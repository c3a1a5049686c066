"""How long a fit takes, how much memory, and what the time goes into."""

import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import pyro
import torch
from verdicts import Target

from probbody.bodies.open_body import open_body
from probbody.data.keypoints import People, read_keypoints
from probbody.geometry.cameras import PinholeCamera
from probbody.inference import fit_keypoints, fit_map, keypoint_stages, keypoint_starts
from probbody.inference.density import log_terms
from probbody.models import KeypointBody
from probbody.observation import Observation
from probbody.priors import vae_prior


def measure(quick: bool) -> list[Target]:
    """One person, and 64 at once (8 if ``quick``), on one thread; each the quickest of a few runs."""
    print("\n4. speed: one thread, default starts and steps, variational prior, OpenPose's 25 keypoints;")
    print("the quickest of a few runs, wall and CPU; the peak is that of a fresh process, the libraries included")
    print(f"{'':24}{'wall s':>8}{'CPU s':>8}{'peak GB':>9}")
    found, peak, crowd = {}, 0.0, 8 if quick else 64
    for count, repeats in ((1, 1 if quick else 3), (crowd, 1 if quick else 2)):
        wall, cpu = _quickest(lambda count=count: fit(count), repeats)  # type: ignore[misc]
        found[count], used = wall, math.nan
        if count == crowd or not quick:
            here = [sys.executable, __file__, str(count)]
            used = float(subprocess.run(here, check=True, capture_output=True, text=True).stdout)
            peak = max(peak, used)
        print(f"{f'{count} people' if count > 1 else '1 person':24}{wall:8.2f}{cpu:8.2f}{used:9.2f}", flush=True)
    _print_parts(quick)
    return [
        Target("one person, wall", found[1], 4.0, " s"),
        Target(f"{crowd} people, wall", found[crowd], 25.0, " s"),
        Target("peak memory", peak, 1.5, " GB"),
    ]


def fit(count: int) -> None:
    """As many people as asked for: the demonstration's, each with noise of a pixel of its own."""
    observation = people(count)
    body, prior = open_body(), vae_prior()
    model = KeypointBody(body, prior, observation.layout, focal_spread=0.25)
    fit_keypoints(model, body, prior, observation)


def people(count: int) -> Observation:
    """The demonstration's keypoints, many times over."""
    with as_file(files("probbody.assets").joinpath("demo_keypoints.json")) as path:
        read: People = read_keypoints(path)
    keypoints = read.keypoints[:1].repeat(count, 1, 1)
    noise = torch.randn(keypoints[..., :2].shape, generator=torch.Generator().manual_seed(0))
    keypoints[..., :2] += noise * (keypoints[..., 2:] > 0)
    return Observation(PinholeCamera.looking_ahead(800.0, (480, 640), batch=count), keypoints, read.layout)


def _quickest(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def _print_parts(quick: bool) -> None:
    """The milliseconds of CPU time of one step, by part; the rest is what the optimiser and the book-keeping take."""
    print("\nmilliseconds of CPU time in a step of the first round, by part (people x starts)")
    print(f"{'':24}{'1 x 4':>8}{'64 x 4':>8}")
    with pyro.settings.context(module_local_params=True, validate_distributions_torch=False, validate_poutine=False):
        columns = [_parts(count, 5 if quick else 20) for count in (1, 64)]
    for name in columns[0]:
        print(f"{name:24}" + "".join(f"{1000 * column[name]:8.2f}" for column in columns))


def _parts(count: int, repeats: int) -> dict[str, float]:
    observation = people(count)
    body, prior = open_body(), vae_prior()
    model = KeypointBody(body, prior, observation.layout, focal_spread=0.25)
    start = keypoint_starts(body, prior, observation)
    many = observation.repeat(4)
    flat = {name: value.flatten(0, 1) for name, value in start.items()} | {"focal": torch.ones(4 * count)}
    flat = {name: value.requires_grad_() for name, value in flat.items()}

    def loss() -> torch.Tensor:
        return -torch.stack(list(log_terms(model, flat, many).values())).sum()

    def descend() -> None:
        fit_map(model, observation, stages=keypoint_stages(20)[1:], start=start)

    code = flat["pose"].detach().requires_grad_()
    pose = model.story.assemble(
        code, flat["orientation"], flat["shape"], observation.repeat(4).camera.place(flat["place"])
    )
    pose = pose.detach()
    skeleton = body.reduced(observation.layout)
    decode = _quickest(lambda: prior.decode(code), repeats)[1]
    move = _quickest(lambda: skeleton.keypoints(skeleton(pose), observation.layout), repeats)[1]
    forward = _quickest(loss, repeats)[1]
    both = _quickest(lambda: loss().backward(), repeats)[1]
    step = _quickest(descend, max(repeats // 5, 1))[1] / 18
    return {
        "prior, decoded": decode,
        "body and keypoints": move,
        "densities and Pyro": forward - decode - move,
        "backward": both - forward,
        "optimiser, book-keeping": step - both,
        "a step": step,
    }


def peak_memory() -> float:
    """Bytes of this process at its largest."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held when it started this process
        return 1024 * float(next(line for line in status.read_text().splitlines() if "VmHWM" in line).split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":  # a process of its own, for its memory
    torch.set_num_threads(1)
    fit(int(sys.argv[1]))
    print(peak_memory() / 1e9)
