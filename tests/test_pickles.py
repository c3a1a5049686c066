"""A file is data: nothing in it runs, and what chumpy, scipy and numpy of any age wrote can be read."""

import io
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from probbody.data.motion import read_arrays
from probbody.data.pickles import read_npz, read_pickle
from probbody.errors import BadInput

PROTOCOLS = pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))


def written(path: Path, content: Any, protocol: int = 2) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


@PROTOCOLS
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.array([4294967295, 0], dtype=np.uint32),
        np.array([True, False]),
        np.array(["left", "right"]),
        np.zeros((0, 3), dtype=np.float32),
        np.array(2.5),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_comes_back(array: np.ndarray[Any, Any], protocol: int, tmp_path: Path) -> None:
    read = read_pickle(written(tmp_path / "a.pkl", array, protocol))
    assert read.dtype == array.dtype
    assert read.shape == array.shape
    assert np.array_equal(read, array)


@PROTOCOLS
def test_containers_come_back(protocol: int, tmp_path: Path) -> None:
    shared = np.arange(3.0)
    content = {
        "numbers": [1, 2.5, 1 << 40, None, True],
        "pair": (shared, shared),
        "nested": OrderedDict(genders=["m", "f"], betas=[np.ones(10), np.zeros(10)]),
        "scalar": np.float64(0.25),
        "bytes": b"\xff\x00",
        "set": {1, 2},
        "objects": np.array([np.arange(2), "text", None], dtype=object),
    }
    read = read_pickle(written(tmp_path / "c.pkl", content, protocol))
    assert read["numbers"] == content["numbers"]
    assert np.array_equal(read["pair"][0], shared)
    assert read["pair"][0] is read["pair"][1]
    assert read["nested"]["genders"] == ["m", "f"]
    assert np.array_equal(read["nested"]["betas"][0], np.ones(10))
    assert read["scalar"] == 0.25
    assert read["bytes"] == b"\xff\x00"
    assert read["set"] == {1, 2}
    assert read["objects"].dtype == object
    assert np.array_equal(read["objects"][0], np.arange(2))


@PROTOCOLS
@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "csr_array"])
def test_a_sparse_matrix_comes_back(kind: str, protocol: int, tmp_path: Path) -> None:
    dense = np.random.default_rng(0).random((4, 9)) * (np.random.default_rng(1).random((4, 9)) > 0.6)
    read = read_pickle(written(tmp_path / "s.pkl", getattr(scipy.sparse, kind)(dense), protocol))
    assert np.array_equal(read.toarray(), dense)


def test_the_old_names_of_numpy_and_scipy_are_known(tmp_path: Path) -> None:
    content = pickle.dumps({"a": np.arange(3.0), "b": scipy.sparse.csc_matrix(np.eye(3)), "c": np.float64(2)}, 0)
    old = content.replace(b"cnumpy._core.", b"cnumpy.core.").replace(b"cscipy.sparse._csc\n", b"cscipy.sparse.csc\n")
    old = old.replace(b"c__builtin__\n", b"c__builtin__\n").replace(b"ccopyreg\n", b"ccopy_reg\n")
    assert b"numpy.core." in old
    assert b"scipy.sparse.csc\n" in old
    read = read_pickle(written(tmp_path / "old.pkl", old))
    assert np.array_equal(read["a"], np.arange(3.0))
    assert np.array_equal(read["b"].toarray(), np.eye(3))


def test_a_string_of_python_2_is_the_bytes_of_an_array(tmp_path: Path) -> None:
    numbers = np.array([1.5, -2.0, 1e300])
    raw = numbers.tobytes()
    content = (  # what Python 2 wrote: the numbers as a byte string of its own kind (BINSTRING)
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x03\x85"
        b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + struct.pack("<i", len(raw)) + raw + b"tb."
    )
    assert np.array_equal(read_pickle(written(tmp_path / "two.pkl", content)), numbers)


