"""Files of JSON lines that somebody else may be writing at the moment."""

import json
from pathlib import Path
from typing import Any


def whole_lines(path: Path) -> list[Any]:
    """What its lines hold; skips an unfinished last line, which is still being written or whose writer was killed."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
