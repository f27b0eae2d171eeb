# ruff: noqa: S608 - every statement here is made of this module's constants
"""What waits on each phone, what it sent and could not send: kept by triggers, as counts of runs are."""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from worker.store.kept.counting import AT_ONCE

NO_SIM: Final = -1
"""Stands for a SIM that is not known: a key has no NULL."""

WAITING: Final = "waiting"
SENT: Final = "sent"
FAILED: Final = "failed"
OTHER: Final = "other"
"""A text that came back from a phone, or expired there."""

_FIGURES: Final = {
    RecipientState.ACCEPTED: WAITING,
    RecipientState.SENT: SENT,
    RecipientState.DELIVERED: SENT,
    RecipientState.FAILED: FAILED,
}
_figure: Final = (
    "CASE {row}.state " + " ".join(f"WHEN '{state}' THEN '{figure}'" for state, figure in _FIGURES.items())
    + f" ELSE '{OTHER}' END"
)  # fmt: skip
_last: Final = (
    f"CASE WHEN {{row}}.state IN ('{RecipientState.SENT}', '{RecipientState.DELIVERED}')"
    " THEN coalesce({row}.sent_at, {row}.accepted_at) END"
)
_KEY: Final = "account_id, device, sim, figure, shard"
_INTO: Final = f"INSERT INTO phone_count ({_KEY}, amount, last_at)"


def _add(later: str) -> str:
    return f" ON CONFLICT ({_KEY}) DO UPDATE SET amount = phone_count.amount + excluded.amount, last_at = {later}"


_LATER: Final = {
    "sqlite": "CASE WHEN phone_count.last_at > excluded.last_at THEN phone_count.last_at"
    " ELSE coalesce(excluded.last_at, phone_count.last_at) END",
    "postgresql": "greatest(phone_count.last_at, excluded.last_at)",
}


def install(connection: sa.Connection) -> None:
    """Make the triggers. A migration that lets SQLite rebuild the table of recipients must call it again."""
    for statement in _sqlite() if connection.dialect.name == "sqlite" else _postgresql():
        connection.exec_driver_sql(statement)


def remove(connection: sa.Connection) -> None:
    """Take the triggers away."""
    is_sqlite = connection.dialect.name == "sqlite"
    for event in ("insert", "delete", "update"):
        name = f"count_phone_{event}"
        connection.exec_driver_sql(f"DROP TRIGGER {name}" if is_sqlite else f"DROP FUNCTION {name}() CASCADE")


def _sqlite() -> Iterator[str]:
    figures = {row: _figure.format(row=row) for row in ("OLD", "NEW")}
    last = {row: _last.format(row=row) for row in ("OLD", "NEW")}
    take = (
        "UPDATE phone_count SET amount = amount - 1"
        " WHERE account_id = (SELECT account_id FROM run WHERE id = OLD.run_id)"
        f" AND device = OLD.device AND sim = coalesce(OLD.sim, {NO_SIM}) AND figure = {figures['OLD']} AND shard = 0;"
    )
    add = (
        f"{_INTO} SELECT account_id, NEW.device, coalesce(NEW.sim, {NO_SIM}), {figures['NEW']}, 0, 1, {last['NEW']}"
        f" FROM run WHERE id = NEW.run_id AND NEW.device IS NOT NULL{_add(_LATER['sqlite'])};"
    )
    differs = " OR ".join(
        [
            "OLD.device IS NOT NEW.device",
            "OLD.sim IS NOT NEW.sim",
            "OLD.run_id IS NOT NEW.run_id",
            f"{figures['OLD']} IS NOT {figures['NEW']}",
            f"{last['OLD']} IS NOT {last['NEW']}",
        ]
    )
    # What is sent has no phone yet: it is told by the first comparison.
    yield _trigger("insert", "AFTER INSERT", "NEW.device IS NOT NULL", add)
    yield _trigger("delete", "AFTER DELETE", "OLD.device IS NOT NULL", take)
    yield _trigger(
        "update",
        "AFTER UPDATE OF device, sim, state, sent_at, accepted_at, run_id",
        f"coalesce(NEW.device, OLD.device) IS NOT NULL AND ({differs})",
        f"{take} {add}",
    )


def _trigger(event: str, at: str, when: str, actions: str) -> str:
    return f"CREATE TRIGGER count_phone_{event} {at} ON recipient WHEN {when} BEGIN {actions} END"


