"""Exemplar fine-tuning: a regressor is trained on for some steps by the keypoints of one picture, and then put back.

References: Joo, Neverova, Vedaldi (2021), Exemplar fine-tuning for 3D human model fitting, 3DV, arXiv:2004.03686.
"""

import copy
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.bodies.joints import COCO17
from probbody.contracts import ArticulatedBody
from probbody.extractors.person_reader import PersonReader
from probbody.geometry.cameras import PinholeCamera
from probbody.quantities import Pose

from .fingerprints import fingerprint
from .method import Answer, Method, Seen

_SHINS = tuple((COCO17.index(f"{side}_knee"), COCO17.index(f"{side}_ankle")) for side in ("left", "right"))


@dataclass(frozen=True)
class Tuning:
    """As published, but for hips, which are left out there but found well here.

    The loss is ``keypoints`` times the mean squared distance in half crops, weighed by confidence, + ``shape`` times the mean
    square of the shape + ``shins`` times the squared difference of how the lower legs point in the picture.
    """

    steps: int = 20
    rate: float = 2e-4
    """A tenth of the rate of learning, as there."""
    keypoints: float = 5.0
    shape: float = 0.001
    shins: float = 0.005
    enough: float = 1e-4
    """A keypoint loss below which a picture is done."""


class FineTuned(Method):
    """Every weight of the regressor is fitted to each picture's keypoints, each time from the weights as they were learnt.

    The reader that is given is never changed: a copy is. Its norms keep the statistics that they were learnt with.

    Args:
        reader: the regressor.
        body: of the open family, that knows ``coco17``.
        tuning: see there.
    """

    def __init__(
        self, reader: PersonReader, body: ArticulatedBody, tuning: Tuning | None = None, name: str = "EFT"
    ) -> None:
        self.name, self.tuning = name, tuning or Tuning()
        self.body, self.skeleton = body, body.reduced("coco17")
        self._learnt = {key: value.clone() for key, value in reader.state_dict().items()}
        self._known = fingerprint(reader)
        self._copy = copy.deepcopy(reader).requires_grad_(True).eval()

    def __call__(self, seen: Seen) -> Answer:
        """Picture by picture: what comes before changes nothing."""
        found = [self._tuned(seen[row : row + 1]) for row in range(len(seen))]
        pose = Pose(*(torch.cat([getattr(one, n) for one in found]) for n in ("rotations", "shape", "translation")))
        with torch.no_grad():
            return Answer(self.body(pose).joints, pose)

    def card(self) -> dict[str, object]:
        """The tuning."""
        return {"start": "regressor", "weights": self._known, "evidence": "keypoints", **asdict(self.tuning)}

    def _tuned(self, seen: Seen) -> Pose:
        """What the network says of one picture once it was trained on it."""
        self._copy.load_state_dict(self._learnt)
        images, camera = seen.images, seen.camera
        if not bool((seen.keypoints[..., 2] > 0).any()):
            return self._guess(images, camera).detach()
        descent = torch.optim.Adam(
            [one for one in self._copy.parameters() if one.requires_grad], self.tuning.rate, fused=True
        )
        for _ in range(self.tuning.steps):
            descent.zero_grad()
            pose = self._guess(images, camera)
            away, shins = self._off(pose, seen)
            if float(away.detach()) < self.tuning.enough:
                break
            told = self.tuning
            loss = told.keypoints * away + told.shape * pose.shape.square().mean() + told.shins * shins
            loss.backward()
            descent.step()
        with torch.no_grad():
            pose = self._guess(images, camera)
        self._copy.load_state_dict(self._learnt)
        return pose.detach()

    def _guess(self, images: Float[Tensor, "B 3 H W"], camera: PinholeCamera) -> Pose:
        return self._copy.guess(self._copy.body(self._copy.maps(images)), camera)

    def _off(self, pose: Pose, seen: Seen) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """How far keypoints, and the directions of shins, are off."""
        places = seen.camera.project(self.skeleton.keypoints(self.skeleton(pose), "coco17"))[..., :2]
        height, width = seen.camera.size
        half = 0.5 * places.new_tensor([width, height])
        wanted, sure = seen.keypoints[..., :2], seen.keypoints[..., 2]
        away = ((places - wanted) / half).square().mean(-1)
        shins = places.new_zeros(())
        for knee, ankle in _SHINS:
            both = sure[:, knee] * sure[:, ankle]
            told, true = (_towards(points[:, knee], points[:, ankle]) for points in (places, wanted))
            shins = shins + (both * (told - true).square().sum(-1)).mean()
        return (sure * away).sum() / sure.sum().clamp_min(1e-6), shins


def _towards(first: Float[Tensor, "B 2"], second: Float[Tensor, "B 2"]) -> Float[Tensor, "B 2"]:
    return torch.nn.functional.normalize(second - first, dim=-1)
