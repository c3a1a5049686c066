"""Whole or nothing: no error, no full disk and no interruption leaves half a file."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from probbody.data.files import folder_written_whole, written_whole
from probbody.errors import BadInput

Writer = Callable[[Path], AbstractContextManager[Path]]


def fill(place: Path, text: str) -> None:
    """Writes a file, or a file into a folder."""
    (place / "part.txt" if place.is_dir() else place).write_text(text)


def fail_after(place: Path, error: BaseException) -> None:
    fill(place, "half")
    raise error


def content(target: Path) -> str:
    return (target / "part.txt" if target.is_dir() else target).read_text()


WRITERS = pytest.mark.parametrize("writer", [written_whole, folder_written_whole])


@WRITERS
def test_what_was_written_stands_there(writer: Writer, tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "result.npz"
    with writer(target) as place:
        assert not target.exists()
        assert place.suffix == ".npz" or place.is_dir()
        fill(place, "whole")
    assert content(target) == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["result.npz"]


@WRITERS
def test_what_stood_there_is_replaced(writer: Writer, tmp_path: Path) -> None:
    for text in ("old", "new"):
        with writer(tmp_path / "result") as place:
            fill(place, text)
    assert content(tmp_path / "result") == "new"
    assert len(list(tmp_path.iterdir())) == 1


@WRITERS
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ValueError("no"), OSError(errno.ENOSPC, "No space left on device")]
)
@pytest.mark.parametrize("stood", [True, False])
def test_an_error_leaves_nothing_new(writer: Writer, error: BaseException, stood: bool, tmp_path: Path) -> None:
    target = tmp_path / "result"
    if stood:
        with writer(target) as place:
            fill(place, "old")
    expected: type[BaseException] = BadInput if isinstance(error, OSError) else type(error)
    with pytest.raises(expected), writer(target) as place:
        fail_after(place, error)
    assert [path.name for path in tmp_path.iterdir()] == (["result"] if stood else [])
    assert not stood or content(target) == "old"


@WRITERS
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_is_told_in_one_sentence(
    writer: Writer, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with writer(tmp_path / "result") as place:
        fill(place, "old")
    monkeypatch.setattr(os, step, full)
    refusal = pytest.raises(BadInput, match=r"result: cannot be written, because the disk is full\.$")
    with refusal, writer(tmp_path / "result") as place:
        fill(place, "new")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    assert content(tmp_path / "result") == "old"


def test_a_folder_comes_back_if_the_new_one_cannot_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with folder_written_whole(tmp_path / "out") as place:
        fill(place, "old")
    replace, calls = os.replace, []

    def second_fails(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise OSError(errno.EROFS, "Read-only file system")
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(BadInput, match="read-only"), folder_written_whole(tmp_path / "out") as place:
        fill(place, "new")
    assert len(calls) == 3
    assert content(tmp_path / "out") == "old"
    assert len(list(tmp_path.iterdir())) == 1


@WRITERS
def test_a_path_below_a_file_is_refused(writer: Writer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(BadInput, match="a file, not a folder"), writer(tmp_path / "file" / "deep" / "out"):
        pytest.fail("nothing can be written there")


@WRITERS
def test_a_forbidden_folder_is_refused(writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "away"))

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(BadInput, match="the permission is missing"), writer(tmp_path / "away" / "out"):
        pytest.fail("nothing can be written there")


def test_a_file_and_a_folder_do_not_replace_each_other(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    with pytest.raises(BadInput, match="a folder stands there"), written_whole(tmp_path / "folder"):
        pytest.fail("a folder is no file")
    with pytest.raises(BadInput, match="a file stands there"), folder_written_whole(tmp_path / "file"):
        pytest.fail("a file is no folder")


@WRITERS
def test_an_error_of_reading_is_not_blamed_on_writing(writer: Writer, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writer(tmp_path / "out"):
        (tmp_path / "input.txt").read_text()
    assert not list(tmp_path.iterdir())


@WRITERS
def test_others_may_read_what_was_written(writer: Writer, tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        with writer(tmp_path / "out") as place:
            fill(place, "whole")
    finally:
        os.umask(mask)
    mode = stat.S_IMODE((tmp_path / "out").stat().st_mode)
    assert mode == (0o755 if (tmp_path / "out").is_dir() else 0o644)
