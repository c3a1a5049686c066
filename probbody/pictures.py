"""Pictures that a person looks at: a body over a photograph, from the front and from the side."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError
from torch import Tensor

from .bodies.joints import JointSet
from .errors import BadInput

CAMERA, FILM_FOCAL = 0x8769, 0xA405
"""EXIF's names for the camera's notes, and for the focal length among them."""
SKIN, SEEN, FITTED = (120, 170, 225), (250, 190, 30), (220, 40, 90)
"""Colours (RGB) of bodies, of the keypoints given and of the fitted ones."""


def read_picture(path: Path | str, over: tuple[int, int, int] | None = None) -> Image.Image:
    """A photograph in RGB, turned upright as its camera says; what is no picture, or not a whole one, is refused.

    ``over``: a colour that shows where the picture is clear; without it the colours below the clearness do.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of broken notes and of large pictures: no fit depends on them
        try:
            with Image.open(path) as opened:
                opened.load()
                picture = _in_rgb(_upright(opened), over)
                if opened.format == "TIFF":  # whose notes are read in the file alone: no copy has them
                    _note_focal(picture, film_focal(opened))
                return picture
        except FileNotFoundError as error:
            raise BadInput(f"{path}: expected a picture, found no such file.") from error
        except UnidentifiedImageError as error:
            raise BadInput(f"{path}: expected a picture (JPEG, PNG, ...), found something else.") from error
        except IsADirectoryError as error:
            raise BadInput(f"{path}: expected a picture, found a folder.") from error
        except Image.DecompressionBombError as error:
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
            raise BadInput(
                f"{path}: expected a picture of at most {most} million pixels, found a larger one."
            ) from error
        except Exception as error:  # a decoder raises whatever it meets: zlib's errors, struct's, index errors
            raise BadInput(f"{path}: expected a whole picture, found a damaged one ({error}).") from error


