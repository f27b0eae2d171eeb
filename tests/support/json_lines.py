"""Files of JSON lines that somebody else may be writing just now."""

import json
from pathlib import Path
from typing import Any


def whole_lines(path: Path) -> list[Any]:
    """What its lines hold; a last one without its end is still being written, or its writer was killed."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
