"""``probbody adv-occ``: where a patch harms a method most: patches to replay, and maps of where it hurts."""

import abc
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from probbody.adversary import PatchGrid, WorstPatches, draw_body, draw_map, vertex_errors, write_mesh
from probbody.adversary.sensitivity import ErrorMap
from probbody.data.files import written_whole
from probbody.errors import BadInput
from probbody.synthocc import Attacked, Clean, SynthOcc
from probbody.synthocc.conditions import as_method, only, targets_of

from ..evaluate.method import Elsewhere
from ..evaluate.on_set import OnSet
from ..evaluate.on_synthocc import OnSynthOcc
from ..evaluate.trial import Trial
from .compared import Parts, Pictures, attacked, patches_in
from .methods import Workshop, method_named

_DRAWN = 4
"""Pictures whose maps are drawn."""


@dataclass(frozen=True)
class Wanted:
    """Whom patches are to harm, what they are, and where they go."""

    method: str
    side: int
    """Pixels of a 224 px frame."""
    out: Path
    maps: int = 0
    """Also where it hurts, for the first so many pictures."""
    textures: Path | None = None
    """Photographs that patches are cut from."""
    at_once: int = 64
    """Versions of a picture that the method sees together."""

    def __post_init__(self) -> None:
        least, frame = PatchGrid.stride, PatchGrid.frame
        if not least <= self.side < frame:
            raise BadInput(f"--side: expected {least} to {frame - 1} pixels of a {frame} px frame, found {self.side}.")


@dataclass(frozen=True)
class Mapped:
    """Where patches hurt in one picture."""

    errors: ErrorMap
    image: Float[Tensor, "3 H W"]
    boxes: Int[Tensor, "N 4"]
    """The places that were tried."""

    def draw(self) -> Image.Image:
        """The map over the picture."""
        return draw_map(self.image, self.errors, self.boxes)


class Ground(abc.ABC):
    """Pictures that patches are searched for on, one after the other; each is kept as it is found."""

    trial: Trial
    condition: Attacked

    def search(self, number: int) -> None:
        """The worst patch of one picture, unless it is kept already."""
        self.trial.cases(self.condition, slice(number, number + 1))

    @abc.abstractmethod
    def patches(self) -> WorstPatches:
        """Those of all pictures, once all were searched."""

    @abc.abstractmethod
    def damage(self) -> str:
        """What makes a patch worse than another."""

    @abc.abstractmethod
    def mapped(self, number: int) -> Mapped:
        """The error at every place of one picture."""


class OnDrawn(Ground):
    """The benchmark that ships."""

    def __init__(self, trial: OnSynthOcc, condition: Attacked) -> None:
        self.trial, self.condition, self.benchmark = trial, condition, trial.benchmark

    def patches(self) -> WorstPatches:
        """By the pictures' numbers."""
        names = [f"{number:06d}" for number in self.benchmark.numbers("clean").tolist()]
        return self.condition.patches(self.benchmark).of(names)

    def damage(self) -> str:
        """The benchmark's."""
        return self.condition.attack(self.benchmark).damage.name

    def mapped(self, number: int) -> Mapped:
        """Beside the drawn picture."""
        scenes = self.benchmark.scenes("clean", slice(number, number + 1))
        targets, attack = targets_of(scenes), self.condition.attack(self.benchmark)
        victim = as_method(self.condition.victim, scenes)
        (one,) = attack.maps(victim, only(targets, 0), self.condition.at_once)
        return Mapped(one, targets.images[0], attack.grid.boxes(targets.size))


class OnPeople(Ground):
    """A data set that the user has."""

    def __init__(self, trial: OnSet, condition: Attacked) -> None:
        self.trial: OnSet = trial
        self.condition, self.hurt = condition, trial.hurt(condition)

    def patches(self) -> WorstPatches:
        """By the people's numbers in the set."""
        return self.hurt.patches(self.trial.size, len(self.trial))

    def damage(self) -> str:
        """The attack's."""
        return self.hurt.attack.damage.name

    def mapped(self, number: int) -> Mapped:
        """Beside the crop."""
        crops = self.trial.cases(Clean(), slice(number, number + 1))
        return Mapped(self.hurt.map(crops), crops.images[0], self.hurt.attack.grid.boxes(self.trial.size))


def run_adv_occ(pictures: Pictures, parts: Parts, wanted: Wanted) -> None:
    """Search the worst patches, write ``patches_SIDE_METHOD.json``; with ``maps`` also those of the first so many pictures."""
    torch.set_num_threads(1)
    shop, out = parts.workshop(), wanted.out
    victim = method_named(wanted.method, shop)
    size = shop.learnt.reader.size
    trial = pictures.trial(out, (size[0], size[1]), Elsewhere(victim, shop.body.weights.device))
    condition = attacked(wanted.side, victim, patches_in(out, wanted.side, wanted.method), shop, wanted.textures)
    ground = _ground(trial, replace(condition, at_once=wanted.at_once))
    trial.choose()
    for number in tqdm(range(len(trial)), unit="picture", leave=False):
        ground.search(number)
    found, path = ground.patches(), out / f"patches_{wanted.side}_{wanted.method}.json"
    found.save(path)
    held = found.patches
    before, after = (sum(getattr(patch, name) for patch in held) / len(held) for name in ("clean", "error"))
    if words := trial.words():
        print(words)
    print(f"{path}: {len(held)} patches; {ground.damage()}: {before:.1f} mm, then {after:.1f} mm")
    if wanted.maps:
        write_maps(ground, shop, out, min(wanted.maps, len(trial)))


def write_maps(ground: Ground, shop: Workshop, out: Path, count: int) -> None:
    """Error maps of some pictures; where true bodies are known also the body, coloured by the mean error where it is hidden."""
    found = []
    for number in tqdm(range(count), unit="map", leave=False):
        found.append(ground.mapped(number))
        if number < _DRAWN:
            with written_whole(out / f"map_{found[-1].errors.name}.png") as path:
                found[-1].draw().save(path)
    drawn = f"{out}: map_*.png of {min(count, _DRAWN)} pictures"
    if not isinstance(ground, OnDrawn):
        print(f"{drawn}; no sensitivity.glb, as the set knows no bodies of the open family")
        return
    _write_body(ground.benchmark, found, shop, out)
    print(f"{drawn}, sensitivity.glb and .png of {count}")


def _write_body(benchmark: SynthOcc, found: list[Mapped], shop: Workshop, out: Path) -> None:
    """The body at rest, coloured."""
    scenes, body = benchmark.scenes("clean", slice(0, len(found))), benchmark.source.body
    with torch.no_grad():
        vertices = body(scenes.pictures.pose).vertices
    pixels = scenes.pictures.camera.project(vertices)[..., :2]
    numbered = [replace(one.errors, number=row) for row, one in enumerate(found)]
    errors = vertex_errors(numbered, found[0].boxes, pixels, scenes.pictures.visible)
    rest = shop.body.template.cpu()
    write_mesh(out / "sensitivity.glb", rest, body.faces, errors)
    with written_whole(out / "sensitivity.png") as path:
        draw_body(rest, body.faces, errors).save(path)


def _ground(trial: Trial, condition: Attacked) -> Ground:
    if isinstance(trial, OnSet):
        return OnPeople(trial, condition)
    assert isinstance(trial, OnSynthOcc)
    return OnDrawn(trial, condition)
