"""Captured poses, made ready to learn from: balanced, mirrored, and split by take."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probbody.data.capture import read_motions
from probbody.data.motion import Motion, is_held_out, mirrored
from probbody.errors import BadInput


@dataclass(frozen=True)
class PoseSet:
    """Axis-angles of the 21 joints after the pelvis, one row a frame, and how often each should be drawn."""

    angles: Float[Tensor, "T 21 3"]
    chances: Float[Tensor, " T"]
    clips: tuple[str, ...]
    takes: Int[Tensor, " T"]
    """Of which of the clips each frame is."""

    def __len__(self) -> int:
        return len(self.angles)

    def draw(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count 21 3"]:
        """Frames with replacement, each as likely as its chance; half of them mirrored."""
        where = torch.rand(count, generator=generator, dtype=torch.float64)
        frames = torch.searchsorted(self.chances.double().cumsum(0), where).clamp_max(len(self) - 1)
        chosen = self.angles[frames]
        turned = torch.rand(count, 1, 1, generator=generator) < 0.5
        return torch.where(turned, mirrored(chosen), chosen)

    def takes_alike(self) -> "PoseSet":
        """The same frames, every take as likely as any other, however long and varied it is."""
        lengths = torch.bincount(self.takes, minlength=len(self.clips)).to(self.chances)
        return replace(self, chances=1 / (len(self.clips) * lengths[self.takes]))


def taught_and_held_out(
    data: str | Path | Iterable[str | Path], licence: str = "not stated"
) -> tuple[PoseSet, PoseSet]:
    """The poses of motion files to learn from, and those to measure on; without any to learn from, ``BadInput``."""
    motions = read_motions(data, licence)
    taught, kept = pose_set(motions, held_out=False), pose_set(motions, held_out=True)
    if len(taught) == 0:
        where = data if isinstance(data, str | Path) else ", ".join(map(str, data))
        raise BadInput(f"{where}: expected frames to learn from, found none that are valid and not held out.")
    return taught, kept


def taught_in_two(data: str | Path | Iterable[str | Path], licence: str = "not stated") -> tuple[PoseSet, PoseSet]:
    """The poses to learn from, those of about one take in five apart: what is learnt from the rest can be judged by them.

    Takes that are held out are in neither. Like theirs, the side of a take depends on its name alone.
    """
    motions = read_motions(data, licence)
    parts = []
    for apart in (False, True):
        some = [
            replace(motion, clips=tuple(clip for clip in motion.clips if _is_apart(clip.name) == apart))
            for motion in motions
        ]
        parts.append(pose_set(some, held_out=False))
    if not all(map(len, parts)):
        raise BadInput(
            f"data: expected takes to learn from and others to judge by, found {len(parts[0])} and "
            f"{len(parts[1])} frames."
        )
    return parts[0], parts[1]


def _is_apart(clip: str) -> bool:
    return hashlib.sha256(clip.encode()).digest()[1] % 5 == 0


def pose_set(motions: Sequence[Motion], *, held_out: bool) -> PoseSet:
    """The valid frames of the takes on one side of the split.

    A take counts as the square root of its seconds times the spread of its poses (root mean square over joints, radians,
    at least 0.02), so that neither length nor standing still outweighs variety.
    """
    angles, chances, takes, names = [], [], [], list[str]()
    for motion in motions:
        for clip in motion.clips:
            frames = slice(clip.start, clip.start + clip.length)
            kept = motion.angles[frames, 1:22][motion.valid[frames]]
            if is_held_out(clip.name) != held_out or len(kept) == 0:
                continue
            spread = float((kept - kept.mean(0)).square().mean().sqrt().clamp_min(0.02))
            weight = (len(kept) / motion.fps) ** 0.5 * spread
            angles.append(kept)
            chances.append(torch.full((len(kept),), weight / len(kept)))
            takes.append(torch.full((len(kept),), len(names)))
            names.append(clip.name)
    if not angles:
        return PoseSet(torch.zeros(0, 21, 3), torch.zeros(0), (), torch.zeros(0, dtype=torch.long))
    every = torch.cat(chances)
    return PoseSet(torch.cat(angles), every / every.sum(), tuple(names), torch.cat(takes))
