"""Every recipient of a run, streamed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType, step_of
from campaigns.following.results import result_words
from campaigns.lifecycle import RecipientState
from campaigns.money.amounts import decimal_of
from worker.store.following.standing import LEFT_AT, counts_as_failed
from worker.store.runs.resends import resends_of
from worker.store.steps.planned import steps_of
from worker.store.tables import GROUP_ID, charges, recipients, replies, runs, suppressions

COLUMNS: Final = (
    "number",
    "state",
    "reason",
    "variant",
    "text",
    "segments",
    "gateway_id",
    "group_id",
    "device",
    "sim",
    "attempts",
    "planned_at",
    "accepted_at",
    "sent_at",
    "delivered_at",
    "result_code",
    "result",
    "replied_at",
    "reply",
    "opted_out_at",
    "cost",
    "step",
)
"""The columns of an export, in this order: part of the contract with users."""


class Exported(NamedTuple):
    """One row: a value for each of `COLUMNS`. Moments are ISO 8601 in UTC (`2026-12-01T09:00:00Z`), or None."""

    number: str
    state: str
    reason: str
    variant: str
    text: str
    segments: int
    gateway_id: int | None
    group_id: str | None
    device: int | None
    sim: int | None
    attempts: int
    planned_at: str | None
    accepted_at: str | None
    sent_at: str | None
    delivered_at: str | None
    result_code: int | None
    result: str
    replied_at: str | None
    reply: str | None
    opted_out_at: str | None
    cost: str | None
    step: str


PAGE_ROWS: Final = 2_000
"""How many rows are in memory at once."""

MOST_IDS: Final = 128_000
"""The most ids to look at for one page. When asked for a page of all that is left, PostgreSQL expected few rows, and
read and sorted the whole table for each: 300,000 rows at 22,000 a second."""


def export_pages(
    session: Session, run_id: int, *, with_resends: bool = False, with_steps: bool = False
) -> Iterator[list[Exported]]:
    """Yield every recipient in the order of the audience, some thousands at a time.

    `reply` is the first one to this text; `opted_out_at` is since when the number is suppressed for the run's kind;
    `cost` is a decimal in the account's currency, None without prices or if one of them is not known.
    `with_resends`: people who were sent to again appear once, with that outcome, after all others. `with_steps`: then
    the same people with their next step, and so on; `step` is its name.
    """
    again = resends_of(session, run_id) if with_resends else []
    for place, id_ in enumerate([run_id, *again]):
        yield from _of_run(session, id_, again[place:])
    for step_id in steps_of(session, run_id) if with_steps else ():
        yield from export_pages(session, step_id, with_resends=with_resends)


def _of_run(session: Session, run_id: int, later: Sequence[int]) -> Iterator[list[Exported]]:
    connection = session.connection()
    set_for_pages(connection)
    first, last = connection.execute(_BOUNDS, {"b_run": run_id}).one()
    if first is not None:
        yield from _pages(session, run_id, first - 1, last, later)


def _pages(session: Session, run_id: int, after: int, last: int, later: Sequence[int]) -> Iterator[list[Exported]]:
    connection = session.connection()
    kind, planned_at, step = kind_and_plan(connection, run_id)
    page = selected(connection).where(_here, stands(later)).limit(PAGE_ROWS)
    opted_out = opted_out_in(connection, _here)
    has_replies, has_charges = (
        session.scalars(sa.select(table.c.run_id).where(table.c.run_id == run_id).limit(1)).first() is not None
        for table in (replies, charges)
    )
    span = PAGE_ROWS
    while after < last:
        place = {"b_run": run_id, "b_after": after, "b_last": min(after + span, last)}
        rows = connection.execute(page, place).all()
        if len(rows) == PAGE_ROWS:
            place["b_last"] = rows[-1][0]
        span = _next_span(span, len(rows))
        after = place["b_last"]
        if not rows:
            continue
        replied = first_replies(connection, _in_range, place) if has_replies else {}
        ended = {id_: moment(since) for id_, since in connection.execute(opted_out, place | {"b_kind": kind})}
        costs = costs_in(connection, _charged_here, place) if has_charges else {}
        yield [
            exported(row, planned_at, replied.get(row[0], NO_REPLY), ended.get(row[0]), costs.get(row[0]), step)
            for row in rows
        ]


def exported(
    row: Sequence[Any],
    planned_at: str | None,
    replied: tuple[str | None, str | None],
    ended_at: str | None,
    cost: str | None,
    step: str,
) -> Exported:
    """Return a row of `selected` with its plan's time, first reply, time of opting out, cost and step."""
    _, *values, accepted_at, sent_at, delivered_at, result_code = row
    return Exported._make(
        (
            *values,
            planned_at,
            accepted_at and moment(accepted_at),
            sent_at and moment(sent_at),
            delivered_at and moment(delivered_at),
            result_code,
            result_words(result_code),
            *replied,
            ended_at,
            cost,
            step,
        )
    )


def kind_and_plan(connection: sa.Connection, run_id: int) -> tuple[str, str | None, str]:
    """Return the kind of a run, which opt-outs go by, when it was planned, and which step it is; "": none."""
    columns = runs.c.kind, text_of(connection, runs.c.planned_at), runs.c.type, runs.c.moment
    kind, stored, type_, name = connection.execute(sa.select(*columns).where(runs.c.id == run_id)).one()
    return kind, moment(stored) if stored else None, step_of(name)[1] if type_ is RunType.STEP else ""


