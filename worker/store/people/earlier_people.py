"""The people of a campaign that was sent before, for a later one whose audience they are.

All of its runs that have begun are taken together, without steps, which are later texts to the same people. Each person
is there once, with what became of the row that was planned last, and has replied or opted out if they did so in any of
the runs, steps included.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.audience.earlier import NO_PERSON
from campaigns.codes import MADE_BY_FILES
from campaigns.lifecycle import RecipientState
from worker.store.people.run_answers import OPTED_OUT, REPLIED
from worker.store.tables import campaigns, recipients, run_answers, runs

AT_ONCE: Final = 2_000
"""How many people are in memory at once."""

MOST_NAMES: Final = 1_000
"""How many campaigns a name is compared with, and may be chosen from: the latest."""


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """The runs of a campaign that have begun, up to a row; `is_over`: nothing more happens in them."""

    campaign_id: int
    run_ids: tuple[int, ...]
    last_id: int
    is_over: bool


class EarlierPerson(NamedTuple):
    """A person of a campaign, by the names of `campaigns.audience.earlier.FIELDS`."""

    number: str
    state: RecipientState
    replied: bool
    opted_out: bool
    variant: str
    delivered_at: datetime | None


def begun_runs(session: Session, campaign: str, *, rehearsal: bool) -> EarlierRuns | None:
    """Return the runs of a campaign that have begun; None: none has. A rehearsal takes those of the real campaign if
    that was not rehearsed."""
    is_begun = (campaigns.c.slug == campaign, runs.c.started_at.is_not(None), runs.c.root_id.is_(None))
    own = sa.true() if rehearsal else ~campaigns.c.rehearsal
    columns = (campaigns.c.id, campaigns.c.rehearsal, runs.c.id.label("run_id"), runs.c.finished_at)
    query = sa.select(*columns).join(runs, runs.c.campaign_id == campaigns.c.id).where(*is_begun, own)
    found = session.execute(query.order_by(campaigns.c.rehearsal.desc(), runs.c.id)).all()
    if not found:
        return None
    mine = [row for row in found if row.rehearsal == found[0].rehearsal]
    last = session.scalar(sa.select(sa.func.max(recipients.c.id))) or 0
    return EarlierRuns(
        mine[0].id, tuple(row.run_id for row in mine), last, all(row.finished_at is not None for row in mine)
    )


def is_known(session: Session, campaign: str, *, rehearsal: bool) -> bool:
    """Return whether there is a campaign of this name, begun or not."""
    real = sa.true() if rehearsal else ~campaigns.c.rehearsal
    return session.scalar(sa.select(campaigns.c.id).where(campaigns.c.slug == campaign, real).limit(1)) is not None


def known_campaigns(session: Session, *, rehearsal: bool) -> list[str]:
    """Return the names of campaigns that have begun, the latest first."""
    real = sa.true() if rehearsal else ~campaigns.c.rehearsal
    query = (
        sa.select(campaigns.c.slug)
        .join(runs, runs.c.campaign_id == campaigns.c.id)
        .where(runs.c.started_at.is_not(None), real, runs.c.type.in_(sorted(MADE_BY_FILES)))
        .group_by(campaigns.c.slug)
        .order_by(sa.func.max(runs.c.id).desc())
    )
    return list(session.scalars(query.limit(MOST_NAMES)))


def people_of(session: Session, earlier: EarlierRuns) -> Iterator[EarlierPerson]:
    """Yield the people of these runs in the order of their rows, `AT_ONCE` in memory."""
    for run_id in earlier.run_ids:
        values = {"b_run": run_id, "b_campaign": earlier.campaign_id, "b_last": earlier.last_id}
        rows = session.execute(_PEOPLE, values, execution_options={"yield_per": AT_ONCE})
        for number, state, replied, opted_out, variant, delivered_at in rows:
            yield EarlierPerson(number, state, bool(replied), bool(opted_out), variant, delivered_at)


_begun: Final = sa.select(runs.c.id).where(
    runs.c.campaign_id == sa.bindparam("b_campaign"), runs.c.started_at.is_not(None)
)
_of_campaign: Final = _begun.where(runs.c.root_id.is_(None))


def _counts(row: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match rows that count for their number."""
    lines = (RecipientState.INVALID, RecipientState.DUPLICATE)
    return sa.and_(row.c.occurrence == 0, ~row.c.is_superseded, row.c.state.not_in(lines))


def _is_latest() -> sa.ColumnElement[bool]:
    later = recipients.alias("later")
    return ~sa.exists().where(
        later.c.number == recipients.c.number,
        later.c.id > recipients.c.id,
        later.c.id <= sa.bindparam("b_last"),
        later.c.run_id.in_(_of_campaign),
        _counts(later),
    )


def _has(kind: str) -> sa.ColumnElement[bool]:
    theirs = recipients.alias("theirs")
    return sa.exists().where(
        theirs.c.number == recipients.c.number,
        theirs.c.run_id.in_(_begun),  # of steps, too
        run_answers.c.run_id == theirs.c.run_id,
        run_answers.c.recipient_id == theirs.c.id,
        run_answers.c.kind == kind,
    )


_columns: Final[tuple[Any, ...]] = (
    recipients.c.number,
    recipients.c.state,
    _has(REPLIED).label("replied"),
    _has(OPTED_OUT).label("opted_out"),
    recipients.c.variant,
    recipients.c.delivered_at,
)
_PEOPLE: Final = (
    sa.select(*_columns)
    .where(
        recipients.c.run_id == sa.bindparam("b_run"),
        recipients.c.id <= sa.bindparam("b_last"),
        _counts(recipients),
        recipients.c.state.not_in(sorted(NO_PERSON)),
        recipients.c.number.startswith("+"),  # whoever was forgotten has none any more
        _is_latest(),
    )
    .order_by(recipients.c.id)
)
