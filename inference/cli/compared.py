"""What is compared on what, as the command line says it: pictures, methods, and what stands before people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float

from probbody.adversary import TextureFolder, WorstPatches, read_patches
from probbody.adversary.record import hashed
from probbody.data.hmr_results import read_results
from probbody.errors import BadInput
from probbody.extractors.shipped import load_features
from probbody.synthocc import (
    EXTENTS,
    JOINTS,
    Attacked,
    Clean,
    Condition,
    Natural,
    Scenes,
    Source,
    SynthOcc,
    captured,
    drawn,
)

from ..evaluate.method import Method
from ..evaluate.on_synthocc import OnSynthOcc, seen_of
from ..evaluate.regression import SavedJoints, Started
from ..evaluate.starts import AsSaved
from ..evaluate.trial import Trial
from ..learn.pose_data import taught_and_held_out
from .methods import Workshop, method_named
from .parts import body_named, device_named, features_named, on_device, prior_named
from .sets import SETS, trial_on_set

SIDES = {"@40": 40, "@80": 80}


@dataclass(frozen=True)
class Pictures:
    """Which pictures are asked for."""

    extent: str = "small"
    pictures: tuple[int, int] | None = None
    """From the first of these numbers to before the second alone."""
    seed: int = 2
    data: tuple[Path, ...] = ()
    """Captured motion, whose takes that nothing learns from are taken; the prior's poses without it."""
    backdrops: Path | None = None
    only: tuple[str, ...] = ()
    folder: Path | None = None
    """Where a data set is that ``extent`` names."""
    bodies: Path | None = None
    """Licensed SMPL files, by which its truth is posed."""

    def trial(
        self, folder: Path | None = None, size: tuple[int, int] = (192, 192), victim: Method | None = None
    ) -> Trial:
        """The benchmark, or a data set that the user has, where patches are to harm a method."""
        if self.extent in SETS:
            return trial_on_set(self.extent, self.folder, self.bodies, self.pictures, size, victim)
        if self.extent not in EXTENTS:
            raise BadInput(f"--set: expected one of {', '.join([*EXTENTS, *SETS])}, found {self.extent!r}.")
        if self.folder is not None or self.bodies is not None:
            raise BadInput(f"--folder, --smpl: expected one of {', '.join(SETS)} as --set, found {self.extent!r}.")
        return OnSynthOcc(self.benchmark(folder, size))

    def benchmark(self, folder: Path | None = None, size: tuple[int, int] = (192, 192)) -> SynthOcc:
        """The benchmark, which keeps the numbers of its pictures in a folder."""
        if self.extent not in EXTENTS:
            raise BadInput(f"--set: expected one of {', '.join(EXTENTS)}, found {self.extent!r}.")
        extent = EXTENTS[self.extent]
        if self.pictures is not None:
            extent = extent.part(*self.pictures)
        return SynthOcc(extent, self._source(size), seed=self.seed, folder=folder)

    def _source(self, size: tuple[int, int]) -> Source:
        if bool(self.data) != (self.backdrops is not None):
            raise BadInput("eval: expected --data and --backdrops together, or neither, found one of them.")
        if self.backdrops is None:
            return drawn(size)
        kept = taught_and_held_out(self.data)[1]
        if len(kept) == 0:
            raise BadInput("--data: expected takes that nothing learns from, found none.")
        return captured(kept.angles, kept.chances, self.backdrops, self.only, size)


def part_told(words: str | None) -> tuple[int, int] | None:
    """What ``N``, the first so many, or ``FIRST:LAST``, those from one number to before another, says; None says nothing."""
    if words is None:
        return None
    first, _, last = words.rpartition(":")
    try:
        part = int(first or 0), int(last)
    except ValueError:
        part = 0, 0
    if not 0 <= part[0] <= part[1] - 2:
        raise BadInput(f"--pictures: expected N or FIRST:LAST, two pictures or more, found {words!r}.")
    return part


