"""Short helpers for what the tests of commands do to the database behind the program's back."""

import sqlalchemy as sa
from sqlmodel import col

from worker.store.engine import Store
from worker.store.models import Recipient


def put(store: Store, run_id: int, number: str, **values: object) -> None:
    """Make the row that counts for a number what a test needs it to be."""
    with store.write() as session:
        session.execute(
            sa.update(Recipient)
            .where(col(Recipient.run_id) == run_id, col(Recipient.number) == number, col(Recipient.occurrence) == 0)
            .values(**values)
        )
