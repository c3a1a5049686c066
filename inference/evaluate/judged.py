"""The joints that a data set is judged by, and where answers and labels put them."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probbody.bodies.joints import H36M14, H36M17, SMPL24
from probbody.contracts import ArticulatedBody
from probbody.data.annotated import LabelledPoints
from probbody.errors import BadInput
from probbody.synthocc import JOINTS

from .method import Answer


@dataclass(frozen=True)
class Judged:
    """The joints that a set is judged by: those of a layout, the first is the root of both, and which of them count."""

    layout: str
    names: tuple[str, ...]
    counted: tuple[str, ...]

    def card(self) -> dict[str, object]:
        """In words."""
        return {"layout": self.layout, "joints": list(self.counted), "root": self.names[0]}

    def said(self, body: ArticulatedBody, answer: Answer, who: str) -> Float[Tensor, "B J 3"]:
        """Where an answer puts them; joints of SMPL alone are no answer where others are judged."""
        if self.layout == SMPL24.name:
            return answer.joints[:, : len(self.names)]
        if answer.pose is None:
            raise BadInput(f"{who}: expected poses, as {self.layout} is what counts here, found joints of SMPL alone.")
        return body.keypoints(body(answer.pose), self.layout)

    def known(self, points: LabelledPoints | None, count: int) -> tuple[Float[Tensor, "B J D"], Bool[Tensor, "B J"]]:
        """Their places in what is known, NaN elsewhere, and whether they count; without a root nobody counts."""
        if points is None:
            return torch.full((count, len(self.names), 3), torch.nan), torch.zeros(count, len(self.names)).bool()
        own = points.of(SMPL24 if self.layout == SMPL24.name else H36M17)
        there = own.confidence[:, : len(self.names)] > 0
        places = torch.where(there.unsqueeze(-1), own.places[:, : len(self.names)], torch.nan)
        counted = torch.tensor([name in self.counted for name in self.names])
        return places, there & counted & there[:, :1]


SMPL22 = Judged(SMPL24.name, SMPL24.names[:JOINTS], SMPL24.names[:JOINTS])
LSP14 = Judged(H36M17.name, H36M17.names, H36M14.names)
"""The 14 of published tables, with Human3.6M's pelvis as the root of both."""
H36M = Judged(H36M17.name, H36M17.names, H36M17.names)
