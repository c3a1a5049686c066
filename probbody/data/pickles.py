"""Pickles read as data: arrays, sparse matrices and plain containers; nothing in a file is ever run.

A pickle is a program that names functions and calls them. Here each name that data need is answered with a class of this
page that only writes down what it was called with, and any other name ends the reading. Once the file has been read to its
end, the notes become arrays. So no function of numpy, scipy or chumpy is within a file's reach, and neither chumpy nor an
old numpy is needed to read what they wrote.
"""

import io
import math
import pickle
import re
import zipfile
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse

from ..errors import BadInput

Plain = Callable[[Any], Any]


def read_pickle(path: Path | str) -> Any:
    """What a pickle holds: numbers, text, lists, dictionaries, numpy arrays and scipy matrices; bytes of Python 2 as latin-1.

    An array of chumpy becomes the numpy array that it holds. Raises ``BadInput`` for a file that is not there, is cut off,
    or asks for code.
    """
    path = Path(path)
    return _unpickled(_bytes_of(path), path)


def read_npz(path: Path | str, wanted: Container[str] | None = None) -> dict[str, Any]:
    """The arrays of a numpy archive, all or the ``wanted`` names; object arrays pass through the same gate as pickles."""
    path = Path(path)
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(_bytes_of(path))) as archive:
            for member in archive.namelist():
                name = member.removesuffix(".npy")
                if wanted is None or name in wanted:
                    found[name] = _array_file(archive.read(member), path)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: no numpy archive that can be read ({error}).") from error
    return found


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from error


def _array_file(content: bytes, path: Path) -> Any:
    """One ``.npy``; its pickled part, if it has one, begins after the header."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if header is not None and header(stream)[2].hasobject:
        objects = _unpickled(stream.read(), path)
        return objects.item() if isinstance(objects, np.ndarray) and objects.shape == () else objects
    return np.load(io.BytesIO(content), allow_pickle=False)


def _unpickled(content: bytes, path: Path) -> Any:
    try:
        noted = _Gate(io.BytesIO(content), encoding="latin1").load()
        return _Reading().plain(noted)
    except _Refused as refusal:
        raise BadInput(f"{path}: {refusal}.") from refusal
    except Exception as error:  # a broken pickle raises nearly anything
        raise BadInput(
            f"{path}: expected a pickle of arrays, found one that is cut off or broken ({error})."
        ) from error


class _Refused(Exception):
    """A file that asks for more than data."""


class _Note:
    """Writes down how it was made, and does nothing."""

    made_with: tuple[Any, ...] = ()
    state: Any = None

    def __new__(cls, *made_with: Any) -> Any:
        note = object.__new__(cls)
        note.made_with = made_with
        return note

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def read(self, plain: Plain) -> Any:
        raise _Refused(f"a bare {type(self).__name__} is no data")


class _Type(_Note):
    """Named in a file as the kind of what follows: ``numpy.ndarray``, ``object``."""


class _Dtype(_Note):
    def read(self, plain: Plain) -> np.dtype:
        code = self.made_with[0] if self.made_with else None
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "="
        if (
            not isinstance(code, str)
            or not re.fullmatch(r"[?biufcSUO]\d{0,9}", code)
            or order not in ("<", ">", "|", "=")
        ):
            raise _Refused(f"expected an array of numbers or text, found one of {code!r}")
        return np.dtype(object) if code.startswith("O") else np.dtype(f"{order}{code}")


class _Array(_Note):
    """``numpy.ndarray`` as numpy's ``_reconstruct`` and ``__setstate__`` would build it."""

    def read(self, plain: Plain) -> np.ndarray:
        _, shape, dtype, by_columns, data = self.state
        return _array(data, plain(dtype), shape, "F" if by_columns else "C", plain)


class _Buffer(_Note):
    """``numpy.ndarray`` as pickles of protocol 5 hold it."""

    def read(self, plain: Plain) -> np.ndarray:
        data, dtype, shape, order = self.made_with
        return _array(data, plain(dtype), shape, order, plain)


