"""What a person looks at is true: the mesh covers what it projects to, near hides far, every kind of photograph is read."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull
from torch import Tensor

from probbody.bodies.joints import COCO17
from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.pictures import (
    as_array,
    beside_each_other,
    draw_keypoints,
    draw_mesh,
    film_focal,
    from_the_side,
    overlay,
    read_picture,
)

SIZE = (120, 90)  # width, height


def ball(place: tuple[float, float, float], radius: float = 0.5) -> tuple[Tensor, Tensor]:
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    points = torch.tensor(np.asarray(sphere.vertices), dtype=torch.float32) + torch.tensor(place)
    return points, torch.tensor(np.asarray(sphere.faces))


def box() -> tuple[Tensor, Tensor]:
    solid = trimesh.creation.box((0.8, 0.5, 0.6))
    solid.apply_transform(trimesh.transformations.rotation_matrix(0.7, [1, 2, 0.5]))
    return torch.tensor(np.asarray(solid.vertices), dtype=torch.float32) + torch.tensor([0.3, 0.1, 3.0]), torch.tensor(
        np.asarray(solid.faces)
    )


def projected(points: Tensor, focal: float = 100.0) -> Tensor:
    return PinholeCamera.looking_ahead(focal, (SIZE[1], SIZE[0])).project(points[None])[0]


def covered(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(picture.getchannel("A")).copy()) / 255.0


@pytest.mark.parametrize("solid", [ball((0.2, -0.1, 4.0)), ball((-0.8, 0.5, 3.0), 0.3), box()])
def test_a_convex_mesh_covers_its_hull(solid: tuple[Tensor, Tensor]) -> None:
    points, faces = solid
    pixels = projected(points)
    hull = ConvexHull(pixels[:, :2].numpy())
    grain = 8  # the hull, drawn finely and shrunk
    canvas = Image.new("L", (grain * SIZE[0], grain * SIZE[1]))
    corners = [tuple(grain * value for value in corner) for corner in hull.points[hull.vertices].tolist()]
    ImageDraw.Draw(canvas).polygon(corners, fill=255)
    expected = torch.from_numpy(np.asarray(canvas.resize(SIZE, Image.Resampling.BOX)).copy()) / 255.0
    drawn = covered(draw_mesh(SIZE, points, pixels, faces))
    assert (expected > 0.99).sum() > 100
    assert (drawn[expected > 0.99] > 0.99).all()
    assert (drawn[torch.nn.functional.max_pool2d(expected[None], 3, 1, 1)[0] == 0] == 0).all()
    assert abs(float(drawn.sum() / expected.sum()) - 1) < 0.05


def test_near_hides_far_in_any_order() -> None:
    (near, faces), (far, _) = ball((0.0, 0.0, 3.0), 0.3), ball((0.1, 0.0, 5.0), 0.8)
    red, green = torch.tensor([220.0, 0.0, 0.0]), torch.tensor([0.0, 220.0, 0.0])
    for first, second, tones in ((near, far, (red, green)), (far, near, (green, red))):
        points = torch.cat([first, second])
        colours = torch.cat([tone.expand(len(faces), 3) for tone in tones])
        picture = draw_mesh(SIZE, points, projected(points), torch.cat([faces, faces + len(first)]), colours)
        middle, beside = picture.getpixel((60, 45)), picture.getpixel((60 + 14, 45))
        assert isinstance(middle, tuple)
        assert isinstance(beside, tuple)
        assert middle[0] > 100 > middle[1]
        assert beside[1] > 60 > beside[0]


def test_faces_behind_the_camera_or_turned_away_are_left_out() -> None:
    points, faces = ball((0.0, 0.0, -3.0))
    assert covered(draw_mesh(SIZE, points, projected(points), faces)).sum() == 0
    points, faces = ball((0.0, 0.0, 3.0))
    inside_out = draw_mesh(SIZE, points, projected(points), faces.flip(-1))
    whole = draw_mesh(SIZE, points, projected(points), faces)
    colours = [np.asarray(picture)[45, 60, :3].astype(int) for picture in (inside_out, whole)]
    assert np.abs(colours[0] - colours[1]).max() > 5  # its far half is seen, from within
    around, faces = ball((0.0, 0.0, 0.0), 0.5)  # the camera within it: nothing faces it
    assert covered(draw_mesh(SIZE, around, projected(around), faces)).sum() == 0


def test_drawn_keypoints_stand_in_their_places() -> None:
    picture = Image.new("RGB", SIZE)
    keypoints = torch.zeros(17, 3)
    keypoints[5] = torch.tensor([30.5, 40.5, 1.0])
    keypoints[6] = torch.tensor([90.5, 70.5, 0.0])
    keypoints[7] = torch.tensor([torch.nan, 3.0, 1.0])
    draw_keypoints(picture, keypoints, COCO17, (255, 0, 0), radius=3.0, bones=False)
    array = as_array(picture)
    rows, columns = torch.nonzero(array[0] > 0.5, as_tuple=True)
    assert abs(float(rows.float().mean()) - 40) < 0.6
    assert abs(float(columns.float().mean()) - 30) < 0.6
    assert (rows - 40).abs().max() <= 4


def test_a_quarter_turn_swaps_width_and_depth() -> None:
    points, _ = box()
    turned = from_the_side(points)
    wide, high, deep = (points.amax(0) - points.amin(0)).tolist()
    assert torch.allclose(turned.amax(0) - turned.amin(0), torch.tensor([deep, high, wide]), atol=1e-5)
    assert torch.allclose(from_the_side(from_the_side(from_the_side(turned))), points, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((120, 90), (960, 720)),
        ((90, 120), (540, 720)),
        ((1, 1), (720, 720)),
        ((4000, 2), (1440, 1)),
        ((2, 4000), (1, 720)),
    ],
)
def test_the_sheet_holds_three_pictures_of_one_size(size: tuple[int, int], shown: tuple[int, int]) -> None:
    points, faces = ball((0.0, 0.0, 3.0))
    camera = PinholeCamera.looking_ahead(100.0, (size[1], size[0]))
    pixels, side = camera.project(points[None])[0], camera.project(from_the_side(points)[None])[0]
    sheet = overlay(
        Image.new("RGB", size, (9, 99, 9)), points, pixels, faces, torch.zeros(17, 3), pixels[:17, :2], COCO17, side
    )
    assert sheet.size == (3 * shown[0] + 12, shown[1])


def test_pictures_stand_in_a_row() -> None:
    row = beside_each_other([Image.new("RGB", (10, 8), colour) for colour in ("red", "blue")], gap=2)
    assert row.size == (22, 8)
    assert [row.getpixel(place) for place in ((9, 0), (10, 0), (12, 0))] == [(255, 0, 0), (255, 255, 255), (0, 0, 255)]


RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
MODES = {
    "grey.png": Image.fromarray(RAMP),
    "grey16.png": Image.fromarray(RAMP.astype(np.uint16) * 257),
    "grey16.tif": Image.fromarray(RAMP.astype(np.uint16) * 257),
    "grey32.tif": Image.fromarray(RAMP.astype(np.int32) * 65793),
    "float.tif": Image.fromarray(RAMP.astype(np.float32) / 252),
    "grey_alpha.png": Image.fromarray(RAMP).convert("LA"),
    "rgb.png": Image.fromarray(RAMP).convert("RGB"),
    "rgba.png": Image.fromarray(RAMP).convert("RGBA"),
    "rgba.webp": Image.fromarray(RAMP).convert("RGBA"),
    "palette.png": Image.fromarray(RAMP).convert("P"),
    "palette.gif": Image.fromarray(RAMP).convert("P"),
    "cmyk.jpg": Image.fromarray(RAMP).convert("RGB").convert("CMYK"),
    "ycbcr.jpg": Image.fromarray(RAMP).convert("YCbCr"),
    "grey.jpg": Image.fromarray(RAMP),
    "rgb.bmp": Image.fromarray(RAMP).convert("RGB"),
}


@pytest.mark.parametrize("name", MODES)
def test_pictures_of_every_mode_look_alike(name: str, tmp_path: Path) -> None:
    MODES[name].save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert (picture.mode, picture.size) == ("RGB", (64, 48))
    off = np.abs(np.asarray(picture).astype(float) - RAMP[..., None])
    assert off.mean() < 6
    assert off.max() < 30


def test_a_palette_with_transparency_is_read_in_silence(tmp_path: Path) -> None:
    picture = Image.fromarray(RAMP).convert("P")
    picture.save(tmp_path / "p.png", transparency=bytes(range(256)))
    assert read_picture(tmp_path / "p.png").mode == "RGB"


def test_black_and_white_and_black_alone_are_read(tmp_path: Path) -> None:
    Image.new("1", (5, 4), 1).save(tmp_path / "white.png")
    assert read_picture(tmp_path / "white.png").getpixel((0, 0)) == (255, 255, 255)
    Image.fromarray(np.zeros((4, 5), np.uint16)).save(tmp_path / "black.png")
    assert read_picture(tmp_path / "black.png").getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("grey", [np.nan, np.inf])
def test_grey_values_that_are_no_numbers_are_refused(grey: float, tmp_path: Path) -> None:
    values = RAMP.astype(np.float32)
    values[3, 4] = grey
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(BadInput, match=r"a\.tif: expected a whole picture, .*not every grey value is finite"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize(("orientation", "size"), [(1, (64, 48)), (3, (64, 48)), (6, (48, 64)), (8, (48, 64))])
def test_a_photograph_is_turned_upright(orientation: int, size: tuple[int, int], tmp_path: Path) -> None:
    notes = Image.Exif()
    notes[0x0112] = orientation
    notes.get_ifd(0x8769)[0xA405] = 28
    Image.fromarray(RAMP).save(tmp_path / "photo.jpg", exif=notes)
    picture = read_picture(tmp_path / "photo.jpg")
    assert picture.size == size
    white = {1: (63, 24), 3: (0, 24), 6: (24, 63), 8: (24, 0)}[orientation]
    assert np.asarray(picture)[white[1], white[0]].min() > 220
    assert film_focal(picture) == 28


@pytest.mark.parametrize("orientation", [None, 1, 6])
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_every_kind_of_file_keeps_the_focal_length(ending: str, orientation: int | None, tmp_path: Path) -> None:
    made = Image.Exif()
    made.get_ifd(0x8769)[0xA405] = 28
    if orientation is not None:
        made[0x0112] = orientation
    notes = Image.Exif()
    notes.load(made.tobytes())  # TIFF and PNG write only what was read
    Image.fromarray(RAMP).convert("RGB").save(tmp_path / f"photo.{ending}", exif=notes)
    picture = read_picture(tmp_path / f"photo.{ending}")
    assert picture.size == ((48, 64) if orientation == 6 else (64, 48))
    assert film_focal(picture) == 28


@pytest.mark.parametrize("noted", [None, 0, 65535, b"long", (1, 2)])
def test_no_focal_length_or_nonsense_is_none(noted: object, tmp_path: Path) -> None:
    notes = Image.Exif()
    if noted is not None:
        notes.get_ifd(0x8769)[0xA405] = noted
    Image.fromarray(RAMP).save(tmp_path / "photo.jpg", exif=notes)
    assert film_focal(read_picture(tmp_path / "photo.jpg")) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("seed", range(30))
def test_damaged_pictures_are_read_or_refused_in_one_sentence(kind: str, seed: int, tmp_path: Path) -> None:
    notes = Image.Exif()
    notes[0x0112] = 6
    whole = io.BytesIO()
    Image.fromarray(RAMP).convert("RGB").save(whole, kind, exif=notes)
    rng = random.Random(seed)
    raw = bytearray(whole.getvalue())
    for _ in range(rng.choice([1, 3, 10])):
        raw[rng.randrange(min(len(raw), 300))] = rng.randrange(256)
    raw = raw[: rng.randrange(len(raw))] if seed % 3 == 0 else raw
    (tmp_path / "photo.jpg").write_bytes(raw)
    told = f"{tmp_path / 'photo.jpg'}: expected a picture, found one."
    try:
        picture = read_picture(tmp_path / "photo.jpg")
        film_focal(picture)
    except BadInput as refusal:
        told = str(refusal)
    assert told.startswith(f"{tmp_path / 'photo.jpg'}: expected a")
    assert "\n" not in told


def test_large_pictures_are_read_and_absurd_ones_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RAMP).save(tmp_path / "photo.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 - 1)
    assert read_picture(tmp_path / "photo.png").size == (64, 48)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 // 2 - 1)
    with pytest.raises(BadInput, match="expected a picture of at most 0 million pixels, found a larger one"):
        read_picture(tmp_path / "photo.png")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    for path, told in (
        (tmp_path / "none.png", "no such file"),
        (tmp_path / "text.jpg", "something else"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(BadInput, match=f"^{path}: expected a picture.*, found {told}"):
            read_picture(path)
