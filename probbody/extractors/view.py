"""How large a body is in a crop and where, apart from the camera that took it.

A network sees a crop and not its camera. What it can tell is the magnification at the root joint, in half crop widths a
metre (its logarithm s), and the pixel of the root joint, in half crops from the middle (x, y); and rotations about the ray
through the middle of the crop, as if that were the optical axis. With the camera known these become a place and rotations
in its frame, in true perspective.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ..geometry.cameras import NEAREST, PinholeCamera


def facing(camera: PinholeCamera) -> Float[Tensor, "B 3 3"]:
    """The smallest rotations that turn the optical axis to the ray through the middle of the picture, in camera axes."""
    ahead = camera.turned(camera.rays(_middle(camera).unsqueeze(1))[1]).squeeze(1)
    x, y, z = ahead.unbind(-1)
    share = 1 / (1 + z)  # z > 0: a ray through a picture goes forward
    rows = [1 - x * x * share, -x * y * share, x, -x * y * share, 1 - y * y * share, y, -x, -y, z]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def view_of(points: Float[Tensor, "B 3"], camera: PinholeCamera) -> Float[Tensor, "B 3"]:
    """(s, x, y) of world points."""
    pixels = camera.project(points.unsqueeze(1)).squeeze(1)
    half = _middle(camera)
    size = camera.focal.prod(-1).sqrt() / (pixels[:, 2].clamp_min(NEAREST) * half[:, 0])
    return torch.cat([size.log().unsqueeze(-1), (pixels[:, :2] - half) / half], dim=-1)


def placed(view: Float[Tensor, "B 3"], camera: PinholeCamera) -> Float[Tensor, "B 3"]:
    """World points of (s, x, y): undoes ``view_of``."""
    half = _middle(camera)
    log_depth = (camera.focal.prod(-1).sqrt() / half[:, 0]).log() - view[:, 0]
    across = (half + half * view[:, 1:] - camera.centre) / camera.focal
    return camera.place(torch.cat([across, log_depth.unsqueeze(-1)], dim=-1))


def _middle(camera: PinholeCamera) -> Float[Tensor, "B 2"]:
    return camera.focal.new_tensor([camera.size[1] / 2, camera.size[0] / 2]).expand(len(camera), 2)
