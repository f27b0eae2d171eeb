"""The recipients of a run a page at a time, in the order of the audience: all, or those that a filter matches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from worker.store.kept.phones import FAILED, SENT, WAITING
from worker.store.reports.choices import matches
from worker.store.reports.exports import (
    NO_REPLY,
    Exported,
    costs_in,
    exported,
    first_replies,
    kind_and_plan,
    moment,
    opted_out_in,
    selected,
    set_for_pages,
    stands,
)
from worker.store.reports.keyset import SCANNED, rows_after
from worker.store.tables import campaigns, charges, recipients, replies, runs


@dataclass(frozen=True, slots=True)
class PhoneText:
    """A text that a phone was given. `at`: when it was sent, or else handed over."""

    id: int
    run_id: int
    campaign: str
    number: str
    state: RecipientState
    reason: str
    at: datetime | None


IN_FIGURE: Final[Mapping[str, tuple[RecipientState, ...]]] = {
    WAITING: (RecipientState.ACCEPTED,),
    SENT: (RecipientState.SENT, RecipientState.DELIVERED),
    FAILED: (RecipientState.FAILED,),
}
"""The states that are counted in a figure of a phone."""


MOST_LOOKS: Final = 10
"""How many bounded parts are looked at for one page of a phone's texts: 200,000 rows, some 0.4 s."""


def phone_texts_after(
    session: Session,
    account_id: int,
    device: int,
    sim: int | None,
    figure: str,
    *,
    after: int,
    limit: int,
    scanned: int = SCANNED,
) -> tuple[list[PhoneText], int | None]:
    """Return the texts of one figure of a phone (`sim` None: not known), the newest first, and the id to go on after.

    There is no index by phone, which every receipt would have to keep: each page looks at `MOST_LOOKS` parts of
    `scanned` rows, so that a large campaign that other phones sent since does not make the first pages empty.
    """
    columns = (recipients.c.id, recipients.c.run_id, campaigns.c.slug, recipients.c.number, recipients.c.state)
    at = sa.func.coalesce(recipients.c.sent_at, recipients.c.accepted_at, type_=recipients.c.sent_at.type)
    query = (
        sa.select(*columns, recipients.c.reason, at)
        .join(runs, runs.c.id == recipients.c.run_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
    )
    only = [
        runs.c.account_id == account_id,
        recipients.c.device == device,
        recipients.c.sim.is_(None) if sim is None else recipients.c.sim == sim,
        recipients.c.state.in_(IN_FIGURE[figure]),
    ]
    found: list[PhoneText] = []
    place: int | None = after
    for _ in range(MOST_LOOKS):
        rows, place = rows_after(
            session,
            query,
            recipients.c.id,
            only=only,
            after=place or 0,
            limit=limit - len(found),
            newest_first=True,
            scanned=scanned,
        )
        found += [PhoneText(*tuple(row)) for row in rows]
        if place is None or len(found) == limit:
            break
    return found, place


def recipients_after(
    session: Session,
    run_id: int,
    filters: Mapping[str, Any],
    *,
    only: Sequence[sa.ColumnElement[bool]] = (),
    again: Sequence[int] = (),
    after: int,
    limit: int,
) -> tuple[list[tuple[int, Exported]], int | None]:
    """Return rows with their ids, and the id to go on after. `filters`, as in `matches`; `only`: further conditions.

    `again`: resends of the run; a person whom they sent to appears with what became of that, and once.
    """
    connection = session.connection()
    set_for_pages(connection)
    rows, place = rows_after(
        session,
        selected(connection),
        recipients.c.id,
        among=[recipients.c.run_id.in_([run_id, *again])] if again else [recipients.c.run_id == run_id],
        only=[*matches(run_id, filters, again), *only, *([stands(again)] if again else [])],
        after=after,
        limit=limit,
    )
    ids = [row[0] for row in rows]
    kind, planned_at, step = kind_and_plan(connection, run_id)
    opted_out = opted_out_in(connection, recipients.c.id.in_(ids))
    ended = {id_: moment(since) for id_, since in connection.execute(opted_out, {"b_kind": kind})}
    replied = first_replies(connection, replies.c.recipient_id.in_(ids) & replies.c.run_id.in_([run_id, *again]), {})
    is_charged = charges.c.run_id.in_([run_id, *again]), charges.c.recipient_id.in_(ids)
    costs = costs_in(connection, sa.and_(*is_charged), {})
    found = [
        (row[0], exported(row, planned_at, replied.get(row[0], NO_REPLY), ended.get(row[0]), costs.get(row[0]), step))
        for row in rows
    ]
    return found, place
