"""Who of a run wrote back, and who opted out: noted once when it happens, so that a page counts nobody.

Who wrote only a keyword, such as STOP, has asked for something and not answered.

For a run whose people were divided, that is anyone who wrote or opted out from its start until `follow.until` after its
last request, including in the control group, to which nobody can answer. Of another run, those who answered its texts.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from campaigns.optout import ANSWERS, Meaning
from worker.store.bulk import PARAMETERS, in_parts
from worker.store.kept.counting import ANSWER, COUNTED
from worker.store.statements import Statement, rows_given
from worker.store.tables import recipients, replies, run_answers, runs, suppressions

REPLIED: Final = "replied"
OPTED_OUT: Final = "opted_out"
FIGURES: Final = {kind: ANSWER + kind for kind in (REPLIED, OPTED_OUT)}
"""What is kept of them, by kind."""

IMPORTED: Final = "import"
"""The start of a suppression's source if it came from a table: it says nothing about a text."""

_part: Final = sa.literal_column(COUNTED[0].part.format(row="recipient"), sa.String).label("part")
_person: Final = (recipients.c.run_id, recipients.c.id, _part)
_DIVIDED: Final = runs.c.plan_summary["cuts"].as_string().not_in(["[]", "null"])
"""Null, and so not true, if nothing is written down about cuts."""


def _from(table: sa.Table) -> sa.FromClause:
    return table.join(recipients, recipients.c.number == table.c.number).join(runs, runs.c.id == recipients.c.run_id)


_times: Final = (runs.c.started_at, runs.c.sent_at, runs.c.finished_at, runs.c.follow_seconds)
_WROTE: Final = (
    sa.select(_DIVIDED.label("divided"), replies.c.meaning, replies.c.received_at.label("at"), *_times, *_person)
    .select_from(_from(replies))
    .where(
        runs.c.account_id == replies.c.account_id,
        sa.or_(recipients.c.id == replies.c.recipient_id, sa.and_(_DIVIDED, runs.c.started_at.is_not(None))),
    )
)
_LEFT: Final = (
    sa.select(suppressions.c.since.label("at"), *_times, *_person)
    .select_from(_from(suppressions))
    .where(_DIVIDED, runs.c.started_at.is_not(None), ~suppressions.c.source.startswith(IMPORTED))
)


def note_replies(session: Session, ids: Collection[int]) -> None:
    """Note who wrote these replies (row ids), which are linked to what they answer."""
    for part in in_parts(sorted(ids)):
        _note(session, _by_replies(session.execute(_WROTE.where(replies.c.id.in_(part)))))


def note_opt_outs(session: Session, ids: Collection[int]) -> None:
    """Note who opted out by these entries of the list of suppressions (row ids)."""
    for part in in_parts(sorted(ids)):
        _note(session, _by_opt_outs(session.execute(_LEFT.where(suppressions.c.id.in_(part)))))


def is_answer() -> sa.ColumnElement[bool]:
    """Match replies that are no keyword."""
    return replies.c.meaning.in_(sorted(ANSWERS))


def count_answering(session: Session, run_ids: Sequence[int]) -> int:
    """Return how many recipients of these runs answered, and not only by a keyword."""
    answering = sa.func.count(sa.distinct(replies.c.recipient_id))
    query = sa.select(answering).where(replies.c.run_id.in_(run_ids), is_answer())
    return session.connection().scalar(query) or 0


def fill(session: Session) -> None:
    """Note everybody of all runs, for a database in which nobody was noted so far."""
    for note, table in ((note_replies, replies), (note_opt_outs, suppressions)):
        last = session.scalar(sa.select(sa.func.max(table.c.id))) or 0
        for first in range(1, last + 1, PARAMETERS):
            note(session, range(first, first + PARAMETERS))


def answers_unlike_rows(session: Session) -> set[tuple[int, int, str, str]]:
    """Look at every reply and opt-out; return what is noted and should not be, and what is not, for checks.

    Without those of people who were erased: what they wrote may be forgotten at another time.
    """
    is_known = ~sa.func.coalesce(recipients.c.number, "").startswith("#")
    of_known = run_answers.outerjoin(recipients, recipients.c.id == run_answers.c.recipient_id)
    noted = {tuple(row) for row in session.execute(sa.select(run_answers).select_from(of_known).where(is_known))}
    found = _by_replies(session.execute(_WROTE.where(is_known))), _by_opt_outs(session.execute(_LEFT.where(is_known)))
    return noted ^ {*found[0], *found[1]}


_Answer: TypeAlias = tuple[int, int, str, str]
"""A run, the row of a person, `REPLIED` or `OPTED_OUT`, and their part of the run."""


def _by_replies(found: Iterable[sa.Row[Any]]) -> Iterator[_Answer]:
    for row in found:
        if not row.divided or _is_in_time(row):
            if row.meaning in ANSWERS:
                yield row.run_id, row.id, REPLIED, row.part
            if row.meaning == Meaning.STOP and not row.divided:
                yield row.run_id, row.id, OPTED_OUT, row.part


def _by_opt_outs(found: Iterable[sa.Row[Any]]) -> Iterator[_Answer]:
    for row in found:
        if _is_in_time(row):
            yield row.run_id, row.id, OPTED_OUT, row.part


def _is_in_time(row: sa.Row[Any]) -> bool:
    last = row.sent_at or row.finished_at
    return bool(row.at >= row.started_at and (last is None or row.at <= last + timedelta(seconds=row.follow_seconds)))


def _noting(dialect: str, given: Mapping[str, sa.ColumnElement[Any]]) -> Statement:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    rows = sa.select(*given.values()).where(sa.true())  # without a condition, SQLite takes ON for a join's
    return Statement(insert(run_answers).from_select(list(given), rows).on_conflict_do_nothing())


_NOTE: Final = {
    dialect: _noting(dialect, given)
    for dialect, given in rows_given({column.name: column.type for column in run_answers.c}).items()
}
"""In one statement: PostgreSQL counts by statement, and an upgrade notes a million of them."""


def _note(session: Session, found: Iterable[_Answer]) -> None:
    # In one order, so that two who note the same wait for each other, and in no circle.
    rows = sorted(set(found))
    if rows:
        connection = session.connection()
        _NOTE[connection.dialect.name].changed(connection, {"b_rows": orjson.dumps(rows).decode()})
