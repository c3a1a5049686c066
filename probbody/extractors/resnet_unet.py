"""The network of the paper: ResNet-50 down to a thirty-second of the picture, three blocks up to a quarter.

References: He et al. (2016), arXiv:1512.03385; Zhang et al. (2023), 3DNBF, section 4.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import BadInput
from .trunk import Maps, Trunk

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the red, green and blue of ImageNet's photographs."""


class ResNetUNet(Trunk):
    """83 million parameters; the paper reads pictures of 320 x 320, so that maps are 80 x 80.

    Layers of the way down have the names that are usual (``conv1``, ``bn1``, ``layer1.0.conv1``, ...), so that
    ``read_backbone`` takes weights learnt elsewhere.
    """

    channels, deep_channels, stride, multiple = 256, 256, 4, 32
    mean: Float[Tensor, "3 1 1"]
    deviation: Float[Tensor, "3 1 1"]

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, 3, stride=1)
        self.layer2 = _stage(256, 128, 4, stride=2)
        self.layer3 = _stage(512, 256, 6, stride=2)
        self.layer4 = _stage(1024, 512, 3, stride=2)
        self.bottom = _double(2048, 1024, 1024)
        self.up1 = _double(2048, 1024, 512)
        self.up2 = _double(1024, 512, 256)
        self.up3 = _double(512, 256, 256)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Maps:
        """The fine map at 1/4, the deep one at 1/8."""
        x = F.relu(self.bn1(self.conv1((images - self.mean) / self.deviation)))
        c2 = self.layer1(F.max_pool2d(x, 3, 2, 1))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        x = self.bottom(self.layer4(c4))
        x = self.up1(torch.cat([c4, _doubled(x)], dim=1))
        deep = self.up2(torch.cat([c3, _doubled(x)], dim=1))
        return Maps(fine=self.up3(torch.cat([c2, _doubled(deep)], dim=1)), deep=deep)

    def read_backbone(self, path: str | Path) -> None:
        """Takes the way down from a safetensors file in the usual layout; its classifier is left aside.

        A file that cannot be read, or that lacks a layer or has one of another shape, is a ``BadInput``.
        """
        try:
            held = load_file(path)
        except (SafetensorError, OSError) as error:
            raise BadInput(
                f"{path}: expected a safetensors file with a ResNet-50, found none that can be read."
            ) from error
        new = ("bottom.", "up1.", "up2.", "up3.")
        own = {name: value for name, value in self.state_dict().items() if not name.startswith(new)}
        for name, value in own.items():
            if name not in held and not name.endswith("num_batches_tracked"):
                raise BadInput(f"{path}: expected a ResNet-50 with {name!r}, found none.")
            if name in held and held[name].shape != value.shape:
                raise BadInput(f"{path}: expected {name!r} of {tuple(value.shape)}, found {tuple(held[name].shape)}.")
        self.load_state_dict({name: held[name] for name in own if name in held}, strict=False)


class _Bottleneck(nn.Module):
    """Narrow, look around, widen; the stride is that of the middle convolution."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or before != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        after = F.relu(self.bn1(self.conv1(x)))
        after = F.relu(self.bn2(self.conv2(after)))
        return F.relu(self.bn3(self.conv3(after)) + self.downsample(x))


def _stage(before: int, width: int, count: int, stride: int) -> nn.Sequential:
    first = _Bottleneck(before, width, stride)
    return nn.Sequential(first, *[_Bottleneck(4 * width, width, 1) for _ in range(count - 1)])


def _double(before: int, middle: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((before, middle), (middle, after)):
        layers += [nn.Conv2d(a, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _doubled(x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
