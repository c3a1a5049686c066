"""Drawn pictures for people to look at: contact sheets, and the labels drawn over a picture."""

import colorsys

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from ..contracts import ArticulatedBody
from ..pictures import as_picture, beside_each_other
from .labels import LabelledPictures


def contact_sheet(images: Float[Tensor, "B 3 H W"], columns: int = 8) -> Image.Image:
    """Pictures row by row, ``columns`` beside each other; what is left of the last row is white."""
    rows = -(-len(images) // columns)
    height, width = images.shape[2:]
    sheet = Image.new("RGB", (columns * width, rows * height), (255, 255, 255))
    for number, picture in enumerate(images):
        sheet.paste(as_picture(picture), (number % columns * width, number // columns * height))
    return sheet


def with_labels(pictures: LabelledPictures, row: int, body: ArticulatedBody, scale: int = 2) -> Image.Image:
    """One picture enlarged: as it is; parts in colours, hatched where hidden; depth; joints and the vertices one sees."""
    one = pictures[row]
    size = (scale * one.images.shape[3], scale * one.images.shape[2])
    plain = as_picture(one.images[0]).resize(size, Image.Resampling.BILINEAR)
    return beside_each_other(
        [plain, _parts(one, plain, len(body.parents)), _depth(one, size), _points(one, plain, body, scale)]
    )


def _parts(one: LabelledPictures, plain: Image.Image, joints: int) -> Image.Image:
    tones = [(0, 0, 0)] + [
        tuple(round(255 * part) for part in colorsys.hsv_to_rgb((0.38 * joint) % 1, 0.75, 0.95))
        for joint in range(joints)
    ]
    parts = np.array(tones, np.uint8)[one.parts[0].cpu().numpy()]
    mask, hidden = one.mask[0].cpu().numpy(), one.occluder[0].cpu().numpy()
    stripes = (np.add.outer(np.arange(mask.shape[0]), np.arange(mask.shape[1])) % 4 < 2) & hidden
    parts[stripes] = (255, 0, 0)
    shown = Image.fromarray((mask | stripes).astype(np.uint8) * 150).resize(plain.size)
    return Image.composite(Image.fromarray(parts).resize(plain.size, Image.Resampling.NEAREST), plain, shown)


def _depth(one: LabelledPictures, size: tuple[int, int]) -> Image.Image:
    """Near is bright."""
    depth, mask = one.depth[0].cpu(), one.mask[0].cpu()
    held = depth[mask] if bool(mask.any()) else torch.ones(1)
    far, near = held.max(), held.min()
    tone = torch.where(mask, 1 - 0.8 * (depth - near) / (far - near).clamp_min(1e-3), 0)
    return as_picture(tone.expand(3, *tone.shape)).resize(size, Image.Resampling.NEAREST)


def _points(one: LabelledPictures, plain: Image.Image, body: ArticulatedBody, scale: int) -> Image.Image:
    """Joints and bones, and a dot on each vertex that one sees."""
    picture = plain.copy()
    draw = ImageDraw.Draw(picture)
    surface = body(one.pose)
    seen = (scale * one.camera.project(surface.vertices)[0, one.visible[0], :2]).tolist()
    for u, v in seen:
        draw.rectangle((u - 1, v - 1, u, v), fill=(255, 230, 0))
    places = (scale * one.camera.project(one.joints)[0, :, :2]).tolist()
    for joint, parent in enumerate(body.parents):
        if parent >= 0:
            draw.line([tuple(places[parent]), tuple(places[joint])], fill=(230, 40, 90), width=scale)
    for u, v in places:
        draw.ellipse((u - scale, v - scale, u + scale, v + scale), fill=(40, 90, 230))
    return picture