@dataclass(frozen=True)
class Parts:
    """What methods are made of, as the command line says it."""

    features: Path | None = None
    beside: tuple[str, ...] = ()
    """``NAME=FILE``: other features, with which 3DNBF is run too."""
    results: tuple[str, ...] = ()
    """``NAME=FILE``: what other programs saved, taken as baselines."""
    start: str | None = None
    """Which of these fits start from."""
    prior: str = "vae"
    steps: int | None = None
    device: str = "auto"

    def workshop(self) -> Workshop:
        """For methods that look."""
        device = device_named(self.device)
        body = body_named("coarse").to(device)
        learnt = features_named(self.features, body, device)
        shop = Workshop(body, prior_named(self.prior).to(device), learnt)
        shop = shop if self.steps is None else replace(shop, steps=self.steps)
        if self.start is None:
            return shop
        files = dict(named_file("--results", words) for words in self.results)
        if self.start not in files:
            raise BadInput(f"--start: expected one of the names of --results, found {self.start!r}.")
        return replace(shop, start=AsSaved(read_results(files[self.start]), body, self.start))

    def others(self, shop: Workshop) -> list[Method]:
        """3DNBF with other features, and what other programs saved."""
        found: list[Method] = []
        for words in self.beside:
            name, file = named_file("--beside", words)
            other = load_features(file)
            if len(other.features.features) != len(shop.body.weights):
                raise BadInput(f"{file}: expected features of {len(shop.body.weights)} vertices, found others.")
            method = replace(shop, learnt=on_device(other, shop.body.weights.device)).nbv()
            found.append(replace(method, name=name))  # type: ignore[type-var]
        for words in self.results:
            name, file = named_file("--results", words)
            if name != self.start:
                held = read_results(file)
                posed = held.rotations is not None
                found.append(Started(AsSaved(held, shop.body, name), shop.body) if posed else SavedJoints(held, name))
        return found


def conditions_named(
    names: Sequence[str],
    attack: str,
    out: Path,
    shop: Workshop,
    textures: Path | None = None,
    patches: Sequence[Path] = (),
) -> list[Condition]:
    """Columns by their names; patches are made for the method attacked, and kept beside the answers.

    ``textures``: a folder of photographs that patches are cut from, instead of drawn ones. ``patches``: files of those found
    before, which are not searched for again.
    """
    known = _found_before(patches, names)
    found: list[Condition] = []
    for name in names:
        if name in SIDES:
            victim = method_named(attack, shop)
            worst = attacked(SIDES[name], victim, patches_in(out, SIDES[name], attack), shop, textures)
            found.append(replace(worst, known=known.get(name)))
        elif name in ("clean", "natural"):
            found.append(Clean() if name == "clean" else Natural())
        else:
            raise BadInput(f"--condition: expected clean, natural, {', '.join(SIDES)}, found {name!r}.")
    return found


def _found_before(files: Sequence[Path], conditions: Sequence[str]) -> dict[str, WorstPatches]:
    """By the condition that they are of; those of none are refused."""
    held: dict[str, WorstPatches] = {}
    for file in files:
        found = read_patches(file)
        name = f"@{found.protocol.get('side')}"
        if name not in conditions:
            raise BadInput(
                f"{file}: expected patches of a --condition ({', '.join(conditions)}), found those of {name}."
            )
        before = held.get(name, WorstPatches(found.protocol, ()))
        found.check(before.protocol)
        held[name] = WorstPatches(found.protocol, before.patches + found.patches)
    return held


def patches_in(out: Path, side: int, method: str) -> Path:
    """Where the patches that harm a method are kept."""
    return out / "patches" / f"{side}_{method}"


def attacked(side: int, victim: Method, folder: Path | None, shop: Workshop, textures: Path | None = None) -> Attacked:
    """Patches that harm a method most; one that looks at keypoints is refused, as no detector is there to be harmed."""
    if "keypoints" in str(victim.card().get("evidence", "")):
        raise BadInput(f"--attack: expected a method that looks at pixels alone, found {victim.name}.")
    device = shop.body.weights.device
    of = f"{victim.name} {hashed(victim.card())}"

    def joints(scenes: Scenes) -> Float[torch.Tensor, "B J 3"]:
        seen = seen_of(scenes, Clean()).to(device)
        return victim(seen).joints[:, :JOINTS].detach().cpu()

    return Attacked(side, joints, of, folder, None if textures is None else TextureFolder(textures))


def named_file(option: str, words: str) -> tuple[str, Path]:
    """What ``NAME=FILE`` says; anything else is a ``BadInput`` that names the option."""
    name, separator, file = words.partition("=")
    if not (name and separator and file):
        raise BadInput(f"{option}: expected NAME=FILE, found {words!r}.")
    return name, Path(file)
