"""People of drawn pictures: how they stand, what they wear, where they are."""

import copy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..contracts import ArticulatedBody
from ..geometry.meshes import vertex_normals
from ..quantities import Pose, Record, Surface
from .chances import Chances
from .cloths import Cloth, dyed
from .cuts import Cut, hanging, loosened, tailored
from .figure import Figure
from .poses import Poses
from .skirts import Skirt
from .views import turned


@dataclass(frozen=True)
class People(Record):
    """Somebody for each picture: bare and dressed, in the camera's frame."""

    pose: Pose
    bare: Surface
    dressed: Surface
    """The body's vertices moved out by the clothes that stand off, then those of a skirt."""
    holder: Int[Tensor, "B W"]
    """The vertex of the body that each of these stands for."""
    rest: Float[Tensor, "B W 3"]
    """Where each is on the body at rest: the places on cloth."""
    loose: Float[Tensor, "B V"]
    """How far clothes stand off, metres."""
    cut: Cut
    cloth: Cloth

    def __len__(self) -> int:
        return len(self.loose)

    def at(self, middles: Float[Tensor, "B 3"]) -> "People":
        """The same people with the middle of the box around their vertices there."""
        held = self.bare.vertices
        shift = middles - (held.amin(1) + held.amax(1)) / 2
        pose = replace(self.pose, translation=self.pose.translation + shift)
        return replace(self, pose=pose, bare=_moved(self.bare, shift), dressed=_moved(self.dressed, shift))


def _moved(surface: Surface, shift: Float[Tensor, "B 3"]) -> Surface:
    frames = surface.frames.clone()
    frames[:, :, :3, 3] += shift.unsqueeze(1)
    away = shift.unsqueeze(1)
    return Surface(surface.vertices + away, surface.joints + away, frames, surface.faces)


class Crowd:
    """Draws people of one body: a pose, a shape, an orientation and clothes for each stream of chances.

    The skeleton is computed in float64 and rounded, so that a person does not depend on who is computed beside them.
    """

    def __init__(self, body: ArticulatedBody, poses: Poses, figure: Figure) -> None:
        self._body, self._poses, self._figure = copy.deepcopy(body).double(), poses, figure
        self._skirt = Skirt.around(body, figure)

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
        root = pose.rotations[:, 0]
        hem, flare, worn = hanging(cut)
        all_vertices, holder, rest = self._skirt.vertices(vertices, root[..., 0], root[..., 2], hem, flare, worn)
        dressed = Surface(all_vertices, bare.joints, bare.frames, self._skirt.faces)
        return People(pose, bare, dressed, holder, rest, loose, cut, dyed(chances.about("cloth")))
