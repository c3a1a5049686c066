"""Maps that a network made of a picture, and what a fit made of them, in colours."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .pictures import as_picture

HIDDEN, FRAME = (225, 40, 30), (250, 190, 30)
"""Colours (RGB) of what hides a body, and of frames."""


@dataclass(frozen=True)
class FalseColours:
    """The three directions in which some features differ most, as red, green and blue: like points have like colours."""

    middle: Float[Tensor, " D"]
    axes: Float[Tensor, "3 D"]
    """Each of unit length, and divided by how far the features reach along it."""

    @classmethod
    def of(cls, features: Float[Tensor, "N D"]) -> "FalseColours":
        """Those of a body's features, or of a map's; rows of zeros are left out.

        Fewer than 3 others, and any that is not finite, are a ValueError.
        """
        kept = features[(features != 0).any(-1)].detach().cpu()
        if len(kept) < 3 or kept.shape[1] < 3:
            raise ValueError(f"features: expected 3 or more of 3 channels or more, found {tuple(kept.shape)}.")
        if not bool(kept.isfinite().all()):
            raise ValueError("features: expected finite numbers, found NaN or infinity.")
        middle = kept.mean(0)
        axes = torch.linalg.svd(kept - middle, full_matrices=False).Vh[:3]
        axes = axes * axes.sum(-1, keepdim=True).sign()  # a singular vector has no sign of its own
        reach = ((kept - middle) @ axes.mT).std(0).clamp_min(1e-6)
        return cls(middle, axes / (2 * reach)[:, None])

    def picture(self, features: Float[Tensor, "D h w"]) -> Image.Image:
        """A map in these colours, a pixel a feature."""
        along = torch.einsum("cd,dhw->chw", self.axes, features.detach().cpu() - self.middle[:, None, None])
        return as_picture(0.5 + 0.5 * along)


def part_colours(parts: Float[Tensor, "P h w"]) -> Image.Image:
    """A map of chances, first that of no body, which is white; the others have a colour each."""
    count = len(parts) - 1
    hues = [
        colorsys.hsv_to_rgb((0.618 * part) % 1, 0.55 + 0.35 * (part % 2), 0.95 - 0.25 * (part % 3 == 2))
        for part in range(count)
    ]
    palette = torch.tensor([(1.0, 1.0, 1.0), *hues]).to(parts)
    return as_picture(torch.einsum("phw,pc->chw", parts.detach(), palette))


def heat_over(picture: Image.Image, chance: Float[Tensor, "h w"]) -> Image.Image:
    """A picture made pale, and red where a chance in [0, 1] is high; NaN is a ValueError."""
    if bool(chance.isnan().any()):
        raise ValueError("chance: expected numbers, found NaN.")
    pale = Image.blend(picture.convert("L").convert("RGB"), Image.new("RGB", picture.size, (255, 255, 255)), 0.35)
    strength = Image.fromarray((chance.detach().cpu().clamp(0, 1) * 220).byte().numpy())
    pale.paste(Image.new("RGB", picture.size, HIDDEN), (0, 0), strength.resize(picture.size, Image.Resampling.BILINEAR))
    return pale


def framed(
    picture: Image.Image, boxes: Float[Tensor, "N 4"], colour: tuple[int, int, int] = FRAME, width: int = 3
) -> Image.Image:
    """A picture with boxes (left, top, right, bottom in its pixels) drawn into it."""
    shown = picture.copy()
    draw = ImageDraw.Draw(shown)
    for box in boxes.tolist():
        draw.rectangle(box, outline=colour, width=width)
    return shown


def captioned(picture: Image.Image, words: str) -> Image.Image:
    """A picture with a few words in its upper left corner."""
    shown = picture.copy()
    draw, letters = ImageDraw.Draw(shown), ImageFont.load_default(max(picture.height / 24, 10))
    left, top, right, bottom = draw.textbbox((6, 4), words, font=letters)
    draw.rectangle((left - 4, top - 3, right + 4, bottom + 3), fill=(255, 255, 255))
    draw.text((6, 4), words, fill=(20, 20, 20), font=letters)
    return shown


def on_top_of_each_other(pictures: Sequence[Image.Image], gap: int = 6) -> Image.Image:
    """Pictures in a column on white."""
    sheet = Image.new(
        "RGB",
        (max(picture.width for picture in pictures), sum(picture.height + gap for picture in pictures) - gap),
        (255, 255, 255),
    )
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height + gap
    return sheet