def _next_span(span: int, rows: int) -> int:
    """Return how many ids the next page looks at: more if most of them belong to other runs."""
    if rows == PAGE_ROWS:
        return max(span // 2, PAGE_ROWS)
    return min(span * 2, MOST_IDS) if rows < PAGE_ROWS // 4 else span


NO_REPLY: Final = (None, None)


def stands(later: Sequence[int]) -> sa.ColumnElement[bool]:
    """Return whether a row shows its person's final outcome: it does not if one of these sent to them later."""
    again = recipients.alias()
    is_again = sa.exists().where(
        again.c.number == recipients.c.number,
        again.c.slot == recipients.c.slot,
        again.c.run_id.in_(later),
        again.c.run_id > recipients.c.run_id,
    )
    counts = ~recipients.c.is_superseded
    if not later:
        return counts
    failed_first = sa.and_(recipients.c.state == RecipientState.FAILED, is_again, counts_as_failed())
    return sa.and_(counts, ~failed_first)


def set_for_pages(connection: sa.Connection) -> None:
    """PostgreSQL would start workers for each page, which took 30 of its 34 ms; and moments must arrive in ISO format,
    whatever the server's settings.
    """
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SET LOCAL max_parallel_workers_per_gather = 0")
        connection.exec_driver_sql("SET LOCAL datestyle = 'ISO'")


@lru_cache(maxsize=1_024)  # all people of a request share one moment, and the gateway's dates are whole seconds
def moment(stored: str | float) -> str:
    """Return `2026-12-01 09:00:00.250000` (or `.25`), or seconds since 1970, as ISO 8601 in UTC; whole seconds without
    their fraction.
    """
    if isinstance(stored, float):
        stored = str(datetime.fromtimestamp(stored, UTC).replace(tzinfo=None))
    fraction = stored[19:26]
    if fraction in {"", ".000000"}:
        return f"{stored[:10]}T{stored[11:19]}Z"
    return f"{stored[:10]}T{stored[11:19]}{fraction:0<7}Z"


# Each in a statement of its own: for both in one, SQLite reads the index of the whole run.
_BOUNDS: Final = sa.select(
    *(
        sa.select(end(recipients.c.id)).where(recipients.c.run_id == sa.bindparam("b_run")).scalar_subquery()
        for end in (sa.func.min, sa.func.max)
    )
)
# `+ 0` keeps both databases from using the index on the run: they would then sort a million rows for every page.
_here: Final = sa.and_(
    recipients.c.id > sa.bindparam("b_after"),
    recipients.c.id <= sa.bindparam("b_last"),
    recipients.c.run_id + 0 == sa.bindparam("b_run"),
)


def text_of(connection: sa.Connection, column: Any) -> sa.ColumnElement[Any]:
    """Select a moment as `moment` takes it: making a datetime of it and then text again took a third of an export's
    time. On SQLite a recipient's are numbers.
    """
    if connection.dialect.name == "sqlite":
        return sa.type_coerce(column, sa.types.NullType())
    return sa.cast(sa.func.timezone("UTC", column), sa.String)  # `to_char` takes three times as long


def selected(connection: sa.Connection) -> sa.Select[Any]:
    """Select rows with their ids, as `exported` takes them; moments come as text."""
    own = {"state": sa.type_coerce(recipients.c.state, sa.String), "group_id": GROUP_ID}
    values = [own[name] if name in own else recipients.c[name] for name in COLUMNS[:11]]
    moments = {"accepted_at": recipients.c.accepted_at, "sent_at": LEFT_AT, "delivered_at": recipients.c.delivered_at}
    times = [text_of(connection, column).label(name) for name, column in moments.items()]
    return sa.select(recipients.c.id, *values, *times, recipients.c.result_code).order_by(recipients.c.id)


_in_range: Final = sa.and_(
    replies.c.run_id == sa.bindparam("b_run"),
    replies.c.recipient_id > sa.bindparam("b_after"),
    replies.c.recipient_id <= sa.bindparam("b_last"),
)


def first_replies(
    connection: sa.Connection, where: sa.ColumnElement[bool], values: Mapping[str, Any]
) -> dict[int | None, tuple[str, str]]:
    """Return the first of these replies of each recipient: when and what."""
    query = (
        sa.select(replies.c.recipient_id, text_of(connection, replies.c.received_at), replies.c.text)
        .where(where)
        .order_by(replies.c.received_at.desc(), replies.c.id.desc())
    )
    # The last ones come first, so that the dictionary ends up with the first.
    return {id_: (moment(at), text) for id_, at, text in connection.execute(query, values)}


_charged_here: Final = sa.and_(
    charges.c.run_id == sa.bindparam("b_run"),
    charges.c.recipient_id > sa.bindparam("b_after"),
    charges.c.recipient_id <= sa.bindparam("b_last"),
)


def costs_in(
    connection: sa.Connection, where: sa.ColumnElement[bool], values: Mapping[str, Any]
) -> dict[int, str | None]:
    """Return what the texts of these charges cost, by recipient: all that was not taken back. None: not known."""
    counts = ~charges.c.is_refunded
    cost = sa.func.coalesce(sa.func.sum(charges.c.segments * charges.c.price).filter(counts), 0)
    unknown = sa.func.count().filter(counts, charges.c.price.is_(None))
    query = sa.select(charges.c.recipient_id, cost, unknown).where(where).group_by(charges.c.recipient_id)
    return {id_: None if none else decimal_of(int(sum_)) for id_, sum_, none in connection.execute(query, values)}


def opted_out_in(connection: sa.Connection, where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Select since when these recipients are suppressed for the kind `b_kind`, by id."""
    return (
        sa.select(recipients.c.id, text_of(connection, sa.func.min(suppressions.c.since)))
        .join(suppressions, suppressions.c.number == recipients.c.number)
        .where(
            where,
            suppressions.c.ended_at.is_(None),
            suppressions.c.kind.in_(["", sa.bindparam("b_kind")]),
        )
        .group_by(recipients.c.id)
    )
