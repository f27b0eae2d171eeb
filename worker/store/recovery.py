"""What a restored database still believes to be unsent, and how far it knows what was sent."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.codes import RunType
from campaigns.lifecycle import RecipientState
from worker.store.accepted_before import Person, spelt
from worker.store.bulk import in_parts
from worker.store.events import EventName
from worker.store.models import Attempt, Batch, Event, Recipient, Run
from worker.store.tables import recipients, select_columns

UNSENT = (RecipientState.PENDING, RecipientState.IN_DOUBT, RecipientState.HELD, RecipientState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Unsent(Person):
    """Somebody who, as far as the database knows, has not been sent their text, with what decides on when it was due.

    `waits`: their number is in doubt in another row, so that this one cannot be accepted now.
    """

    definition_id: int
    run_type: RunType
    moment: str
    departs_at: datetime
    waits: bool


def known_until(session: Session, account_id: int) -> tuple[datetime | None, int]:
    """When the last request was made that the database knows of, and the highest ID that was seen before it.

    What it has forgotten lies above that ID. Not the account's own one, which rises with what is seen after the loss.
    None and 0: it knows of none, and may have forgotten everything.
    """
    query = select(sa.func.max(Attempt.started_at), sa.func.coalesce(sa.func.max(Attempt.id_floor), 0))
    last, floor = session.exec(
        query.join(Run, col(Run.id) == col(Attempt.run_id)).where(Run.account_id == account_id)
    ).one()
    return last, floor


def recovered_at(session: Session, account_id: int) -> datetime | None:
    """When the gateway of the account was last swept for what the database does not know; None: never."""
    query = (
        select(Event.at, Event.detail).where(Event.name == EventName.ACCOUNT_RECOVERED).order_by(col(Event.id).desc())
    )
    return next((at for at, detail in session.exec(query) if detail.get("account", account_id) == account_id), None)


def unsent_people(session: Session, account_id: int, numbers: Collection[str]) -> list[Unsent]:
    """The unsent recipients of the account with these numbers (with or without plus), the oldest run first."""
    found: list[Unsent] = []
    other = recipients.alias("other")
    in_doubt = sa.exists().where(
        other.c.number == col(Recipient.number),
        other.c.state == RecipientState.IN_DOUBT,
        other.c.id != col(Recipient.id),
    )
    for part in in_parts(sorted({spelt(number) for number in numbers})):
        query = (
            select_columns(
                Recipient.id,
                Recipient.run_id,
                Recipient.batch_id,
                Recipient.number,
                Recipient.text,
                Run.definition_id,
                Run.type,
                Run.moment,
                Batch.moment,
                in_doubt,
            )
            .join(Run, col(Run.id) == col(Recipient.run_id))
            .join(Batch, col(Batch.id) == col(Recipient.batch_id))
            .where(
                Run.account_id == account_id,
                col(Recipient.state).in_(UNSENT),
                col(Recipient.number).in_(part),
            )
            .order_by(col(Recipient.run_id), col(Recipient.id))
        )
        found.extend(Unsent(*row) for row in session.exec(query))
    return found
