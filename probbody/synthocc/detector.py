"""Keypoints as a detector would find them: the truth, scattered, some of it missing, some of it wrong."""

from dataclasses import asdict, dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..contracts import ArticulatedBody
from ..synth.chances import Chances
from ..synth.labels import LabelledPictures
from .scenes import in_the_open

LAYOUT = "coco17"


@dataclass(frozen=True)
class Detector:
    """No detector ships; this one is drawn from a seed, so that all methods have the same keypoints to go by.

    Lengths are shares of the diagonal of the box around the true keypoints. What the person hides of itself is found like
    the rest, as detectors do; of what something else hides a part is guessed at, and the others are missing.
    """

    scatter: float = 0.012
    wrong: float = 0.03
    """How often a keypoint that one sees is found elsewhere."""
    astray: float = 0.15
    """How far off those are, one standard deviation."""
    guessed: float = 0.3
    """How often a hidden keypoint is guessed."""
    guess: float = 0.08
    """How far off guesses are, one standard deviation."""
    confidence: tuple[float, float] = (0.7, 1.0)
    doubt: float = 0.3
    """The confidence of guesses."""

    def card(self) -> dict[str, object]:
        """All numbers."""
        return {"layout": LAYOUT, **asdict(self), "confidence": list(self.confidence)}

    def __call__(
        self,
        body: ArticulatedBody,
        pictures: LabelledPictures,
        hidden: Bool[Tensor, "B H W"],
        seed: int,
        numbers: Int[Tensor, " B"],
    ) -> Float[Tensor, "B P 3"]:
        """Pixels and confidence; of a picture's number the same whatever is hidden, but for what that is."""
        with torch.no_grad():
            points = body.keypoints(body(pictures.pose), LAYOUT)
        places = pictures.camera.project(points)[..., :2]
        extent = (places.amax(1) - places.amin(1)).norm(dim=-1)[:, None, None]
        chances = Chances.of(seed, numbers.to(places.device), places.dtype).about("detector")
        count = places.shape[1]
        off = [chances.about(what).normal(count, 2) for what in ("scatter", "astray", "guess")]
        sure = chances.about("confidence").uniform(count, low=self.confidence[0], high=self.confidence[1])
        wrong = chances.about("wrong?").whether(self.wrong, count)
        guessed = chances.about("guessed?").whether(self.guessed, count)
        seen = in_the_open(places, hidden)
        reach = torch.where(seen, torch.where(wrong, self.astray, self.scatter), self.guess).unsqueeze(-1)
        shift = torch.where(seen.unsqueeze(-1), torch.where(wrong.unsqueeze(-1), off[1], off[0]), off[2])
        confidence = torch.where(seen, sure, torch.where(guessed, self.doubt, 0.0))
        found = places + reach * extent * shift
        inside = in_the_open(found, torch.zeros_like(hidden))
        return torch.cat([found, torch.where(inside, confidence, 0.0).unsqueeze(-1)], dim=-1)
