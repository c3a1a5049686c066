"""The worst place for a patch: every place of a grid is tried, on any method that finds joints in pictures.

The protocol of 3DPW-AdvOcc (3DNBF, Zhang et al., ICCV 2023), with what its release lacks: textures drawn by seed, so that
the worst patch can be pasted again to the pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..errors import BadInput
from .damage import Damage, VisibleJointError
from .patches import PatchGrid, covered, pasted
from .record import Patch, WorstPatches, hashed, read_patches
from .sensitivity import ALIKE, ErrorMap
from .targets import Targets
from .textures import ProceduralTextures, Textures

Method = Callable[[Float[Tensor, "B 3 H W"]], Float[Tensor, "B J 3"]]
"""Pictures to joints in metres: a regressor, or a whole fit."""
_CLEAN = -1  # the place of no patch


@dataclass(frozen=True)
class Attack:
    """A grid of places, what the patches look like, and what makes one worse than another."""

    grid: PatchGrid = field(default_factory=PatchGrid)
    textures: Textures = field(default_factory=ProceduralTextures)
    damage: Damage = field(default_factory=VisibleJointError)

    def protocol(self, size: tuple[int, int]) -> dict[str, object]:
        """All that the result depends on but the method and the pictures, with a hash of it."""
        card: dict[str, object] = {"picture": list(size), "damage": self.damage.name}
        card |= {"side": self.grid.side, "stride": self.grid.stride, "frame": self.grid.frame, **self.textures.card()}
        return card | {"hash": hashed(card)}

    def maps(
        self, method: Method, targets: Targets, at_once: int = 64, skip: frozenset[str] = frozenset()
    ) -> Iterator[ErrorMap]:
        """The error map of each picture whose name is not in ``skip``; the method sees ``at_once`` pictures at a time.

        The answer for a picture must not depend on those beside it; then ``at_once`` changes nothing but the last digits, as
        sums over batches are rounded in another order.
        """
        chosen = [number for number, name in enumerate(targets.names) if name not in skip]
        places = len(self.grid.boxes(targets.size))
        jobs = [(number, place) for number in chosen for place in (_CLEAN, *range(places))]
        errors: list[float] = []
        for start in range(0, len(jobs), at_once):
            errors += self._errors(method, targets, jobs[start : start + at_once])
            while len(errors) > places:
                grid = torch.tensor(errors[1 : places + 1], dtype=torch.float64).reshape(self.grid.shape(targets.size))
                yield ErrorMap(chosen[0], targets.names[chosen.pop(0)], grid, errors[0])
                del errors[: places + 1]

    def search(
        self,
        method: Method,
        targets: Targets,
        *,
        at_once: int = 64,
        path: Path | str | None = None,
        known: WorstPatches | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> WorstPatches:
        """The worst patch of each picture, in the order of the targets; the same for any ``at_once``.

        The errors kept are those of the pictures shown to the method alone, as a replay shows them.

        Args:
            method: pictures to joints.
            targets: the pictures and the truth.
            at_once: how many pictures the method sees together.
            path: a JSON file, written anew whenever a picture is done. Where it exists, its pictures are not searched
                again; one that was made under another protocol is refused.
            known: patches found elsewhere, where ``path`` does not exist yet: their pictures are not searched again, and they
                are refused as those of ``path`` would be.
            progress: gets the pictures done and those in all.
        """
        done = WorstPatches(self.protocol(targets.size), ())
        if path is not None and Path(path).exists():
            done = self._begun(method, targets, read_patches(path))
        elif known is not None:
            done = self._begun(method, targets, known.among(targets.names))
            if path is not None and len(done):
                done.save(path)
        before = frozenset(patch.name for patch in done.patches)
        number = len(before.intersection(targets.names))
        for finished in self.maps(method, targets, at_once, before):
            done = done.and_also(self._patch(method, finished, targets))
            number += 1
            if path is not None:
                done.save(path)
            if progress is not None:
                progress(number, len(targets))
        return done.of(targets.names)

    def _begun(self, method: Method, targets: Targets, done: WorstPatches) -> WorstPatches:
        """What a file holds, unless it is of another protocol, of other pictures or of another method."""
        done.check(self.protocol(targets.size))
        held = {patch.name: patch for patch in done.patches}
        known = [(number, held[name]) for number, name in enumerate(targets.names) if name in held]
        for number, patch in known:
            _check_picture(patch, targets.images[number])
        if known:
            number, patch = known[0]
            clean = self._errors(method, targets, [(number, _CLEAN)])[0]
            if not abs(clean - patch.clean) <= ALIKE:
                raise BadInput(
                    f"method: expected the one that errs by {patch.clean:.3f} on {patch.name} without a patch, as the file"
                    f" says, found {clean:.3f}."
                )
        return done

    def replayed(self, patches: WorstPatches, targets: Targets) -> Targets:
        """The pictures with their patches on, to the pixel; joints behind a patch, or outside, are not counted.

        Raises BadInput where the patches belong to another protocol or to other pictures.
        """
        patches.check(self.protocol(targets.size))
        ordered = patches.of(targets.names).patches
        boxes = torch.tensor([patch.box for patch in ordered]).reshape(-1, 4)
        images, seen = [], []
        for number, patch in enumerate(ordered):
            _check_picture(patch, targets.images[number])
            texture = self.textures(patch.texture, patch.side)
            if hashed(_shown(texture, patch.box)) != patch.digest:
                raise BadInput(
                    f"{patch.name}: expected the texture of {patch.digest}, found another one under its number."
                )
            box = boxes[number : number + 1]
            images.append(pasted(targets.images[number], box, [texture]))
            seen.append(targets.inside(number) & ~covered(box, targets.pixels[number])[0])
        return Targets(torch.cat(images), targets.joints, targets.pixels, targets.names, torch.stack(seen))

    def _patch(self, method: Method, found: ErrorMap, targets: Targets) -> Patch:
        number, place, side = found.number, found.worst(), self.grid.pixels(targets.size)
        left, top, right, bottom = self.grid.boxes(targets.size)[place].tolist()
        texture = texture_number(found.name, place)
        clean, worst = (self._errors(method, targets, [(number, where)])[0] for where in (_CLEAN, place))
        return Patch(
            name=found.name,
            picture=_digest(targets.images[number]),
            box=(left, top, right, bottom),
            side=side,
            texture=texture,
            digest=hashed(_shown(self.textures(texture, side), (left, top, right, bottom))),
            error=worst,
            clean=clean,
        )

    def _errors(self, method: Method, targets: Targets, jobs: list[tuple[int, int]]) -> list[float]:
        """The damage of each job, a picture and a place."""
        boxes, side = self.grid.boxes(targets.size), self.grid.pixels(targets.size)
        images, visible = [], []
        for number, place in jobs:
            image, seen = targets.images[number].unsqueeze(0), targets.inside(number)
            if place != _CLEAN:
                box = boxes[place : place + 1]
                texture = self.textures(texture_number(targets.names[number], place), side)
                image, seen = pasted(image[0], box, [texture]), seen & ~covered(box, targets.pixels[number])[0]
            images.append(image)
            visible.append(seen)
        numbers = [number for number, _ in jobs]
        truth = targets.joints[numbers]
        found = _answers(method, torch.cat(images), truth, [targets.names[number] for number in numbers])
        seen = torch.stack(visible)
        known = torch.ones_like(seen) if targets.counted is None else targets.counted[numbers]
        return self.damage(found, truth, seen, known).double().tolist()


def texture_number(name: str, place: int) -> int:
    """The texture of a patch: decided by the picture's name and the place, so that order and company change nothing."""
    return int(hashed(f"{name}\n{place}".encode()), 16) >> 16


def _answers(
    method: Method, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B J 3"], names: list[str]
) -> Float[Tensor, "B J 3"]:
    """What the method says, or a refusal of what is no answer."""
    found = method(images).detach()
    if found.shape != truth.shape:
        raise BadInput(f"method: expected joints of shape {tuple(truth.shape)}, found {tuple(found.shape)}.")
    lost = ~found.isfinite().flatten(1).all(1)
    if bool(lost.any()):
        raise BadInput(f"method: expected finite joints, found NaN or infinity for {names[int(lost.nonzero()[0])]}.")
    return found.to(truth)


def _check_picture(patch: Patch, image: Float[Tensor, "3 H W"]) -> None:
    if (found := _digest(image)) != patch.picture:
        raise BadInput(f"{patch.name}: expected the picture {patch.picture} that was searched, found {found}.")


def _digest(image: Float[Tensor, "3 H W"]) -> str:
    return hashed(image.float().cpu().contiguous().numpy().tobytes())


def _shown(texture: UInt8[Tensor, "3 S S"], box: tuple[int, int, int, int]) -> bytes:
    """The bytes of a texture that lie in a box."""
    left, top, right, bottom = box
    return texture[:, : bottom - top, : right - left].contiguous().numpy().tobytes()
