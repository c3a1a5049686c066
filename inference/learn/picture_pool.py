"""Drawn pictures kept on disk: drawn once, read many times, by trainings that may begin before all are drawn."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probbody.data.files import written_whole
from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.priors.weights import write_weights
from probbody.quantities import Pose, Record
from probbody.synth.labels import LabelledPictures
from probbody.synth.pictures import Pictures

KIND = "drawn pictures"
STRIDE = 4
"""Pixels of a picture along each side of a cell of the label maps, which hold what the pixel at its centre has."""
_NAME = re.compile(r"pictures_s(\d+)_(\d{9,})\.safetensors")
_ALIKE = {"images": 1.0, "visible": 0.02, "rotations": 1e-3, "shape": 1e-3, "translation": 1e-3}
"""How far apart two drawings of one picture may be on the mean, for the rounding of other machines; images in levels of 255."""
_TYPES = {"U8": np.uint8, "BOOL": np.bool_, "F32": np.float32}
_HELD = (
    "images",
    "rotations",
    "shape",
    "translation",
    "focal",
    "centre",
    "joints",
    "parts",
    "mask",
    "occluder",
    "visible",
)


@dataclass(frozen=True)
class PooledPictures(Record):
    """Drawn pictures with the labels that learning needs; maps are ``STRIDE`` times smaller than the pictures."""

    images: Float[Tensor, "B 3 H W"]
    """RGB in [0, 1]."""
    camera: PinholeCamera
    """Of the pictures, at their full size; the world is its frame."""
    pose: Pose
    joints: Float[Tensor, "B J 3"]
    parts: Int[Tensor, "B h w"]
    """As in ``LabelledPictures``, at the pixel (4 i + 2, 4 j + 2) of each cell: of the four nearest to its centre the last."""
    mask: Bool[Tensor, "B h w"]
    occluder: Bool[Tensor, "B h w"]
    visible: Bool[Tensor, "B V"]

    def __len__(self) -> int:
        return len(self.images)


def pooled(pictures: LabelledPictures) -> PooledPictures:
    """The same pictures with smaller maps."""
    middle = slice(STRIDE // 2, None, STRIDE)
    parts, mask, occluder = (held[:, middle, middle] for held in (pictures.parts, pictures.mask, pictures.occluder))
    return PooledPictures(
        pictures.images, pictures.camera, pictures.pose, pictures.joints, parts, mask, occluder, pictures.visible
    )


def fill(
    pictures: Pictures,
    folder: Path | str,
    seed: int,
    first: int,
    count: int,
    shard: int = 512,
    told: Callable[[int], None] = lambda done: None,
) -> int:
    """Draw the pictures ``first`` to ``first + count`` of a seed into files of ``shard`` each; how many were drawn.

    A file that is there is not drawn again, so that an interrupted call goes on where it was; one that is no whole file, or
    begins with another picture than would be drawn now, is a ``BadInput``. So is, before anything is drawn, a folder with
    which the new files would make no pool: of pictures of another size or body, or with some of those that are wanted in
    other files. Files are written whole or not at all, the same bytes each time. ``told`` hears how many pictures are done
    after each file.
    """
    if count < 1 or first < 0 or shard < 1 or seed < 0:
        raise BadInput(
            "fill: expected a count and a shard of at least 1, first and seed of at least 0, "
            f"found {count}, {shard}, {first}, {seed}."
        )
    wanted = {
        Path(folder) / f"pictures_s{seed}_{begin:09d}.safetensors": range(begin, min(begin + shard, first + count))
        for begin in range(first, first + count, shard)
    }
    _check_room(Path(folder), pictures, seed, wanted)
    drawn = 0
    for path, numbers in wanted.items():
        begin, size = numbers.start, len(numbers)
        if not (path.is_file() and len(_alike(path, pictures, seed, begin)) >= size):
            _write(path, pictures, seed, begin, size)
            drawn += size
        told(begin + size - first)
    return drawn


def _check_room(folder: Path, pictures: Pictures, seed: int, wanted: dict[Path, range]) -> None:
    """Refuses a folder with which the files wanted would make no pool."""
    held = PicturePool(folder).opened() if folder.is_dir() else {}
    if not held:
        return
    like, shard = next(iter(held.items()))  # the others are as this one
    own = _rows(pooled(pictures.draw(seed, torch.tensor([next(iter(wanted.values())).start]))))
    _check_shapes(
        like, shard.shapes, {name: tuple(rows.shape[1:]) for name, rows in own.items()}, "these options draw them"
    )
    for path, numbers in wanted.items():
        if path in held and len(held[path]) >= len(numbers):
            continue  # it stays as it is
        for other, its in held.items():
            if other != path and its.seed == seed and (twice := _meet(its.numbers, numbers)):
                raise BadInput(
                    f"{other}: expected other pictures than those wanted, found {twice.start} to {twice.stop - 1} of seed"
                    f" {seed}; choose another --first or folder."
                )


def _check_shapes(path: Path, found: dict[str, tuple[int, ...]], like: dict[str, tuple[int, ...]], whose: str) -> None:
    for name, shape in like.items():
        if found[name] != shape:
            raise BadInput(
                f"{path}: expected {name} of shape {shape} as {whose}, found {found[name]}; choose another folder."
            )


def _alike(path: Path, pictures: Pictures, seed: int, begin: int) -> "_Shard":
    """A file that is there, if its first picture is the one that these options draw."""
    held = _Shard(path)
    own = pooled(pictures.draw(seed, torch.tensor([begin])))
    drawn = {"images": 255 * own.images, "visible": own.visible}
    drawn |= {name: getattr(own.pose, name) for name in ("rotations", "shape", "translation")}
    for name, off in _ALIKE.items():
        kept, now = torch.from_numpy(np.array(held.arrays[name][:1])).float(), drawn[name].cpu().float()
        if kept.shape != now.shape or float((kept - now).abs().mean()) > off:
            raise BadInput(
                f"{path}: expected picture {begin} of seed {seed} as these options draw it, found other {name};"
                " choose another folder."
            )
    return held


def _write(path: Path, pictures: Pictures, seed: int, begin: int, size: int) -> None:
    held: dict[str, list[Tensor]] = {name: [] for name in _HELD}
    for part in torch.arange(begin, begin + size).split(64):
        for name, value in _rows(pooled(pictures.draw(seed, part))).items():
            held[name].append(value.cpu())
    words = {"seed": str(seed), "first": str(begin), "count": str(size)}
    with written_whole(path) as temporary:
        write_weights(temporary, {name: torch.cat(values) for name, values in held.items()}, words, KIND)


def _rows(some: PooledPictures) -> dict[str, Tensor]:
    """As files hold them."""
    return {
        "images": (255 * some.images).round().to(torch.uint8),
        "rotations": some.pose.rotations.float(), "shape": some.pose.shape.float(),
        "translation": some.pose.translation.float(), "focal": some.camera.focal.float(),
        "centre": some.camera.centre.float(), "joints": some.joints.float(),
        "parts": some.parts.to(torch.uint8), "mask": some.mask, "occluder": some.occluder, "visible": some.visible,
    }  # fmt: skip


class PicturePool:
    """The drawn pictures in a folder; files that come later are seen by the next call.

    Raises ``BadInput`` where the folder is not there, and where two files hold the same picture or pictures of two sizes or
    bodies; a folder without pictures is an empty pool.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise BadInput(f"{folder}: expected a folder of drawn pictures, found none there.")
        self._open: dict[Path, _Shard] = {}

    @property
    def shards(self) -> tuple[Path, ...]:
        """The files, in the order of their names."""
        return tuple(sorted(path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)))

    def __len__(self) -> int:
        return sum(len(self._shard(path)) for path in self.shards)

    def numbers(self) -> dict[int, list[range]]:
        """Of the pictures, for each seed."""
        found: dict[int, list[range]] = {}
        for shard in self.opened().values():
            found.setdefault(shard.seed, []).append(shard.numbers)
        return found

    def opened(self) -> "dict[Path, _Shard]":
        """The files that are there now, each open."""
        return {path: self._shard(path) for path in self.shards}

    def check_apart(self, other: "PicturePool") -> None:
        """Refuses a pool with a seed and number that this one has too: it may hold the same pictures."""
        theirs = other.numbers()
        for seed, mine in self.numbers().items():
            if any(_meet(one, two) for one in mine for two in theirs.get(seed, [])):
                raise BadInput(
                    f"{other.folder}: expected other pictures than in {self.folder}, found numbers of seed {seed} in both."
                )

    def batch(self, step: int, size: int, seed: int, shards: int | None = None) -> PooledPictures:
        """``size`` different pictures out of the first ``shards`` files, or of all that are there now.

        The same step and seed give the same pictures as long as these files are the same.
        """
        used = [self._shard(path) for path in self.shards[:shards]]
        ends = np.cumsum([len(shard) for shard in used]) if used else np.zeros(1, np.int64)
        if not 1 <= size <= int(ends[-1]):
            raise BadInput(f"{self.folder}: expected at least {size} drawn pictures, found {int(ends[-1])}.")
        rows = np.random.default_rng([seed, step]).choice(int(ends[-1]), size, replace=False)
        return self._rows(used, ends, rows)

    def rows(self, first: int, count: int) -> PooledPictures:
        """Pictures one after another in the order of the files."""
        used = [self._shard(path) for path in self.shards]
        ends = np.cumsum([len(shard) for shard in used]) if used else np.zeros(1, np.int64)
        if first < 0 or count < 1 or first + count > int(ends[-1]):
            raise BadInput(f"{self.folder}: expected {first + count} drawn pictures, found {int(ends[-1])}.")
        return self._rows(used, ends, np.arange(first, first + count))

    def _rows(self, used: "list[_Shard]", ends: np.ndarray, rows: np.ndarray) -> PooledPictures:
        where = np.searchsorted(ends, rows, side="right")
        inside = rows - np.concatenate([[0], ends])[where]
        held = {
            name: torch.from_numpy(
                np.stack([used[shard].arrays[name][row] for shard, row in zip(where, inside, strict=True)])
            )
            for name in _HELD
        }
        still = torch.eye(3).repeat(len(rows), 1, 1)
        height, width = held["images"].shape[2:]
        camera = PinholeCamera(held["focal"], held["centre"], still, torch.zeros(len(rows), 3), (height, width))
        pose = Pose(held["rotations"], held["shape"], held["translation"])
        return PooledPictures(
            held["images"].float() / 255, camera, pose, held["joints"], held["parts"].long(), held["mask"],
            held["occluder"], held["visible"],
        )  # fmt: skip

    def _shard(self, path: Path) -> "_Shard":
        if path not in self._open:
            shard = _Shard(path)
            for other, held in self._open.items():
                _check_shapes(path, shard.shapes, held.shapes, f"in {other.name}")
                if shard.seed == held.seed and _meet(shard.numbers, held.numbers):
                    raise BadInput(f"{path}: expected other pictures than in {other.name}, found some of these.")
            self._open[path] = shard
        return self._open[path]


