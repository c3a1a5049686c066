"""What was measured, image by image and joint by joint, and the ways to bring it down to one number.

Papers differ in how they average: over images (each image weighs the same), pooled over joints (each joint that counts
weighs the same, so that images with much hidden weigh little), or over joints (as PCK). All three are here, by name.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..quantities import Record
from .alignments import Alignment
from .means import Mean


@dataclass(frozen=True)
class Scores(Record):
    """A number for each joint of each image: millimetres, a share, or 1 where something holds and 0 where not.

    NaN where a joint counts is a ValueError: some means would leave it out, others would be NaN themselves.
    """

    values: Float[Tensor, "B P"]
    """NaN where nothing was measured."""
    counted: Bool[Tensor, "B P"]
    """Which joints count."""
    measured: Bool[Tensor, " B"]
    """Which images could be measured at all; the others, too few of whose joints were there to align by, count nowhere."""
    measure: str
    """What the numbers are, with unit, root and alignment."""
    joints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool((lost := self.counted & self.values.isnan()).any()):
            image, joint = (int(index[0]) for index in lost.nonzero(as_tuple=True))
            raise ValueError(
                f"Scores: expected a number wherever a joint counts, found NaN in joint {joint} of image {image}."
            )

    def where(self, chosen: Bool[Tensor, "B P"]) -> "Scores":
        """Only the joints chosen, such as the visible or the hidden ones; what was measured stays as it is."""
        return replace(self, counted=self.counted & chosen)

    def below(self, limit: float) -> "Scores":
        """1 where the number is at most ``limit``, else 0: the hits of PCK."""
        hits = torch.where(self.values.isnan(), self.values, (self.values <= limit).to(self.values))
        return replace(self, values=hits, measure=f"share with {self.measure} <= {limit:g}")

    def area_below(self, limit: float = 150.0, steps: int = 31) -> "Scores":
        """The share of evenly spaced limits, from 0 to ``limit``, that each number is at most: the area under the PCK curve.

        With the defaults that of MPI-INF-3DHP (Mehta et al., 3DV 2017), whose 3DPCK is ``below(150)``.
        """
        limits = torch.linspace(0, limit, steps, dtype=self.values.dtype, device=self.values.device)
        shares = (self.values.unsqueeze(-1) <= limits).to(self.values).mean(-1)
        known = torch.where(self.values.isnan(), self.values, shares)
        return replace(self, values=known, measure=f"area below {limit:g} of {self.measure}")

    def of_images(self) -> Float[Tensor, " B"]:
        """The mean over the joints that count of each image; NaN where there are none."""
        return torch.where(self.counted, self.values, 0.0).sum(1) / self.counted.sum(1)

    def of_joints(self) -> Float[Tensor, " P"]:
        """The mean over the images that count of each joint; NaN where there are none."""
        return torch.where(self.counted, self.values, 0.0).sum(0) / self.counted.sum(0)

    def over_images(self) -> Mean:
        """The mean of the images' means."""
        each = self.of_images().double().cpu()
        there = ~each.isnan()
        return Mean(torch.where(there, each, 0.0).unsqueeze(1), there.double().unsqueeze(1), "mean over images")

    def pooled(self) -> Mean:
        """The mean of all joints that count, whatever image they are in."""
        return Mean(self._sums().sum(1, True), self.counted.double().cpu().sum(1, True), "pooled over joints")

    def over_joints(self) -> Mean:
        """The mean of the joints' means; joints that count in no image are left out."""
        return Mean(self._sums(), self.counted.double().cpu(), "mean over joints")

    def each_joint(self) -> tuple[Mean, ...]:
        """The mean of each joint over the images where it counts: a table by joint, with intervals."""
        sums, counts = self._sums().unsqueeze(-1), self.counted.double().cpu().unsqueeze(-1)
        return tuple(Mean(sums[:, joint], counts[:, joint], "one joint") for joint in range(sums.shape[1]))

    def _sums(self) -> Float[Tensor, "B P"]:
        return torch.where(self.counted, self.values, 0.0).double().cpu()


def joint_scores(
    found: Float[Tensor, "B P 3"],
    truth: Float[Tensor, "B P 3"],
    alignment: Alignment,
    counted: Bool[Tensor, "B P"] | None = None,
    fitted: Bool[Tensor, "B P"] | None = None,
    joints: tuple[str, ...] = (),
) -> Scores:
    """Distances of joints in millimetres, from points in metres.

    ``counted`` says which joints have a truth worth comparing with (all without it). The alignment is fitted by the joints
    ``fitted``, which are those that count unless told: published protocols for occlusion fit it by the visible joints and
    score those. To score visible and hidden joints apart under one alignment, count all and take ``where`` of the result.
    Raises ValueError for another number of joints, and for anything not finite where it is used.
    """
    if found.shape != truth.shape:
        raise ValueError(
            f"found: expected joints of shape {tuple(truth.shape)}, as the truth has, found {tuple(found.shape)}."
        )
    counted = torch.ones_like(found[..., 0], dtype=torch.bool) if counted is None else counted
    fitted = counted if fitted is None else fitted
    _check_finite("found", found, torch.ones_like(counted))
    _check_finite("truth", truth, counted | fitted)
    laid = alignment(found, truth, fitted)
    distances = 1000 * (laid.found - laid.truth).norm(dim=-1)
    counted = counted & laid.done.unsqueeze(1)
    if not bool(distances[counted].isfinite().all()):
        raise ValueError("truth: expected a finite root where any joint counts, found NaN or infinity.")
    values = torch.where(laid.done.unsqueeze(1), distances, torch.nan)
    return Scores(values, counted, laid.done & counted.any(1), f"mm, {alignment.name}", joints)


def _check_finite(name: str, points: Float[Tensor, "B P 3"], used: Bool[Tensor, "B P"]) -> None:
    lost = used & ~points.isfinite().all(-1)
    if bool(lost.any()):
        body, joint = (int(index[0]) for index in lost.nonzero(as_tuple=True))
        raise ValueError(f"{name}: expected finite joints, found NaN or infinity in joint {joint} of body {body}.")