@pytest.fixture
def chumpy() -> Iterator[type]:
    """Just enough of chumpy's classes to write what it would write; gone again before the file is read."""
    module, selecting = types.ModuleType("chumpy.ch"), types.ModuleType("chumpy.reordering")
    array = type("Ch", (), {"__module__": "chumpy.ch"})
    module.Ch = array  # type: ignore[attr-defined]
    for name in ("Select", "Reshape"):
        setattr(selecting, name, type(name, (array,), {"__module__": "chumpy.reordering"}))
    added = {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": module, "chumpy.reordering": selecting}
    sys.modules.update(added)
    yield array
    for name in added:
        sys.modules.pop(name, None)


@PROTOCOLS
def test_an_array_of_chumpy_is_the_array_that_it_holds(protocol: int, chumpy: type, tmp_path: Path) -> None:
    array, chosen = chumpy(), sys.modules["chumpy.reordering"].Select()  # type: ignore[attr-defined]
    array.__dict__.update(x=np.arange(6.0).reshape(2, 3), _dirty_vars={"x"}, _itr=None)
    chosen.__dict__.update(a=array, idxs=np.array([5, 0]), preferred_shape=(2, 1))
    turned = sys.modules["chumpy.reordering"].Reshape()  # type: ignore[attr-defined]
    turned.__dict__.update(a=array, newshape=(3, 2))
    path = written(tmp_path / "chumpy.pkl", {"shapedirs": array, "chosen": chosen, "turned": turned}, protocol)
    for name in [name for name in sys.modules if name.startswith("chumpy")]:
        del sys.modules[name]
    read = read_pickle(path)
    assert np.array_equal(read["shapedirs"], np.arange(6.0).reshape(2, 3))
    assert np.array_equal(read["chosen"], [[5.0], [0.0]])
    assert np.array_equal(read["turned"], np.arange(6.0).reshape(3, 2))


class Runs:
    """Pickles as a call of whatever it is made with."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@PROTOCOLS
@pytest.mark.parametrize("asks", ["posix.system", "builtins.exec", "builtins.getattr", "io.open", "numpy.load"])
def test_code_is_named_and_never_run(asks: str, protocol: int, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    functions = {
        "posix.system": Runs(os.system, f"touch {trap}"),
        "builtins.exec": Runs(exec, f"open({str(trap)!r}, 'w')"),
        "builtins.getattr": Runs(getattr, np.ndarray, "tofile"),
        "io.open": Runs(io.open, str(trap), "w"),
        "numpy.load": Runs(np.load, str(trap)),
    }
    path = written(tmp_path / "bad.pkl", {"v_template": np.eye(3), "more": [functions[asks]]}, protocol)
    with pytest.raises(BadInput) as refusal:
        read_pickle(path)
    message = str(refusal.value)
    assert asks.rpartition(".")[2] in message
    assert str(path) in message
    assert message.count(". ") == 0
    assert not trap.exists()


OVER_AND_OVER = b"".join(
    [b"(I1\nlq\x000", *(b"(" + (b"h%c" % level) * 10 + b"lq%c0" % (level + 1) for level in range(9)), b"h\x09."]
)
"""Ten times the same list in a list, nine times over: a billion numbers."""


@pytest.mark.parametrize(
    "content",
    [
        b"cnumpy\nndarray\n.",  # a bare name
        b"cnumpy\nndarray\n(S'save'\nS'x'\ndb.",  # attributes set on a class
        b"c_codecs\nencode\n(S'__defaults__'\n(S'rot13'\ntd\x86b.",
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",  # another codec
        b"ccopy_reg\n_reconstructor\n(c_codecs\nencode\nc__builtin__\nobject\nNtR(dS'x'\nI1\nsb.",
        b"Pos.system\n.",  # a persistent name
        b"cchumpy.ch\nCh\n(I1\ntR.",
        b"]q\x00h\x00a.",  # a list within itself
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I9\nI9\ntcnumpy\ndtype\n"
        b"(S'f8'\nI0\nI1\ntRI00\nS'short'\ntb.",  # an array larger than its numbers
        b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.",
        b"",
        b"\x80\x04",
        b"no pickle at all",
        b"{}",
        b"]r\xff\xff\xff\x0f.",  # a place for what was read, far beyond the file
        b"]p999999999\n.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00.",  # a terabyte that never comes
        b"cos\nline\x1b[31m\nname\n.",
        b"cnumpy._core.numeric\n_frombuffer\n(I500000000\ncnumpy\ndtype\n(S'u1'\ntRI500000000\nS'C'\ntR.",  # a length, no bytes
        b"cnumpy._core.numeric\n_frombuffer\n(S'ab'\ncnumpy\ndtype\n(S'u1'\ntR(I1\nttS'C'\ntR.",  # a shape of tuples
        b"(h\x00l.",  # what was never read
        OVER_AND_OVER,
        b"cnumpy\ndtype\n(" + OVER_AND_OVER[:-1] + b"tR.",  # a kind of array that cannot be told
        b"}(" + b")\x85" * 20_000 + b"I1\nu.",  # a key within keys
        b"c__builtin__\nset\n((" + b")\x85" * 2_000 + b"ttR.",
        b"(I1\nI2\n\x86d.",  # a dictionary of one tuple
    ],
)
def test_a_broken_or_sly_pickle_is_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    if content.startswith(b"cchumpy"):
        assert read_pickle(written(tmp_path / "sly.pkl", content)) is None
        return
    with pytest.raises(BadInput, match=r"sly\.pkl: ") as refusal:
        read_pickle(written(tmp_path / "sly.pkl", content))
    assert str(refusal.value).isprintable()


@PROTOCOLS
def test_a_pickle_that_is_cut_off_is_refused(protocol: int, tmp_path: Path) -> None:
    whole = pickle.dumps({"a": np.arange(30.0), "b": scipy.sparse.csc_matrix(np.eye(4))}, protocol)
    for end in range(0, len(whole) - 1, 7):
        with pytest.raises(BadInput):
            read_pickle(written(tmp_path / "cut.pkl", whole[:end]))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.pkl: cannot be read \(No such file"):
        read_pickle(tmp_path / "none.pkl")
    with pytest.raises(BadInput, match=r"none\.npz: cannot be read \(No such file"):
        read_npz(tmp_path / "none.npz")


def test_an_archive_is_read_by_name(tmp_path: Path) -> None:
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    np.savez(tmp_path / "a.npz", plain=np.arange(4), dictionary={"a": 1}, sparse=np.array(matrix, dtype=object))
    read = read_npz(tmp_path / "a.npz")
    assert np.array_equal(read["plain"], np.arange(4))
    assert read["dictionary"] == {"a": 1}
    assert np.array_equal(read["sparse"].toarray(), np.eye(3))
    assert list(read_npz(tmp_path / "a.npz", {"plain"})) == ["plain"]


def test_an_archive_that_swells_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", zeros=np.zeros(300 * 2**20, np.uint8), few=np.arange(4))
    assert (tmp_path / "a.npz").stat().st_size < 2**20
    for read in (read_npz, read_arrays):
        with pytest.raises(BadInput, match=r"a\.npz: .*unpack to far more than it holds"):
            read(tmp_path / "a.npz")


def test_an_archive_cannot_bring_code(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    np.savez(tmp_path / "a.npz", plain=np.arange(4), more=np.array(Runs(os.system, f"touch {trap}"), dtype=object))
    with pytest.raises(BadInput, match=r"asks for posix\.system"):
        read_npz(tmp_path / "a.npz")
    assert not trap.exists()
    assert read_npz(tmp_path / "a.npz", {"plain"}).keys() == {"plain"}
    whole = (tmp_path / "a.npz").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"text"):
        with pytest.raises(BadInput, match="no numpy archive"):
            read_npz(written(tmp_path / "cut.npz", content))
