"""What occluders look like: textures that are known by a number, so that a picture can be made again to the pixel."""

import abc
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from ..errors import BadInput
from ..pictures import read_picture
from .patterns import PATTERNS

_GRAIN = 0.04  # standard deviation of the noise over every texture, as a camera would add
_SHOWN = 3  # a patch shows a third of the shorter side of a photographed texture
_ENDINGS = (".jpg", ".jpeg", ".png")


class Textures(abc.ABC):
    """A numbered family of textures."""

    @abc.abstractmethod
    def __call__(self, index: int, side: int) -> UInt8[Tensor, "3 S S"]:
        """The texture of that number, RGB, ``side`` pixels wide: the same bytes for the same number and side."""

    @abc.abstractmethod
    def card(self) -> dict[str, str | int]:
        """What the family is, so that a file that names a texture by its number can say which family it means."""


@dataclass(frozen=True)
class ProceduralTextures(Textures):
    """Drawn patterns in random colours; ``count`` of them, after which they come again.

    Learning uses seed 0, validation 1, tests 2, so that what is tested with was never learnt from.
    """

    seed: int = 2
    count: int = 1000

    def __call__(self, index: int, side: int) -> UInt8[Tensor, "3 S S"]:
        """A pattern, its kind, colours and all else drawn from the seed and the number."""
        return _drawn(self.seed, index % self.count, side)

    def card(self) -> dict[str, str | int]:
        """The seed and how many there are."""
        return {"textures": "procedural 1", "seed": self.seed, "count": self.count}


@dataclass(frozen=True)
class PlainTexture(Textures):
    """One colour (RGB in [0, 255]), whatever the number: what occlusion sensitivity is measured with."""

    colour: tuple[int, int, int] = (127, 127, 127)

    def __call__(self, index: int, side: int) -> UInt8[Tensor, "3 S S"]:
        """The colour."""
        del index
        return torch.tensor(self.colour, dtype=torch.uint8)[:, None, None].expand(3, side, side)

    def card(self) -> dict[str, str | int]:
        """The colour."""
        return {"textures": "plain", "colour": "#{:02x}{:02x}{:02x}".format(*self.colour)}


class TextureFolder(Textures):
    """Photographed textures: a square, at a place that the number decides, out of a picture that it decides too.

    Pictures in the folder and below it are taken, in the order of their names. Raises BadInput where there are none.
    """

    def __init__(self, folder: Path | str, seed: int = 2) -> None:
        self.files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in _ENDINGS)
        if not self.files:
            raise BadInput(f"{folder}: expected a folder with textures ({', '.join(_ENDINGS)}), found none.")
        self.seed = seed
        self.digest = hashlib.sha256(b"".join(_digest(path) for path in self.files)).hexdigest()[:16]

    def __call__(self, index: int, side: int) -> UInt8[Tensor, "3 S S"]:
        """The square, from the picture shrunk until its shorter side is three times as long."""
        chance = np.random.default_rng([self.seed, index])
        picture = _shrunk(self.files[int(chance.integers(len(self.files)))], _SHOWN * side)
        left, top = (int(chance.integers(extent - side + 1)) for extent in picture.size)
        return _tensor(np.asarray(picture.crop((left, top, left + side, top + side))))

    def card(self) -> dict[str, str | int]:
        """How many pictures there are, and a hash of all of them."""
        return {"textures": "folder 1", "seed": self.seed, "files": len(self.files), "sha256": self.digest}


@functools.lru_cache(maxsize=2048)
def _drawn(seed: int, index: int, side: int) -> UInt8[Tensor, "3 S S"]:
    chance = np.random.default_rng([seed, index])
    centres = (np.arange(side) + 0.5) / side
    v, u = np.meshgrid(centres, centres, indexing="ij")
    tones = PATTERNS[int(chance.integers(len(PATTERNS)))](u, v, chance)
    dark, light = _colours(chance)
    shade = 1 + chance.uniform(-0.3, 0.3) * (u - 0.5) + chance.uniform(-0.3, 0.3) * (v - 0.5)
    colours = (dark + tones[..., None] * (light - dark)) * shade[..., None]
    grain = _GRAIN * chance.standard_normal((side, side, 1))
    return _tensor(np.round(255 * np.clip(colours + grain, 0, 1)).astype(np.uint8))


def _colours(chance: np.random.Generator) -> Float[np.ndarray, "2 3"]:
    """Two colours apart enough for the pattern to be seen, from nearly grey to gaudy."""
    first = chance.random(3)
    others = chance.random((8, 3))
    apart = np.abs(others - first).sum(1)
    both = np.stack([first, others[int((apart > 0.8).argmax())]])
    grey = both.mean(1, keepdims=True)
    return grey + chance.uniform(0.1, 0.9) * (both - grey)


@functools.lru_cache(maxsize=256)
def _shrunk(path: Path, shorter: int) -> Image.Image:
    picture = read_picture(path)
    factor = shorter / min(picture.size)
    width, height = (max(shorter, round(extent * factor)) for extent in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _tensor(picture: UInt8[np.ndarray, "S S 3"]) -> UInt8[Tensor, "3 S S"]:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).contiguous()
