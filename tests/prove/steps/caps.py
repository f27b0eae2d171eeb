"""Judges frequency caps: who was promised a text had room for it then, and who was left out for the cap had none."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from tests.prove.steps.ledger import Entry, Row
from tests.prove.steps.playing import Play
from worker.store.tables import attempts

OFF: Final = timedelta(seconds=8)
"""By how much the moment of a text may be unknown: as long as its request may take, and the second of its date."""

ROUND: Final = timedelta(minutes=1)
"""How long a round takes on the clock of the world, at most."""

COUNT: Final = frozenset({"accepted", "sent", "delivered", "expired", "held"})
"""States of texts that the gateway has, or may have."""


def over_cap(play: Play, book: Sequence[Entry], rows: Mapping[int, Row]) -> Iterator[str]:
    """Return every broken promise about the cap of the world, which may have none."""
    cap = play.world.cap
    dates = {message.id: message.at for message in play.bench.gateway.stored}
    with play.store.read() as session:
        asked_at = {each.id: each.started_at for each in session.execute(sa.select(attempts))}
    promised = _promised(book, asked_at)
    states: dict[int, str] = {}
    since: dict[int, datetime] = {}
    for place, entry in enumerate(book):
        row = rows.get(entry.row_id) if entry.what == "text" else None
        if row is None:
            continue
        name = f"{row.number}, {row.step or 'the text'}"
        had = [since[id_] for id_ in since if states[id_] in COUNT and rows[id_].number == row.number]
        if entry.becomes == "in_doubt":
            at = promised[place]
            if cap is not None and sum(each > at - cap.period + OFF for each in had) >= cap.messages:
                yield f"{name}: was promised at {at}, over the cap of {cap}: {had}"
            since[row.id] = at if row.gateway_id is None else dates.get(row.gateway_id, at)
        elif entry.becomes == "capped":
            at = play.written_at(entry.seq)
            if cap is None or cap.otherwise != "skip":
                yield f"{name}: is capped ({row.reason}), and nothing asks for that"
            elif sum(each > at - cap.period - ROUND for each in had) < cap.messages:
                yield f"{name}: was capped at {at}, under the cap of {cap}: {had}"
        states[row.id] = entry.becomes


def _promised(book: Sequence[Entry], asked_at: Mapping[int, datetime]) -> dict[int, datetime]:
    """Return when each text that is promised was, by its place in the book: its request stands right behind it."""
    found: dict[int, datetime] = {}
    at: datetime | None = None
    for place in reversed(range(len(book))):
        entry = book[place]
        if entry.what == "asked":
            at = asked_at[entry.row_id]
        elif entry.becomes == "in_doubt" and at is not None:
            found[place] = at
    return found
