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
    eight = (images * 255 + 0.5).clamp_(0, 255).to(torch.uint8).cpu().numpy()
    rows = chances.uniform(40).tolist()
    shot = np.stack([_shot(picture, Numbers(row)) for picture, row in zip(eight, rows, strict=True)])
    return torch.from_numpy(shot).to(images.device).permute(0, 3, 1, 2).to(images.dtype) / 255


def _shot(picture: np.ndarray, numbers: Numbers) -> np.ndarray:
    """One picture in 8 bits: colours first, then as a file has them, colours last."""
    height, width = picture.shape[1:]
    toned = [curve[plane] for curve, plane in zip(_curves(numbers), picture, strict=True)]
    held = Image.fromarray(np.stack(toned, -1))
    if numbers() < 0.3:  # the person was small in the picture
        share = numbers(0.35, 1.0)
        small = held.resize((round(width * share), round(height * share)), Image.Resampling.BOX)
        held = small.resize((width, height), numbers.of((Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)))
    if numbers() < 0.3:
        blur = ImageFilter.BoxBlur(0.2 + 1.6 * numbers() ** 2)  # twice is near enough to a bell, and quicker
        held = held.filter(blur).filter(blur)
    if numbers() < 0.1:
        held = _moved(held, numbers)
    held = _saturated(held, numbers)
    strength = 18 * numbers() ** 4
    if strength > 0.6:
        held = _grainy(held, strength, numbers)
    if numbers() < 0.75:
        held = _compressed(held, int(numbers(30, 96)))
    return np.asarray(held)


def _moved(held: Image.Image, numbers: Numbers) -> Image.Image:
    """Blurred along a line of up to 8 pixels, as a moving camera does."""
    steps, across, down = numbers.whole(3, 9), numbers(-1, 1), numbers(-1, 1)
    edge = 4
    wide = np.pad(np.asarray(held), ((edge, edge), (edge, edge), (0, 0)), mode="edge").astype(np.uint16)
    total = np.zeros((held.height, held.width, 3), np.uint16)
    for step in range(steps):
        far = step - (steps - 1) / 2
        v, u = edge + round(far * down), edge + round(far * across)
        total += wide[v : v + held.height, u : u + held.width]
    return Image.fromarray((total // steps).astype(np.uint8))


def _curves(numbers: Numbers) -> np.ndarray:
    """White balance, exposure, gamma and contrast: what becomes of each of 256 values of each colour."""
    gamma, contrast, bright = np.exp(numbers(-0.35, 0.25)), numbers(0.75, 1.35), numbers(-0.07, 0.08)
    gain = np.array([[numbers(0.9, 1.1)] for _ in range(3)])
    value = ((gain * np.arange(256) / 255) ** gamma - 0.5) * contrast + 0.5 + bright
    return (255 * value.clip(0, 1) + 0.5).astype(np.uint8)


def _saturated(held: Image.Image, numbers: Numbers) -> Image.Image:
    """More or less colour, or none."""
    share = 0.0 if numbers() < 0.05 else numbers(0.55, 1.3)
    grey = held.convert("L").convert("RGB")
    return Image.blend(grey, held, share)


def _grainy(held: Image.Image, strength: float, numbers: Numbers) -> Image.Image:
    """Noise of that standard deviation, in steps of 8 bits; of some, the same in all colours."""
    grain = _GRAIN if held.height <= 256 and held.width <= 256 else np.tile(_GRAIN, (*_tiles(held), 1))
    down, right = numbers.whole(0, grain.shape[0] - held.height), numbers.whole(0, grain.shape[1] - held.width)
    grain = grain[down : down + held.height, right : right + held.width]
    noisy = np.asarray(held) + strength * (grain[..., :1] if numbers() < 0.4 else grain)
    return Image.fromarray((noisy + 0.5).clip(0, 255).astype(np.uint8))


def _tiles(held: Image.Image) -> tuple[int, int]:
    """How often the table of noise is laid along each side of a picture, and once more."""
    return held.height // _GRAIN.shape[0] + 2, held.width // _GRAIN.shape[1] + 2


def _compressed(held: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    held.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")
