"""Pictures as a network learns from them: numbers instead of bytes, changed a little each time, with what is known of them."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from probbody.geometry.cameras import PinholeCamera
from probbody.quantities import Pose, Record, Surface


@dataclass(frozen=True)
class Lesson(Record):
    """Crops of one person each, and the truth about them; maps are of the resolution of features."""

    images: Float[Tensor, "B 3 H W"]
    """RGB in [0, 1]."""
    camera: PinholeCamera
    pose: Pose
    surface: Surface
    """The body in that pose, without its clothes."""
    parts: Int[Tensor, "B h w"]
    """0 where there is no body, else 1 + the joint that carries what is there, be it hidden or not."""
    mask: Bool[Tensor, "B h w"]
    occluder: Bool[Tensor, "B h w"]
    visible: Bool[Tensor, "B V"]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shown(self) -> Bool[Tensor, "B h w"]:
        """Where the picture shows the person."""
        return self.mask & ~self.occluder

    @property
    def pixels(self) -> Float[Tensor, "B V 2"]:
        """Where the vertices are in the pictures."""
        return self.camera.project(self.surface.vertices)[..., :2]
