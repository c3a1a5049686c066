"""Random numbers that belong to a picture, whatever other pictures are drawn beside it."""

import math
import zlib

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_STEP = -7046029254386353131  # 0x9E3779B97F4A7C15, the golden ratio's odd neighbour, as a signed number
_FIRST, _SECOND = -4658895280553007687, -7723592293110705685  # 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Chances:
    """A stream of numbers for each picture, on any device the same: hashes of (seed, index, purpose, how many before).

    The mixing of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195). A picture's numbers depend on its own
    key alone, so rows may be left out or come in another order; each ``about`` opens a stream that does not depend on how
    many numbers others have drawn.
    """

    def __init__(self, keys: Int[Tensor, " B"], dtype: torch.dtype = torch.float32) -> None:
        self.keys, self.dtype, self._drawn = keys, dtype, 0

    @classmethod
    def of(cls, seed: int, indices: Int[Tensor, " B"], dtype: torch.dtype = torch.float32) -> "Chances":
        """The streams of the pictures that have these numbers."""
        indices = indices.long()  # hashes of fewer bits would be others
        start = _mixed(torch.full_like(indices, _wrapped(seed)) * _STEP + 1)
        return cls(_mixed(start + (indices + 1) * _STEP), dtype)

    def about(self, what: str) -> "Chances":
        """Streams for one purpose."""
        return Chances(_mixed(self.keys + _wrapped((zlib.crc32(what.encode()) + 1) * _STEP)), self.dtype)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, rows: Int[Tensor, " N"] | list[int] | slice) -> "Chances":
        """The streams of some pictures, from their beginnings."""
        return Chances(self.keys[rows], self.dtype)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "B *shape"]:
        """Uniform on [low, high), in steps of 2^-24 of it."""
        count = math.prod(shape)
        step = torch.arange(self._drawn + 1, self._drawn + count + 1, device=self.keys.device)
        self._drawn += count
        bits = _mixed(self.keys.unsqueeze(-1) + step * _STEP)
        unit = ((bits >> 40) & 0xFFFFFF).to(self.dtype) * 2.0**-24
        return (low + (high - low) * unit).reshape(len(self), *shape)

    def normal(self, *shape: int, most: float = 3.0) -> Float[Tensor, "B *shape"]:
        """Standard normal, clipped at ``most``; after Box and Muller."""
        radius = (-2 * torch.log1p(-self.uniform(*shape))).sqrt()
        return (radius * torch.cos(2 * math.pi * self.uniform(*shape))).clamp(-most, most)

    def whether(self, chance: float, *shape: int) -> Bool[Tensor, "B *shape"]:
        """True that often."""
        return self.uniform(*shape) < chance

    def one_of(self, weights: list[float]) -> Int[Tensor, " B"]:
        """The number of one of several things, each as likely as its weight says."""
        ends = torch.tensor(weights, dtype=self.dtype).cumsum(0) / sum(weights)
        return torch.searchsorted(ends[:-1].to(self.keys.device), self.uniform(), right=True)

    def integers(self) -> list[int]:
        """One number in [0, 2^63) a picture, to seed what draws in its own way."""
        return [key & (2**63 - 1) for key in _mixed(self.keys).tolist()]


def _mixed(bits: Int[Tensor, "*N"]) -> Int[Tensor, "*N"]:
    """64 bits stirred; products wrap around."""
    bits = (bits ^ ((bits >> 30) & (2**34 - 1))) * _FIRST
    bits = (bits ^ ((bits >> 27) & (2**37 - 1))) * _SECOND
    return bits ^ ((bits >> 31) & (2**33 - 1))


def _wrapped(number: int) -> int:
    """The last 64 bits, as a signed number."""
    return (number + 2**63) % 2**64 - 2**63
