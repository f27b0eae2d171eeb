"""What is left after a run, read from outside: the gateway's ledger and the product's export."""

import csv
import io
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.json_lines import whole_lines
from worker.store.engine import Store
from worker.store.kept.phones import phones_unlike_rows
from worker.store.people.run_answers import answers_unlike_rows
from worker.store.reports.counts import counts_unlike_rows


@dataclass(frozen=True, slots=True)
class Stored:
    """One message that the gateway stored. `accepted_at` is in Unix seconds; `request` is the number of its request."""

    id: int
    number: str
    text: str
    accepted_at: float
    request: int


@dataclass(frozen=True, slots=True)
class Told:
    """What the product's export says about one row of an audience. `gateway_id` None: it knows of no message."""

    number: str
    state: str
    reason: str
    text: str
    segments: int
    gateway_id: int | None


@dataclass(frozen=True, slots=True)
class Cancel:
    """A campaign was cancelled at `at` (Unix seconds), when at most `in_flight_requests` were on their way."""

    at: float
    in_flight_requests: int


@dataclass(frozen=True, slots=True)
class Ceiling:
    """At most `segments` in any period of length `per`.

    `slack_segments` covers the time between the moment at which the product counts and the one at which the gateway
    stores: at least the segments of the requests that can be on their way at once.
    """

    segments: int
    per: timedelta
    slack_segments: int = 0


@dataclass(frozen=True, slots=True)
class Sending:
    """One campaign: what was asked for, and what the product says became of it.

    `rows` is the number of rows in its audience, duplicates and bad numbers included; `eligible` is the numbers (E.164)
    that should get its text once. `summary` is the object of `run --json` or `status --json`; None if it never ended.
    """

    campaign: str
    rows: int
    eligible: frozenset[str]
    told: tuple[Told, ...]
    summary: Mapping[str, Any] | None
    cancel: Cancel | None = None
    ceiling: Ceiling | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that `checker.check` looks at.

    `outputs` are logs, standard outputs and dumps by name, which may contain neither `key` nor a number nor a text.
    `texts_may_change`: the gateway rewrites texts in this world. `rows_may_be_hidden`: it leaves rows out of replies
    although it stored them, so that the product reports them as failed. `miscounted`: figures that the product keeps
    and that are not those of its rows.
    """

    sendings: tuple[Sending, ...]
    stored: tuple[Stored, ...]
    outputs: Mapping[str, str]
    key: str
    ceiling: Ceiling | None = None
    texts_may_change: bool = False
    rows_may_be_hidden: bool = False
    miscounted: tuple[str, ...] = ()


def miscounted(database_url: str) -> tuple[str, ...]:
    """The kept counts of every run and phone in the database that differ from the rows, in words, and who is wrongly
    noted, or not, as somebody who answered."""
    with closing(Store(database_url)) as store, store.read() as session:
        found, phones, answers = counts_unlike_rows(session), phones_unlike_rows(session), answers_unlike_rows(session)
    others = [f"{key} of phones is kept as {kept}, and is {rows}" for key, (kept, rows) in phones.items()]
    others += [f"{answer} is noted, and should not be, or the other way round" for answer in sorted(answers)]
    of_runs = (
        f"run {run} keeps {kept} {figure} {part!r} (rows, segments), and has {rows}"
        for run, figures in found.items()
        for (figure, part), (kept, rows) in figures.items()
    )
    return (*of_runs, *others)


def read_ledger(path: Path) -> tuple[Stored, ...]:
    """What a sandbox stored, without inbound messages and a last line that was cut. No file: nothing."""
    if not path.exists():
        return ()
    return stored_from(whole_lines(path))


def stored_from(entries: Iterable[Mapping[str, Any]]) -> tuple[Stored, ...]:
    """The stored messages among the ledger's entries."""
    return tuple(
        Stored(int(e["ID"]), str(e["number"]), str(e["message"]), float(e["accepted_at"]), int(e["request"]))
        for e in entries
        if e["outcome"] != "received"
    )


def read_export(text: str) -> tuple[Told, ...]:
    """The rows of `campaigns export CAMPAIGN --raw`, without those of steps."""
    return tuple(
        Told(
            number=row["number"],
            state=row["state"],
            reason=row["reason"],
            text=row["text"],
            segments=int(row["segments"] or 0),
            gateway_id=int(row["gateway_id"]) if row["gateway_id"] else None,
        )
        for row in csv.DictReader(io.StringIO(text, newline=""))
        if not row["step"]
    )
