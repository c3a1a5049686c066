"""Ways from pictures to bodies: what is asked of each picture, and how many pictures are fitted at once."""

import abc
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from probbody.data.json_files import read_json
from probbody.data.keypoints import People, check_inside, read_keypoints
from probbody.errors import BadInput
from probbody.pictures import read_picture

from .fitted import FittedPeople
from .people import CONFIDENT, FEWEST, enough_seen

Progress = Callable[[int, int], None]
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


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
    sha256: str = ""
    """Of the picture's file."""


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


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, in the order of their names; hidden files, such as macOS puts beside them, are none."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.name[0] != ".")
    if not found:
        raise BadInput(f"{folder}: expected pictures ({', '.join(PICTURES)}), found none.")
    return found


def looked_at(image: Path) -> Looked:
    """A picture by itself."""
    return Looked(image, read_picture(image), sha256=sha256_of(image))


def sha256_of(file: Path) -> str:
    """What a file holds, in short."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def read_people(image: Path, keypoints: Path, layout: str | None) -> People:
    """The people of one picture, from a file, or from the file in a folder that is named after the picture."""
    if keypoints.is_dir():
        names = [f"{name}{ending}" for name in (image.name, image.stem) for ending in ("_keypoints.json", ".json")]
        found = next((keypoints / name for name in names if (keypoints / name).exists()), None)
        if found is None:
            raise BadInput(f"{keypoints}: expected {names[2]} or {names[3]} for {image.name}, found neither.")
        keypoints = found
    return read_keypoints(keypoints, image=image.name, layout=layout)


def check_tells_apart(keypoints: Path, folder: Path) -> None:
    """Refuses a file that would give every picture of a folder the same people: it must say which picture they are in.

    COCO's results know pictures by numbers, so that such a file with a single number says it to pictures with numbers alone.
    """
    content, pictures = read_json(keypoints), pictures_in(folder)
    if isinstance(content, list):
        numbers = {str(entry.get("image_id")) for entry in content if isinstance(entry, dict)}
        told = len(numbers) != 1 or all(picture.stem.isdigit() for picture in pictures)
    else:
        told = not (isinstance(content, dict) and "people" in content)
    if len(pictures) > 1 and not told:
        raise BadInput(
            f"{keypoints}: expected a folder of keypoint files, or one that names pictures, for {folder}, "
            f"found people of one picture for {len(pictures)}."
        )


def look_for_keypoints(image: Path, keypoints: Path, layout: str | None, say: Callable[[str], None]) -> Looked:
    """A picture and those of its people of whom enough keypoints were seen; ``say`` is told of the others."""
    looked = looked_at(image)
    people, passed_over = enough_seen(read_people(image, keypoints, layout), str(image))
    for name, count in passed_over.items():
        few = f"keypoints of confidence {CONFIDENT:g} or more: {count}, expected {FEWEST}"
        say(f"{image}: person {name} passed over ({few})")
    check_inside(people, (looked.photograph.height, looked.photograph.width), str(image))
    return replace(looked, people=people, passed_over=passed_over)
