"""The pictures of a fit that a person looks at."""

from dataclasses import replace

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from probbody.bodies.joints import joint_set
from probbody.geometry.cameras import PinholeCamera
from probbody.maps import captioned, framed, heat_over, on_top_of_each_other, part_colours
from probbody.pictures import (
    SEEN,
    as_array,
    as_picture,
    beside_each_other,
    draw_keypoints,
    draw_mesh,
    from_the_side,
    overlay,
)

from .fitted import FittedPeople

TILE = 360
"""Pixels along the side of a tile."""


def sheet(photograph: Image.Image, people: FittedPeople, person: int) -> Image.Image:
    """What was given and what was made of one person: from keypoints, or from pixels."""
    drawn = _keypoint_sheet if people.pixels is None else _pixel_sheet
    return drawn(photograph, people, person)


def _keypoint_sheet(photograph: Image.Image, people: FittedPeople, person: int) -> Image.Image:
    """What was given, the body over the picture, the body from the side."""
    camera, points = people.camera[person], people.surface.vertices[person]
    assert people.observation.keypoints is not None
    assert people.places is not None
    return overlay(
        photograph,
        points.cpu(),
        camera.project(points[None])[0].cpu(),
        people.surface.faces.cpu(),
        people.observation.keypoints[person].cpu(),
        people.places[person].cpu(),
        joint_set(people.observation.layout),
        camera.project(from_the_side(points)[None])[0].cpu(),
    )


@torch.no_grad()
def _pixel_sheet(photograph: Image.Image, people: FittedPeople, person: int) -> Image.Image:
    """The photograph with the crop; what the network read and took the body for; the fit, from the side too, and what hides it.

    Where nothing is explained there is no body to show.
    """
    assert people.pixels is not None
    pixels, found = people.pixels, people.found(person)
    reading = pixels.crops.reading[person]
    crop = replace(pixels.crops.crop[person].to("cpu"), resolution=(TILE, TILE))
    camera = crop.camera(people.camera[person].to("cpu"))
    cut = as_picture(crop.warp(as_array(photograph)[None])[0])
    features = _tile(pixels.colours.picture(reading.features[0]))
    parts = _tile(part_colours(reading.parts[0].cpu()))
    below = [captioned(features, "features"), captioned(parts, "parts")]
    above = [captioned(cut, "crop")]
    whole = _whole(photograph, people, person)
    if found:
        assert people.fit.guess is not None
        assert people.fit.occlusion is not None
        guessed = people.body(people.fit.guess[person]).vertices[0].cpu()
        fitted = people.surface.vertices[person].cpu()
        above = [
            captioned(_over(cut, guessed, camera, people), "as the network took it"),
            captioned(_over(cut, fitted, camera, people), "as fitted"),
            captioned(_over(None, from_the_side(fitted), camera, people), "from the side"),
        ]
        below.append(captioned(heat_over(cut, people.fit.occlusion[person]), "hidden by something else"))
    return beside_each_other([whole, on_top_of_each_other([beside_each_other(above), beside_each_other(below)])])


def _whole(photograph: Image.Image, people: FittedPeople, person: int) -> Image.Image:
    """The photograph as high as two tiles, the crop framed, the body and the keypoints in it."""
    assert people.pixels is not None
    height = 2 * TILE + 6
    scale = min(height / photograph.height, 2 * height / photograph.width)
    size = (max(round(photograph.width * scale), 1), max(round(photograph.height * scale), 1))
    shown = photograph.resize(size, Image.Resampling.LANCZOS)
    shrink = torch.tensor([size[0] / photograph.width, size[1] / photograph.height])
    keypoints = people.observation.keypoints
    if keypoints is not None:
        seen = torch.cat([keypoints[person, :, :2].cpu() * shrink, keypoints[person, :, 2:].cpu()], dim=-1)
        draw_keypoints(shown, seen, joint_set(people.observation.layout), SEEN)
    boxes = people.pixels.crops.boxes()[person : person + 1].cpu() * shrink.repeat(2)
    return framed(shown, boxes)


def _over(
    picture: Image.Image | None, points: Float[Tensor, "V 3"], camera: PinholeCamera, people: FittedPeople
) -> Image.Image:
    """A body over a picture, or on white."""
    size = (camera.size[1], camera.size[0])
    shown = Image.new("RGB", size, (255, 255, 255)) if picture is None else picture.copy()
    drawn = draw_mesh(size, points, camera.project(points[None])[0], people.surface.faces.cpu())
    if picture is not None:
        drawn.putalpha(drawn.getchannel("A").point(lambda alpha: int(0.8 * alpha)))
    shown.paste(drawn, (0, 0), drawn)
    return shown


def _tile(small: Image.Image) -> Image.Image:
    return small.resize((TILE, TILE), Image.Resampling.NEAREST)
