"""Messages that the gateway certainly has: a read that does not show them proves nothing about others."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from worker.store.sending.doubts import Doubt
from worker.store.tables import accounts, attempts, recipients, runs


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """A message that the gateway certainly has: a read that does not show it proves nothing."""

    gateway_id: int
    accepted_at: datetime
    definition_id: int | None = None  # the campaign it belongs to, if it is one of ours
    number: str = ""  # its recipient, if it is one of ours: a gateway set up again gives its ID to somebody else


NEAR: Final = timedelta(minutes=1)
"""How long before a request another one is its neighbour: short, because the gateway's clock may be far off."""

NEIGHBOURS: Final = 500
"""How many messages to look for on each side of a request."""

AT_GATEWAY: Final = (RecipientState.ACCEPTED, RecipientState.SENT, RecipientState.DELIVERED, RecipientState.FAILED)
"""Messages in these states are among those that the gateway shows."""


def known_message(session: Session, account_id: int) -> ControlMessage | None:
    """Return the account's message that was accepted last; before there is one, the newest that was already there."""
    row = session.execute(
        sa.select(recipients.c.gateway_id, recipients.c.accepted_at, runs.c.definition_id, recipients.c.number)
        .join(runs, runs.c.id == recipients.c.run_id)
        .where(
            runs.c.account_id == account_id,
            recipients.c.gateway_id > 0,  # negative ones are of a gateway that is gone
            recipients.c.accepted_at.is_not(None),
        )
        .order_by(recipients.c.gateway_id.desc())
        .limit(1)
    ).first()
    if row is not None:
        gateway_id, accepted_at, definition_id, number = row
        known = None if gateway_id is None or accepted_at is None else (gateway_id, accepted_at)
        return known and ControlMessage(*known, definition_id, number)
    witness = session.execute(
        sa.select(accounts.c.witness_id, accounts.c.witness_at).where(accounts.c.id == account_id)
    ).one()
    return None if witness[0] is None or witness[1] is None else ControlMessage(witness[0], witness[1])


def neighbours(session: Session, doubt: Doubt, *, until: datetime) -> list[ControlMessage]:
    """Return messages of the account next to the request's own place among IDs and times; accepted by `until`.

    A gateway that shows only its first or last messages does not show all of these either. Messages that were found, or
    given a new request, long after they were made are left out: their date at the gateway is a different one.
    """
    first_request = (
        sa.select(sa.func.min(attempts.c.started_at))
        .where(attempts.c.batch_id == recipients.c.batch_id)
        .scalar_subquery()
    )
    near = (
        sa.select(
            recipients.c.gateway_id, recipients.c.accepted_at, runs.c.definition_id, recipients.c.number, first_request
        )
        .join(runs, runs.c.id == recipients.c.run_id)
        .where(runs.c.account_id == doubt.account_id, recipients.c.state.in_(AT_GATEWAY), recipients.c.gateway_id > 0)
        .limit(NEIGHBOURS)
    )
    id_ = recipients.c.gateway_id
    rows = [
        *session.execute(near.where(id_ <= doubt.id_floor).order_by(id_.desc())),
        *session.execute(near.where(id_ > doubt.id_floor).order_by(id_)),
    ]
    since = doubt.started_at - NEAR
    return [
        ControlMessage(gateway_id, accepted_at, definition_id, number)
        for gateway_id, accepted_at, definition_id, number, requested_at in rows
        if accepted_at is not None and accepted_at <= until and requested_at is not None and requested_at >= since
    ]
