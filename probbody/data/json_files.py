"""JSON out of the files of others."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from ..errors import BadInput

LARGEST = 2**28
"""Bytes that a packed file may hold: a small one may unfold to more than the memory has."""


def read_json(path: Path | str) -> Any:
    """What a file holds, packed by gzip where its name ends in ``.gz``; one that is not there, or is no JSON, is refused."""
    path = Path(path)
    try:
        return json.loads((_unpacked(path) if path.suffix == ".gz" else path.read_bytes()).decode("utf-8-sig"))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: expected JSON packed by gzip, but it cannot be unpacked ({error}).") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: expected JSON, but it cannot be understood ({error}).") from error


def _unpacked(path: Path) -> bytes:
    with gzip.open(path) as packed:
        held = packed.read(LARGEST + 1)
    if len(held) > LARGEST:
        raise BadInput(f"{path}: expected {LARGEST} bytes or less when unpacked, found more.")
    return held
