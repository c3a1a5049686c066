"""Limbs: the straight pieces of a body, each from one joint to another, and which of them every vertex belongs to."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..contracts import ArticulatedBody, Camera
from ..geometry.rest import at_rest
from ..quantities import Surface

SHORTEST = 1e-6
"""Metres: limbs much shorter than this have no direction; theirs goes smoothly to the zero vector."""


class Limbs(nn.Module):
    """``L`` limbs: names, the joints at their two ends, and the one that each vertex belongs to."""

    start: Int[Tensor, " L"]
    end: Int[Tensor, " L"]
    vertex: Int[Tensor, " V"]

    def __init__(
        self, names: tuple[str, ...], start: Int[Tensor, " L"], end: Int[Tensor, " L"], vertex: Int[Tensor, " V"]
    ) -> None:
        super().__init__()
        if len(names) != len(start) or not names:
            raise ValueError(f"names: expected one for each of the {len(start)} limbs, found {len(names)}.")
        if len(vertex) and not 0 <= int(vertex.min()) <= int(vertex.max()) < len(names):
            raise ValueError(f"vertex: expected limbs 0 to {len(names) - 1}, found up to {int(vertex.max())}.")
        self.names = names
        self.register_buffer("start", start)
        self.register_buffer("end", end)
        self.register_buffer("vertex", vertex)

    def __len__(self) -> int:
        return len(self.names)

    def direction(self, surface: Surface, camera: Camera) -> Float[Tensor, "B L 3"]:
        """Unit vectors from start to end along the camera's axes: x right, y down, z away from it.

        A limb without length has the zero vector, and a finite gradient.
        """
        along = camera.turned(surface.joints[:, self.end] - surface.joints[:, self.start])
        return along * (along.square().sum(-1, keepdim=True) + SHORTEST**2).rsqrt()


def limbs_of(body: ArticulatedBody) -> Limbs:
    """The limbs of any body: nine of a human, told by the names of its joints; one a bone of any other tree.

    The nine, as in 3DNBF (Zhang et al., ICCV 2023): torso; lower arm, upper arm, thigh and calf of the left; the same of the
    right. Hands go with the lower arms, feet with the calves, head and collars with the torso. Bones without length at rest
    are no limbs; a body without any other has one limb, which points nowhere. Skin belongs to the limb that starts at the
    joint it hangs on; failing that, to the one that ends there; failing that, to its parent's. Where several start at one
    joint, or two joints hold the skin alike, the nearest at rest.
    """
    rest = at_rest(body)
    table = _human(body.joint_names)
    if table is None:
        table = _bones(body, rest.joints[0])
    table = table or [("whole", 0, 0)]
    start = torch.tensor([limb[1] for limb in table], device=rest.vertices.device)
    end = torch.tensor([limb[2] for limb in table], device=rest.vertices.device)
    share = body.weights @ _carried(body.parents, start, end).to(body.weights)  # (V, L)
    held = share >= share.amax(dim=1, keepdim=True) - 1e-3
    away = _distance(rest.vertices[0], rest.joints[0, start], rest.joints[0, end])
    return Limbs(tuple(limb[0] for limb in table), start, end, away.masked_fill(~held, torch.inf).argmin(dim=1))


_SIDED = (
    ("lower_arm", "elbow", "wrist"),
    ("upper_arm", "shoulder", "elbow"),
    ("thigh", "hip", "knee"),
    ("calf", "knee", "ankle"),
)
_HUMAN = (
    ("torso", "pelvis", "neck"),
    *((f"{side}_{limb}", f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for limb, a, b in _SIDED),
)


def _human(names: tuple[str, ...]) -> list[tuple[str, int, int]] | None:
    """Name, start and end of the nine; None unless all of their joints are there."""
    if not all(joint in names for _, *ends in _HUMAN for joint in ends):
        return None
    return [(limb, names.index(a), names.index(b)) for limb, a, b in _HUMAN]


def _bones(body: ArticulatedBody, joints: Float[Tensor, "J 3"]) -> list[tuple[str, int, int]]:
    """Name (that of the end), start and end of every bone longer than a millionth of the skeleton."""
    least = 1e-6 * float((joints.amax(dim=0) - joints.amin(dim=0)).norm())
    return [
        (body.joint_names[joint], parent, joint)
        for joint, parent in enumerate(body.parents)
        if parent >= 0 and float((joints[joint] - joints[parent]).norm()) > least
    ]


def _carried(parents: tuple[int, ...], start: Int[Tensor, " L"], end: Int[Tensor, " L"]) -> Bool[Tensor, "J L"]:
    """Which limbs the skin of each joint may belong to; of a root without any, to all."""
    rows: list[Tensor] = []
    for joint, parent in enumerate(parents):
        above = rows[parent] if parent >= 0 else torch.ones_like(start, dtype=torch.bool)
        own = next((row for row in (start == joint, end == joint) if bool(row.any())), above)
        rows.append(own)
    return torch.stack(rows)


def _distance(
    points: Float[Tensor, "V 3"], start: Float[Tensor, "L 3"], end: Float[Tensor, "L 3"]
) -> Float[Tensor, "V L"]:
    """From points to segments, metres."""
    axis = end - start
    off = points.unsqueeze(1) - start
    along = ((off * axis).sum(-1) / axis.square().sum(-1)).clamp(0, 1)
    return (off - along.unsqueeze(-1) * axis).norm(dim=-1)
