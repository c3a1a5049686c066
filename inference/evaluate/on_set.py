"""A data set that the user has, which methods are measured on."""

from collections.abc import Sequence
from pathlib import Path

import torch

from probbody.adversary import Attack, PatchGrid, ProceduralTextures
from probbody.adversary.record import hashed
from probbody.contracts import ArticulatedBody
from probbody.data.annotated import AnnotatedPeople
from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.crops import Crop
from probbody.pictures import as_array, read_picture
from probbody.quantities import joined
from probbody.synthocc import Attacked, Condition

from .crop_attack import CropAttack
from .fingerprints import fingerprint_of
from .judged import Judged
from .measured import Measure
from .method import Method
from .set_crops import Crops
from .trial import Trial


class OnSet(Trial):
    """A data set that the user has.

    Args:
        name: as tables say it.
        people: those that are measured; their pictures must all be there.
        folder: the pictures' paths are below it.
        judged: the joints that count.
        margin: how much larger than the set's boxes the crops are.
        size: of the crops, height and width.
        body: of the open family.
        measures: the columns of its table.
        victim: whom patches are to harm, where they are asked for.
    """

    def __init__(
        self,
        name: str,
        people: AnnotatedPeople,
        folder: Path,
        judged: Judged,
        *,
        margin: float,
        size: tuple[int, int],
        body: ArticulatedBody,
        measures: Sequence[Measure],
        victim: Method | None = None,
    ) -> None:
        people.check_pictures(folder)
        if people.boxes is None:
            raise BadInput(f"{people.source}: expected boxes around people, found none.")
        spans = (people.boxes[:, 2:] > people.boxes[:, :2]).all(1) & people.boxes.isfinite().all(1)
        if not bool(spans.all()):
            row = int((~spans).nonzero()[0])
            box = ", ".join(f"{side:g}" for side in people.boxes[row].tolist())
            raise BadInput(f"{people.source}: expected a box of some extent around {people.names[row]}, found {box}.")
        self.title, self.people, self.folder, self.judged = name, people, folder, judged
        self.margin, self.size, self.body, self.measures = margin, size, body, measures
        self.victim = victim
        self.joint_names: tuple[str, ...] = judged.names

    def __len__(self) -> int:
        return len(self.people)

    def card(self) -> dict[str, object]:
        """Which people, what is known of them, how they are judged."""
        people = self.people
        joints, keypoints = people.joints, people.keypoints
        labels = fingerprint_of(
            ("boxes", people.boxes),
            ("joints", None if joints is None else joints.places),
            ("keypoints", None if keypoints is None else keypoints.places),
        )
        card: dict[str, object] = {
            "benchmark": people.source, "set": self.title, "pictures": len(people), "licence": people.licence,
            "people": hashed("\n".join(people.names).encode()), "labels": labels, "judged by": self.judged.card(),
            "truth in metres": None if joints is None else joints.joints.name,
            "keypoints": None if keypoints is None else keypoints.joints.name,
            "missing": list(people.missing()), "margin": self.margin, "size": list(self.size),
        }  # fmt: skip
        return card | {"hash": hashed(card)}

    def words(self) -> str:
        """Whose pictures these are, and what is not known of them."""
        people = self.people
        lost = ", ".join(
            [*people.missing(), "the open body's skin (no PVE)", "what hides people (no occlusion scores)"]
        )
        by = [] if people.keypoints is None else [f"{people.keypoints.joints.name} in the picture"]
        if people.joints is not None:
            by.insert(0, f"{len(self.judged.counted)} joints of {self.judged.layout}, root {self.judged.names[0]}")
        known = " and ".join(by)
        return f"{self.title}: {len(people)} people, judged by {known}; licence: {people.licence}; not known: {lost}"

    def condition_card(self, condition: Condition) -> dict[str, object]:
        """The attack, and on whom; what else stands before people is what was photographed."""
        if isinstance(condition, Attacked):
            return {"victim": condition.of, **self._attack(condition).protocol(self.size)}
        if condition.name != "clean":
            raise BadInput(f"--condition: expected clean, @40 or @80 on {self.title}, found {condition.name!r}.")
        return {}

    def groups(self) -> tuple[str, ...] | None:
        """The takes, where there are several."""
        return self.people.videos if len(set(self.people.videos)) > 1 else None

    def cases(self, condition: Condition, part: slice) -> Crops:
        """Read anew, and patched where that harms most."""
        self.condition_card(condition)
        crops = self._clean(part)
        if not isinstance(condition, Attacked) or self.victim is None:
            return crops
        return self.hurt(condition)(crops, condition.name)

    def hurt(self, condition: Attacked) -> CropAttack:
        """The search of patches, which are kept where the condition says."""
        if self.victim is None:
            raise BadInput(f"{self.title}: expected a method that patches are to harm, found none.")
        return CropAttack(self._attack(condition), self.victim, condition.folder, condition.at_once, condition.known)

    def _attack(self, condition: Attacked) -> Attack:
        """As published."""
        return Attack(PatchGrid(condition.side), condition.textures or ProceduralTextures())

    def _clean(self, part: slice) -> Crops:
        people = self.people[part]
        assert people.boxes is not None
        crops, images, cameras = [], [], []
        for row, name in enumerate(people.pictures):
            photograph = read_picture(self.folder / name)
            crop = Crop.around(people.boxes[[row]], self.size, self.margin)
            size = (photograph.height, photograph.width)
            crops.append(crop)
            images.append(crop.warp(as_array(photograph)[None]).clamp(0, 1))
            cameras.append(crop.camera(_camera(people, row, size)))
        first = range(len(self))[part].start
        return Crops(self.judged, self.body, people, joined(crops), torch.cat(images), joined(cameras), first)


def _camera(people: AnnotatedPeople, row: int, size: tuple[int, int]) -> PinholeCamera:
    """The picture's, or where the set does not know it one as long as the picture's diagonal."""
    if people.camera is not None:
        return people.camera[[row]].cameras(size)
    return PinholeCamera.looking_ahead((size[0] ** 2 + size[1] ** 2) ** 0.5, size, batch=1)
