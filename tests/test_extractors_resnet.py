"""The paper's network: its maps, and weights that were learnt elsewhere."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from probbody.errors import BadInput
from probbody.extractors.resnet_unet import ResNetUNet
from probbody.extractors.trunks import trunk_of, words_of


@pytest.fixture(scope="module")
def trunk() -> ResNetUNet:
    return ResNetUNet().eval()


def test_maps_are_a_quarter_and_an_eighth_of_the_picture(trunk: ResNetUNet) -> None:
    maps = trunk(torch.rand(1, 3, 64, 96))
    assert maps.fine.shape == (1, trunk.channels, 16, 24)
    assert maps.deep.shape == (1, trunk.deep_channels, 8, 12)


def test_layers_have_the_names_and_sizes_that_are_usual(trunk: ResNetUNet) -> None:
    held = trunk.state_dict()
    for name, shape in {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_var": (64,),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer2.3.conv2.weight": (128, 128, 3, 3),
        "layer3.5.bn3.bias": (1024,),
        "layer4.0.downsample.1.running_mean": (2048,),
        "layer4.2.conv3.weight": (2048, 512, 1, 1),
    }.items():
        assert held[name].shape == shape, name
    usual = sum(
        value.numel()
        for name, value in trunk.named_parameters()
        if not name.startswith(("bottom", "up1", "up2", "up3"))
    )
    assert usual == 23_508_032  # ResNet-50 without its classifier


def test_weights_learnt_elsewhere_are_taken_and_wrong_files_refused(trunk: ResNetUNet, tmp_path: Path) -> None:
    new = ("bottom", "up1", "up2", "up3")
    held = {name: value.clone() for name, value in trunk.state_dict().items() if not name.startswith(new)}
    held["conv1.weight"] += 1
    save_file({**held, "fc.weight": torch.zeros(1000, 2048)}, tmp_path / "imagenet.safetensors")
    other = trunk_of(words_of(trunk))
    assert isinstance(other, ResNetUNet)
    before = other.state_dict()["up3.0.weight"].clone()
    other.read_backbone(tmp_path / "imagenet.safetensors")
    assert torch.equal(other.conv1.weight, held["conv1.weight"])
    assert torch.equal(other.state_dict()["up3.0.weight"], before)
    save_file({name: held[name] for name in held if name != "layer4.2.conv3.weight"}, tmp_path / "less.safetensors")
    with pytest.raises(BadInput, match=r"with 'layer4.2.conv3.weight', found none"):
        other.read_backbone(tmp_path / "less.safetensors")
    save_file({**held, "bn1.weight": torch.ones(3)}, tmp_path / "narrow.safetensors")
    with pytest.raises(BadInput, match=r"'bn1.weight' of \(64,\), found \(3,\)"):
        other.read_backbone(tmp_path / "narrow.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(BadInput, match="found none that can be read"):
        other.read_backbone(tmp_path / "text.safetensors")


def test_words_that_are_of_no_trunk_are_refused() -> None:
    for words in ('{"name": "unheard of"}', '{"name": "small U-Net"}', "[]"):
        with pytest.raises(ValueError, match="expected those of a trunk"):
            trunk_of(words)
