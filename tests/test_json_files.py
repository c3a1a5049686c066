"""JSON of others, plain or packed: read, or refused in a sentence that names the file."""

import gzip
import json
from pathlib import Path

import pytest

from probbody.data import json_files
from probbody.data.json_files import read_json
from probbody.errors import BadInput

HELD = {"höhe": [1, 2.5, None]}
PLAIN = json.dumps(HELD, ensure_ascii=False).encode("utf-8-sig")


def packed(content: bytes) -> bytes:
    # Without the time, so that every process of the tests makes the same bytes and names its cases alike.
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(("name", "content"), [("a.json", PLAIN), ("a.json.gz", packed(PLAIN))])
def test_plain_and_packed_are_the_same(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert read_json(tmp_path / name) == HELD
    assert read_json(str(tmp_path / name)) == HELD


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", None, "cannot be read"),
        ("a.json.gz", None, "cannot be read"),
        ("a.json", b"{", "expected JSON, but it cannot be understood"),
        ("a.json", b"\xff\xfe", "expected JSON, but it cannot be understood"),
        ("a.json", b"[" * 100_000, "expected JSON, but it cannot be understood"),
        ("a.json.gz", PLAIN, "expected JSON packed by gzip"),
        ("a.json.gz", packed(PLAIN)[:-9], "expected JSON packed by gzip"),
        ("a.json.gz", packed(PLAIN)[:12] + b"\xff" * 20, "expected JSON packed by gzip"),
        ("a.json.gz", packed(b"{"), "expected JSON, but it cannot be understood"),
        ("a.json.gz", packed(b" " * 2000), "expected 1000 bytes or less when unpacked"),
    ],
)
def test_what_is_no_json_is_refused(
    name: str, content: bytes | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_files, "LARGEST", 1000)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=f"{name}: {said}"):
        read_json(tmp_path / name)
