"""What pixels have of the corners of the faces that they see, summed without a row of attributes for each sample."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from ..quantities import Record
from .hits import Hits
from .silhouettes import Crossings


@dataclass(frozen=True)
class Parts(Record):
    """Points of faces, and the pixels that they count for."""

    corner: Int[Tensor, "N 3"]
    """Numbered among all bodies' vertices."""
    shares: Float[Tensor, "N 3"]
    """What the point has of each corner, times what it counts."""
    pixel: Int[Tensor, " N"]

    def carry(self, attributes: Float[Tensor, "BV C"], pixels: int) -> Float[Tensor, "P C"]:
        """The sum in each pixel of what its points have of the attributes; gradients flow to these and to shares."""
        order = self.pixel.argsort(stable=True)
        corner, shares = self.corner[order].flatten(), self.shares[order].to(attributes.dtype).flatten()
        long = 3 * torch.bincount(self.pixel, minlength=pixels)
        begins = long.cumsum(0) - long
        return embedding_bag(corner, attributes, begins, mode="sum", per_sample_weights=shares)


def seen(hits: Hits) -> Parts:
    """What the samples see, each for one."""
    return Parts(hits.corner, hits.shares, hits.pixel(hits.place))


def won(hits: Hits, cross: Crossings) -> Parts:
    """What near gains from far where visible edges move: zero, but for its gradient by the edges' places."""
    lost = (cross.far >= 0).nonzero().squeeze(-1)
    beyond, pixel, gain = cross.far[lost], hits.pixel(cross.place), cross.gain.unsqueeze(-1)
    near = torch.nn.functional.pad(cross.shares, (0, 1)) * gain  # an edge has two ends: the third counts nothing
    far = -hits.shares.detach()[beyond] * gain[lost]
    corner = torch.cat([torch.cat([cross.ends, cross.ends[:, :1]], 1), hits.corner[beyond]])
    return Parts(corner, torch.cat([near, far]), torch.cat([pixel, pixel[lost]]))
