"""What a replay knows of a run: rows and requests as far as its book has got, and what it has found so far."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.prove.spec.protocol import FAILURE, OPEN, PLANNED, REFUSAL, SENDING, UNKNOWN, UNWRITTEN

ENDINGS: Final = {
    **dict.fromkeys(("connect_failed", "certificate_refused", "aborted"), UNWRITTEN),
    **dict.fromkeys(("account_refused", "request_refused", "device_refused", "throttled", "too_big"), REFUSAL),
    "failure_unknown": FAILURE,
}
"""How a request ended, by the code in the evidence; any other is a lost reply."""

REFUSED_AS: Final = frozenset({"account", "refused", "throttled", "too_big"})
"""The outcomes of attempts that were refused."""

BECOMES: Final = {"intent": SENDING, "doubt": UNKNOWN, "abandon": UNKNOWN, "unsent": PLANNED}
"""What a step makes of the batch; after the others, its people decide."""

AT_ONCE_SECONDS: Final = 0.05
"""How far two processes are apart that read the same clock, at most."""


@dataclass(slots=True)
class Row:
    """A recipient, as far as the book has got."""

    number: str
    text: str
    batch: int
    state: str
    gateway_id: int = 0


@dataclass(slots=True)
class Request:
    """An attempt, as far as the book has got. Moments are in Unix seconds."""

    id: int
    batch: int
    people: tuple[int, ...]
    promised_at: float
    state: str = OPEN
    outcome: str = ""
    closed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """What an attempt's row says."""

    outcome: str
    send_by: datetime
    granted_at: datetime | None
    segments: int
    evidence: Mapping[str, Any]

    @classmethod
    def of(cls, detail: str) -> "Noted":
        outcome, send_by, granted_at, segments, evidence = detail.split("|", 4)
        return cls(
            outcome, moment(send_by), moment(granted_at) if granted_at else None, int(segments), json.loads(evidence)
        )


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(slots=True)
class Replayed:
    """How many changes are steps of the table, how many are not, and why; `steps` counts them by name."""

    validated: int = 0
    outside: int = 0
    problems: list[str] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)

    def count(self, step: str, changes: int, why: Sequence[str], about: str) -> None:
        """Count the changes of one step: they are in the table if nothing forbids them."""
        if why:
            self.outside += changes
            self.problems.append(f"{about}, {step}: {'; '.join(why)}")
        else:
            self.validated += changes
            self.steps[step] = self.steps.get(step, 0) + changes

    def add(self, other: "Replayed") -> None:
        """Add what was found elsewhere."""
        self.validated += other.validated
        self.outside += other.outside
        self.problems += other.problems
        for step, changes in other.steps.items():
            self.steps[step] = self.steps.get(step, 0) + changes
