"""The pictures that are attacked, and where their joints truly are."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import BadInput


@dataclass(frozen=True)
class Targets:
    """Crops of one person each. Names are unique: textures are drawn by them, and unfinished searches go on by them.

    Of ``LabelledPictures``: ``Targets(p.images, p.joints, p.camera.project(p.joints)[..., :2], names)``.
    """

    images: Float[Tensor, "B 3 H W"]
    """RGB in [0, 1]."""
    joints: Float[Tensor, "B J 3"]
    """The truth in metres, in the joint set that the method answers in."""
    pixels: Float[Tensor, "B J 2"]
    """Where the joints are in the crop, (u, v)."""
    names: tuple[str, ...]
    counted: Bool[Tensor, "B J"] | None = None
    """Which joints have a truth; all without it."""

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.images) or len(self.names) != len(self.images):
            raise BadInput(
                f"names: expected {len(self.images)} different names, one a picture, found {len(set(self.names))}."
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self.images.shape[2], self.images.shape[3]

    def inside(self, number: int) -> Bool[Tensor, " J"]:
        """Which joints of a picture have a truth and lie in it."""
        height, width = self.size
        u, v = self.pixels[number].unbind(-1)
        there = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        return there if self.counted is None else there & self.counted[number]
