"""What cameras and files do to pictures: focus, resolution, colour, noise, compression."""

import io

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageFilter
from torch import Tensor

from .chances import Chances
from .numbers import Numbers

_GRAIN = (
    np.random.default_rng(0).standard_normal((509, 512, 3)).astype(np.float32)
)  # noise that is cut out at random places


def taken(images: Float[Tensor, "B 3 H W"], chances: Chances) -> Float[Tensor, "B 3 H W"]:
    """Pictures as files of cameras hold them, in steps of 1/255; each in its own way. Works on the CPU."""
    eight = (images * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    rows = chances.uniform(40).tolist()
    shot = np.stack([_shot(picture, Numbers(row)) for picture, row in zip(eight, rows, strict=True)])
    return torch.from_numpy(shot).to(images.device).permute(0, 3, 1, 2).to(images.dtype) / 255


def _shot(picture: np.ndarray, numbers: Numbers) -> np.ndarray:
    """One picture, height, width, RGB in 8 bits."""
    height, width = picture.shape[:2]
    held = Image.fromarray(picture)
    if numbers() < 0.3:  # the person was small in the picture
        share = numbers(0.3, 0.9)
        small = held.resize((round(width * share), round(height * share)), Image.Resampling.BOX)
        held = small.resize((width, height), numbers.of((Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)))
    if numbers() < 0.4:
        held = held.filter(ImageFilter.GaussianBlur(2.2 * numbers() ** 2 + 0.3))
    if numbers() < 0.1:
        held = _moved(held, numbers)
    held = held.point(_curve(numbers))
    held = _saturated(held, numbers)
    strength = 20 * numbers() ** 4
    if strength > 0.6:
        held = _grainy(held, strength, numbers)
    if numbers() < 0.75:
        held = _compressed(held, int(numbers(30, 96)))
    return np.asarray(held)


def _moved(held: Image.Image, numbers: Numbers) -> Image.Image:
    """Blurred along a line of up to 7 pixels, as a moving camera does."""
    steps, across, down = numbers.whole(3, 7), numbers(-1, 1), numbers(-1, 1)
    total = np.zeros((held.height, held.width, 3), np.float32)
    for step in range(steps):
        far = step - (steps - 1) / 2
        shift = (1, 0, far * across, 0, 1, far * down)
        total += np.asarray(held.transform(held.size, Image.Transform.AFFINE, shift, Image.Resampling.BILINEAR))
    moved = (total / steps).round().astype(np.uint8)
    edge = 4  # beyond the border there is nothing to see
    result = np.asarray(held).copy()
    result[edge:-edge, edge:-edge] = moved[edge:-edge, edge:-edge]
    return Image.fromarray(result)


def _curve(numbers: Numbers) -> list[int]:
    """White balance, exposure, gamma and contrast: 256 values a colour."""
    value = np.arange(256) / 255
    gamma, contrast, bright = np.exp(numbers(-0.35, 0.25)), numbers(0.75, 1.35), numbers(-0.07, 0.08)
    table = []
    for _ in range(3):
        gain = 1 + numbers(-0.1, 0.1)
        table.append(((gain * value) ** gamma - 0.5) * contrast + 0.5 + bright)
    return [int(entry) for entry in (255 * np.clip(np.concatenate(table), 0, 1)).round()]


def _saturated(held: Image.Image, numbers: Numbers) -> Image.Image:
    """More or less colour, or none."""
    share = 0.0 if numbers() < 0.05 else numbers(0.55, 1.3)
    grey = held.convert("L").convert("RGB")
    return Image.blend(grey, held, share)


def _grainy(held: Image.Image, strength: float, numbers: Numbers) -> Image.Image:
    """Noise of that standard deviation, in steps of 8 bits; of some, the same in all colours."""
    height, width = held.height, held.width
    down, right = numbers.whole(0, _GRAIN.shape[0] - 1), numbers.whole(0, _GRAIN.shape[1] - 1)
    grain = np.roll(_GRAIN, (-down, -right), (0, 1))
    tall, wide = -(-height // grain.shape[0]), -(-width // grain.shape[1])
    grain = np.tile(grain, (tall, wide, 1))[:height, :width]
    grain = grain[..., :1] if numbers() < 0.4 else grain
    noisy = np.asarray(held).astype(np.float32) + strength * grain
    return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))


def _compressed(held: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    held.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")
