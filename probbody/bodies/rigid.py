"""A body of one piece, from any mesh."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import BadInput
from .regressors import KeypointRegressor
from .skinned import SkinnedBody


def rigid(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], licence: str = "made from the caller's own mesh"
) -> SkinnedBody:
    """The mesh as a body that does not bend: one joint at the origin of its coordinates, and no shape.

    Args:
        vertices: metres, in the mesh's own frame; the pose turns them about the origin.
        faces: three vertices each.
        licence: what the mesh may be used for, carried into every result.

    Raises:
        BadInput: no vertices, or faces that name others.
    """
    if not len(vertices):
        raise BadInput("vertices: expected a mesh with one or more, found none.")
    still = vertices.new_zeros(1, 3)
    return SkinnedBody(
        template=vertices,
        faces=faces,
        weights=vertices.new_ones(len(vertices), 1),
        parents=(-1,),
        joint_names=("whole",),
        joint_template=still,
        shape_directions=vertices.new_zeros(len(vertices), 3, 0),
        joint_directions=still.new_zeros(1, 3, 0),
        pose_directions=None,
        regressors={"joints": KeypointRegressor(torch.arange(1), vertices.new_ones(1, 1))},
        licence=licence,
    )