def _postgresql() -> Iterator[str]:
    def rows(amount: int, last: str, of: str) -> str:
        figure = _figure.format(row="r")
        return (
            f"SELECT r.run_id, r.device, coalesce(r.sim, {NO_SIM}) AS sim, {figure} AS figure, {amount} AS amount,"
            f" {last} AS last_at FROM {of} AS r WHERE r.device IS NOT NULL"
        )

    gone = rows(-1, "NULL::timestamptz", "old_rows")
    come = rows(1, _last.format(row="r"), "new_rows")
    seen = {
        "insert": ("NEW TABLE AS new_rows", come),
        "delete": ("OLD TABLE AS old_rows", gone),
        "update": ("OLD TABLE AS old_rows NEW TABLE AS new_rows", f"{gone} UNION ALL {come}"),
    }
    for event, (referencing, changed) in seen.items():
        name = f"count_phone_{event}"
        yield (
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" {_INTO} SELECT run.account_id, c.device, c.sim, c.figure, pg_backend_pid(), sum(c.amount),"
            f" max(c.last_at) FROM ({changed}) AS c JOIN run ON run.id = c.run_id"
            " GROUP BY run.account_id, c.device, c.sim, c.figure"
            f" HAVING sum(c.amount) <> 0 OR max(c.last_at) IS NOT NULL{_add(_LATER['postgresql'])};"
            f" RETURN NULL; END $$"
        )
        yield (
            f"CREATE TRIGGER {name} AFTER {event.upper()} ON recipient REFERENCING {referencing}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


_ROWS: Final = (
    f"SELECT run.account_id, r.device, coalesce(r.sim, {NO_SIM}), {_figure.format(row='r')} AS figure, 0, count(*),"
    f" max({_last.format(row='r')}) FROM recipient AS r JOIN run ON run.id = r.run_id WHERE r.device IS NOT NULL"
    " GROUP BY run.account_id, r.device, 3, 4"
)


def fill(connection: sa.Connection) -> None:
    """Count the rows of all phones, for a database in which nothing was kept so far."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"{_INTO} {_ROWS}")
        return
    some = _ROWS.replace(" GROUP BY", " AND r.id > ? AND r.id <= ? GROUP BY")
    last = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM recipient").scalar_one()
    for first in range(0, last, AT_ONCE):
        statement = f"{_INTO} SELECT * FROM ({some}) WHERE true{_add(_LATER['sqlite'])}"
        connection.exec_driver_sql(statement, (first, first + AT_ONCE))


def phones_unlike_rows(session: Session) -> dict[tuple[int, int, int, str], tuple[int, int]]:
    """Count the rows of every phone; return what is kept and what there is, where they differ, for checks."""
    kept = "SELECT account_id, device, sim, figure, sum(amount) FROM phone_count GROUP BY 1, 2, 3, 4"
    found: list[dict[tuple[int, int, int, str], int]] = []
    for statement in (kept, _ROWS):
        rows = session.execute(sa.text(statement)).all()
        found.append({(row[0], row[1], row[2], row[3]): int(row[-1] if statement == kept else row[5]) for row in rows})
    keys = sorted(found[0].keys() | found[1].keys())
    pairs = {key: (found[0].get(key, 0), found[1].get(key, 0)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


_MAY_FOLD: Final = sa.text("SELECT pg_try_advisory_xact_lock(:lock)")
_LOCK: Final = 0x5353_4D54
_FOLD: Final = sa.text(
    f"WITH gone AS (DELETE FROM phone_count WHERE ({_KEY}) IN"
    f" (SELECT {_KEY} FROM phone_count WHERE shard <> 0 FOR UPDATE SKIP LOCKED)"
    f" RETURNING account_id, device, sim, figure, amount, last_at) {_INTO}"
    " SELECT account_id, device, sim, figure, 0, sum(amount), max(last_at) FROM gone"
    f" GROUP BY account_id, device, sim, figure{_add(_LATER['postgresql'])}"
)


def fold(session: Session) -> None:
    """Make the shards of all phones one, as the last thing that a transaction does, unless another one does it.

    Then it waits for nobody. What others are changing stays where it is.
    """
    if session.get_bind().dialect.name != "sqlite" and session.scalar(_MAY_FOLD, {"lock": _LOCK}):
        session.execute(_FOLD)
