"""Where the people of a benchmark and their surroundings come from: drawn, or captured and photographed."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..bodies.open_body import open_body
from ..contracts import ArticulatedBody
from ..data.motion import mirrored
from ..priors.shipped import vae_prior
from ..synth.backdrops import PhotographBackdrops, photographs_in
from ..synth.pictures import Pictures
from ..synth.poses import CapturedPoses, PriorPoses
from ..synth.scenery import DrawnBackdrops

_ASSETS = ("open_body.npz", "pose_prior_vae.safetensors")


@dataclass(frozen=True)
class Source:
    """A generator of pictures, and what it is made of in words and hashes."""

    body: ArticulatedBody
    studio: Pictures
    card: dict[str, object]


def drawn(size: tuple[int, int] = (192, 192)) -> Source:
    """Open to everybody, without a download: poses of the prior that ships, backdrops that are drawn."""
    body = open_body()
    studio = Pictures(body, PriorPoses(vae_prior()), DrawnBackdrops(), size)
    return Source(body, studio, {"poses": "shipped prior", "backdrops": "drawn", **_assets()})


def captured(
    angles: Float[Tensor, "T M 3"],
    chances: Float[Tensor, " T"],
    backdrops: Path,
    only: tuple[str, ...] = (),
    size: tuple[int, int] = (192, 192),
) -> Source:
    """Before photographs, in poses of captured motion and their mirror images: axis-angles and how likely each is.

    Both must be kept from learning: the caller splits motion by take, and photographs by the beginnings of their names.
    """
    body = open_body()
    poses = CapturedPoses(torch.cat([angles, mirrored(angles)]), chances.repeat(2))
    photographs = PhotographBackdrops.of_folder(backdrops, (), only)
    card: dict[str, object] = {
        "poses": f"captured, {len(angles)} frames, {_digest(angles, chances)}",
        "backdrops": f"photographs, {len(photographs)}, {_digest_of_files(photographs_in(backdrops, (), only))}",
    }
    return Source(body, Pictures(body, poses, photographs, size), card | _assets())


def _assets() -> dict[str, object]:
    """Hashes of what ships and what pictures depend on."""
    folder = files("probbody.assets")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12] for name in _ASSETS}


def _digest(*tensors: Tensor) -> str:
    held = hashlib.sha256()
    for tensor in tensors:
        held.update(tensor.contiguous().numpy().tobytes())
    return held.hexdigest()[:12]


def _digest_of_files(paths: list[Path]) -> str:
    held = hashlib.sha256()
    for path in paths:
        held.update(hashlib.sha256(path.read_bytes()).digest())
    return held.hexdigest()[:12]
