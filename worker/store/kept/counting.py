# ruff: noqa: S608 - every statement here is made of this module's constants
"""The counts that are kept: triggers change them in the transaction, and by the statement, that changes the rows.

A figure of a run is a recipient's state, `failure`, `batch.` and a batch's state, `request`, `retry`, `reply.` and a
meaning, `answer.` and a kind, `cost` and `unpriced`. A row of these tables counts in one part of one figure, whoever
writes it, and however: no statement can forget to. A recipient that failed counts as a `failure`, too.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState

BATCH: Final = "batch."
REQUEST: Final = "request"
RETRY: Final = "retry"
FAILURE: Final = "failure"
REPLY: Final = "reply."
ANSWER: Final = "answer."
COST: Final = "cost"
UNPRICED: Final = "unpriced"

CONTROL: Final = "control"
TEXT: Final = "text."
"""The parts of a run's people: its control group, and those who were given a text, by variant (`text.b`). Nobody else
was assigned: their part is empty."""

MOST_REASON: Final = 300
"""Characters of a reason that tell failures apart: the key of an index has at most 2,700 bytes on PostgreSQL."""

AT_ONCE: Final = 50_000
"""SQLite keeps what it groups in memory, 120 bytes for a row."""


@dataclass(frozen=True, slots=True)
class CountedTable:
    """A table whose rows are counted. What is SQL is about a row `{row}`; those that are not `where` do not count.

    `changes`: the columns that all of it depends on, besides `run_id`; without any, a row always counts the same.
    """

    name: str
    table: str
    figure: str
    part: str = "''"
    segments: str = "0"
    where: str = ""
    changes: tuple[str, ...] = ()


COUNTED: Final = (
    CountedTable(
        "recipient",
        "recipient",
        "{row}.state",
        f"CASE WHEN {{row}}.text <> '' THEN '{TEXT}' || {{row}}.variant"
        f" WHEN {{row}}.state = '{RecipientState.HOLDOUT}' THEN '{CONTROL}' ELSE '' END",
        "CASE WHEN {row}.gateway_id IS NULL THEN 0 ELSE {row}.segments END",
        changes=("state", "gateway_id", "segments", "variant", "text"),
    ),
    CountedTable(
        "failure",
        "recipient",
        f"'{FAILURE}'",
        "coalesce(CAST({row}.result_code AS VARCHAR), '') || '|' || coalesce(CAST({row}.device AS VARCHAR), '')"
        f" || '|' || substr({{row}}.reason, 1, {MOST_REASON})",
        where=f"{{row}}.state = '{RecipientState.FAILED}'",
        changes=("state", "result_code", "device", "reason"),
    ),
    CountedTable("batch", "batch", f"'{BATCH}' || {{row}}.state", changes=("state",)),
    CountedTable("attempt", "attempt", f"'{REQUEST}'"),
    CountedTable(
        "retry",
        "retry",
        f"'{RETRY}'",
        segments="CASE WHEN {row}.began_at IS NULL THEN 0 ELSE {row}.segments END",
        changes=("began_at", "segments"),
    ),
    CountedTable(
        "reply", "inbound", f"'{REPLY}' || {{row}}.meaning", where="{row}.run_id IS NOT NULL", changes=("meaning",)
    ),
    CountedTable("answer", "run_answer", f"'{ANSWER}' || {{row}}.kind", "{row}.part"),
)

CHARGES: Final = CountedTable(
    "charge",
    "charge",
    f"CASE WHEN {{row}}.price IS NULL THEN '{UNPRICED}' ELSE '{COST}' END",
    segments="CASE WHEN {row}.price IS NULL THEN {row}.segments ELSE {row}.segments * {row}.price END",
    where="NOT {row}.is_refunded",
    changes=("is_refunded",),
)
"""What texts cost, in millionths, where other figures have segments. Apart from the others, because migrations before
its table make their triggers with this module."""

Kept = Mapping[str, tuple[int, int]]
"""By figure: how many rows, and their segments: those of texts at the gateway, and of retries that began."""

Counted: TypeAlias = Mapping[tuple[str, str], tuple[int, int]]
"""The same by figure and part."""

_KEY: Final = "run_id, figure, part, shard"
_ADD: Final = (
    f" ON CONFLICT ({_KEY}) DO UPDATE"
    " SET amount = run_count.amount + excluded.amount, segments = run_count.segments + excluded.segments"
)
_INTO: Final = f"INSERT INTO run_count ({_KEY}, amount, segments)"


def _is_current(connection: sa.Connection) -> bool:
    """Whether the table is as counts need it. Migration 0009 makes an earlier one, and 0013 this one."""
    return any(column["name"] == "part" for column in sa.inspect(connection).get_columns("run_count"))


def install(connection: sa.Connection, tables: Sequence[CountedTable] = COUNTED) -> None:
    """Make the triggers. A migration that lets SQLite rebuild one of the tables must call it again for that table."""
    if not _is_current(connection):
        return
    make = _sqlite if connection.dialect.name == "sqlite" else _postgresql
    for table in tables:
        for statement in make(table):
            connection.exec_driver_sql(statement)


def remove(connection: sa.Connection, tables: Sequence[CountedTable] = COUNTED) -> None:
    """Take the triggers away, those of earlier versions, too."""
    is_sqlite = connection.dialect.name == "sqlite"
    for table in tables:
        for event in _events(table):
            name = f"count_{table.name}_{event}"
            statement = f"TRIGGER IF EXISTS {name}" if is_sqlite else f"FUNCTION IF EXISTS {name}() CASCADE"
            connection.exec_driver_sql(f"DROP {statement}")


def _events(table: CountedTable) -> tuple[str, ...]:
    return ("insert", "delete", "update") if table.changes else ("insert", "delete")


def _sqlite(table: CountedTable) -> Iterator[str]:
    """SQLite has triggers for each row alone; there is one writer, and so one shard."""
    old, new = (
        {name: getattr(table, name).format(row=row) for name in ("figure", "part", "segments", "where")}
        for row in ("OLD", "NEW")
    )
    is_old, is_new = old["where"], new["where"]
    values = f"NEW.run_id, {new['figure']}, {new['part']}, 0, 1, {new['segments']}"
    add = f"{_INTO} {f'SELECT {values} WHERE {is_new}' if is_new else f'VALUES ({values})'}{_ADD};"
    take = (
        f"UPDATE run_count SET amount = amount - 1, segments = segments - ({old['segments']})"
        f" WHERE run_id = OLD.run_id AND figure = {old['figure']} AND part = {old['part']} AND shard = 0"
        f"{f' AND {is_old}' if is_old else ''};"
    )
    differs = " OR ".join(
        f"({one}) IS NOT ({other})"
        for one, other in [("OLD.run_id", "NEW.run_id"), *((old[name], new[name]) for name in old)]
        if one != other
    )
    counts = f"({is_old} OR {is_new}) AND " if is_old else ""
    does = {
        "insert": ("", is_new, add),
        "delete": ("", is_old, take),
        "update": (f" OF run_id, {', '.join(table.changes)}", f"{counts}({differs})", f"{take} {add}"),
    }
    for event in _events(table):
        of, when, actions = does[event]
        yield (
            f"CREATE TRIGGER count_{table.name}_{event} AFTER {event.upper()}{of} ON {table.table}"
            f"{f' WHEN {when}' if when else ''} BEGIN {actions} END"
        )


def _postgresql(table: CountedTable) -> Iterator[str]:
    """PostgreSQL counts what a statement changed at once.

    Each connection has a shard of its own, and only one transaction at a time: nobody ever waits for a count, and no
    order of locks can be wrong.
    """

    def rows(sign: str, of: str) -> str:
        return (
            f"SELECT r.run_id, {_values(table)}, {sign}1 AS amount,"
            f" {sign}({table.segments.format(row='r')}) AS segments FROM {of} AS r{_where(table)}"
        )

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
            f" {_INTO} SELECT run_id, figure, part, pg_backend_pid(), sum(amount), sum(segments)"
            f" FROM ({changed}) AS changed"
            f" GROUP BY run_id, figure, part HAVING sum(amount) <> 0 OR sum(segments) <> 0{_ADD};"
            f" RETURN NULL; END $$"
        )
        yield (
            f"CREATE TRIGGER {name} AFTER {event.upper()} ON {table.table} REFERENCING {referencing}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def _values(table: CountedTable) -> str:
    return f"{table.figure.format(row='r')} AS figure, {table.part.format(row='r')} AS part"


def _where(table: CountedTable, *more: str) -> str:
    every = [*([table.where.format(row="r")] if table.where else []), *more]
    return f" WHERE {' AND '.join(every)}" if every else ""


def _sums(table: CountedTable, *where: str) -> str:
    """The counts of rows by run, figure and part."""
    return (
        f"SELECT r.run_id, {_values(table)}, 0 AS shard, CAST(count(*) AS BIGINT) AS amount,"
        f" CAST(sum({table.segments.format(row='r')}) AS BIGINT) AS segments"
        f" FROM {table.table} AS r{_where(table, *where)} GROUP BY 1, 2, 3"
    )


def fill(connection: sa.Connection) -> None:
    """Count the rows of all runs, for a database in which nothing was kept so far."""
    if not _is_current(connection):
        return
    is_sqlite = connection.dialect.name == "sqlite"
    for table in COUNTED:
        if not is_sqlite or table.table == "run_answer":  # few, and without an id
            connection.exec_driver_sql(f"{_INTO} {_sums(table)}")
            continue
        last = connection.exec_driver_sql(f"SELECT coalesce(max(id), 0) FROM {table.table}").scalar_one()
        for first in range(0, last, AT_ONCE):
            part = f"r.id > {first} AND r.id <= {first + AT_ONCE}"
            connection.exec_driver_sql(f"{_INTO} SELECT * FROM ({_sums(table, part)}) WHERE true{_ADD}")


_KEPT: Final = (
    "SELECT run_id, figure, part, -1 AS shard, CAST(sum(amount) AS BIGINT) AS amount,"
    " CAST(sum(segments) AS BIGINT) AS segments FROM run_count AS r WHERE r.run_id = :run GROUP BY 1, 2, 3"
)
_ROWS: Final = tuple(_sums(table, "r.run_id = :run") for table in COUNTED)
_CHARGES: Final = _sums(CHARGES, "r.run_id = :run")
_SOME: Final = sa.text(_sums(COUNTED[0], "r.run_id = :run", "r.id > :after", "r.id <= :until"))
_UNTIL: Final = sa.text("SELECT id FROM recipient WHERE run_id = :run AND id > :after ORDER BY id LIMIT 1 OFFSET :most")


def kept_and_rows(connection: sa.Connection, run_id: int) -> tuple[Counted, Counted]:
    """Return what is kept about a run, and what its rows are, at one moment.

    PostgreSQL says it in one statement: between two of them a text is sent, and is counted in both or in neither. On
    SQLite a transaction sees one moment, so the recipients are counted in slices.
    """
    found: tuple[Counter[tuple[str, str]], ...] = (Counter(), Counter(), Counter(), Counter())
    is_sqlite = connection.dialect.name == "sqlite"
    every = [_KEPT, *(_ROWS[1:] if is_sqlite else _ROWS)]
    if sa.inspect(connection).has_table(CHARGES.table):  # it is younger than the others
        every.append(_CHARGES)
    rows = list(connection.execute(sa.text(" UNION ALL ".join(every)), {"run": run_id}))
    after: int | None = 0 if is_sqlite else None
    while after is not None:
        until = connection.execute(_UNTIL, {"run": run_id, "after": after, "most": AT_ONCE}).scalar()
        rows += connection.execute(_SOME, {"run": run_id, "after": after, "until": until or 2**62})
        after = until
    for _, figure, part, shard, amount, segments in rows:
        amounts, of_segments = found[:2] if shard < 0 else found[2:]
        amounts[figure, part] += amount
        of_segments[figure, part] += segments
    kept, in_rows = (
        {key: pair for key in amounts if (pair := (amounts[key], of_segments[key])) != (0, 0)}
        for amounts, of_segments in (found[:2], found[2:])
    )
    return kept, in_rows


_FOLD: Final = sa.text(
    f"WITH gone AS (DELETE FROM run_count WHERE ({_KEY}) IN"
    f" (SELECT {_KEY} FROM run_count WHERE run_id = :run AND shard <> 0 FOR UPDATE SKIP LOCKED)"
    f" RETURNING run_id, figure, part, amount, segments) {_INTO}"
    f" SELECT run_id, figure, part, 0, sum(amount), sum(segments) FROM gone GROUP BY run_id, figure, part{_ADD}"
)


def fold(session: Session, run_id: int) -> None:
    """Make the shards of a run one, as the last thing that a transaction does; its run must be locked.

    Then it waits for nobody. What others are changing stays where it is.
    """
    if session.get_bind().dialect.name != "sqlite":
        session.execute(_FOLD, {"run": run_id})
