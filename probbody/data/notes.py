"""What the names in a pickle stand for, when nothing may be run: notes of what was asked for, and the data in them."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import scipy.sparse

Plain = Callable[[Any], Any]
_NESTED = (tuple, frozenset)
"""What Python can hash, but goes through to do so."""


class Refused(Exception):
    """A file that asks for more than data."""


class Note:
    """Writes down how it was made, and does nothing."""

    made_with: tuple[Any, ...] = ()
    state: Any = None

    def __new__(cls, *made_with: Any) -> Any:
        """The call that a file asked for: written down."""
        note = object.__new__(cls)
        note.made_with = made_with
        return note

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def read(self, plain: Plain) -> Any:
        """The data that it stands for; ``plain`` reads the notes within."""
        raise Refused(f"a bare {type(self).__name__} is no data")


class _Type(Note):
    """Named in a file as the kind of what follows: ``numpy.ndarray``, ``object``."""


class _Dtype(Note):
    def read(self, plain: Plain) -> np.dtype:
        code = self.made_with[0] if self.made_with else None
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "="
        known = isinstance(code, str) and re.fullmatch(r"[?biufcSUO]\d{0,9}", code)
        if not known or order not in ("<", ">", "|", "="):
            found = repr(code) if isinstance(code, str) else type(code).__name__  # which may hold anything
            raise Refused(f"expected an array of numbers or text, found one of {found}")
        return np.dtype(object) if str(code).startswith("O") else np.dtype(f"{order}{code}")


class _Array(Note):
    """``numpy.ndarray`` as numpy's ``_reconstruct`` and ``__setstate__`` would build it."""

    def read(self, plain: Plain) -> np.ndarray:
        _, shape, dtype, by_columns, data = self.state
        return _array(data, plain(dtype), shape, "F" if by_columns else "C", plain)


class _Buffer(Note):
    """``numpy.ndarray`` as pickles of protocol 5 hold it."""

    def read(self, plain: Plain) -> np.ndarray:
        data, dtype, shape, order = self.made_with
        return _array(data, plain(dtype), shape, order, plain)


class _Scalar(Note):
    def read(self, plain: Plain) -> Any:
        dtype, data = self.made_with
        return _array(data, plain(dtype), (), "C", plain)[()]


class _Sparse(Note):
    """A sparse matrix of scipy: compressed by columns or rows, or a list of entries."""

    def read(self, plain: Plain) -> scipy.sparse.spmatrix:
        state = plain(self.state)
        shape = tuple(int(size) for size in state.get("_shape", state.get("shape")))
        if "indptr" in state:
            kind = scipy.sparse.csr_matrix if state.get("format", self.format) == "csr" else scipy.sparse.csc_matrix
            matrix = kind((state["data"], state["indices"], state["indptr"]), shape=shape)
            matrix.check_format(full_check=True)
            return matrix
        row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
        return scipy.sparse.coo_matrix((state["data"], (row, column)), shape=shape)

    format = "csc"


class _SparseRows(_Sparse):
    format = "csr"


class Chumpy(Note):
    """An array of chumpy: its numbers are ``x``, or those of another one, selected or in another shape."""

    def read(self, plain: Plain) -> Any:
        """The numpy array, or None where its numbers were not yet reckoned when it was written."""
        state = plain(self.state)
        if isinstance(state, dict) and "x" in state:
            return np.asarray(state["x"])
        if isinstance(state, dict) and "a" in state and "idxs" in state:
            chosen = np.ravel(state["a"])[np.asarray(state["idxs"], dtype=np.int64)]
            shape = state.get("preferred_shape")
            return chosen if shape is None else chosen.reshape(shape)
        if isinstance(state, dict) and "a" in state and "newshape" in state:
            return np.reshape(state["a"], state["newshape"])
        return None


class _Made(Note):
    """``copyreg._reconstructor``: makes what it is given, which must be one of these notes."""

    def __new__(cls, kind: Any, *_: Any) -> Any:
        if not (isinstance(kind, type) and issubclass(kind, Note)):
            raise Refused("asks for an object that is no data")
        return kind.__new__(kind)


class _Bytes(Note):
    """Bytes, as Python 3 wrote them for Python 2: text encoded as latin-1."""

    def __new__(cls, text: str = "", encoding: str = "latin1") -> Any:
        if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
            raise Refused("asks for bytes of something else than text in latin-1")
        return text.encode("latin1")


