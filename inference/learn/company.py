"""Processes that learn one network together, each from pictures of its own: gradients are averaged, sights are shared.

Between processes speaks Hugging Face's accelerate (the extra ``scale``): it starts them on one machine or many, on CPUs or GPUs
(``accelerate launch``; or torch does: ``torchrun --nproc_per_node 2 -m probbody.inference.cli train features --together``), and
asks nothing of the loop but to average and to gather. Nothing here needs it for one process.
"""

import abc
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.errors import BadInput


class Company(abc.ABC):
    """``count`` processes, of which this is number ``rank``."""

    rank: int
    count: int

    @abc.abstractmethod
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Makes each tensor, which all processes have alike in shape, the mean of theirs."""

    @abc.abstractmethod
    def gather(self, rows: Float[Tensor, "N C"]) -> Float[Tensor, "M C"]:
        """The rows of all processes, one process after the other; each may have another number of them."""

    def number(self, step: int) -> int:
        """A number of its own for each step and process."""
        return step * self.count + self.rank


class Alone(Company):
    """One process."""

    rank, count = 0, 1

    def average(self, tensors: Sequence[Tensor]) -> None:
        """They are their own mean."""

    def gather(self, rows: Float[Tensor, "N C"]) -> Float[Tensor, "N C"]:
        """The rows."""
        return rows


class Accelerated(Company):
    """The processes that ``accelerate launch`` started; without the library, a ``BadInput`` that says how to get it."""

    def __init__(self) -> None:
        try:
            from accelerate import Accelerator  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError as error:
            raise BadInput(
                "learning in several processes: expected accelerate, found none; pip install 'probbody[scale]'."
            ) from error
        self.accelerator = Accelerator()
        self.rank, self.count = self.accelerator.process_index, self.accelerator.num_processes
        self.device: torch.device = self.accelerator.device

    def average(self, tensors: Sequence[Tensor]) -> None:
        """As one long row: one message instead of hundreds."""
        if self.count == 1:
            return
        row = self.accelerator.reduce(torch.cat([tensor.detach().flatten().float() for tensor in tensors]), "mean")
        for tensor, part in zip(tensors, row.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.detach().copy_(part.view_as(tensor))

    def gather(self, rows: Float[Tensor, "N C"]) -> Float[Tensor, "M C"]:
        """Shorter tables are filled up on the way; a first column tells what is not filling."""
        if self.count == 1:
            return rows
        marked = torch.cat([torch.ones_like(rows[:, :1]), rows], dim=1).contiguous()
        every = self.accelerator.gather(self.accelerator.pad_across_processes(marked, dim=0))
        kept: Tensor = every[every[:, 0] > 0, 1:]
        return kept
