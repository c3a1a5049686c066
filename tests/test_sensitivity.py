"""Maps of where it hurts to be hidden say so where it does."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from probbody.adversary.damage import JointError
from probbody.adversary.drawings import colours_of, draw_body, draw_map, write_mesh
from probbody.adversary.patches import PatchGrid
from probbody.adversary.search import Attack
from probbody.adversary.sensitivity import ErrorMap, pixel_errors, vertex_errors
from probbody.adversary.targets import Targets
from probbody.adversary.textures import PlainTexture
from probbody.errors import BadInput

BOXES = torch.tensor([[0, 0, 4, 4], [4, 0, 8, 4], [2, 0, 6, 4]])


def test_a_pixel_and_a_vertex_have_the_mean_of_the_patches_that_hide_them() -> None:
    errors = torch.tensor([[10.0, 20.0, 60.0]])
    pixels = pixel_errors(errors, BOXES, (5, 8))
    assert pixels[0].tolist() == [10, 10, 35, 35, 40, 40, 20, 20]
    assert pixels[4].isnan().all()
    places = torch.tensor([[[1.0, 1.0], [3.0, 1.0], [1.0, 4.9], [5.0, 2.0]]]).repeat(2, 1, 1)
    maps = [ErrorMap(0, "a", errors, 5.0), ErrorMap(1, "b", errors + 100, 5.0)]
    means = vertex_errors(maps, BOXES, places)
    torch.testing.assert_close(means[[0, 1, 3]], torch.tensor([60.0, 85.0, 90.0], dtype=torch.float64))
    assert means[2].isnan()
    visible = torch.tensor([[True, False, True, True], [False, False, True, True]])
    means = vertex_errors(maps, BOXES, places, visible)
    assert means[0] == 10
    assert means[1].isnan()


def test_a_place_without_an_error_counts_for_nothing() -> None:
    errors = torch.tensor([[10.0, torch.nan, 60.0]])
    assert pixel_errors(errors, BOXES, (5, 8))[0, 4:].tolist()[:2] == [60, 60]
    assert pixel_errors(errors, BOXES, (5, 8))[0, 7].isnan()
    means = vertex_errors([ErrorMap(0, "a", errors, 0.0)], BOXES, torch.tensor([[[5.0, 1.0]]]))
    assert means.tolist() == [60]


def test_a_method_that_looks_at_one_spot_hurts_there() -> None:
    """Its error is the darkness of one spot, so hiding that spot is the only thing that counts."""

    def method(images: Tensor) -> Tensor:
        joints = torch.zeros(len(images), 4, 3)
        joints[:, 1, 0] = (1 - images[:, :, 28:32, 12:16]).mean((1, 2, 3))
        return joints

    targets = Targets(torch.ones(1, 3, 40, 40), torch.zeros(1, 4, 3), torch.full((1, 4, 2), 20.0), ("a",))
    attack = Attack(PatchGrid(40, 10), PlainTexture((0, 0, 0)), JointError())
    found = next(attack.maps(method, targets))
    boxes = attack.grid.boxes((40, 40))
    left, top, right, bottom = boxes[found.worst()].tolist()
    assert left <= 12 and right >= 16 and top <= 28 and bottom >= 32  # noqa: PT018
    errors = pixel_errors(found.errors, boxes, (40, 40))
    assert errors[29, 13] > 3 * errors[5, 30]
    sheet = draw_map(targets.images[0], found, boxes)
    assert sheet.height == 80
    assert sheet.getpixel((80 + 28, 60)) != sheet.getpixel((80 + 60, 10))


def test_colours_run_from_blue_to_red_and_are_grey_where_nothing_is_known() -> None:
    colours = colours_of(torch.tensor([0.0, 0.25, 1.0, 9.0, torch.nan]), 0.0, 1.0)
    assert colours[2].tolist() == colours[3].tolist()
    assert len(set(colours[4].tolist())) == 1
    assert colours[1, 2] > colours[1, 0]
    assert colours[2, 0] > colours[2, 2]


def test_a_body_is_drawn_from_both_sides() -> None:
    """A board that faces +z, its left half (at +x) with the greatest error: on the right from the front."""
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [-1, 0, 0], [-1, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 5], [0, 5, 4]])
    both = torch.cat([faces, faces[:, [0, 2, 1]]])
    errors = torch.tensor([50.0, 100, 100, 50, 0, 0])
    sheet = np.asarray(draw_body(vertices, both, errors, height=100)).astype(int)
    right, left, behind = sheet[40, 90], sheet[40, 10], sheet[40, 110]
    assert np.abs(right - behind).max() < 30
    assert np.abs(right - left).max() > 40


@pytest.mark.parametrize("ending", ["glb", "ply"])
def test_the_mesh_carries_its_colours(ending: str, tmp_path: Path) -> None:
    vertices, faces = torch.rand(4, 3), torch.tensor([[0, 1, 2], [0, 2, 3]])
    errors = torch.tensor([10.0, 20.0, 30.0, torch.nan])
    write_mesh(tmp_path / f"body.{ending}", vertices, faces, errors)
    read = trimesh.load(tmp_path / f"body.{ending}", force="mesh", process=False)
    np.testing.assert_allclose(read.vertices, vertices, atol=1e-6)
    expected = colours_of(errors, 10.0, 30.0).numpy()
    np.testing.assert_array_equal(np.asarray(read.visual.vertex_colors)[:, :3], expected)
    with pytest.raises(BadInput, match="no patch ever hid"):
        write_mesh(tmp_path / "none.glb", vertices, faces, torch.full((4,), torch.nan))