def _meet(one: range, other: range) -> range:
    """What both have."""
    return range(max(one.start, other.start), min(one.stop, other.stop))


class _Shard:
    """One file, read row by row without loading it: a safetensors header, then arrays that are mapped."""

    def __init__(self, path: Path) -> None:
        try:
            size = path.stat().st_size
            with open(path, "rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length)) if 0 < length < size else {}
            words = json.loads(header.pop("__metadata__", {}).get("probbody", "{}"))
            start = 8 + length
            if words.get("kind") != KIND or start + max(held["data_offsets"][1] for held in header.values()) != size:
                raise ValueError("not a whole file of drawn pictures")
            self.arrays = {
                name: np.memmap(
                    path,
                    _TYPES[header[name]["dtype"]],
                    "r",
                    start + header[name]["data_offsets"][0],
                    tuple(header[name]["shape"]),
                )
                for name in _HELD
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{path}: expected a whole file of drawn pictures, found something else.") from error
        if len({len(array) for array in self.arrays.values()}) != 1:
            raise BadInput(f"{path}: expected as many labels as pictures, found others.")
        self.shapes = {name: array.shape[1:] for name, array in self.arrays.items()}
        self.seed, first = (int(number) for number in path.stem.removeprefix("pictures_s").split("_"))
        self.numbers = range(first, first + len(self))

    def __len__(self) -> int:
        return len(self.arrays["images"])
