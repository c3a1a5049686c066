"""What stands before the people of a benchmark: nothing, things, or a patch where it hurts most."""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..adversary.patches import PatchGrid
from ..adversary.record import WorstPatches, read_patches
from ..adversary.search import Attack
from ..adversary.targets import Targets
from ..adversary.textures import ProceduralTextures, Textures
from .benchmark import SynthOcc
from .scenes import Scenes

Victim = Callable[[Scenes], Float[Tensor, "B J 3"]]
"""Joints in metres, from pictures and cameras; keypoints it must not look at, as they are not known behind a patch."""


class Condition(abc.ABC):
    """One of the columns of a table."""

    name: str

    @abc.abstractmethod
    def scenes(self, benchmark: SynthOcc, part: slice) -> Scenes:
        """Some of the pictures."""

    @abc.abstractmethod
    def card(self, benchmark: SynthOcc) -> dict[str, object]:
        """What it depends on beside the benchmark."""


@dataclass(frozen=True)
class Clean(Condition):
    """Hardly anything is before the people."""

    name: str = "clean"

    def scenes(self, benchmark: SynthOcc, part: slice) -> Scenes:
        """As drawn."""
        return benchmark.scenes("clean", part)

    def card(self, benchmark: SynthOcc) -> dict[str, object]:
        """Nothing."""
        del benchmark
        return {}


@dataclass(frozen=True)
class Natural(Condition):
    """Boxes, plants, furniture, other people before them: other people than those of the clean pictures."""

    name: str = "natural"

    def scenes(self, benchmark: SynthOcc, part: slice) -> Scenes:
        """As drawn."""
        return benchmark.scenes("natural", part)

    def card(self, benchmark: SynthOcc) -> dict[str, object]:
        """Nothing."""
        del benchmark
        return {}


@dataclass(frozen=True)
class Attacked(Condition):
    """The clean pictures with a patch each, where it makes a method's visible joints worst: 3DNBF's AdvOcc.

    Args:
        side: of the patch, pixels of a 224 px frame.
        victim: whom it is to harm; published is the regressor that fits start from.
        of: the victim's name, and whatever else tells it from others.
        folder: where patches are kept once they are found, a file a picture.
        textures: procedural ones of the test seed unless given.
        at_once: pictures that the victim sees together.
        known: patches found elsewhere, which are not searched for.
    """

    side: int
    victim: Victim
    of: str
    folder: Path | None = None
    textures: Textures | None = None
    at_once: int = 64
    known: WorstPatches | None = None

    @property
    def name(self) -> str:  # type: ignore[override]
        """As papers call it."""
        return f"@{self.side}"

    def attack(self, benchmark: SynthOcc) -> Attack:
        """The search with this benchmark's stride."""
        grid = PatchGrid(self.side, min(benchmark.extent.stride, self.side))
        return Attack(grid, self.textures or ProceduralTextures(seed=benchmark.seed))

    def card(self, benchmark: SynthOcc) -> dict[str, object]:
        """The attack, and on whom."""
        return {"victim": self.of, **self.attack(benchmark).protocol(benchmark.source.studio.size)}

    def scenes(self, benchmark: SynthOcc, part: slice) -> Scenes:
        """Behind their worst patches, which are searched for where they are not known yet."""
        clean = benchmark.scenes("clean", part)
        attack = self.attack(benchmark)
        targets = targets_of(clean)
        boxes, images = [], []
        for row in range(len(clean)):
            one = only(targets, row)
            path = None if self.folder is None else self.folder / f"{one.names[0]}.json"
            victim = as_method(self.victim, clean[row])
            found = attack.search(victim, one, at_once=self.at_once, path=path, known=self.known)
            images.append(attack.replayed(found, one).images)
            boxes.append(found.patches[0].box)
        hidden = clean.pictures.occluder | _covered(boxes, benchmark.source.studio.size)
        keypoints = benchmark.detector(benchmark.source.body, clean.pictures, hidden, benchmark.seed, clean.numbers)
        return clean.seen_as(torch.cat(images), hidden, keypoints)

    def patches(self, benchmark: SynthOcc) -> WorstPatches:
        """Those of all pictures that were found so far, as one record."""
        files = [] if self.folder is None else sorted(self.folder.glob("[!.]*.json"))  # hidden ones were never whole
        own = self.attack(benchmark).protocol(benchmark.source.studio.size)
        held = [read_patches(path) for path in files]
        for each in held:
            each.check(own)
        return WorstPatches(own, tuple(patch for each in held for patch in each.patches))


def targets_of(scenes: Scenes) -> Targets:
    """As an attack wants them."""
    places = scenes.pictures.camera.project(scenes.joints)[..., :2]
    return Targets(scenes.pictures.images, scenes.joints, places, scenes.names())


def only(targets: Targets, row: int) -> Targets:
    """One of them."""
    one = slice(row, row + 1)
    return Targets(targets.images[one], targets.joints[one], targets.pixels[one], targets.names[one])


def as_method(victim: Victim, scene: Scenes) -> Callable[[Float[Tensor, "B 3 H W"]], Float[Tensor, "B J 3"]]:
    """A method that knows the camera of one picture, of which it is shown many versions."""

    def joints(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B J 3"]:
        many = scene[torch.zeros(len(images), dtype=torch.long)]
        unknown = torch.zeros_like(many.keypoints)
        return victim(many.seen_as(images, many.pictures.occluder, unknown))

    return joints


def _covered(boxes: list[tuple[int, int, int, int]], size: tuple[int, int]) -> Bool[Tensor, "B H W"]:
    hidden = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for row, (left, top, right, bottom) in enumerate(boxes):
        hidden[row, top:bottom, left:right] = True
    return hidden
