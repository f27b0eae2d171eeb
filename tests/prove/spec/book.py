"""What a run has committed, in order: triggers write it down in the same transactions, in a table of their own.

`--patch tests.prove.spec.book:keep` (`tests.prove.world.victim`) lets a process keep it, from the birth of a database
on. On SQLite several short transactions share a commit: each ends with a mark. On PostgreSQL each entry knows its
transaction, and the server, if it is asked to, the moment of each commit.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from typing import Final, NamedTuple

import psycopg
import sqlalchemy as sa
from sqlmodel import Session

from tests.support.servers import PostgresServer
from worker import database
from worker.store import migrate as migrating
from worker.store.engine import Store

KEEP: Final = ("--patch", "tests.prove.spec.book:keep")

_LOCK: Final = 0x626F_6F6B
_END: Final = "end"
_BY: Final = "proof.by"

_TEXT: Final = "'text', new.id, coalesce(new.batch_id, 0)"
_BATCH: Final = "'batch', new.id, new.run_id"
_FACTS: Final = (
    "new.outcome || '|' || new.send_by || '|' || coalesce({granted}, '') || '|' || new.segments || '|' || new.evidence"
)
_ATTEMPT: Final = "'attempt', new.id, new.batch_id"
_LEFT: Final = "'left', new.id, 0, '', CASE WHEN new.ended_at IS NULL THEN 'left' ELSE 'back' END, new.number"


def _noted(*, is_sqlite: bool) -> dict[str, tuple[str, str]]:
    """What is written down, and when, by the name of its trigger: what, id, of, was, becomes, detail."""
    facts = _FACTS.format(granted="new.granted_at" if is_sqlite else "new.granted_at::text")
    text = "" if is_sqlite else "::text"
    facts = facts.replace("new.send_by", f"new.send_by{text}").replace("new.evidence", f"new.evidence{text}")
    return {
        "text_new": ("INSERT ON recipient", f"{_TEXT}, '', new.state, new.number || '|' || new.text"),
        "text_moved": (
            "UPDATE OF state, batch_id ON recipient",
            f"{_TEXT}, old.state, new.state, coalesce(new.gateway_id, 0)",
        ),
        "batch_new": ("INSERT ON batch", f"{_BATCH}, '', new.state, ''"),
        "batch_moved": ("UPDATE OF state ON batch", f"{_BATCH}, old.state, new.state, ''"),
        "attempt_new": ("INSERT ON attempt", f"{_ATTEMPT}, '', new.state, {facts}"),
        "attempt_moved": ("UPDATE OF state ON attempt", f"{_ATTEMPT}, old.state, new.state, {facts}"),
        "account_moved": ("UPDATE OF paused_by ON account", "'account', new.id, 0, old.paused_by, new.paused_by, ''"),
        "run_moved": ("UPDATE OF state ON run", "'run', new.id, 0, old.state, new.state, ''"),
        "left_new": ("INSERT ON suppression", _LEFT),
        "left_ended": ("UPDATE OF ended_at ON suppression", _LEFT),
        "before_new": (
            "INSERT ON accepted_before", "'before', new.gateway_id, 0, '', 'kept', new.number || '|' || new.text",
        ),
        "before_used": ("DELETE ON accepted_before", "'before', old.gateway_id, 0, 'kept', '', ''"),
        "lease_taken": ("UPDATE OF token ON lease", "'lease', new.token, 0, new.name, new.holder, ''"),
    }  # fmt: skip


def _statements(*, is_sqlite: bool) -> Iterator[str]:
    columns = "what TEXT, id BIGINT, of BIGINT, was TEXT, becomes TEXT, detail TEXT"
    names = "(what, id, of, was, becomes, detail)"
    if is_sqlite:
        now = "DEFAULT ((julianday('now') - 2440587.5) * 86400.0)"
        yield f"CREATE TABLE protocol_book (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL {now}, {columns})"
    else:
        who = f"xid BIGINT DEFAULT (pg_current_xact_id()::text::bigint), by TEXT DEFAULT current_setting('{_BY}', true)"
        yield f"CREATE TABLE protocol_book (seq BIGSERIAL PRIMARY KEY, {who}, {columns})"
    for name, (event, values) in _noted(is_sqlite=is_sqlite).items():
        note = f"INSERT INTO protocol_book {names} VALUES ({values});"
        if is_sqlite:
            yield f"CREATE TRIGGER protocol_{name} AFTER {event} BEGIN {note} END"
        else:
            body = f"BEGIN {note} RETURN NULL; END"
            yield f"CREATE FUNCTION protocol_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
            yield f"CREATE TRIGGER protocol_{name} AFTER {event} FOR EACH ROW EXECUTE FUNCTION protocol_{name}()"


_MARK: Final = (
    "INSERT INTO protocol_book (what, id, of, was, becomes, detail) SELECT 'end', 0, 0, '', '', ''"
    " WHERE (SELECT what FROM protocol_book ORDER BY seq DESC LIMIT 1) <> 'end'"
)


def keep() -> None:
    """Let this process keep the book of every database that it opens, and sign its entries."""
    os.environ["PGOPTIONS"] = f"-c {_BY}={os.getpid()}"
    migrate, write = migrating.migrate, Store.write

    def migrate_with_book(store: Store) -> str:
        revision = migrate(store)
        _begin(store)
        return revision

    @contextmanager
    def write_with_mark(self: Store, name: str = "unnamed", *, is_short: bool = False) -> Iterator[Session]:
        with write(self, name, is_short=is_short) as session:
            yield session
            if self.is_sqlite:
                session.flush()
                session.connection().exec_driver_sql(_MARK)

    def patch(owner: object, name: str, value: Callable[..., str | AbstractContextManager[Session]]) -> None:
        setattr(owner, name, value)

    patch(database, "migrate", migrate_with_book)
    patch(Store, "write", write_with_mark)


def _begin(store: Store) -> None:
    with store.engine.begin() as connection:
        if not store.is_sqlite:  # all processes of a service begin at once
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        if sa.inspect(connection).has_table("protocol_book"):
            return
        for statement in _statements(is_sqlite=store.is_sqlite):
            connection.exec_driver_sql(statement)


def keep_commit_times(server: PostgresServer, url: str) -> None:
    """Restart the server so that it keeps the moment of each commit."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    server.restart()


