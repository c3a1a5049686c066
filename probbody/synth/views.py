"""How people stand before a camera, and which part of the picture is kept."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..geometry.cameras import PinholeCamera
from ..geometry.crops import Crop
from ..geometry.rotations import axis_angle_to_matrix
from ..quantities import Record
from .chances import Chances

_NEAR = 0.95  # of a body's longest side: nobody's middle is nearer to the camera


@dataclass(frozen=True)
class View(Record):
    """Camera and place, in units of the picture's height: a film of which the crop will be a part."""

    turn: Float[Tensor, "B 3 3"]
    """From a world with y up, z towards the camera, to the camera's frame."""
    focal: Float[Tensor, " B"]
    """Heights of the film."""
    place: Float[Tensor, "B 3"]
    """The middle of the person, metres, in the camera's frame."""

    def __len__(self) -> int:
        return len(self.focal)

    @property
    def up(self) -> Float[Tensor, "B 3"]:
        """Against gravity, in the camera's frame."""
        return self.turn[:, :, 1]


def viewed(chances: Chances, long: float) -> View:
    """Cameras of 20 to 135 mm on film 24 mm high, that look level, a little down, seldom far down or up.

    The person, ``long`` metres from end to end at rest, fills a quarter of the film's height or more.
    """
    mostly = 0.07 + 0.13 * chances.normal()
    anywhere = chances.uniform(low=-0.35, high=0.7)
    pitch = torch.where(chances.whether(0.2), anywhere, mostly).clamp(-0.35, 0.7)
    roll = 0.05 * chances.normal()
    flip = torch.diag(pitch.new_tensor([1.0, -1.0, -1.0]))
    nothing = torch.zeros_like(pitch)
    down = axis_angle_to_matrix(torch.stack([pitch, nothing, nothing], -1))
    aside = axis_angle_to_matrix(torch.stack([nothing, nothing, roll], -1))
    focal = (20 / 24) * (135 / 20) ** chances.uniform()
    height = chances.uniform(low=0.25, high=1.05)
    depth = (focal * long / height).clamp_min(_NEAR * long)
    across = 0.75 * chances.uniform(low=-1.0, high=1.0) / focal
    beneath = 0.5 * (1 - height).clamp_min(0.1) * chances.uniform(low=-1.0, high=1.0) / focal
    return View(aside @ down @ flip, focal, torch.stack([across * depth, beneath * depth, depth], -1))


def turned(chances: Chances) -> Float[Tensor, "B 3 3"]:
    """How people stand in the world: facing anywhere, upright or a little aslant, seldom lying."""
    facing = chances.uniform(low=-torch.pi, high=torch.pi)
    nothing = torch.zeros_like(facing)
    around = axis_angle_to_matrix(torch.stack([nothing, facing, nothing], -1))
    lean = torch.where(chances.whether(0.07), chances.uniform(low=0.4, high=2.2), 0.09 * chances.normal())
    axis = chances.uniform(low=-torch.pi, high=torch.pi)
    aslant = axis_angle_to_matrix(torch.stack([lean * axis.cos(), nothing, lean * axis.sin()], -1))
    return aslant @ around


def framed(
    chances: Chances, view: View, vertices: Float[Tensor, "B V 3"], size: tuple[int, int], margin: float = 1.2
) -> PinholeCamera:
    """The camera of a crop around people, ``margin`` times their box; box and margin are not found exactly.

    One in five shows a part of the person alone: above the knees or the waist, below the chest, or one side.
    """
    film = _film(view)
    seen = film.project(vertices)[..., :2]
    low, high = seen.amin(1), seen.amax(1)
    extent = high - low
    kept = torch.stack([torch.zeros_like(low), torch.ones_like(low)], -1)  # of the box, (B, 2, begin and end)
    what = chances.one_of([0.8, 0.12, 0.03, 0.025, 0.025])
    share = chances.uniform(low=0.42, high=0.85)
    for kind, axis, end in ((1, 1, 1), (2, 1, 0), (3, 0, 1), (4, 0, 0)):
        cut = share if end else 1 - share
        kept[:, axis, end] = torch.where(what == kind, cut, kept[:, axis, end])
    low, high = low + extent * kept[..., 0], low + extent * kept[..., 1]
    side = (high - low).amax(-1, keepdim=True)
    shift = 0.045 * side * chances.normal(2)
    crop = Crop.around(torch.cat([low + shift, high + shift], -1), size, margin)
    wider = (0.07 * chances.normal()).exp()
    return Crop(crop.centre, crop.width * wider, size).camera(film)


def _film(view: View) -> PinholeCamera:
    """The whole picture: a film of height 1 and its middle at 0."""
    still = torch.eye(3).to(view.focal).repeat(len(view), 1, 1)
    nothing = torch.zeros_like(view.place)
    return PinholeCamera(view.focal.unsqueeze(-1).repeat(1, 2), nothing[:, :2], still, nothing, (1, 1))


def beside(chances: Chances, place: Float[Tensor, "B 3"], before: bool, long: float) -> Float[Tensor, "B 3"]:
    """Where somebody else stands, before a person or behind, in sight of those who look at the person.

    Both are ``long`` metres from end to end at rest.
    """
    if before:
        depth = (place[:, 2] * chances.uniform(low=0.55, high=0.85)).clamp_min(0.55 * long)
    else:
        depth = place[:, 2] * chances.uniform(low=1.1, high=2.0) + 0.3 * long
    aside = chances.uniform(low=-1.0, high=1.0)
    shift = long * torch.stack([0.42 * aside + 0.15 * aside.sign(), 0.09 * chances.normal()], -1)
    return torch.cat([(place[:, :2] + shift) / place[:, 2:] * depth.unsqueeze(-1), depth.unsqueeze(-1)], -1)