class _Scalar(_Note):
    def read(self, plain: Plain) -> Any:
        dtype, data = self.made_with
        return _array(data, plain(dtype), (), "C", plain)[()]


class _Sparse(_Note):
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


class _Chumpy(_Note):
    """An array of chumpy: its numbers are ``x``, or a selection from another one's."""

    def read(self, plain: Plain) -> Any:
        state = plain(self.state)
        if isinstance(state, dict) and "x" in state:
            return np.asarray(state["x"])
        if isinstance(state, dict) and "a" in state and "idxs" in state:
            chosen = np.ravel(state["a"])[np.asarray(state["idxs"], dtype=np.int64)]
            shape = state.get("preferred_shape")
            return chosen if shape is None else chosen.reshape(shape)
        return None  # an expression of chumpy; no array that we need is one


class _Made(_Note):
    """``copyreg._reconstructor``: makes what it is given, which must be one of these notes."""

    def __new__(cls, kind: Any, *_: Any) -> Any:
        if not (isinstance(kind, type) and issubclass(kind, _Note)):
            raise _Refused("asks for an object that is no data")
        return kind.__new__(kind)


class _Bytes(_Note):
    """Bytes, as Python 3 wrote them for Python 2: text encoded as latin-1."""

    def __new__(cls, text: str = "", encoding: str = "latin1") -> Any:
        if encoding not in ("latin1", "latin-1"):
            raise _Refused(f"asks for text encoded as {encoding!r}")
        return text.encode("latin1")


class _Dictionary(_Note):
    def __new__(cls, *pairs: Any) -> Any:
        return dict(*pairs)


class _Set(_Note):
    def __new__(cls, members: Any = ()) -> Any:
        return set(members)


def _array(data: Any, dtype: np.dtype, shape: Any, order: str, plain: Plain) -> np.ndarray:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    by_columns: Literal["F", "C"] = "F" if order == "F" else "C"
    if dtype.hasobject:
        objects: np.ndarray = np.empty(len(data), dtype=object)
        for place, item in enumerate(data):
            objects[place] = plain(item)
        return objects.reshape(shape, order=by_columns)
    raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
    if len(raw) != dtype.itemsize * math.prod(shape):
        raise _Refused(f"expected {shape} numbers of kind {dtype}, found {len(raw)} bytes")
    return np.ndarray(shape, dtype, buffer=raw, order=by_columns).copy()


class _Reading:
    """Turns notes into data, each once, however often it is referred to."""

    def __init__(self) -> None:
        self.done: dict[int, Any] = {}

    def plain(self, thing: Any) -> Any:
        """The data that a note, or a container of notes, stands for."""
        if id(thing) in self.done:
            return self.done[id(thing)]
        if isinstance(thing, _Note):
            result = thing.read(self.plain)
        elif isinstance(thing, dict):
            result = {self.plain(key): self.plain(value) for key, value in thing.items()}
        elif isinstance(thing, list | tuple | set | frozenset):
            result = type(thing)(self.plain(item) for item in thing)
        elif isinstance(thing, type) or callable(thing):
            raise _Refused(f"a bare {getattr(thing, '__name__', 'function')} is no data")
        else:
            return thing
        self.done[id(thing)] = result
        return result


_NUMPY = ("numpy.core", "numpy._core")
_KNOWN: dict[tuple[str, str], type[_Note]] = {
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


class _Gate(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Note]:
        """The note that stands for a name; a name that is not known ends the reading."""
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if module.split(".")[0] == "chumpy":
            return _Chumpy
        raise _Refused(f"expected data alone, but it asks for {module}.{name}, which was not run")

    def persistent_load(self, key: Any) -> Any:
        """Nothing outside the file is looked up."""
        raise _Refused("expected data alone, but it refers to something outside itself")
