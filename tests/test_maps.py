"""Colours of maps: like features look alike, parts have colours of their own, what hides is red."""

import numpy as np
import pytest
import torch
from PIL import Image

from probbody.maps import FalseColours, captioned, framed, heat_over, on_top_of_each_other, part_colours
from probbody.pictures import as_array, as_picture


def test_like_features_look_alike() -> None:
    features = torch.nn.functional.normalize(torch.randn(50, 8), dim=-1)
    colours = FalseColours.of(torch.cat([features, torch.zeros(5, 8)]))
    shown = np.asarray(colours.picture(features[:4].T[:, None]))
    assert shown.shape == (1, 4, 3)
    again = np.asarray(colours.picture(features[[0, 0]].T[:, None]))
    assert (again[0, 0] == again[0, 1]).all()
    assert (again[0, 0] == shown[0, 0]).all()
    assert len({tuple(pixel) for pixel in shown[0].tolist()}) == 4
    middling = np.asarray(colours.picture(colours.middle[:, None, None]))
    assert np.abs(middling.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("shape", [(2, 8), (9, 2)])
def test_too_little_to_colour_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="features: expected 3 or more of 3 channels or more"):
        FalseColours.of(torch.ones(shape))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_features_that_are_no_numbers_have_no_colours(value: float) -> None:
    features = torch.randn(50, 8)
    features[7, 2] = value
    with pytest.raises(ValueError, match="features: expected finite numbers"):
        FalseColours.of(features)


def test_parts_have_colours_of_their_own() -> None:
    shown = np.asarray(part_colours(torch.eye(25).reshape(25, 1, 25)))
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert len({tuple(pixel) for pixel in shown[0].tolist()}) == 25


def test_what_hides_is_red() -> None:
    chance = torch.zeros(4, 4)
    chance[:, 2:] = 1
    shown = np.asarray(heat_over(Image.new("RGB", (40, 40), (0, 90, 0)), chance)).astype(int)
    assert (shown[20, 35] - [225, 40, 30] < 40).all()
    assert shown[20, 5].max() - shown[20, 5].min() < 5
    assert (as_array(Image.fromarray(shown.astype(np.uint8))) <= 1).all()
    chance[0, 0] = torch.nan
    with pytest.raises(ValueError, match="chance: expected numbers, found NaN"):
        heat_over(Image.new("RGB", (40, 40)), chance)


def test_pictures_and_colours_are_the_same_thing() -> None:
    colours = torch.rand(3, 5, 7)
    assert (as_array(as_picture(colours)) - colours).abs().max() <= 0.5 / 255 + 1e-6
    assert as_picture(colours + 5).getextrema() == ((255, 255),) * 3


def test_frames_words_and_columns() -> None:
    plain = Image.new("RGB", (60, 40), (0, 0, 0))
    shown = framed(plain, torch.tensor([[10.0, 5.0, 50.0, 30.0]]))
    assert shown.getpixel((10, 20)) == (250, 190, 30)
    assert shown.getpixel((30, 15)) == (0, 0, 0)
    assert plain.getextrema() == ((0, 0),) * 3
    assert captioned(plain, "parts").getextrema()[0] == (0, 255)
    assert on_top_of_each_other([plain, shown]).size == (60, 86)
