"""The exponential and the error function in single precision, so plain that a processor takes many numbers at once.

Double precision takes them from the system's library, one by one.
"""

import math
from inspect import unwrap
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .jit import FUSED, compiled

_OPTIONS = {"error_model": "numpy", "fastmath": set(FUSED)}
_F = np.float32
_LEAST, _MOST = _F(-87.0), _F(math.sqrt(0.5) * 8)  # the latter is FARTHEST of absorption.py
_PER_OCTAVE, _OCTAVE, _REST = _F(1.4426950408889634), _F(0.693145751953125), _F(1.428606820309417e-6)
"""log2(e), and log(2) in two parts of which the first has few digits: products with whole numbers are exact."""
_ONE, _TWO, _HALF = _F(1), _F(2), _F(0.5)
_E3, _E4, _E5, _E6, _E7 = (_F(1 / math.factorial(n)) for n in range(3, 8))
_P = _F(0.34)
_Q1, _Q2, _Q3, _Q4 = _F(0.1803830096), _F(0.303311962), _F(-0.2806517585), _F(1.202380506)
_Q5, _Q6, _Q7 = _F(-1.242923528), _F(1.083692558), _F(-0.2461927476)


def falling(x: float) -> float:
    """exp(x) for x <= 0; no less than exp(-87) in single precision."""
    raise NotImplementedError


def lost(x: float) -> float:
    """exp(x) - 1 for x <= 0, exact where x is small."""
    raise NotImplementedError


def passed(z: float) -> tuple[float, float]:
    """1 + erf(z) and exp(-z^2), with z held to where they still change.

    In single precision exp(z^2) erfc(z) is a polynomial of 1 / (1 + 0.34 z), the best of its degree over [0, 5.7]: 1e-9 off.
    """
    raise NotImplementedError


def _octaves(x: Any) -> Any:
    """2^n and r with exp(x) = 2^n exp(r), r at most half an octave; not a number gives such an r."""
    x = _LEAST if x < _LEAST else x
    whole = np.floor(x * _PER_OCTAVE + _HALF)
    rest = (x - whole * _OCTAVE) - whole * _REST
    return np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32), rest


def _beyond(r: Any) -> Any:
    """exp(r) - 1."""
    return r + r * r * (_HALF + r * (_E3 + r * (_E4 + r * (_E5 + r * (_E6 + r * _E7)))))


_octaves_of, _beyond_of = compiled(FUSED)(_octaves), compiled(FUSED)(_beyond)


# tests put a check of shapes around every function, which is no part of what is to be compiled


@overload(falling, jit_options=_OPTIONS)
def _falling(x: Any) -> Any:
    def single(x: Any) -> Any:
        scale, rest = _octaves_of(x)
        return scale * _beyond_of(rest) + scale

    def double(x: Any) -> Any:
        return math.exp(x)

    return unwrap(single if x == types.float32 else double)


@overload(lost, jit_options=_OPTIONS)
def _lost(x: Any) -> Any:
    def single(x: Any) -> Any:
        scale, rest = _octaves_of(x)
        return scale * _beyond_of(rest) + (scale - _ONE)

    def double(x: Any) -> Any:
        return math.expm1(x)

    return unwrap(single if x == types.float32 else double)


@overload(passed, jit_options=_OPTIONS)
def _passed(z: Any) -> Any:
    def single(z: Any) -> Any:
        z = -_MOST if z < -_MOST else (_MOST if z > _MOST else z)
        bell = falling(-z * z)
        t = _ONE / (_ONE + _P * abs(z))
        tail = t * (_Q1 + t * (_Q2 + t * (_Q3 + t * (_Q4 + t * (_Q5 + t * (_Q6 + t * _Q7))))))
        left = tail * bell
        return (_TWO - left if z > 0 else left), bell

    def double(z: Any) -> Any:
        most = math.sqrt(0.5) * 8
        z = -most if z < -most else (most if z > most else z)
        return 1 + math.erf(z), math.exp(-z * z)

    return unwrap(single if z == types.float32 else double)
