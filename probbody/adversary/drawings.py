"""Errors as colours: over a picture, and on a body."""

from pathlib import Path

import numpy as np
import torch
import trimesh
from jaxtyping import Float, Int
from PIL import Image, ImageDraw
from torch import Tensor

from ..data.files import written_whole
from ..errors import BadInput
from ..pictures import draw_mesh
from .sensitivity import ErrorMap, pixel_errors

_RAMP = ((48, 18, 59), (69, 91, 205), (38, 188, 225), (122, 254, 100), (239, 205, 58), (245, 105, 24), (122, 4, 3))
_UNKNOWN = (150, 150, 150)


def colours_of(values: Float[Tensor, " N"], low: float, high: float) -> Int[Tensor, "N 3"]:
    """Colours (RGB in [0, 255]) from blue at ``low`` to red at ``high``; grey where there is no value."""
    ramp = torch.tensor(_RAMP, dtype=torch.float64)
    place = ((values.double() - low) / max(high - low, 1e-9)).clamp(0, 1).nan_to_num(nan=0.0) * (len(ramp) - 1)
    below = place.floor().long().clamp(max=len(ramp) - 2)
    part = (place - below).unsqueeze(1)
    mixed = ((1 - part) * ramp[below] + part * ramp[below + 1]).round().long()
    return torch.where(values.isnan().unsqueeze(1), torch.tensor(_UNKNOWN), mixed)


def draw_map(image: Float[Tensor, "3 H W"], found: ErrorMap, boxes: Int[Tensor, "N 4"], factor: int = 2) -> Image.Image:
    """A picture, and the same under the mean error of the patches that cover each pixel, with its scale (millimetres)."""
    height, width = image.shape[1:]
    errors = pixel_errors(found.errors, boxes, (height, width))
    known = errors[~errors.isnan()]
    low, high = float(known.min()), float(known.max())
    heat = colours_of(errors.flatten(), low, high).reshape(height, width, 3)
    photo = (255 * image.permute(1, 2, 0)).round().clamp(0, 255)
    mixed = (0.45 * photo + 0.55 * heat).round()
    left, right = (
        Image.fromarray(half.to(torch.uint8).numpy()).resize(
            (factor * width, factor * height), Image.Resampling.BICUBIC
        )
        for half in (photo, mixed)
    )
    sheet = Image.new("RGB", (2 * factor * width + 78, factor * height), (255, 255, 255))
    sheet.paste(left, (0, 0))
    sheet.paste(right, (factor * width, 0))
    _draw_scale(sheet, 2 * factor * width + 8, low, high, found.clean)
    return sheet


def draw_body(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], errors: Float[Tensor, " V"], height: int = 480
) -> Image.Image:
    """A body (metres, y up, facing +z) from the front and from behind, its vertices coloured by error, with the scale."""
    known = errors[~errors.isnan()]
    low, high = float(known.min()), float(known.max())
    colours = colours_of(errors[faces].nanmean(1), low, high).float()
    views = []
    for towards in (1.0, -1.0):
        seen = (vertices - vertices.mean(0)) * vertices.new_tensor([towards, -1.0, -towards])
        extent = 1.08 * float(seen[:, :2].abs().amax())
        away = seen + seen.new_tensor([0.0, 0.0, 20 * extent])  # from so far away that nothing is foreshortened
        pixels = torch.cat([away[:, :2] * (height / 2 / extent) + height / 2, away[:, 2:]], dim=-1)
        sheet = Image.new("RGB", (height, height), (255, 255, 255))
        body = draw_mesh((height, height), away, pixels, faces, colours)
        sheet.paste(body, (0, 0), body)
        views.append(sheet)
    both = Image.new("RGB", (2 * height + 78, height), (255, 255, 255))
    for number, view in enumerate(views):
        both.paste(view, (number * height, 0))
    _draw_scale(both, 2 * height + 8, low, high, float("nan"))
    return both


def write_mesh(
    path: Path | str,
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    errors: Float[Tensor, " V"],
    low: float | None = None,
    high: float | None = None,
) -> None:
    """A GLB (or PLY) of a body (metres, y up) whose vertices are coloured by error, blue for the least and red for the most."""
    known = errors[~errors.isnan()]
    if not len(known):
        raise BadInput(f"{path}: expected an error for some vertex, found none; no patch ever hid the body.")
    bounds = (float(known.min()) if low is None else low, float(known.max()) if high is None else high)
    colours = colours_of(errors, *bounds).to(torch.uint8).numpy()
    alpha = np.full((len(colours), 1), 255, dtype=np.uint8)
    mesh = trimesh.Trimesh(vertices.double().numpy(), faces.numpy(), process=False)
    mesh.visual = trimesh.visual.ColorVisuals(mesh, vertex_colors=np.concatenate([colours, alpha], axis=1))
    with written_whole(path) as temporary:
        mesh.export(temporary)


def _draw_scale(sheet: Image.Image, left: int, low: float, high: float, clean: float) -> None:
    """A bar of the colours with their numbers; a line where the error without a patch lies."""
    top, bottom = 24, sheet.height - 24
    steps = torch.linspace(high, low, bottom - top)
    bar = colours_of(steps, low, high).to(torch.uint8).unsqueeze(1).expand(-1, 14, 3).contiguous()
    sheet.paste(Image.fromarray(bar.numpy()), (left, top))
    draw = ImageDraw.Draw(sheet)
    draw.text((left, 6), f"{high:.0f} mm", fill=(0, 0, 0))
    draw.text((left, bottom + 4), f"{low:.0f} mm", fill=(0, 0, 0))
    if low <= clean <= high:
        line = round(top + (high - clean) / max(high - low, 1e-9) * (bottom - top))
        draw.line([(left, line), (left + 20, line)], fill=(0, 0, 0), width=2)
        draw.text((left + 23, line - 6), "clean", fill=(0, 0, 0))
