"""What a restored database still believes to be unsent, and up to when it knows what was sent."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.lifecycle import RecipientState
from worker.store.bulk import in_parts
from worker.store.events import EventName
from worker.store.sending.accepted_before import UnsentRecipient, spelt
from worker.store.tables import attempts, batches, events, recipients, runs

UNSENT = (RecipientState.PENDING, RecipientState.IN_DOUBT, RecipientState.HELD, RecipientState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Unsent(UnsentRecipient):
    """A person who, as far as the database knows, was not sent their text, with what determines when it was due.

    `waits`: the number is in doubt in another row, so this one cannot be accepted now.
    """

    definition_id: int
    run_type: RunType
    moment: str
    departs_at: datetime
    waits: bool


def known_until(session: Session, account_id: int) -> tuple[datetime | None, int]:
    """Return when the last request that the database knows of was made, and the highest ID seen before it.

    What it has forgotten is above that ID. The account's own highest ID would not do: it rises with what is seen after
    the loss. None and 0: it knows of no request, and may have forgotten everything.
    """
    query = sa.select(sa.func.max(attempts.c.started_at), sa.func.coalesce(sa.func.max(attempts.c.id_floor), 0))
    last, floor = session.execute(
        query.join(runs, runs.c.id == attempts.c.run_id).where(runs.c.account_id == account_id)
    ).one()
    return last, floor


def recovered_at(session: Session, account_id: int) -> datetime | None:
    """Return when the account's gateway was last swept for what the database does not know; None: never."""
    query = (
        sa.select(events.c.at, events.c.detail)
        .where(events.c.name == EventName.ACCOUNT_RECOVERED)
        .order_by(events.c.id.desc())
    )
    return next((at for at, detail in session.execute(query) if detail.get("account", account_id) == account_id), None)


def unsent_people(session: Session, account_id: int, numbers: Collection[str]) -> list[Unsent]:
    """Return the account's unsent recipients with these numbers (with or without plus), the oldest run first."""
    found: list[Unsent] = []
    other = recipients.alias("other")
    in_doubt = sa.exists().where(
        other.c.number == recipients.c.number,
        other.c.state == RecipientState.IN_DOUBT,
        other.c.id != recipients.c.id,
    )
    for part in in_parts(sorted({spelt(number) for number in numbers})):
        query = (
            sa.select(
                recipients.c.id,
                recipients.c.run_id,
                recipients.c.batch_id,
                recipients.c.number,
                recipients.c.text,
                runs.c.definition_id,
                runs.c.type,
                runs.c.moment,
                batches.c.moment,
                in_doubt,
            )
            .join(runs, runs.c.id == recipients.c.run_id)
            .join(batches, batches.c.id == recipients.c.batch_id)
            .where(
                runs.c.account_id == account_id,
                recipients.c.state.in_(UNSENT),
                recipients.c.number.in_(part),
            )
            .order_by(recipients.c.run_id, recipients.c.id)
        )
        found.extend(Unsent(*row) for row in session.execute(query))
    return found
