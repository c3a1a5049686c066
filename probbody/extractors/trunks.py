"""The trunks of this house in words, so that a file can say which it holds the weights of."""

import json

from .resnet_unet import ResNetUNet
from .small_unet import SmallUNet
from .trunk import Trunk


def words_of(trunk: Trunk) -> str:
    """JSON from which ``trunk_of`` makes the same trunk; one that is not of this house is a ``TypeError``."""
    if isinstance(trunk, SmallUNet):
        return json.dumps({"name": "small U-Net", "widths": trunk.widths, "blocks": trunk.blocks})
    if isinstance(trunk, ResNetUNet):
        return json.dumps({"name": "ResNet-50 U-Net"})
    raise TypeError(f"trunk: expected a SmallUNet or a ResNetUNet, found {type(trunk)}.")


def trunk_of(words: str) -> Trunk:
    """A trunk without its weights; words that ``words_of`` did not make are a ``ValueError``."""
    try:
        told = json.loads(words)
        if told["name"] == "small U-Net":
            return SmallUNet(tuple(told["widths"]), tuple(told["blocks"]))
        if told["name"] == "ResNet-50 U-Net":
            return ResNetUNet()
    except (KeyError, TypeError) as error:
        raise ValueError(f"words: expected those of a trunk, found {words!r}.") from error
    raise ValueError(f"words: expected those of a trunk, found {words!r}.")
