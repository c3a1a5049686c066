"""What there is behind people, and what occluders and clothes are printed with."""

import abc
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from ..errors import BadInput
from ..pictures import as_array, read_picture
from .chances import Chances

_SIDE, _MOST = 512, 2000  # pixels of a photograph that is kept; photographs of a folder
_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


class Backdrops(abc.ABC):
    """A source of pictures without people."""

    @abc.abstractmethod
    def draw(self, chances: Chances, size: tuple[int, int]) -> Float[Tensor, "B 3 H W"]:
        """A picture for each stream of chances, RGB in [0, 1], on their device."""


class PhotographBackdrops(Backdrops):
    """Random pieces of photographs, some mirrored, out of focus, darker or of less contrast."""

    def __init__(self, photographs: UInt8[Tensor, "N 3 S S"]) -> None:
        if len(photographs) == 0:
            raise ValueError("PhotographBackdrops: expected at least one photograph, found none.")
        # colours last, on the CPU: there torch resizes 8 bits in a third of the time of floats
        self.photographs = photographs.cpu().contiguous(memory_format=torch.channels_last)

    @classmethod
    def of_folder(
        cls, folder: Path | str, without: tuple[str, ...] = (), only: tuple[str, ...] = ()
    ) -> "PhotographBackdrops":
        """The pictures of a folder and those below it, in the order of their names, the first 2,000: the middle square of each.

        Pictures whose names begin with one of ``without`` are passed over; where there are names in ``only``, all but those
        that begin with them. A folder that is not there or holds no picture, and a picture that cannot be read, are
        ``BadInput``.
        """
        files = photographs_in(folder, without, only)
        squares = [ImageOps.fit(read_picture(file), (_SIDE, _SIDE), Image.Resampling.BICUBIC) for file in files]
        return cls(torch.stack([(255 * as_array(square)).round().to(torch.uint8) for square in squares]))

    def __len__(self) -> int:
        return len(self.photographs)

    def draw(self, chances: Chances, size: tuple[int, int]) -> Float[Tensor, "B 3 H W"]:
        """A square or oblong piece of one photograph each, a quarter of its side or more."""
        number, side = len(self.photographs), self.photographs.shape[-1]
        which = (chances.uniform() * number).long().clamp_max(number - 1)
        extent = chances.uniform(low=0.25, high=1.0).unsqueeze(-1) * chances.uniform(2, low=0.8, high=1.0)
        begin = ((1 - extent) * chances.uniform(2) * side).long()
        end = (begin + (extent * side).long()).clamp_max(side)
        flip = chances.whether(0.5).tolist()
        focus = torch.where(chances.whether(0.5), chances.uniform(low=0.12, high=1.0), torch.ones_like(extent[:, 0]))
        boxes = torch.cat([which.unsqueeze(-1), begin, end], -1).tolist()
        pieces = [
            self._piece(box, size, share, turn) for box, share, turn in zip(boxes, focus.tolist(), flip, strict=True)
        ]
        pictures = torch.cat(pieces).to(chances.keys.device).to(chances.dtype)
        gain = chances.uniform(1, low=0.7, high=1.4) * (1 + 0.06 * chances.normal(3)) / 255
        lift = chances.uniform(1, low=-0.1, high=0.15)
        return pictures.mul_(gain.unflatten(-1, (3, 1, 1))).add_(lift.unflatten(-1, (1, 1, 1))).clamp_(0, 1)

    def _piece(self, box: list[int], size: tuple[int, int], focus: float, flip: bool) -> UInt8[Tensor, "1 3 H W"]:
        """The photograph of this number between left, top, right and bottom."""
        row, left, top, right, bottom = box
        piece = self.photographs[row : row + 1, :, top:bottom, left:right]
        if focus < 0.6:  # what is out of focus is made small and large again
            coarse = (max(8, round(size[0] * focus)), max(8, round(size[1] * focus)))
            piece = _resized(piece, coarse)
        piece = _resized(piece, size)
        return piece.flip(-1) if flip else piece


class MixedBackdrops(Backdrops):
    """Now of one source, now of another, as their weights say."""

    def __init__(self, sources: tuple[Backdrops, ...], weights: tuple[float, ...]) -> None:
        if not sources or len(sources) != len(weights) or not (min(weights) >= 0 and 0 < sum(weights) < torch.inf):
            raise ValueError(
                "MixedBackdrops: expected a finite weight of at least 0 for each source, not all 0, "
                f"found {len(sources)} and {weights}."
            )
        self._sources, self._weights = sources, weights

    def draw(self, chances: Chances, size: tuple[int, int]) -> Float[Tensor, "B 3 H W"]:
        """A picture of one source for each stream."""
        which = chances.about("source").one_of(list(self._weights))
        pictures = torch.zeros(len(chances), 3, *size, dtype=chances.dtype, device=chances.keys.device)
        for number, source in enumerate(self._sources):
            rows = (which == number).nonzero().squeeze(-1)
            if len(rows):
                pictures[rows] = source.draw(chances.about("picture")[rows], size)
        return pictures


def photographs_in(folder: Path | str, without: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> list[Path]:
    """The files that ``PhotographBackdrops.of_folder`` reads, in its order."""
    root = Path(folder)
    if not root.is_dir():
        raise BadInput(f"{folder}: expected a folder of photographs, found none there.")
    files = [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in _ENDINGS
        and path.is_file()
        and not path.name.startswith(without)
        and (not only or path.name.startswith(only))
    ]
    if not files:
        raise BadInput(f"{folder}: expected photographs ({', '.join(sorted(_ENDINGS))}) of such names, found none.")
    return files[:_MOST]


def _resized(picture: UInt8[Tensor, "1 3 h w"], size: tuple[int, int]) -> UInt8[Tensor, "1 3 H W"]:
    return torch.nn.functional.interpolate(picture, size, mode="bilinear", align_corners=False, antialias=True)
