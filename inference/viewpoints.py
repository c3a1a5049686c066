"""Views of a thing from all around, and the best of many starts."""

import math

import pyro
import torch
from jaxtyping import Float
from pyro.infer.autoguide import init_to_value
from pyro.infer.autoguide.initialization import InitMessenger
from torch import Tensor

from probbody.geometry.rotations import axis_angle_to_matrix, matrix_to_quaternion
from probbody.observation import Observation

from .density import BodyELBO, Model, of_each_start
from .maximum import usual_value

AT_ONCE = 64
"""Bodies whose density is found in one batch: more take memory and little less time."""


def viewpoints(
    observation: Observation,
    place: Float[Tensor, "B 3"],
    azimuths: int = 12,
    elevations: int = 4,
    tilts: int = 3,
) -> dict[str, Float[Tensor, "starts B *_"]]:
    """NeMo's starts: from all around, from below to far above, and tilted; 144 unless told.

    A thing at rest stands with y up and looks along its +z. Azimuths go all around its vertical: at 0 it faces the camera,
    at 90 degrees its front is on the right of the picture. Elevations of the camera go from -30 to 60 degrees, above where
    positive; tilts from -30 to 30 degrees, clockwise in the picture where positive. A single one is 0.

    Args:
        observation: its camera is the one that looks.
        place: the site ``place`` of all starts: (x / z, y / z, log z) of the thing's origin in the camera's frame.
        azimuths, elevations, tilts: how many of each.

    Returns: the sites ``orientation`` and ``place``; the first tilt with all elevations, and of each the azimuths in turn.

    References: Wang, Kortylewski, Yuille (2021), NeMo, ICLR.
    """
    if min(azimuths, elevations, tilts) < 1:
        raise ValueError(
            f"azimuths, elevations, tilts: expected one or more of each, found {azimuths}, {elevations} and {tilts}."
        )
    if len(place) != len(observation):
        raise ValueError(f"place: expected one for each of {len(observation)} bodies, found {len(place)}.")
    about = torch.eye(3).to(place)
    up = _turn(about[1], torch.arange(azimuths) * (2 * math.pi / azimuths), place)
    over = _turn(about[0], _between(-math.pi / 6, math.pi / 3, elevations), place)
    roll = _turn(about[2], _between(-math.pi / 6, math.pi / 6, tilts), place)
    facing = _turn(about[0], torch.tensor([math.pi]), place)
    views = (roll[:, None, None] @ facing @ over[None, :, None] @ up[None, None]).flatten(0, 2)  # in the camera's frame
    seen = torch.eye(3).to(place).expand(len(observation), 3, 3)
    axes = observation.camera.turned(seen)  # rows: the world's axes as the camera has them
    orientation = matrix_to_quaternion(axes[None] @ views[:, None])
    return {"orientation": orientation, "place": place.expand(len(views), *place.shape)}


def screened(
    model: Model, observation: Observation, starts: dict[str, Float[Tensor, "starts B *_"]], keep: int
) -> dict[str, Float[Tensor, "kept B *_"]]:
    """The ``keep`` starts of each body at which the posterior density is highest, the highest first.

    Sites that ``starts`` does not name take the values that ``fit_map`` would start them from. Starts whose density is not a
    number come last; fewer starts than ``keep`` are all returned.
    """
    if not starts or keep < 1:
        raise ValueError(
            f"starts, keep: expected a site or more and one or more to keep, found {len(starts)} and {keep}."
        )
    count = len(next(iter(starts.values())))
    bodies = len(observation)
    densities = []
    checks = ("distributions_pyro", "distributions_torch", "poutine", "infer")
    unchecked = {f"validate_{name}": False for name in checks}
    at_once = max(AT_ONCE // bodies, 1)
    with torch.no_grad(), torch.random.fork_rng(), pyro.settings.context(**unchecked):
        torch.manual_seed(0)
        for first in range(0, count, at_once):
            part = {name: value[first : first + at_once].flatten(0, 1) for name, value in starts.items()}
            many = observation.repeat(min(at_once, count - first))
            held = InitMessenger(init_to_value(values=part, fallback=usual_value))(of_each_start(model, bodies))
            terms = BodyELBO().terms(held, lambda observation: None, many)
            densities.append(torch.stack(list(terms.values())).sum(0).reshape(-1, bodies))
    best = torch.cat(densities).nan_to_num(nan=-torch.inf).topk(min(keep, count), dim=0).indices  # (kept, B)
    row = torch.arange(bodies, device=best.device)
    return {name: value[best, row] for name, value in starts.items()}


def _turn(axis: Tensor, angles: Tensor, like: Tensor) -> Float[Tensor, "N 3 3"]:
    return axis_angle_to_matrix(angles.to(like)[:, None] * axis)


def _between(low: float, high: float, count: int) -> Tensor:
    return torch.linspace(low, high, count) if count > 1 else torch.zeros(1)
