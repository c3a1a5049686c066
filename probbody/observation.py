"""What was seen of each body, and by which camera."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .contracts import Camera
from .quantities import Record


@dataclass(frozen=True)
class Observation(Record):
    """The evidence about each body: everything is optional but the camera.

    ``keypoints`` are (u, v, confidence) in pixels, a confidence of zero says missing, and then u and v may be NaN, which
    counts as 0; ``layout`` names their joint set.
    With a rig of several views, the keypoints of the views follow each other (``M = views * P``, see ``Camera``).
    ``features`` are unit vectors along the channels, of a map of any size of the same view; others are a ValueError.
    ``spots`` are chances, over the places of a map of the same view, of where each joint is, seen or hidden; the sum is 1.
    ``points`` are where something else took the joints to be, in the world: one guess of each body or several.
    ``parts`` are 0 where there is no body, else 1 + the part; ``outline`` is the chance that a pixel is the body's.
    """

    camera: Camera
    keypoints: Float[Tensor, "B M 3"] | None = None
    layout: str = "coco17"
    image: Float[Tensor, "B 3 H W"] | None = None
    features: Float[Tensor, "B C h w"] | None = None
    parts: Int[Tensor, "B H W"] | None = None
    outline: Float[Tensor, "B H W"] | None = None
    points: Float[Tensor, "B K J 3"] | None = None
    spots: Float[Tensor, "B J k l"] | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and len(value) != len(self.camera):
                raise ValueError(
                    f"Observation: {name} holds {len(value)} bodies but the camera {len(self.camera)}; make them equal."
                )
        if self.keypoints is not None and not bool(self.keypoints.isfinite().all()):
            object.__setattr__(self, "keypoints", _told(self.keypoints))
        if self.features is not None:
            _require_unit_length(self.features)
        if self.outline is not None and not bool(((self.outline >= 0) & (self.outline <= 1)).all()):
            raise ValueError(
                "Observation: outline must be chances in [0, 1], found others; divide a mask by its maximum."
            )
        if self.spots is not None:
            _require_chances(self.spots)
        if self.parts is not None and bool((self.parts < 0).any()):
            raise ValueError(f"Observation: parts must be 0 or more, found {int(self.parts.min())}; 0 is no body.")

    def __len__(self) -> int:
        return len(self.camera)

    def repeat(self, times: int) -> "Observation":
        """The same bodies several times over, as one batch: all of them, then all of them again."""
        return self[torch.arange(len(self)).repeat(times)]

    def extent(self) -> Float[Tensor, "B views"]:
        """The diagonal of the box around the keypoints seen, in pixels, at least a twentieth of the picture's."""
        if self.keypoints is None:
            raise ValueError("Observation.extent: there are no keypoints; give some.")
        seen = self.keypoints.unflatten(1, (self.camera.views, -1))
        points, missing = seen[..., :2], (seen[..., 2:] <= 0).expand_as(seen[..., :2])
        low = points.masked_fill(missing, torch.inf).amin(2)
        high = points.masked_fill(missing, -torch.inf).amax(2)
        height, width = self.camera.size
        return (high - low).clamp_min(0).norm(dim=-1).clamp_min(0.05 * (height**2 + width**2) ** 0.5)


def _told(keypoints: Float[Tensor, "B M 3"]) -> Float[Tensor, "B M 3"]:
    """Keypoints with 0 for whatever stands where one is missing, or gradients would be not-a-number there."""
    missing = keypoints[..., 2:] == 0
    held = torch.where(missing, 0.0, keypoints)
    if not bool(held.isfinite().all()):
        body, point, _ = (~held.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"Observation: keypoints must be finite where their confidence is not 0, found {held[body, point].tolist()} "
            f"as keypoint {point} of body {body}."
        )
    return held


def _require_chances(spots: Float[Tensor, "B J h w"]) -> None:
    total = spots.sum((2, 3))
    if not bool((spots >= 0).all() and ((total - 1).abs() < 1e-2).all()):
        raise ValueError(
            "Observation: spots must be chances that sum to 1 over each map, found others; divide by the sum."
        )


def _require_unit_length(features: Float[Tensor, "B C h w"]) -> None:
    with torch.no_grad():
        squared = features.square().sum(1)
        wrong = ~((squared - 1).abs() < 2e-3)  # not-a-number is wrong too
        if wrong.any():
            found = float(squared[wrong][0].sqrt())
            raise ValueError(
                f"Observation: features must be unit vectors, found one of length {found:.4g}; normalise them."
            )
