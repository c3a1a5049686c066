"""JSON out of the files of others."""

import json
from pathlib import Path
from typing import Any

from ..errors import BadInput


def read_json(path: Path | str) -> Any:
    """What a file holds; one that is not there, or is no JSON, is refused."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: expected JSON, but it cannot be understood ({error}).") from error
