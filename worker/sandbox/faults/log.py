"""The record of every fault that was drawn: JSON lines, in memory and in a file if there is one."""

import json
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from worker.sandbox.errors import SandboxError
from worker.sandbox.faults.case import Draw


class FaultLog:
    """One line per fault, written when its effects are over; a late commit's line comes late. Any thread may write.

    Raises `SandboxError` if the file cannot be used; without a path the lines are only in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._counts: dict[str, Counter[str]] = {}
        try:
            self._file = None if path is None else path.open("ab", buffering=0)
        except OSError as error:
            raise SandboxError(
                f"The fault log {path} cannot be opened ({error.strerror}): choose another file."
            ) from error

    def write(self, draw: Draw, stored: Sequence[int]) -> None:
        """Record a fault and the IDs of the messages that its request stored; nothing if there was no fault."""
        if draw.fault is None:
            return
        entry = {
            "at": draw.at,
            "request": draw.number,
            "kind": draw.kind,
            "nth": draw.nth,
            "fault": draw.fault,
            "stored": list(stored),
        }
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._lines.append(line)
            self._counts.setdefault(draw.kind, Counter())[draw.fault] += 1
            if self._file is not None:
                self._file.write(line)

    def lines(self) -> list[bytes]:
        """Return every line so far."""
        with self._lock:
            return list(self._lines)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how often each fault hit each kind of request."""
        with self._lock:
            return {kind: dict(counts) for kind, counts in self._counts.items()}

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
