"""Pickles read as data: arrays, sparse matrices and plain containers; nothing in a file is ever run.

A pickle is a program that names functions and calls them. Here each name that data need is answered with a class of this
house that only writes down what it was called with, and any other name ends the reading. Once the file has been read to its
end, the notes become arrays. So no function of numpy, scipy or chumpy is within a file's reach, and neither chumpy nor an
old numpy is needed to read what they wrote.
"""

import io
import pickle
import zipfile
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from .notes import KNOWN, Chumpy, Note, Reading, Refused
from .pickle_walk import check_program

_ROOM, _SHARED = 1024, 4
"""How many things a pickle may unfold to, and how many more for each of its bytes: parts may be in it several times."""
_ARCHIVED, _PACKED = 256 * 2**20, 100
"""Bytes that an archive may unpack to, and how many for each of its own."""


def read_pickle(path: Path | str) -> Any:
    """What a pickle holds: numbers, text, lists, dictionaries, numpy arrays and scipy matrices; bytes of Python 2 as latin-1.

    An array of chumpy becomes the numpy array that it holds. Raises ``BadInput`` for a file that is not there, is cut off,
    asks for code, has a tuple for a key, or would take far more room or time than it has bytes.
    """
    path = Path(path)
    return _unpickled(_bytes_of(path), path)


def read_npz(path: Path | str, wanted: Container[str] | None = None) -> dict[str, Any]:
    """The arrays of a numpy archive, all or the ``wanted`` names; object arrays pass through the same gate as pickles."""
    path = Path(path)
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(packed := _bytes_of(path))) as archive:
            check_unpacked(archive, len(packed))
            for member in archive.namelist():
                name = member.removesuffix(".npy")
                if wanted is None or name in wanted:
                    found[name] = _array_file(archive.read(member), path)
    except BadInput:
        raise
    except Exception as error:  # a broken archive raises nearly anything
        raise BadInput(f"{path}: no numpy archive that can be read ({_told(error)}).") from error
    return found


def check_unpacked(archive: zipfile.ZipFile, packed: int) -> None:
    """Refuses an archive of so many bytes that would unpack to more than arrays of numbers do."""
    if sum(member.file_size for member in archive.infolist()) > _ARCHIVED + _PACKED * packed:
        raise Refused("it would unpack to far more than it holds")


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
        check_program(content)
        noted = _Gate(io.BytesIO(content), encoding="latin1").load()
        return Reading(_ROOM + _SHARED * len(content)).plain(noted)
    except Refused as refusal:
        raise BadInput(f"{path}: {_told(refusal)}.") from refusal
    except Exception as error:  # and so does a broken pickle
        raise BadInput(f"{path}: expected a pickle of arrays, found one cut off or broken ({_told(error)}).") from error


def _told(error: Exception) -> str:
    """What went wrong, in one line: a file may put anything into a name."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(error))[:200]


class _Gate(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[Note]:
        """The note that stands for a name; a name that is not known ends the reading."""
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module.split(".")[0] == "chumpy":
            return Chumpy
        raise Refused(f"expected data alone, but it asks for {module}.{name}, which was not run")

    def persistent_load(self, key: Any) -> Any:
        """Nothing outside the file is looked up."""
        raise Refused("expected data alone, but it refers to something outside itself")
