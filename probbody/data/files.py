"""A result is written whole or not at all: nobody finds half a file where a whole one was.

What is written stands beside its destination under a hidden name first, reaches the disk, and then takes the
destination's place in one step.
"""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput

_CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "the permission is missing",
    errno.EPERM: "the permission is missing",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "a folder stands there",
    errno.EEXIST: "a file stands there",
    errno.ENOENT: "the folder does not exist",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextlib.contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """A new path beside ``path`` to write to; when the block ends well it becomes ``path``, otherwise it is removed.

    The folder is made if need be. The new path keeps the suffix, which many writers look at. After an interruption or an
    error the old file is still there, whole. An ``OSError`` becomes ``BadInput``: the path and the cause in one sentence.
    """
    target = Path(path)
    temporary = None
    with refused_kindly(target):
        try:
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a folder", str(target))
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", suffix=target.suffix, dir=target.parent)
            os.close(handle)
            temporary = Path(name)
            yield temporary
            _to_disk(temporary)
            temporary.chmod(_usual_mode(target))
            os.replace(temporary, target)
        except BaseException:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def folder_written_whole(path: Path | str) -> Iterator[Path]:
    """A new folder beside ``path`` to fill; when the block ends well it becomes ``path``, otherwise it is removed.

    A folder that stood there before is replaced: it is set aside, and comes back if the new one cannot take its place.
    """
    target = Path(path).absolute()
    temporary = None
    with refused_kindly(Path(path)):
        try:
            if target.exists() and not target.is_dir():
                raise NotADirectoryError(errno.EEXIST, "is a file", str(target))
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            yield temporary
            for file in sorted(temporary.rglob("*")):
                if file.is_file():
                    _to_disk(file)
            temporary.chmod(_usual_mode(target, folder=True))
            _swap(temporary, target)
        except BaseException:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            raise


@contextlib.contextmanager
def refused_kindly(path: Path | str) -> Iterator[None]:
    """Turns an ``OSError`` of writing into ``BadInput``: one sentence with the path that cannot be written and the cause.

    An error that names some other file, as when the block reads one that is not there, passes as it is.
    """
    try:
        yield
    except OSError as error:
        if not _concerns(error, Path(path).absolute()):
            raise
        cause = _CAUSES.get(error.errno or 0, error.strerror or str(error))
        raise BadInput(f"{path}: cannot be written, because {cause}.") from error


def check_place(folder: Path) -> None:
    """Refuses a place that cannot be written to before anything is fitted."""
    with refused_kindly(folder):
        standing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not standing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "is a file", str(standing))
        if not os.access(standing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission", str(standing))


def _concerns(error: OSError, target: Path) -> bool:
    """Whether an error is about this path, a folder above it or the hidden one beside it; a full disk names no file."""
    if not isinstance(error.filename, str | Path):
        return True
    named = Path(error.filename).absolute()
    hidden = named.is_relative_to(target.parent) and named.relative_to(target.parent).as_posix().startswith(".")
    return hidden or target.is_relative_to(named)


def _swap(new: Path, target: Path) -> None:
    """Puts a folder in the place of another; the old one is gone only when the new one stands."""
    if not target.exists():
        os.replace(new, target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    try:
        os.replace(target, aside)  # an empty folder gives way
        os.replace(new, target)
    except BaseException:
        if not target.exists():
            os.replace(aside, target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _to_disk(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _usual_mode(target: Path, *, folder: bool = False) -> int:
    """The mode of what stands there, else what an ordinary new file or folder would get; temporary ones are private."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return (0o777 if folder else 0o666) & ~mask
