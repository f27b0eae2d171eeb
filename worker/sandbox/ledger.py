"""The sandbox's record of everything it accepted: JSON lines, one per message, only ever appended to."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from worker.sandbox.errors import SandboxError
from worker.sandbox.messages import StoredMessage
from worker.sandbox.phones.life import NEVER, RESULT_GENERIC_FAILURE, Life, Outcome, due_at

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def to_lines(messages: Iterable[StoredMessage]) -> bytes:
    """Return the ledger's lines for these messages. Moments are unix seconds, null for what never happens."""
    return "".join([_encode(_entry(message)) + "\n" for message in messages]).encode()


def _entry(message: StoredMessage) -> dict[str, object]:
    life = message.life
    return {
        "ID": message.id,
        "number": message.number,
        "message": message.text,
        "device": message.device,
        "sim": message.sim,
        "group": message.group,
        "schedule": message.schedule,
        "accepted_at": message.accepted_at,
        "turn_at": None if life.turn_at == NEVER else life.turn_at,
        "sent_at": None if life.sent_at == NEVER else life.sent_at,
        "done_at": None if life.done_at == NEVER else life.done_at,
        "outcome": life.outcome,
        "result_code": life.result_code if life.outcome is Outcome.FAILED else None,
        "request": message.request,
    }


def from_line(line: bytes) -> StoredMessage:
    """Return the message of one ledger line. Raises `ValueError`, `KeyError` or `TypeError` if it is not one."""
    entry = json.loads(line)
    accepted_at, schedule = float(entry["accepted_at"]), entry["schedule"]
    return StoredMessage(
        id=int(entry["ID"]),
        number=str(entry["number"]),
        text=str(entry["message"]),
        device=int(entry["device"]),
        sim=entry["sim"],
        group=entry["group"],
        schedule=schedule,
        accepted_at=accepted_at,
        life=Life(
            due_at=due_at(accepted_at, schedule),
            turn_at=_moment(entry["turn_at"]),
            sent_at=_moment(entry["sent_at"]),
            done_at=_moment(entry["done_at"]),
            outcome=Outcome(entry["outcome"]),
            result_code=int(entry.get("result_code") or RESULT_GENERIC_FAILURE),
        ),
        request=int(entry["request"]),
    )


def _moment(value: float | None) -> float:
    return NEVER if value is None else float(value)


class Ledger:
    """A ledger file; None as `path` means no file at all."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: int | None = None

    def open(self) -> Iterator[StoredMessage]:
        """Open the file for appending and yield what it already holds.

        A last line without its end (the process was killed while writing) is cut off: its request was never answered in
        full. Raises `SandboxError` if the file cannot be used.
        """
        if self._path is None:
            return
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            size = 0
            with self._path.open("rb") as lines:
                for count, line in enumerate(lines, 1):
                    if line.endswith(b"\n"):
                        size += len(line)
                        yield self._read(line, count)
            os.ftruncate(self._file, size)
        except OSError as error:
            raise SandboxError(
                f"The ledger {self._path} cannot be opened ({error.strerror}): choose another file."
            ) from error

    def _read(self, line: bytes, count: int) -> StoredMessage:
        try:
            return from_line(line)
        except (ValueError, KeyError, TypeError) as error:
            raise SandboxError(
                f"Line {count} of the ledger {self._path} is not a sandbox message: move the file away."
            ) from error

    def append(self, messages: Iterable[StoredMessage]) -> None:
        """Record messages in one write. No fsync: a sandbox must survive its own end, not the machine's."""
        if self._file is not None:
            lines = memoryview(to_lines(messages))
            while lines:
                lines = lines[os.write(self._file, lines) :]

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
