"""A device that no machine needs to have: it counts on the processor, and refuses what a GPU would refuse.

Within ``make_believe()`` tensors can be moved to ``DEVICE``. They hold real numbers, so that whole fits run on them, and an
operation that mixes them with tensors of the processor fails as it would on a GPU: so does ``numpy``. What is moved there, or
made there, stays there. That kernels of a GPU are right is theirs to show; that all that is counted together is in one place
is shown here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

DEVICE = torch.device("meta")
_MOVES = {"aten::_to_copy", "aten::copy_"}
"""What takes a tensor of one device to another."""
_TAKES_INDICES = {"aten::index", "aten::index_put_", "aten::index_put", "aten::_index_put_impl_"}
"""Where a GPU takes indices from the processor, too."""


class There(Tensor):
    """A tensor on the device."""

    held: Tensor
    is_meta = False  # what torch passes over as it holds no numbers

    @staticmethod
    def __new__(cls, held: Tensor) -> "There":
        made = Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=DEVICE, requires_grad=False,
        )  # fmt: skip
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        return _run(func, args, kwargs or {})

    def tolist(self) -> Any:
        """Allowed on a GPU."""
        return self.held.tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Files are read on machines without the device."""
        return self.held.__reduce_ex__(protocol)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"There({self.held!r})"


class _Everything(TorchDispatchMode):
    """So that what is made on the device is made there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        return _run(func, args, kwargs or {})


class _Numbers(TorchFunctionMode):
    """So that numbers of Python become tensors there: torch makes those without telling of it."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.new_tensor:
            like, func, args = args[0], torch.tensor, args[1:]
            kwargs = {"dtype": like.dtype, "device": like.device, **kwargs}
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _index(args[1]), *args[2:])
        return func(*args, **kwargs)


def _index(index: Any) -> Any:
    """With tensors in place of lists."""
    if isinstance(index, list):
        return torch.tensor(index)
    return tuple(map(_index, index)) if type(index) is tuple else index


@contextmanager
def make_believe() -> Iterator[torch.device]:
    """The device is there."""
    with _Numbers(), _Everything():
        yield DEVICE


def _run(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    name = func._schema.name
    tensors: list[Tensor] = []
    _each_tensor((args, tuple(kwargs.values())), tensors.append)
    there = [each for each in tensors if isinstance(each, There)]
    asked = kwargs.get("device")
    out_there = bool(there) if asked is None else torch.device(asked).type == DEVICE.type
    looked_up = name in _TAKES_INDICES and isinstance(args[0], There)
    if name in _MOVES:
        out_there = isinstance(args[0], There) if asked is None else out_there
    elif there and not looked_up and any(each.dim() for each in tensors if not isinstance(each, There)):
        # as on a GPU, single numbers may come from the processor
        raise RuntimeError(f"{func}: expected all tensors on one device, found some on {DEVICE} and some on cpu.")
    plain = {name: _each_tensor(value, _held) for name, value in kwargs.items()}
    if asked is not None:
        plain["device"] = torch.device("cpu")
    found = func(*_each_tensor(args, _held), **plain)
    if not out_there:
        return found
    wrapped = _each_tensor(found, There)
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if there else wrapped


def _held(each: Tensor) -> Tensor:
    return each.held if isinstance(each, There) else each


def _each_tensor(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same with every tensor in it changed."""
    if isinstance(value, Tensor):
        return change(value)
    return type(value)([_each_tensor(each, change) for each in value]) if type(value) in (list, tuple) else value
