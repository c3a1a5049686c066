"""The picture that ``probbody demo`` fits: a person behind a table, drawn from the open body and so free of any licence.

``python -m probbody.assets.build_demo --out FOLDER`` writes ``demo.png``, ``demo_keypoints.json`` in OpenPose's format
(the legs are hidden by the table, so their points are missing) and ``demo.json``, the card, with the truth.
"""

import argparse
import hashlib
import json
import math
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFilter

from ..bodies.open_body import open_body
from ..bodies.skinned import SkinnedBody
from ..data.files import written_whole
from ..geometry.cameras import PinholeCamera
from ..geometry.rotations import axis_angle_to_matrix
from ..pictures import draw_mesh
from ..quantities import Pose

SIZE, FOCAL, SEED = (540, 720), 700.0, 3  # height and width, pixels
TABLE = 395  # the table's edge, pixels from the top
SKIN, SHIRT, TROUSERS = (224, 172, 140), (178, 60, 52), (58, 72, 104)
CLOTHES = {
    SHIRT: ("spine1", "spine2", "spine3", "collar", "shoulder", "pelvis"),
    TROUSERS: ("hip", "knee"),
}


def posed(body: SkinnedBody) -> Pose:
    """Somebody who tells a story: one arm raised, the other on its way, a step with the hidden legs."""
    turns = torch.zeros(24, 3)
    bends = {
        "left_shoulder": (0.3, -0.5, -0.55), "left_elbow": (0.0, -1.5, 0.3), "right_shoulder": (0.2, 0.5, 0.95),
        "right_elbow": (0.0, 0.9, 0.2), "spine2": (0.06, -0.1, 0.05), "neck": (0.1, 0.25, 0.0),
        "left_hip": (-0.45, 0.1, 0.1), "left_knee": (0.7, 0.0, 0.0), "right_hip": (0.15, -0.1, -0.05),
        "right_knee": (0.2, 0.0, 0.0),
    }  # fmt: skip
    for joint, turn in bends.items():
        turns[body.joint_names.index(joint)] = torch.tensor(turn)
    rotations = axis_angle_to_matrix(turns)
    facing = axis_angle_to_matrix(torch.tensor([math.pi, 0.0, 0.0])) @ axis_angle_to_matrix(
        torch.tensor([0.0, -0.35, 0.0])
    )
    rotations[0] = facing
    shape = torch.zeros(1, body.num_shape)
    shape[0, 0] = 0.4
    return Pose(rotations[None], shape, torch.tensor([[-0.12, 0.28, 2.9]]))


def drawn(body: SkinnedBody, pose: Pose, camera: PinholeCamera) -> Image.Image:
    """The room, the person, and the table before the legs."""
    height, width = SIZE
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for row in range(height):
        wall, floor = (206 - row // 12, 202 - row // 12, 190 - row // 11), (128, 104, 82)
        draw.line([(0, row), (width, row)], fill=wall if row < 0.62 * height else floor)
    draw.rectangle([470, 60, 650, 235], fill=(236, 238, 232), outline=(120, 96, 70), width=8)
    draw.polygon(
        [(478, 190), (540, 120), (585, 170), (615, 140), (642, 180), (642, 227), (478, 227)], fill=(118, 150, 128)
    )
    surface = body(pose)
    points = surface.vertices[0]
    part = body.weights.argmax(-1)[body.faces[:, 0]]
    colours = torch.tensor(SKIN, dtype=torch.float32).repeat(len(body.faces), 1)
    for tone, words in CLOTHES.items():
        dressed = torch.tensor([any(word in name for word in words) for name in body.joint_names])
        colours[dressed[part]] = torch.tensor(tone, dtype=torch.float32)
    person = draw_mesh((width, height), points, camera.project(points[None])[0], body.faces, colours)
    picture.paste(person, (0, 0), person)
    draw.polygon([(40, TABLE), (680, TABLE), (720, TABLE + 60), (0, TABLE + 60)], fill=(164, 118, 70))
    draw.rectangle([0, TABLE + 60, width, height], fill=(128, 88, 50))
    draw.ellipse([150, TABLE + 8, 190, TABLE + 24], fill=(240, 240, 236))
    draw.rectangle([152, TABLE - 26, 188, TABLE + 16], fill=(240, 240, 236))
    grain = torch.randn(height // 2, width // 2, generator=torch.Generator().manual_seed(SEED))
    noise = Image.fromarray((128 + 9 * grain).clamp(0, 255).to(torch.uint8).numpy()).resize((width, height))
    picture = Image.blend(picture, Image.merge("RGB", [noise] * 3), 0.06)
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def main() -> None:
    """Write the three files."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--out", type=Path, default=Path(__file__).parent)
    out: Path = ask.parse_args().out
    torch.set_num_threads(1)
    body, camera = open_body("fine"), PinholeCamera.looking_ahead(FOCAL, SIZE)
    pose = posed(body)
    with written_whole(out / "demo.png") as path:
        drawn(body, pose, camera).save(path, optimize=True)
    surface = body(pose)
    pixels = camera.project(body.keypoints(surface, "openpose25"))[0, :, :2]
    pixels = pixels + torch.randn(pixels.shape, generator=torch.Generator().manual_seed(SEED))
    seen = pixels[:, 1] < TABLE
    numbers = torch.cat([pixels, 0.9 * torch.ones(len(pixels), 1)], dim=1) * seen[:, None]
    people = [{"person_id": [-1], "pose_keypoints_2d": [round(x, 2) for x in numbers.flatten().tolist()]}]
    with written_whole(out / "demo_keypoints.json") as path:
        path.write_text(json.dumps({"version": 1.3, "people": people}) + "\n", encoding="utf-8")
    card = {
        "what": "a drawn picture of the open body behind a table, with keypoints off by one pixel",
        "licence": "CC0-1.0",
        "command": "python -m probbody.assets.build_demo",
        "seed": SEED,
        "focal_px": FOCAL,
        "sha256": {n: hashlib.sha256((out / n).read_bytes()).hexdigest() for n in ("demo.png", "demo_keypoints.json")},
        "truth": {
            "joints3d_smpl24": [[round(x, 4) for x in joint] for joint in surface.joints[0].tolist()],
            "rotations": [[round(x, 5) for x in turn] for turn in pose.rotations[0].flatten(1).tolist()],
        },
    }
    with written_whole(out / "demo.json") as path:
        path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
