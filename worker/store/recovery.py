"""What a restored database still believes to be unsent, and accepting what the gateway shows to be sent."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.lifecycle import RecipientState
from campaigns.matching import same_number
from worker.store.models import Attempt, Recipient, Run
from worker.store.moves import move_recipients
from worker.store.outcomes import Placed, add_groups
from worker.store.tables import recipients, select_columns

UNSENT = (RecipientState.PENDING, RecipientState.IN_DOUBT, RecipientState.HELD, RecipientState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Unsent:
    """Somebody who, as far as the database knows, has not been sent their text."""

    id: int
    run_id: int
    batch_id: int
    number: str
    text: str
    state: RecipientState


def last_activity(session: Session, account_id: int) -> datetime | None:
    """When the last request was made that the database knows of; before any, when the first run was made."""
    attempts = select(sa.func.max(Attempt.started_at)).join(Run, col(Run.id) == col(Attempt.run_id))
    last = session.exec(attempts.where(Run.account_id == account_id)).one()
    return last or session.exec(select(sa.func.min(Run.created_at)).where(Run.account_id == account_id)).one()


def unsent_people(session: Session, account_id: int, numbers: Collection[str]) -> list[Unsent]:
    """The unsent recipients of the account with these numbers (with or without plus), the oldest run first."""
    spelt = sorted({f"+{same_number(number)}" for number in numbers})
    found: list[Unsent] = []
    for start in range(0, len(spelt), 5_000):  # below the 32,766 parameters that SQLite takes
        query = (
            select_columns(
                Recipient.id, Recipient.run_id, Recipient.batch_id, Recipient.number, Recipient.text, Recipient.state
            )
            .join(Run, col(Run.id) == col(Recipient.run_id))
            .where(
                Run.account_id == account_id,
                col(Recipient.batch_id).is_not(None),
                col(Recipient.state).in_(UNSENT),
                col(Recipient.number).in_(spelt[start : start + 5_000]),
            )
            .order_by(col(Recipient.run_id), col(Recipient.id))
        )
        found.extend(Unsent(*row) for row in session.exec(query))
    return found


def accept_found(
    session: Session, found: Sequence[tuple[Unsent, Placed]], *, now: datetime, first_poll_at: datetime
) -> None:
    """The gateway has these: they are accepted, and followed from `first_poll_at` on."""
    by_batch: dict[tuple[int, int], list[Placed]] = defaultdict(list)
    for person, placed in found:
        # Through `in_doubt`, as everybody: the number's lock is taken and given back within this transaction.
        session.execute(move_recipients(RecipientState.IN_DOUBT, recipients.c.id == person.id))
        statement = move_recipients(
            RecipientState.ACCEPTED,
            recipients.c.id == person.id,
            gateway_id=placed.gateway_id,
            group_id=placed.group_id,
            device=placed.device,
            sim=placed.sim,
            accepted_at=now,
            retries=0,
            reason="found at the gateway by `campaigns recover`",
        )
        session.execute(statement)
        by_batch[person.run_id, person.batch_id].append(placed)
    for (run_id, batch_id), people in by_batch.items():
        add_groups(session, run_id, batch_id, people, now=now, first_poll_at=first_poll_at)
