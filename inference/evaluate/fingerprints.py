"""Weights known by a hash, so that a result says which ones it was made with."""

import hashlib

from torch import Tensor, nn


def fingerprint(*modules: nn.Module) -> str:
    """Twelve hexadecimal digits of all parameters and buffers that are saved, with their names."""
    return fingerprint_of(*(part for module in modules for part in module.state_dict().items()))


def fingerprint_of(*parts: tuple[str, Tensor | None]) -> str:
    """Twelve hexadecimal digits of tensors with names; those that are not there count by their names."""
    held = hashlib.sha256()
    for name, tensor in parts:
        held.update(name.encode())
        if tensor is not None:
            held.update(str(tensor.dtype).encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return held.hexdigest()[:12]
