"""Methods that fit nothing: a start as it is, and joints that another program saved."""

from dataclasses import dataclass

import torch

from probbody.contracts import ArticulatedBody
from probbody.data.hmr_results import ForeignResults
from probbody.errors import BadInput
from probbody.extractors.learnt import LearntFeatures

from .fingerprints import fingerprint, fingerprint_of
from .method import Answer, Method, Seen
from .starts import Start

SMPL_JOINTS = (22, 24, 45, 52, 55, 73, 127, 144)
"""How many joints programs save of SMPL, SMPL-H and SMPL-X, with and without hands and landmarks. These begin with the 22 that
are measured; the 49 of SPIN and VIBE, the 25 of OpenPose and the 17 of Human3.6M do not."""


@dataclass(frozen=True)
class Started(Method):
    """A start taken for the answer: the regressor alone."""

    start: Start
    body: ArticulatedBody

    @property
    def name(self) -> str:  # type: ignore[override]
        """The start's."""
        return self.start.name

    @torch.no_grad()
    def __call__(self, seen: Seen) -> Answer:
        """The first of its guesses."""
        pose = self.start.poses(seen)[0]
        return Answer(self.body(pose).joints, pose)

    def card(self) -> dict[str, object]:
        """The start's."""
        return self.start.card()


@dataclass(frozen=True)
class MiddleOfLooks(Method):
    """The median of what a reader guesses in several looks: each joint by itself, so that limbs keep no length."""

    learnt: LearntFeatures
    body: ArticulatedBody
    name: str = "median of looks"

    @torch.no_grad()
    def __call__(self, seen: Seen) -> Answer:
        """Joints relative to the root, where the first look has it."""
        reading = self.learnt.read(seen.images, seen.camera)
        joints = torch.stack([self.body(pose).joints for pose in (reading.pose, *reading.others)])
        middle = (joints - joints[:, :, :1]).median(0).values
        return Answer(middle + joints[0, :, :1])

    def card(self) -> dict[str, object]:
        """The reader's weights."""
        return {"weights": fingerprint(self.learnt.reader), "looks": self.learnt.times}


@dataclass(frozen=True)
class SavedJoints(Method):
    """Joints of SMPL's family, in metres, that another program saved for these pictures and filed under their names."""

    results: ForeignResults
    name: str

    def __post_init__(self) -> None:
        self.results.check_names()
        found = 0 if self.results.joints is None else self.results.joints.shape[1]
        if found not in SMPL_JOINTS:
            counts = ", ".join(map(str, SMPL_JOINTS))
            raise BadInput(
                f"{self.results.source}: expected the joints of a body of SMPL's family ({counts} of them), found {found}."
            )

    def __call__(self, seen: Seen) -> Answer:
        """As they were saved: the place of the body may be unknown."""
        own = self.results.of([f"{name}.png" for name in seen.names])
        assert own.joints is not None
        return Answer(own.joints.to(seen.images))

    def card(self) -> dict[str, object]:
        """The file's numbers and licence."""
        known = fingerprint_of(("joints", self.results.joints))
        return {"results": known, "licence": self.results.licence}
