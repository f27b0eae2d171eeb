"""The judge's own book of what was committed, and in which order: triggers write it in the same transactions.

On SQLite one transaction follows the other. PostgreSQL keeps the moment of each commit, if its server is asked to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from worker.store.engine import Store

_COLUMNS: Final = (
    "what TEXT NOT NULL, row_id BIGINT NOT NULL, number TEXT NOT NULL, was TEXT NOT NULL, becomes TEXT NOT NULL"
)
_LEFT: Final = "CASE WHEN new.ended_at IS NULL THEN 'left' ELSE 'back' END, new.id, new.number, '-', new.kind"
_MOVED: Final = "'text', new.id, new.number, old.state, new.state"
_NOTED: Final = {
    "planned": ("AFTER INSERT ON recipient", "'text', new.id, new.number, '-', new.state"),
    "moved": ("AFTER UPDATE OF state ON recipient", _MOVED),
    "wrote": ("AFTER INSERT ON inbound", "'wrote', new.id, new.number, '-', new.meaning"),
    "left": ("AFTER INSERT ON suppression", _LEFT),
    "asked": ("AFTER INSERT ON attempt", "'asked', new.id, '', '-', 'asked'"),
    "came_back": ("AFTER UPDATE OF ended_at ON suppression", _LEFT),
}
"""What is written down, and when, by the name of its trigger."""


def _statements(*, is_sqlite: bool) -> Iterator[str]:
    key = "INTEGER PRIMARY KEY AUTOINCREMENT" if is_sqlite else "BIGSERIAL PRIMARY KEY"
    yield f"CREATE TABLE proof_book (seq {key}, {_COLUMNS})"
    for name, (event, values) in _NOTED.items():
        note = f"INSERT INTO proof_book (what, row_id, number, was, becomes) VALUES ({values});"
        if is_sqlite:
            yield f"CREATE TRIGGER proof_{name} {event} BEGIN {note} END"
        else:
            body = f"BEGIN {note} RETURN NULL; END"
            yield f"CREATE FUNCTION proof_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
            yield f"CREATE TRIGGER proof_{name} {event} FOR EACH ROW EXECUTE FUNCTION proof_{name}()"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that was committed.

    `what`: a `text` moved, somebody `wrote`, `left` (opted out) or came `back`; or a request for the texts moved right
    before was `asked` for (`row_id`: its attempt).
    """

    seq: int
    what: str
    row_id: int
    number: str
    was: str
    becomes: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the campaign's own run, of one of its steps, or of what was sent again of them."""

    id: int
    run: int
    step: str
    number: str
    state: str
    reason: str
    accepted_at: datetime | None
    gateway_id: int | None


def keep_book(store: Store) -> None:
    """Have everything that happens from now on written down."""
    with store.engine.begin() as connection:
        for statement in _statements(is_sqlite=store.is_sqlite):
            connection.exec_driver_sql(statement)


def written_so_far(store: Store) -> int:
    """Return the number of the last entry."""
    with store.look() as connection:
        return int(connection.execute(sa.text("SELECT coalesce(max(seq), 0) FROM proof_book")).scalar_one())


def read_book(store: Store) -> Sequence[Entry]:
    """Return every entry, in the order of the commits."""
    order = "seq" if store.is_sqlite else "pg_xact_commit_timestamp(xmin), seq"
    query = sa.text(
        f"SELECT seq, what, row_id, number, was, becomes FROM proof_book WHERE was <> becomes ORDER BY {order}"
    )
    with store.look() as connection:
        return [Entry(*row) for row in connection.execute(query)]


def empty_book(store: Store) -> None:
    """Forget every entry."""
    with store.write() as session:
        session.execute(sa.text("DELETE FROM proof_book"))
