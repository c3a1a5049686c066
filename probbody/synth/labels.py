"""A picture of which everything is known."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..geometry.cameras import PinholeCamera
from ..quantities import Pose, Record


@dataclass(frozen=True)
class LabelledPictures(Record):
    """Square crops around one person each, and the truth about them; the world is the camera's frame (OpenCV, metres).

    ``parts`` and ``mask`` tell of the body in its clothes as it would be seen with nothing before it; ``occluder`` of what
    stands before it. What the picture shows of the person is ``mask & ~occluder``.
    """

    images: Float[Tensor, "B 3 H W"]
    """RGB in [0, 1]."""
    camera: PinholeCamera
    pose: Pose
    joints: Float[Tensor, "B J 3"]
    parts: Int[Tensor, "B H W"]
    """0 where there is no body, else 1 + the joint that carries most of the point that is seen."""
    depth: Float[Tensor, "B H W"]
    """Of the body along the axis, metres; 0 where there is none."""
    mask: Bool[Tensor, "B H W"]
    occluder: Bool[Tensor, "B H W"]
    """Whether something that is not the person is nearer than the person, or would be if the person stood there."""
    visible: Bool[Tensor, "B V"]
    """Whether a vertex is in the picture, turned to the camera, and hidden neither by the body nor by an occluder."""

    def __len__(self) -> int:
        return len(self.images)
