"""Ways from pictures to bodies: what is asked of each picture, and how many pictures are fitted at once."""

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from probbody.data.keypoints import People, check_inside, read_keypoints
from probbody.errors import BadInput
from probbody.pictures import read_picture

from .fitted import FittedPeople
from .people import CONFIDENT, FEWEST, enough_seen

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Looked:
    """A picture, and who is known to be in it before anything is fitted."""

    path: Path
    photograph: Image.Image
    people: People | None = None
    """Their keypoints, where there are any."""
    boxes: Float[Tensor, "B 4"] | None = None
    """Left, top, right, bottom in pixels."""
    searched: bool = False
    """Whether the boxes are only where the search for a person begins."""
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """People of whom too little was seen: name, number of keypoints."""


class Way(abc.ABC):
    """One way to fit everybody in a picture."""

    at_once: int
    """How many pictures of a folder are fitted together."""

    @abc.abstractmethod
    def look(self, image: Path) -> Looked:
        """The picture, and what is known of it; what cannot be used is a ``BadInput``."""

    @abc.abstractmethod
    def fit(self, looked: Sequence[Looked], progress: Progress | None = None) -> list[FittedPeople]:
        """The people of each picture; ``progress`` gets the steps done and those in all."""


def read_people(image: Path, keypoints: Path, layout: str | None) -> People:
    """The people of one picture, from a file, or from the file in a folder that is named after the picture."""
    if keypoints.is_dir():
        names = [f"{name}{ending}" for name in (image.name, image.stem) for ending in ("_keypoints.json", ".json")]
        found = next((keypoints / name for name in names if (keypoints / name).exists()), None)
        if found is None:
            raise BadInput(f"{keypoints}: expected {names[2]} or {names[3]} for {image.name}, found neither.")
        keypoints = found
    return read_keypoints(keypoints, image=image.name, layout=layout)


def look_for_keypoints(image: Path, keypoints: Path, layout: str | None, say: Callable[[str], None]) -> Looked:
    """A picture and those of its people of whom enough keypoints were seen; ``say`` is told of the others."""
    photograph = read_picture(image)
    people, passed_over = enough_seen(read_people(image, keypoints, layout), str(image))
    for name, count in passed_over.items():
        few = f"keypoints of confidence {CONFIDENT:g} or more: {count}, expected {FEWEST}"
        say(f"{image}: person {name} passed over ({few})")
    check_inside(people, (photograph.height, photograph.width), str(image))
    return Looked(image, photograph, people, passed_over=passed_over)
