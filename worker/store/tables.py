"""The tables as SQLAlchemy's core sees them: statements over sets of rows are built from these."""

from typing import Final

import sqlalchemy as sa
from sqlmodel import SQLModel

from worker.store.models import (
    AcceptedBefore,
    Account,
    Alert,
    ApiToken,
    AppUser,
    Attempt,
    AudienceSource,
    AuditEntry,
    AuditHead,
    Batch,
    CallOut,
    Campaign,
    Ceiling,
    Charge,
    DefinitionRow,
    DeviceMonth,
    DevicePerson,
    Erasure,
    Event,
    IdempotentCall,
    Inbound,
    InboxFile,
    Installation,
    Lease,
    MessageGroup,
    MessageKey,
    Notice,
    PhoneCount,
    PrivacyKey,
    Recipient,
    Repetition,
    ReplyAnswer,
    Retry,
    Run,
    RunAnswer,
    RunCount,
    RunCourse,
    ServiceProcess,
    SpentMoney,
    StuckDevice,
    Suppression,
    Unsubscription,
    WebSession,
)


def _table(model: type[SQLModel]) -> sa.Table:
    return SQLModel.metadata.tables[str(model.__tablename__)]


accepted_before: Final = _table(AcceptedBefore)
accounts: Final = _table(Account)
alerts: Final = _table(Alert)
attempts: Final = _table(Attempt)
audience_sources: Final = _table(AudienceSource)
audit_entries: Final = _table(AuditEntry)
audit_heads: Final = _table(AuditHead)
batches: Final = _table(Batch)
calls_out: Final = _table(CallOut)
campaigns: Final = _table(Campaign)
ceilings: Final = _table(Ceiling)
charges: Final = _table(Charge)
definitions: Final = _table(DefinitionRow)
device_months: Final = _table(DeviceMonth)
device_people: Final = _table(DevicePerson)
erasures: Final = _table(Erasure)
events: Final = _table(Event)
groups: Final = _table(MessageGroup)
idempotent_calls: Final = _table(IdempotentCall)
inbox_files: Final = _table(InboxFile)
installations: Final = _table(Installation)
leases: Final = _table(Lease)
message_keys: Final = _table(MessageKey)
notices: Final = _table(Notice)
phone_counts: Final = _table(PhoneCount)
privacy_keys: Final = _table(PrivacyKey)
recipients: Final = _table(Recipient)
repetitions: Final = _table(Repetition)
replies: Final = _table(Inbound)
reply_answers: Final = _table(ReplyAnswer)
retries: Final = _table(Retry)
run_answers: Final = _table(RunAnswer)
run_counts: Final = _table(RunCount)
run_courses: Final = _table(RunCourse)
runs: Final = _table(Run)
service_processes: Final = _table(ServiceProcess)
spent_money: Final = _table(SpentMoney)
stuck: Final = _table(StuckDevice)
suppressions: Final = _table(Suppression)
tokens: Final = _table(ApiToken)
unsubscriptions: Final = _table(Unsubscription)
users: Final = _table(AppUser)
web_sessions: Final = _table(WebSession)

charges.add_is_dependent_on(run_counts)
"""Its triggers write there: whoever empties all tables, in the order of what depends on what, begins with it."""

NOT_WAITING: Final[sa.ColumnElement[bool]] = sa.literal_column("batch.state IN ('queued','sending','unknown')")
"""The condition of the index on few states, word for word, or SQLite does not use it: it then read all of 100,000
waiting batches, in 12 ms."""

GROUP_ID: Final = (
    sa.select(sa.func.nullif(groups.c.group_id, ""))
    .where(groups.c.id == recipients.c.message_group_id)
    .correlate(recipients)
    .scalar_subquery()
)
"""The gateway's name for the group of a recipient's message; NULL if there is none."""

SOURCE: Final = (
    sa.select(audience_sources.c.name)
    .where(audience_sources.c.id == recipients.c.source_id)
    .correlate(recipients)
    .scalar_subquery()
)
"""The name of what a recipient was read from."""
