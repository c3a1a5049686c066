"""The worst patches of many pictures, kept in a small file."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..data.files import written_whole
from ..errors import BadInput


@dataclass(frozen=True)
class Patch:
    """One picture's worst patch: enough to paste it again, and what it did."""

    name: str
    picture: str
    """A hash of the picture without the patch."""
    box: tuple[int, int, int, int]
    """Left, top, right and bottom in pixels."""
    side: int
    """The width of the whole texture; the box may be cut off by the border."""
    texture: int
    digest: str
    """Of the bytes that cover the box."""
    error: float
    clean: float
    """The error without the patch."""

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (0 <= left < right <= left + self.side and 0 <= top < bottom <= top + self.side):
            raise ValueError(f"expected a box within a patch of {self.side} pixels, found {list(self.box)}")
        if not (math.isfinite(self.error) and self.texture >= 0):
            raise ValueError(f"expected a finite error and a texture, found {self.error} and {self.texture}")


@dataclass(frozen=True)
class WorstPatches:
    """Patches found under one protocol."""

    protocol: dict[str, object]
    patches: tuple[Patch, ...]

    def __len__(self) -> int:
        return len(self.patches)

    def and_also(self, patch: Patch) -> "WorstPatches":
        """With one more."""
        return WorstPatches(self.protocol, (*self.patches, patch))

    def of(self, names: Sequence[str]) -> "WorstPatches":
        """Those of the pictures named, in that order; a picture without any is refused."""
        found = self.among(names)
        held = {patch.name for patch in found.patches}
        if missing := [name for name in names if name not in held]:
            raise BadInput(
                f"patches: expected one for each picture, found none for {missing[0]} ({len(missing)} missing)."
            )
        return found

    def among(self, names: Sequence[str]) -> "WorstPatches":
        """Those of the pictures named that there are, one each, in that order."""
        held = {patch.name: patch for patch in self.patches}
        return WorstPatches(self.protocol, tuple(held[name] for name in names if name in held))

    def check(self, protocol: dict[str, object]) -> None:
        """Refuses patches of another protocol, naming what differs."""
        keys = [key for key in {**protocol, **self.protocol} if key != "hash"]
        differing = [key for key in keys if protocol.get(key) != self.protocol.get(key)]
        if differing:
            key = differing[0]
            raise BadInput(f"patches: expected {key} {protocol.get(key)}, found {self.protocol.get(key)}.")

    def save(self, path: Path | str) -> None:
        """Write a JSON file, whole or not at all; one patch a line."""
        lines = ",\n".join(json.dumps(asdict(patch)) for patch in self.patches)
        with written_whole(path) as temporary:
            temporary.write_text(
                f'{{"protocol": {json.dumps(self.protocol)},\n"patches": [\n{lines}\n]}}\n', encoding="utf-8"
            )


def read_patches(path: Path | str) -> WorstPatches:
    """What ``WorstPatches.save`` wrote; raises BadInput for anything else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        patches = WorstPatches(dict(content["protocol"]), tuple(_patch(entry) for entry in content["patches"]))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(
            f"{path}: expected the patches of an occlusion search (JSON), found something else ({error})."
        ) from error
    card = {key: value for key, value in patches.protocol.items() if key != "hash"}
    if patches.protocol.get("hash") != hashed(card):
        raise BadInput(f"{path}: expected the protocol's hash {hashed(card)}, found {patches.protocol.get('hash')}.")
    return patches


def hashed(content: bytes | dict[str, object]) -> str:
    """Twelve hexadecimal digits."""
    plain = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
    return hashlib.sha256(plain).hexdigest()[:12]


def _patch(entry: dict[str, Any]) -> Patch:
    left, top, right, bottom = (int(side) for side in entry["box"])
    return Patch(**{**entry, "box": (left, top, right, bottom)})
