"""Crops: a square of a picture, turned and resized, and the camera that would have taken it."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ..quantities import Record
from .cameras import PinholeCamera

_FINEST = 8  # samples along the side of one crop pixel


@dataclass(frozen=True)
class Crop(Record):
    """A box in a picture and the resolution that it is shown at; one box a picture."""

    centre: Float[Tensor, "B 2"]
    """The middle of the box, in pixels (u, v) of the picture; it may lie outside."""
    width: Float[Tensor, " B"]
    """The width of the box in pixels of the picture; its height follows from the resolution."""
    resolution: tuple[int, int]
    """Height and width of the crop."""
    angle: Float[Tensor, " B"] | None = None
    """How far the box is turned in the picture, from +u towards +v (clockwise as seen), in radians."""

    @classmethod
    def around(cls, boxes: Float[Tensor, "B 4"], resolution: tuple[int, int], margin: float = 1.2) -> "Crop":
        """The crops that hold boxes (left, top, right, bottom), ``margin`` times as large, in the crop's proportions."""
        extent = boxes[:, 2:] - boxes[:, :2]
        width = torch.maximum(extent[:, 0], extent[:, 1] * (resolution[1] / resolution[0])) * margin
        return cls((boxes[:, 2:] + boxes[:, :2]) / 2, width, resolution)

    def __len__(self) -> int:
        return len(self.width)

    @property
    def magnification(self) -> Float[Tensor, " B"]:
        """Crop pixels a picture pixel."""
        return self.resolution[1] / self.width

    def into(self, pixels: Float[Tensor, "B N 2"]) -> Float[Tensor, "B N 2"]:
        """Where pixels of the picture are in the crop."""
        offset = self._turn(pixels - self.centre.unsqueeze(1), -1.0)
        return offset * self.magnification[:, None, None] + self._middle()

    def back(self, pixels: Float[Tensor, "B N 2"]) -> Float[Tensor, "B N 2"]:
        """Where pixels of the crop are in the picture: the inverse of ``into``."""
        offset = (pixels - self._middle()) / self.magnification[:, None, None]
        return self._turn(offset, 1.0) + self.centre.unsqueeze(1)

    def warp(
        self, picture: Float[Tensor, "B C H W"], outside: Literal["border", "zeros"] = "border"
    ) -> Float[Tensor, "B C h w"]:
        """The crop of a picture, bilinear; where it shrinks, each pixel is the mean of a grid of samples inside it.

        What lies outside of the picture repeats its border, or is 0.
        """
        fine = min(_FINEST, max(1, math.ceil(float(1 / self.magnification.detach().min()) - 1e-3)))
        height, width = self.resolution
        v, u = torch.meshgrid(self._centres(height, fine), self._centres(width, fine), indexing="ij")
        pixels = torch.stack([u, v], dim=-1).flatten(0, 1).expand(len(self), -1, 2)
        size = self.centre.new_tensor([picture.shape[3], picture.shape[2]])
        grid = (2 * self.back(pixels) / size - 1).unflatten(1, (height * fine, width * fine))
        sampled = torch.nn.functional.grid_sample(
            picture, grid.to(picture), mode="bilinear", padding_mode=outside, align_corners=False
        )
        return torch.nn.functional.avg_pool2d(sampled, fine) if fine > 1 else sampled

    def camera(self, camera: PinholeCamera) -> PinholeCamera:
        """The camera whose pictures are the crops of another's: exact, its principal point wherever it falls.

        Only for crops that are not turned; others are refused with a ValueError.
        """
        if self.angle is not None:
            raise ValueError("Crop.camera: a turned crop has no camera of this kind; leave out the angle.")
        focal = camera.focal * self.magnification.unsqueeze(-1)
        centre = self.into(camera.centre.unsqueeze(1)).squeeze(1)
        return PinholeCamera(focal, centre, camera.rotation, camera.translation, self.resolution)

    def _turn(self, offset: Tensor, sign: float) -> Tensor:
        if self.angle is None:
            return offset
        cosine, sine = self.angle.cos().unsqueeze(-1), sign * self.angle.sin().unsqueeze(-1)
        u, v = offset.unbind(-1)
        return torch.stack([cosine * u - sine * v, sine * u + cosine * v], dim=-1)

    def _middle(self) -> Tensor:
        return self.centre.new_tensor([self.resolution[1] / 2, self.resolution[0] / 2])

    def _centres(self, count: int, fine: int) -> Tensor:
        steps = torch.arange(count * fine, dtype=self.centre.dtype, device=self.centre.device)
        return (steps + 0.5) / fine
