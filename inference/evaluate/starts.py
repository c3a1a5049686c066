"""Where methods start: a network's guess, its mean pose from several sides, or what another program found."""

import abc
import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.contracts import ArticulatedBody
from probbody.data.hmr_results import ForeignResults
from probbody.errors import BadInput
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.reading import PictureReader
from probbody.extractors.view import facing, placed
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose

from .fingerprints import fingerprint, fingerprint_of
from .method import Seen

SMPL_PELVIS = (-0.0018, -0.2233, 0.0282)
"""Where SMPL's pelvis rests, metres; the open body's is at the origin."""
_USUAL = math.log(0.9)
"""Half crop widths a metre, its logarithm: how large people usually are in their crops."""


class Start(abc.ABC):
    """Guesses of the bodies in pictures; the method keeps the best of several."""

    name: str

    @abc.abstractmethod
    def poses(self, seen: Seen) -> tuple[Pose, ...]:
        """One or more guesses of each, in the camera's world."""

    @abc.abstractmethod
    def card(self) -> dict[str, object]:
        """What the guesses depend on."""


@dataclass(frozen=True)
class AsRead(Start):
    """The guess of a reader of pictures."""

    reader: PictureReader
    name: str = "regressor"

    @torch.no_grad()
    def poses(self, seen: Seen) -> tuple[Pose, ...]:
        """One."""
        return (self.reader.read(seen.images, seen.camera).pose,)

    def card(self) -> dict[str, object]:
        """The reader's weights."""
        return {"start": self.name, "weights": fingerprint(self.reader)}


@dataclass(frozen=True)
class MeanPose(Start):
    """What a reader told before it had learnt anything: the means of its pictures, in the middle of the crop.

    ``sides``: turns about the body's vertical, radians.
    """

    reader: PersonReader
    sides: tuple[float, ...] = (0.0,)
    name: str = "mean pose"

    @torch.no_grad()
    def poses(self, seen: Seen) -> tuple[Pose, ...]:
        """One for each side."""
        told = self.reader.body(self.reader.maps(seen.images))
        nothing = replace(told, six=0 * told.six, shape=0 * told.shape, view=0 * told.view)
        front = self.reader.guess(nothing, seen.camera)
        return tuple(_turned(front, turn) for turn in self.sides)

    def card(self) -> dict[str, object]:
        """The reader's weights, and the sides."""
        return {"start": self.name, "weights": fingerprint(self.reader), "sides": list(self.sides)}


class AsSaved(Start):
    """What another program of HMR's family saved for these pictures: rotations of SMPL's joints, and a weak camera.

    Its rotations are about the ray through the middle of the crop, as the program took the crop for a whole picture; its
    shape, which is of another body's shapes, is left out. Without a camera the body stands in the middle of the crop.
    """

    def __init__(self, results: ForeignResults, body: ArticulatedBody, name: str) -> None:
        if results.rotations is None:
            raise BadInput(f"{results.source}: expected rotations to start from, found none.")
        results.check_names()
        self.results, self.body, self.name = results, body, name

    def poses(self, seen: Seen) -> tuple[Pose, ...]:
        """One."""
        own = self.results.of([f"{name}.png" for name in seen.names])
        assert own.rotations is not None
        like = seen.images
        rotations = own.rotations.to(like).clone()
        rotations[:, 0] = facing(seen.camera) @ rotations[:, 0]
        view = like.new_tensor([[_USUAL, 0.0, 0.0]]).expand(len(seen), 3)
        if own.weak_camera is not None:
            scale, shift = own.weak_camera.to(like).split([1, 2], dim=1)
            if not bool((scale > 0).all()):
                raise BadInput(f"{own.source}: expected cameras of positive scale, found {float(scale.min()):g}.")
            view = torch.cat([scale.log(), scale * (shift + like.new_tensor(SMPL_PELVIS[:2]))], dim=1)
        shape = like.new_zeros(len(seen), self.body.num_shape)
        return (Pose(rotations, shape, placed(view, seen.camera) - self._pelvis(shape)),)

    def card(self) -> dict[str, object]:
        """The file's numbers and licence."""
        held = self.results
        known = fingerprint_of(("rotations", held.rotations), ("camera", held.weak_camera))
        return {"start": self.name, "results": known, "licence": held.licence}

    def _pelvis(self, shape: Float[Tensor, "B S"]) -> Float[Tensor, "B 3"]:
        still = torch.eye(3).to(shape).expand(len(shape), len(self.body.parents), 3, 3)
        return self.body(Pose(still, shape, shape.new_zeros(len(shape), 3))).joints[:, 0]


def _turned(pose: Pose, turn: float) -> Pose:
    about = axis_angle_to_matrix(pose.shape.new_tensor([0.0, turn, 0.0]))
    root = (pose.rotations[:, 0] @ about).unsqueeze(1)
    return replace(pose, rotations=torch.cat([root, pose.rotations[:, 1:]], 1))
