"""One network that reads a picture of a person: features for every place, parts, and a guess of the body."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from ..geometry.cameras import PinholeCamera
from ..geometry.rotations import SixLayout, matrix_to_six, project_to_rotation, six_to_matrix
from ..quantities import Pose
from .bilinear import around
from .part_attention import Impression, PartAttention, over_places
from .reading import PictureReader, Reading
from .rest_joints import RestJoints
from .trunk import Maps, Trunk
from .view import facing, placed, view_of

LAYOUT: SixLayout = "consecutive"
"""How six numbers of a rotation lie: see ``six_to_matrix``."""


class PersonReader(PictureReader):
    """A trunk, a head for features, and a head with part attention for the body.

    The body is told as a difference from the means of the pictures learnt from; an untrained reader tells the means.

    Args:
        trunk: from pictures to maps.
        rest: joints of the body that it tells of.
        channels: ``D``, the length of a feature.
        size: height and width of the pictures, multiples of ``trunk.multiple``.
        summary: numbers in which the head for the body sums up what it sees: see ``PartAttention``.
    """

    mean_six: Float[Tensor, "J 6"]
    mean_shape: Float[Tensor, " S"]
    mean_view: Float[Tensor, "3"]

    def __init__(
        self, trunk: Trunk, rest: RestJoints, channels: int = 64, size: tuple[int, int] = (192, 192), summary: int = 512
    ) -> None:
        super().__init__()
        if any(side % trunk.multiple for side in size):
            raise ValueError(f"size: expected multiples of {trunk.multiple}, found {size}.")
        self.trunk, self.rest, self.channels, self.size = trunk, rest, channels, size
        joints, shape = rest.directions.shape[0], rest.directions.shape[2]
        self.head = nn.Conv2d(trunk.channels, channels, 1)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)
        self.body = PartAttention(trunk.channels, trunk.deep_channels, joints, shape, summary)
        upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # y up in the body, down in the picture
        turned = torch.cat([upright.unsqueeze(0), torch.eye(3).expand(joints - 1, 3, 3)])
        self.register_buffer("mean_six", matrix_to_six(turned, LAYOUT))
        self.register_buffer("mean_shape", torch.zeros(shape))
        self.register_buffer("mean_view", torch.zeros(3))

    def begin_at(self, pose: Pose, camera: PinholeCamera) -> None:
        """Takes the means of these bodies, seen by their cameras, for what is told before anything is learnt."""
        rotations = pose.rotations.clone()
        rotations[:, 0] = facing(camera).mT @ camera.rotation @ rotations[:, 0]
        root = pose.translation + self.rest(pose.shape)[:, 0]
        self.mean_six.copy_(matrix_to_six(project_to_rotation(rotations.mean(0)), LAYOUT))
        self.mean_shape.copy_(pose.shape.mean(0))
        self.mean_view.copy_(view_of(root, camera).mean(0))

    def centre_features(self, images: Float[Tensor, "B 3 H W"]) -> None:
        """Shifts features so that their mean over these pictures is zero before they are brought to unit length.

        What all places have in common would otherwise make all features alike, and takes long to unlearn.
        """
        assert self.head.bias is not None
        self.head.bias.sub_(self.head(self.maps(images).fine).mean((0, 2, 3)))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """Unit features."""
        return self.features(self.maps(images))

    def read(self, images: Float[Tensor, "B 3 H W"], camera: PinholeCamera) -> Reading:
        """Features, parts and a guess of the body of each crop; ``camera`` is the crops' own, at their size."""
        if camera.size != self.size or len(camera) != len(images):
            raise ValueError(
                f"camera: expected {len(images)} at {self.size}, as the pictures are, found {len(camera)} at {camera.size}."
            )
        maps = self.maps(images)
        told = self.body(maps)
        return Reading(self.features(maps), told.parts.softmax(1), self.guess(told, camera), over_places(told.spots))

    def maps(self, images: Float[Tensor, "B 3 H W"]) -> Maps:
        """What the heads read; pictures of another size are a ValueError."""
        if tuple(images.shape[2:]) != self.size:
            raise ValueError(f"images: expected {self.size[0]} x {self.size[1]}, found {tuple(images.shape[2:])}.")
        found: Maps = self.trunk(images)
        return found

    def features(self, maps: Maps) -> Float[Tensor, "B D h w"]:
        """Unit features of maps, in float32 or better."""
        raw = self.head(maps.fine)
        return normalize(raw if raw.dtype == torch.float64 else raw.float(), dim=1)

    def features_at(self, maps: Maps, pixels: Float[Tensor, "B N 2"], size: tuple[int, int]) -> Float[Tensor, "B N D"]:
        """Unit features at pixels of pictures of that size: of the four places around each, mixed and brought to unit length.

        Nothing is made of the other places, which takes a tenth off the time of a step of training.
        """
        nearest, weight = around(
            pixels / pixels.new_tensor([size[1], size[0]]), (maps.fine.shape[2], maps.fine.shape[3])
        )
        seen = maps.fine.flatten(2).mT
        seen = seen.gather(1, nearest.flatten(1).unsqueeze(-1).expand(-1, -1, seen.shape[2]))
        raw = linear(seen.to(self.head.weight), self.head.weight.flatten(1), self.head.bias)
        unit = normalize(raw, dim=-1).unflatten(1, (-1, 4))
        return normalize((weight.unsqueeze(-1).to(unit) * unit).sum(2), dim=-1)

    def guess(self, told: Impression, camera: PinholeCamera) -> Pose:
        """The body in the camera's world."""
        rotations = six_to_matrix(self.mean_six + told.six, LAYOUT)
        root = camera.rotation.mT @ facing(camera) @ rotations[:, 0]
        shape = self.mean_shape + told.shape
        place = placed(self.mean_view + told.view, camera)
        turned = torch.cat([root.unsqueeze(1), rotations[:, 1:]], dim=1)
        return Pose(turned, shape, place - self.rest(shape)[:, 0])