def film_focal(picture: Image.Image) -> float | None:
    """The focal length in millimetres of 35 mm film, where the camera noted it in the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            millimetres = float(picture.getexif().get_ifd(CAMERA).get(FILM_FOCAL) or 0)
        except Exception:  # broken notes count as none
            return None
    return millimetres if 1 <= millimetres <= 5000 else None


def _note_focal(picture: Image.Image, millimetres: float | None) -> None:
    if millimetres is not None:
        notes = Image.Exif()
        notes.get_ifd(CAMERA)[FILM_FOCAL] = round(millimetres)
        picture.info["exif"] = notes.tobytes()


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as the camera noted; broken notes turn nothing."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def _in_rgb(picture: Image.Image, over: tuple[int, int, int] | None) -> Image.Image:
    """In 8 bits a colour; of grey values without a known end (16 bits and more) the brightest becomes white."""
    if picture.mode.startswith(("I", "F")):
        darkest, brightest = picture.getextrema()
        if not np.isfinite(np.asarray(picture, dtype=np.float64)).all():
            raise ValueError(f"not every grey value is finite: {darkest} to {brightest}")
        factor = 255 / max(float(brightest), 1e-6)  # type: ignore[arg-type]
        picture = picture.convert("F").point(lambda grey: grey * factor).convert("L")
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if over is not None and picture.has_transparency_data:
        clear = picture.convert("RGBA")
        picture = Image.new("RGBA", clear.size, (*over, 255))
        picture.alpha_composite(clear)
    return picture.convert("RGB")


def draw_mesh(
    size: tuple[int, int],
    points: Float[Tensor, "V 3"],
    pixels: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    colours: Float[Tensor, "F 3"] | None = None,
) -> Image.Image:
    """A mesh on a transparent picture of (width, height): near faces painted over far ones, lit from the camera.

    ``points`` are in the camera's frame (metres), ``pixels`` the same points as (u, v, depth). Faces that look away, or
    come nearer to the camera than 5 cm, are left out. ``colours`` are RGB in [0, 255], one a face.
    """
    colours = pixels.new_tensor(SKIN).expand(len(faces), 3) if colours is None else colours
    corners, flat = points[faces], pixels[faces]  # (F, 3, 3)
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = torch.nn.functional.normalize(normals, dim=-1)
    towards = -(normals * torch.nn.functional.normalize(corners.mean(1), dim=-1)).sum(-1)
    lamp = (normals @ normals.new_tensor([-0.35, -0.6, -0.72])).clamp_min(0)
    light = 1.15 * (0.35 + 0.25 * towards.clamp_min(0) + 0.4 * lamp)
    tones = (colours * light[:, None]).clamp(0, 255).round().to(torch.uint8).tolist()
    shown = (towards > 0) & (flat[..., 2].amin(-1) > 0.05)
    order = flat[..., 2].mean(-1).argsort(descending=True)
    grain = 2  # drawn larger and shrunk, for smooth edges
    canvas = Image.new("RGBA", (grain * size[0], grain * size[1]), (*SKIN, 0))
    draw = ImageDraw.Draw(canvas)
    places = (grain * flat[..., :2]).numpy()
    for face in order[shown[order]].tolist():
        draw.polygon([tuple(corner) for corner in places[face].tolist()], fill=(*tones[face], 255))
    return canvas.resize(size, Image.Resampling.BOX)


def draw_keypoints(
    picture: Image.Image,
    keypoints: Float[Tensor, "P D"],
    joints: JointSet,
    colour: tuple[int, int, int],
    radius: float = 4.0,
    bones: bool = True,
) -> None:
    """Draw points, and the bones that join them, into a picture; where there is a third column, only those above zero."""
    draw = ImageDraw.Draw(picture)
    shown = keypoints[:, 2] > 0 if keypoints.shape[1] > 2 else torch.ones(len(keypoints), dtype=torch.bool)
    places = [tuple(point) for point in keypoints[:, :2].tolist()]
    for first, second in joints.edges if bones else ():
        if shown[first] and shown[second]:
            draw.line([places[first], places[second]], fill=colour, width=max(round(radius / 2), 1))
    for (u, v), visible in zip(places, shown.tolist(), strict=True):
        if visible and math.isfinite(u) and math.isfinite(v):
            draw.ellipse([u - radius, v - radius, u + radius, v + radius], fill=colour, outline=(0, 0, 0))


def overlay(
    photograph: Image.Image,
    points: Float[Tensor, "V 3"],
    pixels: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    seen: Float[Tensor, "P 3"],
    fitted: Float[Tensor, "P 2"],
    joints: JointSet,
    side: Float[Tensor, "V 3"],
    height: int = 720,
) -> Image.Image:
    """A sheet of three: the photograph with its keypoints, the body over it, the body from the side.

    Args:
        points, pixels: the vertices in the camera's frame, and projected.
        seen, fitted: the keypoints given, and where the fit puts them (pixels).
        side: the vertices seen from the side, projected into the same picture (see ``from_the_side``).
        height: of the sheet in pixels; a picture of more than twice that width is shown lower.
    """
    scale = min(height / photograph.height, 2 * height / photograph.width)
    size = (max(round(photograph.width * scale), 1), max(round(photograph.height * scale), 1))
    photo = photograph.resize(size, Image.Resampling.LANCZOS)
    shrink = pixels.new_tensor([size[0] / photograph.width, size[1] / photograph.height, 1.0])
    radius = max(height / 180, 2.0)
    front, given = photo.copy(), photo.copy()
    mesh = draw_mesh(size, points, pixels * shrink, faces)
    mesh.putalpha(mesh.getchannel("A").point(lambda alpha: int(0.8 * alpha)))
    front.paste(mesh, (0, 0), mesh)
    draw_keypoints(given, seen * shrink.new_tensor([*shrink[:2].tolist(), 1.0]), joints, SEEN, radius)
    draw_keypoints(front, seen * shrink.new_tensor([*shrink[:2].tolist(), 1.0]), joints, SEEN, radius, bones=False)
    draw_keypoints(front, fitted * shrink[:2], joints, FITTED, 0.6 * radius)
    beside = Image.new("RGB", size, (255, 255, 255))
    turned = draw_mesh(size, from_the_side(points), side * shrink, faces)
    beside.paste(turned, (0, 0), turned)
    return beside_each_other([given, front, beside])


def from_the_side(points: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    """Points of the camera's frame, turned by a quarter about the vertical through their middle (metres)."""
    middle = 0.5 * (points.amin(0) + points.amax(0))
    away = points - middle
    return middle + torch.stack([-away[:, 2], away[:, 1], away[:, 0]], dim=-1)


def beside_each_other(pictures: Sequence[Image.Image], gap: int = 6) -> Image.Image:
    """Pictures of one height, in a row on white."""
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, max(picture.height for picture in pictures)), (255, 255, 255))
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + gap
    return sheet


def as_array(picture: Image.Image) -> Float[Tensor, "3 H W"]:
    """A picture's colours in [0, 1]."""
    return torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1) / 255


def as_picture(colours: Float[Tensor, "3 H W"]) -> Image.Image:
    """Colours in [0, 1] as a picture; what is outside of that is cut off."""
    values = (255 * colours.detach().cpu().clamp(0, 1)).round().byte().movedim(0, -1)
    return Image.fromarray(np.ascontiguousarray(values.numpy()))
