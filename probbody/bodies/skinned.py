"""A body whose skin hangs on a tree of joints, as SMPL's does."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..contracts import ArticulatedBody
from ..errors import BadInput
from ..geometry.skinning import skinned_planes
from ..geometry.trees import check_tree, homogeneous, kinematic_planes, offsets
from ..quantities import Pose, Surface
from .regressors import KeypointRegressor


class SkinnedBody(ArticulatedBody):
    """A template bent by linear shape directions, by linear pose corrections, and by linear blend skinning.

    The model of SMPL (Loper et al. 2015, doi:10.1145/2816795.2818013): v = template + shape_directions shape +
    pose_directions (R - I), skinned. Lengths are metres, the body frame is y up, facing +z. Joints at rest are
    joint_template + joint_directions shape. Pose corrections read the rotations of all joints but the root, row by row.
    """

    template: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    weights: Float[Tensor, "V J"]
    joint_template: Float[Tensor, "J 3"]
    shape_directions: Float[Tensor, "V 3 S"]
    joint_directions: Float[Tensor, "J 3 S"]
    pose_directions: Float[Tensor, "V 3 D"] | None
    regressors: dict[str, KeypointRegressor]

    def __init__(
        self,
        *,
        template: Float[Tensor, "V 3"],
        faces: Int[Tensor, "F 3"],
        weights: Float[Tensor, "V J"],
        parents: tuple[int, ...],
        joint_names: tuple[str, ...],
        joint_template: Float[Tensor, "J 3"],
        shape_directions: Float[Tensor, "V 3 S"],
        joint_directions: Float[Tensor, "J 3 S"],
        pose_directions: Float[Tensor, "V 3 D"] | None,
        regressors: dict[str, KeypointRegressor],
        licence: str,
    ) -> None:
        super().__init__()
        self.parents = tuple(int(parent) for parent in parents)
        self.joint_names = tuple(joint_names)
        self.num_shape = shape_directions.shape[-1]
        self.licence = licence
        self.regressors = dict(regressors)
        self.register_buffer("template", template)
        self.register_buffer("faces", faces.long())
        self.register_buffer("weights", weights)
        self.register_buffer("joint_template", joint_template)
        self.register_buffer("shape_directions", shape_directions)
        self.register_buffer("joint_directions", joint_directions)
        self.register_buffer("pose_directions", pose_directions)
        self._check()

    def forward(self, pose: Pose) -> Surface:
        """The surface in that pose; ``frames`` carry points of the shaped body at rest, the translation included."""
        rotations = pose.rotations.permute(2, 3, 1, 0)  # coordinates first, bodies last: see trees.py
        joints = _shaped(self.joint_template, self.joint_directions, pose.shape.mT).mT
        turned, places = kinematic_planes(rotations, joints, self.parents)
        offset = offsets(turned, places, joints)
        frames = torch.cat([turned, offset.unsqueeze(1)], dim=1)
        vertices = skinned_planes(self._rest(rotations, pose.shape), frames, self.weights)
        away = pose.translation.mT.unsqueeze(1)
        return Surface(
            vertices=(vertices + pose.translation.mT.unsqueeze(-1)).permute(1, 2, 0).contiguous(),
            joints=(places + away).permute(2, 1, 0).contiguous(),
            frames=homogeneous(turned, offset + away),
            faces=self.faces,
        )

    def _rest(self, rotations: Float[Tensor, "3 3 J B"], shape: Float[Tensor, "B S"]) -> Float[Tensor, "3 B V"]:
        """The surface before it is skinned, shaped and corrected for the pose."""
        vertices = _shaped(self.template, self.shape_directions, shape.mT)
        if self.pose_directions is None:
            return vertices.contiguous()
        still = torch.eye(3, dtype=rotations.dtype, device=rotations.device)[..., None, None]
        bend = (rotations[:, :, 1:] - still).permute(2, 0, 1, 3).flatten(0, 2)
        return (vertices + _moved(self.pose_directions, bend)).contiguous()

    def keypoints(self, surface: Surface, layout: str) -> Float[Tensor, "B P 3"]:
        """The named joint set on that surface, in metres; a layout that the body lacks is a BadInput."""
        return self._regressor(layout)(surface)

    def reduced(self, layout: str) -> "SkinnedBody":
        """The same skeleton with only the vertices that those keypoints read, and without faces."""
        regressor = self._regressor(layout)
        joints = len(self.parents)
        skin = regressor.columns >= joints
        kept, place = torch.unique(regressor.columns[skin] - joints, return_inverse=True)
        columns = regressor.columns.clone()
        columns[skin] = place + joints
        kept = kept.to(self.template.device)
        return SkinnedBody(
            template=self.template[kept],
            faces=self.faces[:0],
            weights=self.weights[kept],
            parents=self.parents,
            joint_names=self.joint_names,
            joint_template=self.joint_template,
            shape_directions=self.shape_directions[kept],
            joint_directions=self.joint_directions,
            pose_directions=None if self.pose_directions is None else self.pose_directions[kept],
            regressors={layout: KeypointRegressor(columns, regressor.weights)},
            licence=self.licence,
        )

    def _regressor(self, layout: str) -> KeypointRegressor:
        if layout not in self.regressors:
            known = ", ".join(sorted(self.regressors)) or "none"
            raise BadInput(f"layout: the body has keypoints for {known}, not for {layout!r}.")
        return self.regressors[layout]

    def _check(self) -> None:
        try:
            check_tree(self.parents)
        except ValueError as error:
            raise BadInput(f"SkinnedBody: {error}") from None
        (points, _), count, shape = self.template.shape, len(self.parents), self.num_shape
        expected = {
            "template": (points, 3),
            "weights": (points, count),
            "joint_template": (count, 3),
            "shape_directions": (points, 3, shape),
            "joint_directions": (count, 3, shape),
            "pose_directions": (points, 3, 9 * (count - 1)),
        }
        for name, size in expected.items():
            buffer = getattr(self, name)
            if buffer is None:
                continue
            if tuple(buffer.shape) != size:
                raise BadInput(f"SkinnedBody: {name} must have the shape {size}, not {tuple(buffer.shape)}.")
            if not bool(buffer.isfinite().all()):
                raise BadInput(
                    f"SkinnedBody: {name} must be finite, but {int((~buffer.isfinite()).sum())} numbers are not."
                )
        self._check_parts(points, count)

    def _check_parts(self, points: int, count: int) -> None:
        if len(self.joint_names) != count:
            raise BadInput(f"SkinnedBody: {count} joints need as many names, not {len(self.joint_names)}.")
        off = (self.weights.sum(1) - 1).abs().max().item() if points else 0.0
        if off > 1e-3:
            raise BadInput(
                f"SkinnedBody: every row of weights must sum to 1, but one is off by {off:.3g}; divide it by its sum."
            )
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise BadInput(f"SkinnedBody: faces must have the shape (F, 3), not {tuple(self.faces.shape)}.")
        if len(strangers := self.faces[(self.faces < 0) | (self.faces >= points)]):
            raise BadInput(f"SkinnedBody: faces must name vertices 0 to {points - 1}, not {int(strangers[0])}.")
        for layout, regressor in self.regressors.items():
            if (
                len(regressor.columns)
                and not 0 <= int(regressor.columns.min()) <= int(regressor.columns.max()) < count + points
            ):
                raise BadInput(f"SkinnedBody: the regressor of {layout!r} must read columns 0 to {count + points - 1}.")


def _shaped(template: Tensor, directions: Tensor, amounts: Tensor) -> Tensor:
    """Points (N, 3) moved by amounts (S, B) of directions (N, 3, S): (3, B, N)."""
    return template.mT.unsqueeze(1) + _moved(directions, amounts)


def _moved(directions: Tensor, amounts: Tensor) -> Tensor:
    """Amounts (S, B) of directions (N, 3, S), which may be large and are not copied: (3, B, N)."""
    return (directions.flatten(0, 1) @ amounts).unflatten(0, (-1, 3)).permute(1, 2, 0)
