"""People of drawn pictures: how they stand, what they wear, where they are."""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import ArticulatedBody
from ..geometry.meshes import vertex_normals
from ..quantities import Pose, Record, Surface
from .chances import Chances
from .figure import Figure
from .outfits import Cloth, Cut, dyed, loosened, tailored
from .poses import Poses
from .views import turned


@dataclass(frozen=True)
class People(Record):
    """Somebody for each picture: bare and dressed, in the camera's frame."""

    pose: Pose
    bare: Surface
    vertices: Float[Tensor, "B V 3"]
    """With the clothes that stand off."""
    loose: Float[Tensor, "B V"]
    """By how much, metres."""
    cut: Cut
    cloth: Cloth

    def __len__(self) -> int:
        return len(self.loose)

    def at(self, middles: Float[Tensor, "B 3"]) -> "People":
        """The same people with the middle of the box around their vertices there."""
        held = self.bare.vertices
        shift = middles - (held.amin(1) + held.amax(1)) / 2
        frames = self.bare.frames.clone()
        frames[:, :, :3, 3] += shift.unsqueeze(1)
        pose = Pose(self.pose.rotations, self.pose.shape, self.pose.translation + shift)
        moved = shift.unsqueeze(1)
        bare = Surface(held + moved, self.bare.joints + moved, frames, self.bare.faces)
        return People(pose, bare, self.vertices + moved, self.loose, self.cut, self.cloth)


class Crowd:
    """Draws people of one body: a pose, a shape, an orientation and clothes for each stream of chances.

    The skeleton is computed in float64 and rounded, so that a person does not depend on who is computed beside them.
    """

    def __init__(self, body: ArticulatedBody, poses: Poses, figure: Figure) -> None:
        self._body, self._poses, self._figure = copy.deepcopy(body).double(), poses, figure

    def draw(self, chances: Chances, turn: Float[Tensor, "B 3 3"]) -> People:
        """People at the origin; ``turn`` takes the world, y up, to the camera's frame."""
        body, dtype = self._body, chances.dtype
        moving = self._poses.draw(chances.about("pose"))
        rotations = torch.eye(3).to(moving).repeat(len(chances), len(body.parents), 1, 1)
        if moving.shape[1] >= len(body.parents):
            raise ValueError(
                f"poses: expected at most {len(body.parents) - 1} joints, as the body has, found {moving.shape[1]}."
            )
        rotations[:, 1 : 1 + moving.shape[1]] = moving
        rotations[:, 0] = turn.double() @ turned(chances.about("orientation")).double()
        given = chances.about("shape")
        shape = (given.uniform(1, low=1.0, high=1.3) * given.normal(body.num_shape)).clamp(-3, 3).double()
        with torch.no_grad():
            bare = body(Pose(rotations, shape, shape.new_zeros(len(chances), 3))).to(dtype)
        pose = Pose(rotations, shape, shape.new_zeros(len(chances), 3)).to(dtype)
        cut = tailored(chances.about("cut"))
        loose = loosened(self._figure, cut, chances.about("looseness"))
        vertices = bare.vertices + loose.unsqueeze(-1) * vertex_normals(bare.vertices, bare.faces)
        return People(pose, bare, vertices, loose, cut, dyed(chances.about("cloth")))
