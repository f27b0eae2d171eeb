# ruff: noqa: S608 - every statement here is made of this module's constants
"""The counts that are kept: triggers change them in the transaction, and by the statement, that changes the rows.

A figure of a run is a recipient's state, `batch.` and a batch's state, `request` or `retry`. Every row of the four
tables counts in exactly one figure of its run, whoever writes it, and however: no statement can forget to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import BatchState, RecipientState
from worker.store.tables import run_counts

BATCH: Final = "batch."
REQUEST: Final = "request"
RETRY: Final = "retry"


@dataclass(frozen=True, slots=True)
class CountedTable:
    """A table whose rows are counted. `figure` and `segments` are SQL about a row `{row}`; `of` is every figure.

    `changes`: the columns that they depend on; without any, a row always counts the same.
    """

    name: str
    figure: str
    of: tuple[str, ...]
    segments: str = "0"
    changes: tuple[str, ...] = ()


COUNTED: Final = (
    CountedTable(
        "recipient",
        "{row}.state",
        tuple(RecipientState),
        "CASE WHEN {row}.gateway_id IS NULL THEN 0 ELSE {row}.segments END",
        ("state", "gateway_id", "segments"),
    ),
    CountedTable("batch", f"'{BATCH}' || {{row}}.state", tuple(BATCH + state for state in BatchState), "0", ("state",)),
    CountedTable("attempt", f"'{REQUEST}'", (REQUEST,)),
    CountedTable(
        "retry",
        f"'{RETRY}'",
        (RETRY,),
        "CASE WHEN {row}.began_at IS NULL THEN 0 ELSE {row}.segments END",
        ("began_at", "segments"),
    ),
)
FIGURES: Final = tuple(figure for table in COUNTED for figure in table.of)

Kept = Mapping[str, tuple[int, int]]
"""By figure: how many rows, and their segments: those of texts at the gateway, and of retries that began."""

_ADD: Final = (
    " ON CONFLICT (run_id, figure, shard) DO UPDATE"
    " SET amount = run_count.amount + excluded.amount, segments = run_count.segments + excluded.segments"
)
_INTO: Final = "INSERT INTO run_count (run_id, figure, shard, amount, segments)"


def install(connection: sa.Connection) -> None:
    """Make the triggers. A migration that lets SQLite rebuild one of the tables must call it again for that table."""
    make = _sqlite if connection.dialect.name == "sqlite" else _postgresql
    for table in COUNTED:
        for statement in make(table):
            connection.exec_driver_sql(statement)


def remove(connection: sa.Connection) -> None:
    """Take the triggers away."""
    is_sqlite = connection.dialect.name == "sqlite"
    for table in COUNTED:
        for event in _events(table):
            name = f"count_{table.name}_{event}"
            connection.exec_driver_sql(f"DROP TRIGGER {name}" if is_sqlite else f"DROP FUNCTION {name}() CASCADE")


def _events(table: CountedTable) -> tuple[str, ...]:
    return ("insert", "delete", "update") if table.changes else ("insert", "delete")


def _sqlite(table: CountedTable) -> Iterator[str]:
    """SQLite has triggers for each row alone; there is one writer, and so one shard."""
    figure_old, figure_new = table.figure.format(row="OLD"), table.figure.format(row="NEW")
    segments_old, segments_new = table.segments.format(row="OLD"), table.segments.format(row="NEW")
    add = f"{_INTO} VALUES (NEW.run_id, {figure_new}, 0, 1, {segments_new}){_ADD};"
    take = (
        f"UPDATE run_count SET amount = amount - 1, segments = segments - ({segments_old})"
        f" WHERE run_id = OLD.run_id AND figure = {figure_old} AND shard = 0;"
    )
    differs = (
        f"{figure_old} IS NOT {figure_new} OR {segments_old} IS NOT {segments_new} OR OLD.run_id IS NOT NEW.run_id"
    )
    does = {"insert": ("", "", add), "delete": ("", "", take)}
    does["update"] = (f" OF run_id, {', '.join(table.changes)}", f" WHEN {differs}", f"{take} {add}")
    for event in _events(table):
        of, when, actions = does[event]
        yield (
            f"CREATE TRIGGER count_{table.name}_{event} AFTER {event.upper()}{of} ON {table.name}"
            f"{when} BEGIN {actions} END"
        )


def _postgresql(table: CountedTable) -> Iterator[str]:
    """PostgreSQL counts what a statement changed at once.

    Each connection has a shard of its own, and only one transaction at a time: nobody ever waits for a count, and no
    order of locks can be wrong.
    """
    figure, segments = table.figure.format(row="r"), table.segments.format(row="r")

    def rows(sign: str, of: str) -> str:
        return f"SELECT r.run_id, {figure} AS figure, {sign}1 AS amount, {sign}({segments}) AS segments FROM {of} AS r"

    seen = {
        "insert": ("NEW TABLE AS new_rows", rows("", "new_rows")),
        "delete": ("OLD TABLE AS old_rows", rows("-", "old_rows")),
        "update": (
            "OLD TABLE AS old_rows NEW TABLE AS new_rows",
            f"{rows('-', 'old_rows')} UNION ALL {rows('', 'new_rows')}",
        ),
    }
    for event in _events(table):
        referencing, changed = seen[event]
        name = f"count_{table.name}_{event}"
        yield (
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" {_INTO} SELECT run_id, figure, pg_backend_pid(), sum(amount), sum(segments) FROM ({changed}) AS changed"
            f" GROUP BY run_id, figure HAVING sum(amount) <> 0 OR sum(segments) <> 0{_ADD};"
            f" RETURN NULL; END $$"
        )
        yield (
            f"CREATE TRIGGER {name} AFTER {event.upper()} ON {table.name} REFERENCING {referencing}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def fill(connection: sa.Connection) -> None:
    """Count the rows of every run, for a database in which nothing was kept so far: one statement for each run."""
    for run_id in connection.execute(sa.text("SELECT id FROM run")).scalars().all():
        _, found = kept_and_rows(connection, run_id)
        values = [
            {"run_id": run_id, "figure": figure, "shard": 0, "amount": amount, "segments": segments}
            for figure, (amount, segments) in found.items()
        ]
        if values:
            connection.execute(sa.insert(run_counts), values)


def _figures(source: str, figure: str, amount: str, segments: str, of: tuple[str, ...]) -> str:
    # Not grouped: SQLite sorts for that, and meanwhile keeps every row of the run in memory.
    sums = (
        f"CAST(coalesce(sum({each}) FILTER (WHERE {figure} = '{name}'), 0) AS BIGINT)"
        for name in of
        for each in (amount, segments)
    )
    return f"SELECT {', '.join(sums)} FROM {source} AS r WHERE r.run_id = :run"


_COUNT: Final = sa.text(
    "SELECT * FROM "
    + ", ".join(
        f"({select}) AS t{place}"
        for place, select in enumerate(
            [
                _figures("run_count", "r.figure", "r.amount", "r.segments", FIGURES),
                *(_figures(t.name, t.figure.format(row="r"), "1", t.segments.format(row="r"), t.of) for t in COUNTED),
            ]
        )
    )
)


def kept_and_rows(connection: sa.Connection, run_id: int) -> tuple[Kept, Kept]:
    """Return what is kept about a run, and what its rows are, in one statement, and so at one moment.

    Not in slices: between two of them a text is sent, and is counted in both or in neither.
    """
    found = tuple(connection.execute(_COUNT, {"run": run_id}).one())
    pairs = list(zip(found[::2], found[1::2], strict=True))
    kept, rows = pairs[: len(FIGURES)], pairs[len(FIGURES) :]
    return _present(kept), _present(rows)


def _present(pairs: list[tuple[int, int]]) -> Kept:
    return {figure: pair for figure, pair in zip(FIGURES, pairs, strict=True) if pair != (0, 0)}


_FOLD: Final = sa.text(
    "WITH gone AS (DELETE FROM run_count WHERE (run_id, figure, shard) IN"
    " (SELECT run_id, figure, shard FROM run_count WHERE run_id = :run AND shard <> 0 FOR UPDATE SKIP LOCKED)"
    f" RETURNING run_id, figure, amount, segments) {_INTO}"
    f" SELECT run_id, figure, 0, sum(amount), sum(segments) FROM gone GROUP BY run_id, figure{_ADD}"
)


def fold(session: Session, run_id: int) -> None:
    """Make the shards of a run one, as the last thing that a transaction does; its run must be locked.

    Then it waits for nobody. What others are changing stays where it is.
    """
    if session.get_bind().dialect.name != "sqlite":
        session.execute(_FOLD, {"run": run_id})