class Entry(NamedTuple):
    """One change of one row. `of`: the batch of a text or an attempt. `was` "": it is new."""

    seq: int
    what: str
    id: int
    of: int
    was: str
    becomes: str
    detail: str


class Commit(NamedTuple):
    """What was committed together. `at` is in Unix seconds; `by` is the id of the process, or "" where nobody asks."""

    at: float
    by: str
    entries: Sequence[Entry]


def read_book(url: str) -> list[Commit]:
    """Return everything that was committed, in order; nothing if there is no database."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("protocol_book"):
            return []
        columns = "seq, what, id, of, was, becomes, detail"
        if engine.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(f"SELECT at, {columns} FROM protocol_book ORDER BY seq").all()
            return list(_marked([(at, Entry(*entry)) for at, *entry in rows]))
        moment = "extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8"
        query = f"SELECT {moment} AS at, xid, coalesce(by, ''), {columns} FROM protocol_book ORDER BY at, xid, seq"
        rows = connection.exec_driver_sql(query).all()
    engine.dispose()
    return [
        Commit(at, by, [Entry(*entry) for _, _, _, *entry in found])
        for (at, _, by), found in groupby(rows, key=lambda row: (row[0], row[1], row[2]))
    ]


def _marked(rows: Sequence[tuple[float, Entry]]) -> Iterator[Commit]:
    entries: list[Entry] = []
    at = 0.0
    for at, entry in rows:
        if entry.what == _END:
            yield Commit(at, "", entries)
            entries = []
        else:
            entries.append(entry)
    if entries:
        yield Commit(at, "", entries)
