"""The tables as SQLAlchemy's core sees them: statements over sets of rows are built from these."""

from typing import Final

import sqlalchemy as sa
from sqlmodel import SQLModel

from worker.store.models import (
    AcceptedBefore,
    Account,
    Attempt,
    Batch,
    Campaign,
    Ceiling,
    DefinitionRow,
    Event,
    Inbound,
    InboxFile,
    Installation,
    Lease,
    MessageGroup,
    Notice,
    Recipient,
    Repetition,
    Retry,
    Run,
    StuckDevice,
    Suppression,
    Unsubscription,
)


def _table(model: type[SQLModel]) -> sa.Table:
    return SQLModel.metadata.tables[str(model.__tablename__)]


accepted_before: Final = _table(AcceptedBefore)
accounts: Final = _table(Account)
attempts: Final = _table(Attempt)
batches: Final = _table(Batch)
campaigns: Final = _table(Campaign)
ceilings: Final = _table(Ceiling)
definitions: Final = _table(DefinitionRow)
events: Final = _table(Event)
groups: Final = _table(MessageGroup)
inbox_files: Final = _table(InboxFile)
installations: Final = _table(Installation)
leases: Final = _table(Lease)
notices: Final = _table(Notice)
recipients: Final = _table(Recipient)
repetitions: Final = _table(Repetition)
replies: Final = _table(Inbound)
retries: Final = _table(Retry)
runs: Final = _table(Run)
stuck: Final = _table(StuckDevice)
suppressions: Final = _table(Suppression)
unsubscriptions: Final = _table(Unsubscription)

NOT_WAITING: Final[sa.ColumnElement[bool]] = sa.literal_column("batch.state IN ('queued','sending','unknown')")
"""The condition of the index on few states, word for word, or SQLite does not use it: it then read all of 100,000
waiting batches, in 12 ms."""
