"""What a reader sees while it learns: features in false colours, parts, and the guess of the body beside the truth."""

from pathlib import Path

import torch
from PIL import Image

from probbody.bodies.joints import SMPL24
from probbody.data.files import written_whole
from probbody.maps import FalseColours, on_top_of_each_other, part_colours
from probbody.pictures import beside_each_other, draw_keypoints

from .feature_run import FeatureRun, half_precision
from .lesson import Lesson

SIDE = 192
TRUE, TOLD = (40, 160, 60), (225, 40, 30)
"""Colours (RGB) of true joints and of those that the reader tells."""


def progress_sheet(run: FeatureRun, lesson: Lesson, count: int = 8) -> Image.Image:
    """A row a picture: itself, features (one colour a place on the body), parts, true joints in green and told ones in red."""
    lesson = lesson[torch.arange(min(count, len(lesson)))]
    colours = FalseColours.of(run.bank.rows.flatten(0, 1))
    with torch.no_grad(), half_precision(run.device):
        reading = run.average.read(lesson.images, lesson.camera)
    told = lesson.camera.project(run.average.rest.posed(reading.pose))
    true = lesson.camera.project(lesson.surface.joints)
    rows = []
    for number in range(len(lesson)):
        bytes_ = (255 * lesson.images[number]).round().byte().permute(1, 2, 0).cpu().contiguous()
        picture = Image.fromarray(bytes_.numpy()).resize((SIDE, SIDE))
        drawn = Image.blend(picture, Image.new("RGB", picture.size, (255, 255, 255)), 0.4)
        for joints, colour in ((true, TRUE), (told, TOLD)):
            if len(joints[number]) == len(SMPL24.names):
                pixels = joints[number, :, :2].cpu() * (SIDE / lesson.camera.size[0])
                draw_keypoints(drawn, pixels, SMPL24, colour, radius=1.5)
        maps = [colours.picture(reading.features[number]), part_colours(reading.parts[number].float())]
        enlarged = [map_.resize((SIDE, SIDE), Image.Resampling.NEAREST) for map_ in maps]
        rows.append(beside_each_other([picture, *enlarged, drawn]))
    return on_top_of_each_other(rows)


def save_progress(run: FeatureRun, lesson: Lesson, folder: Path) -> None:
    """The sheet of the step that the learning is at, as PNG."""
    with written_whole(folder / f"step_{run.step:06d}.png") as path:
        progress_sheet(run, lesson).save(path)
