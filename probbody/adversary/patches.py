"""Square patches pasted over pictures, on a grid of places."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class PatchGrid:
    """Where a patch may lie: ``side`` and ``stride`` are pixels of a frame ``frame`` pixels wide, scaled to the picture.

    3DPW-AdvOcc has sides of 40 and 80 with stride 10 in a frame of 224: in a crop of 320 pixels patches of 57 and 114 at
    multiples of 14 pixels, 20 x 20 and 16 x 16 of them, the last ones cut off by the border. The stride is rounded, up where
    otherwise more than half of it were left free at the border. Of a picture that is not square the longer side is ``frame``
    long. 3DNBF (Zhang et al., ICCV 2023), section 4.
    """

    side: int = 40
    stride: int = 10
    frame: int = 224

    def __post_init__(self) -> None:
        if not 0 < self.stride <= self.side < self.frame:
            raise ValueError(f"PatchGrid: expected 0 < stride <= side < frame, found {self}.")

    def pixels(self, size: tuple[int, int]) -> int:
        """How wide the patch is in a picture of that height and width."""
        return _rounded(self.side * max(size) / self.frame)

    def shape(self, size: tuple[int, int]) -> tuple[int, int]:
        """How many places there are, down and across."""
        steps = (extent * self.frame / max(size) - self.side for extent in size)
        down, across = (max(1, math.ceil(step / self.stride + 1)) for step in steps)
        return down, across

    def boxes(self, size: tuple[int, int]) -> Int[Tensor, "N 4"]:
        """Left, top, right and bottom of every place, row by row, whole pixels; the right and bottom are not covered."""
        side, step = self.pixels(size), self._step(size)
        down, across = self.shape(size)
        if step < 1 or (down - 1) * step >= size[0] or (across - 1) * step >= size[1]:
            raise ValueError(f"PatchGrid: a picture of {size[0]} x {size[1]} pixels is too small for {self}.")
        top, left = torch.meshgrid(step * torch.arange(down), step * torch.arange(across), indexing="ij")
        start = torch.stack([left, top], dim=-1).flatten(0, 1)
        return torch.cat([start, (start + side).minimum(torch.tensor([size[1], size[0]]))], dim=1)

    def _step(self, size: tuple[int, int]) -> int:
        step = _rounded(self.stride * max(size) / self.frame)
        free = (
            max(extent - (count - 1) * step for extent, count in zip(size, self.shape(size), strict=True))
        ) - self.pixels(size)
        return step + 1 if 2 * free > step else step


def pasted(
    image: Float[Tensor, "3 H W"], boxes: Int[Tensor, "N 4"], textures: list[Tensor]
) -> Float[Tensor, "N 3 H W"]:
    """Copies of a picture in [0, 1], each with one box covered by the upper left of a texture (bytes, RGB)."""
    copies = image.repeat(len(boxes), 1, 1, 1)
    for copy, (left, top, right, bottom), texture in zip(copies, boxes.tolist(), textures, strict=True):
        copy[:, top:bottom, left:right] = texture[:, : bottom - top, : right - left].to(image) / 255
    return copies


def covered(boxes: Int[Tensor, "N 4"], points: Float[Tensor, "P 2"]) -> Bool[Tensor, "N P"]:
    """Which points (pixels u, v) lie strictly inside which box."""
    u, v = points.unbind(-1)
    left, top, right, bottom = (side.unsqueeze(1).to(points) for side in boxes.unbind(1))
    return (u > left) & (u < right) & (v > top) & (v < bottom)


def _rounded(length: float) -> int:
    return math.floor(length + 0.5)
