"""What the unrelated gateway keeps: its messages, those that are still to come, and its own ledger."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

FAILING_PHONES: Final = 0.05
"""The share of messages that no phone can send."""


@dataclass(frozen=True, slots=True)
class Message:
    """One stored text. `stored_at` is in Unix seconds; `end` is what becomes of it after `ends_after_seconds`."""

    id: int
    number: str
    text: str
    group: str
    request: int
    stored_at: float
    end: str
    ends_after_seconds: float

    def status_at(self, moment: float) -> str:
        """The phone's progress at that moment."""
        age = (moment - self.stored_at) / self.ends_after_seconds
        return "PENDING" if age < 0.3 else "Queued" if age < 0.5 else "SENT" if age < 1 else self.end

    def shown_at(self, moment: float) -> dict[str, object]:
        """The object in a reply."""
        status = self.status_at(moment)
        date = datetime.fromtimestamp(self.stored_at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
        return {
            "groupID": self.group,
            "status": status,
            "number": self.number.lstrip("+"),
            "message": self.text,
            "ID": str(self.id),
            "deviceID": "4",
            "simSlot": None,
            "userID": "1",
            "sentDate": date,
            "deliveredDate": date,  # proof of nothing: it is there from the beginning
            "mandant": "Büro",
        }


class Archive:
    """What is stored, and what will be, with its own ledger, in memory and as JSON lines."""

    def __init__(self, seed: int, ledger: Path) -> None:
        self._seed = seed
        self._ledger = ledger
        self._lock = threading.Lock()
        self._stored: list[Message] = []
        self._coming: list[tuple[float, int, list[tuple[str, str]]]] = []

    def store(self, request: int, rows: Sequence[tuple[str, str]], *, after_seconds: float = 0.0) -> list[Message]:
        """Store the rows of a request now or later."""
        with self._lock:
            self._coming.append((time.time() + after_seconds, request, list(rows)))
            self._catch_up()
            return [message for message in self._stored if message.request == request]

    def as_of(self, moment: float) -> list[Message]:
        """What was stored by then."""
        with self._lock:
            self._catch_up()
            return [message for message in self._stored if message.stored_at <= moment]

    def everything(self) -> list[Message]:
        """Every message, including those that are still to come, each with its end."""
        while self._coming:
            time.sleep(0.05)
            self.as_of(0)
        return self.as_of(time.time())

    def _catch_up(self) -> None:
        now = time.time()
        for due in sorted(entry for entry in self._coming if entry[0] <= now):
            self._coming.remove(due)
            at, request, rows = due
            rng = Random(f"{self._seed} stores {request}")
            group = f"{request}*&=%+#{rng.randrange(16**8):08x}"
            for number, text in rows:
                message = Message(
                    id=70_001 + 3 * len(self._stored),
                    number=number,
                    text=f"{text} [Ufficio]",
                    group=group,
                    request=request,
                    stored_at=at,
                    end="FAILED" if rng.random() < FAILING_PHONES else "Delivered",
                    ends_after_seconds=rng.uniform(0.3, 1.5),
                )
                self._stored.append(message)
                with self._ledger.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"id": message.id, "number": number, "request": request, "at": at}) + "\n")