class _Dictionary(Note):
    def __new__(cls, *pairs: Any) -> Any:
        if any(isinstance(key, _NESTED) for held in pairs for key, _ in held):
            raise Refused("expected text or numbers for keys, found a tuple or a set")
        return dict(*pairs)


class _Set(Note):
    def __new__(cls, members: Any = ()) -> Any:
        if any(isinstance(member, _NESTED) for member in members):
            raise Refused("expected a set of text or numbers, found one of tuples or sets")
        return set(members)


def _array(data: Any, dtype: np.dtype, shape: Any, order: str, plain: Plain) -> np.ndarray:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if not all(isinstance(side, int) and side >= 0 for side in shape):
        raise Refused("expected the shape of an array in whole numbers, found something else")
    by_columns: Literal["F", "C"] = "F" if order == "F" else "C"
    if dtype.hasobject:
        objects: np.ndarray = np.empty(len(data), dtype=object)
        for place, item in enumerate(data):
            objects[place] = plain(item)
        return objects.reshape(shape, order=by_columns)
    if not isinstance(data, str | bytes | bytearray):
        raise Refused(f"expected the bytes of an array, found a {type(data).__name__}")
    raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
    if len(raw) != dtype.itemsize * math.prod(shape):
        raise Refused(f"expected {shape} numbers of kind {dtype}, found {len(raw)} bytes")
    return np.ndarray(shape, dtype, buffer=raw, order=by_columns).copy()


class Reading:
    """Turns notes into data, each once, however often it is referred to.

    ``room``: how many things there may be, were each written out wherever it is referred to, as arrays of them are.
    """

    def __init__(self, room: int) -> None:
        self.done: dict[int, Any] = {}
        self.sizes: dict[int, int] = {}
        """Of what was read, by its id."""
        self.room = room

    def plain(self, thing: Any) -> Any:
        """The data that a note, or a container of notes, stands for."""
        if id(thing) in self.done:
            return self.done[id(thing)]
        if isinstance(thing, Note):
            result = thing.read(self.plain)
        elif isinstance(thing, dict):
            result = {self.plain(key): self.plain(value) for key, value in thing.items()}
        elif isinstance(thing, list | tuple | set | frozenset):
            result = type(thing)(self.plain(item) for item in thing)
        elif isinstance(thing, type) or callable(thing):
            raise Refused(f"a bare {getattr(thing, '__name__', 'function')} is no data")
        else:
            return thing
        self.done[id(thing)] = result
        self._weigh(result)
        return result

    def _weigh(self, result: Any) -> None:
        if isinstance(result, np.ndarray) and not result.dtype.hasobject:
            self.sizes[id(result)] = result.size
            return
        if isinstance(result, dict):
            parts: Iterable[Any] = result.values()
        elif isinstance(result, list | tuple | set | frozenset):
            parts = result
        elif isinstance(result, np.ndarray):
            parts = result.flat
        else:
            return
        self.sizes[id(result)] = size = 1 + sum(self.sizes.get(id(part), 1) for part in parts)
        if size > self.room:
            raise Refused("expected data, found the same part in itself over and over")


_NUMPY = ("numpy.core", "numpy._core")
KNOWN: dict[tuple[str, str], type[Note]] = {
    ("numpy", "ndarray"): _Type,
    ("numpy", "dtype"): _Dtype,
    **{(f"{core}.multiarray", "_reconstruct"): _Array for core in _NUMPY},
    **{(f"{core}.multiarray", "scalar"): _Scalar for core in _NUMPY},
    **{(f"{core}.numeric", "_frombuffer"): _Buffer for core in _NUMPY},
    **{(f"scipy.sparse.{page}", f"csc_{kind}"): _Sparse for page in ("csc", "_csc") for kind in ("matrix", "array")},
    **{
        (f"scipy.sparse.{page}", f"csr_{kind}"): _SparseRows for page in ("csr", "_csr") for kind in ("matrix", "array")
    },
    **{(f"scipy.sparse.{page}", f"coo_{kind}"): _Sparse for page in ("coo", "_coo") for kind in ("matrix", "array")},
    ("_codecs", "encode"): _Bytes,
    ("collections", "OrderedDict"): _Dictionary,
    **{(module, "object"): _Type for module in ("builtins", "__builtin__")},
    **{(module, "set"): _Set for module in ("builtins", "__builtin__")},
    **{(module, "bytes"): _Bytes for module in ("builtins", "__builtin__")},
    **{(module, "_reconstructor"): _Made for module in ("copyreg", "copy_reg")},
}
