"""The tables. Rows are read as plain values and written in sets; `table=True` models validate nothing."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from campaigns.access import Role
from campaigns.codes import PausedBy, RunType, WaitsFor
from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store.column_types import BigId, Json, UnixTime, by_value

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING


class AttemptState(StrEnum):
    """One POST of one batch."""

    OPEN = "open"  # the intent is stored, the outcome is not -> closed, unknown
    UNKNOWN = "unknown"  # the outcome could not be read from a reply and is being looked up -> closed
    CLOSED = "closed"  # the outcome is known and applied


class Account(SQLModel, table=True):
    """The gateway account that texts are sent through, and what is known of it."""

    id: int = Field(default=None, primary_key=True, sa_type=sa.Integer)
    key: str = Field(unique=True, max_length=64)  # fingerprint of gateway address and API key, or "sandbox"
    paused_by: PausedBy = Field(default=PausedBy.NOBODY, sa_type=by_value(PausedBy))  # nobody: texts may be sent
    paused_reason: str = ""  # for people, where the code alone does not say it (`campaigns.codes`)
    paused_at: datetime | None = None
    next_probe_at: datetime | None = None
    failures: int = 0  # consecutive requests that did not reach the gateway, or that it put off or failed at
    told: list[str] = Field(default_factory=list, sa_type=Json)  # the reasons of a lasting trouble, each reported once
    probes: int = 0  # how often it was checked whether that trouble is over
    clock_offsets: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)  # see `following.clock_offsets`
    highest_gateway_id: int = Field(default=0, sa_type=sa.BigInteger)  # the ID floor of the next attempt
    met_at: datetime | None = None  # the gateway was read once, before anything was sent
    witness_id: int | None = Field(default=None, sa_type=sa.BigInteger)  # a message that it had then: reads show it
    witness_at: datetime | None = None
    received_until: datetime | None = None  # replies were read up to this moment (the gateway's own dates)
    received_id: int = Field(default=0, sa_type=sa.BigInteger)  # the highest gateway ID of a stored reply
    currency: str | None = Field(default=None, max_length=3)  # in which its texts are charged, since the first was


class Campaign(SQLModel, table=True):
    """A campaign, known by its slug; a rehearsal in the sandbox is kept apart from the real one."""

    __table_args__ = (sa.UniqueConstraint("slug", "rehearsal"),)

    id: int = Field(default=None, primary_key=True, sa_type=sa.Integer)
    slug: str = Field(max_length=70)  # for the tests of a campaign: `test:` before its name
    rehearsal: bool
    created_at: datetime


class DefinitionRow(SQLModel, table=True):
    """One version of a campaign's file."""

    __tablename__ = "definition"
    __table_args__ = (sa.UniqueConstraint("campaign_id", "content_hash"),)

    id: int = Field(default=None, primary_key=True, sa_type=sa.Integer)
    campaign_id: int = Field(foreign_key="campaign.id")
    content_hash: str = Field(max_length=64)
    source: str  # the file's name, for messages to people
    body: str = Field(sa_type=sa.Text)  # the definition as JSON
    created_at: datetime


class Repetition(SQLModel, table=True):
    """A campaign that makes one run after another: by which version of its file, and since when."""

    campaign_id: int = Field(primary_key=True, foreign_key="campaign.id", sa_type=sa.Integer)
    definition_id: int = Field(foreign_key="definition.id")
    since: datetime  # moments up to this do not belong to it
    is_ended: bool = False  # somebody cancelled it: it makes no more runs


class Run(SQLModel, table=True):
    """One firing of a campaign. (campaign, moment) is unique: firing twice changes nothing."""

    __table_args__ = (sa.UniqueConstraint("campaign_id", "moment"), sa.Index("ix_run_state", "state"))

    id: int = Field(default=None, primary_key=True, sa_type=sa.Integer)
    campaign_id: int = Field(foreign_key="campaign.id")
    account_id: int = Field(foreign_key="account.id")
    definition_id: int = Field(foreign_key="definition.id")
    type: RunType = Field(sa_type=by_value(RunType))
    moment: str = Field(max_length=40)  # its unique name within the campaign; its meaning depends on `type`
    kind: str = Field(default="", max_length=20)  # marketing, reminder, transactional: what caps and opt-outs go by
    parent_id: int | None = Field(default=None, foreign_key="run.id")  # the run whose failed texts this one resends
    root_id: int | None = Field(default=None, foreign_key="run.id")  # the run that this one is a step of
    previous_id: int | None = Field(default=None, foreign_key="run.id")  # of a step: the run of the text before it
    # Of a step: its `StepCondition`s, joined by commas; every intent reads them again.
    unless: str | None = Field(default=None, max_length=60)
    only_if: str | None = Field(default=None, max_length=60)
    state: RunState = Field(sa_type=by_value(RunState))
    paused_by: PausedBy = Field(default=PausedBy.NOBODY, sa_type=by_value(PausedBy))
    reason: str = ""  # for people: why it waits, is paused, was cancelled or failed
    resume_to: str = ""  # the state to which `resume` returns a paused run
    starts_at: datetime
    follow_seconds: float
    plan_hash: str = Field(default="", max_length=64)
    approved_hash: str = Field(default="", max_length=64)  # the plan that somebody approved
    approved_at: datetime | None = None
    plan_summary: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    created_at: datetime
    planned_at: datetime | None = None  # None: the plan is not complete yet
    started_at: datetime | None = None
    sent_at: datetime | None = None  # nothing is left to send
    followed_at: datetime | None = None  # nothing is waited for any more but its steps
    finished_at: datetime | None = None
    texts_emptied_at: datetime | None = None  # its texts were erased, by age; before `finished_at`: it went on since
    people_erased_at: datetime | None = None  # so were its people
    read_requests: int = 0


_THROTTLED_ONLY = sa.text(f"waits_for = '{WaitsFor.THROTTLE}'")
_MAY_BE_LATE = sa.text("latest IS NOT NULL AND state IN ('planned','queued')")


class Batch(SQLModel, table=True):
    """The recipients of one gateway request."""

    __table_args__ = (
        sa.Index("ix_batch_run_id_state_not_before", "run_id", "state", "not_before"),
        # Few of a run's batches wait for the throttle, and the drain tick adds them up ten times a second: without its
        # own index it also read 100,000 batches that are due tomorrow, in 140 ms.
        sa.Index(
            "ix_batch_throttled",
            "run_id",
            "state",
            "not_before",
            sqlite_where=_THROTTLED_ONLY,
            postgresql_where=_THROTTLED_ONLY,
        ),
        sa.Index(
            "ix_batch_state",
            "state",
            sqlite_where=sa.text("state IN ('queued','sending','unknown')"),
            postgresql_where=sa.text("state IN ('queued','sending','unknown')"),
        ),
        # Contact lists in use, read at each opt-out.
        sa.Index(
            "ix_batch_list_id",
            "list_id",
            sqlite_where=sa.text("list_id IS NOT NULL"),
            postgresql_where=sa.text("list_id IS NOT NULL"),
        ),
        sa.Index("ix_batch_latest", "run_id", "latest", sqlite_where=_MAY_BE_LATE, postgresql_where=_MAY_BE_LATE),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    run_id: int = Field(foreign_key="run.id")
    ordinal: int
    state: BatchState = Field(sa_type=by_value(BatchState))
    zones: str = Field(default="", sa_type=sa.Text)  # whose clocks its window opens by; empty: the campaign's
    moment: datetime  # its people's own; however long it waits for a limit or a window, it is never sent earlier
    latest: datetime | None = None  # after this its people are late
    not_before: datetime  # their moment at first, later the end of a snooze or back-off: not sent earlier
    queued_at: datetime | None = None
    attempt: int = 0  # how often it was posted
    recipients: int
    segments: int
    list_id: int | None = None  # a contact list kept by the gateway: its recipients are known from the reply
    avoid_device: int | None = None  # a text that failed there is tried on another device, if there is one
    target: str = Field(default="", max_length=20)  # the device or SIM to send it by; empty: as its campaign says
    waits_for: WaitsFor = Field(default=WaitsFor.NOTHING, sa_type=by_value(WaitsFor))  # for a planned or queued one
    reason: str = ""  # for people, if no code says it


class AudienceSource(SQLModel, table=True):
    """What a row of an audience was read from. Rows refer to it: its name in each of them took ten bytes and more."""

    __tablename__ = "audience_source"
    __table_args__ = (sa.UniqueConstraint("name"),)

    id: int = Field(default=None, primary_key=True, sa_type=sa.Integer)
    name: str  # of a table, a contact list of the gateway, or who answered


class Recipient(SQLModel, table=True):
    """One row of the audience of one run. (run, number, occurrence, slot) is unique: planning twice changes nothing.

    Few tables have as many rows, so what many of them share is a number here, and stands in another table.
    """

    __table_args__ = (
        # The number first: one person in all campaigns is looked up by it, for caps, opt-outs, replies and `why`.
        sa.UniqueConstraint("number", "run_id", "occurrence", "slot"),
        sa.Index("ix_recipient_batch_id", "batch_id"),
        # A run's rows a page at a time: without it, each page sorted all of them. Neither column ever changes.
        sa.Index("ix_recipient_run_id_id", "run_id", "id"),
        sa.Index(
            "ix_recipient_gateway_id",
            "gateway_id",
            sqlite_where=sa.text("gateway_id IS NOT NULL"),
            postgresql_where=sa.text("gateway_id IS NOT NULL"),
        ),
        # Who is held is shown, and decided on: few of a million.
        sa.Index(
            "ix_recipient_held",
            "run_id",
            "id",
            sqlite_where=sa.text("state = 'held'"),
            postgresql_where=sa.text("state = 'held'"),
        ),
        # Why texts failed is shown for a campaign: few of a million.
        sa.Index(
            "ix_recipient_failed",
            "run_id",
            sqlite_where=sa.text("state = 'failed'"),
            postgresql_where=sa.text("state = 'failed'"),
        ),
        # The lock of the send protocol: a number is in at most one request whose outcome is not known.
        sa.Index(
            "uq_recipient_in_doubt",
            "number",
            unique=True,
            sqlite_where=sa.text("state = 'in_doubt'"),
            postgresql_where=sa.text("state = 'in_doubt'"),
        ),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    run_id: int = Field(foreign_key="run.id")
    batch_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    number: str = Field(max_length=32)  # E.164; for an invalid row: what stood there
    occurrence: int  # 0 for the row that counts; otherwise the ordinal of the duplicate or invalid row
    slot: str = Field(default="", max_length=120)  # for a reminder: which appointment, and how long before or after it
    source_id: int  # of `AudienceSource`
    line: int
    state: RecipientState = Field(sa_type=by_value(RecipientState))
    reason: str = ""
    # Not sent, because an earlier text to this person was sent after all: that text's row is the one that counts.
    is_superseded: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    variant: str = ""
    text: str = Field(sa_type=sa.Text)
    segments: int
    gateway_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    message_group_id: int | None = Field(default=None, sa_type=sa.BigInteger)  # of the message with that gateway ID
    device: int | None = None
    sim: int | None = None
    attempts: int = 0
    gateway_retries: int = 0  # the gateway's own retries; part of the order of receipts
    result_code: int | None = None  # Android's, from the last receipt
    resent_count: int = 0  # how often we resent a text that failed
    accepted_at: datetime | None = Field(default=None, sa_type=UnixTime)
    sent_at: datetime | None = Field(default=None, sa_type=UnixTime)
    delivered_at: datetime | None = Field(default=None, sa_type=UnixTime)


class RunCount(SQLModel, table=True):
    """How many rows of a run count in one part of a figure, written by triggers alone (`store/kept/counting.py`).

    On PostgreSQL a figure is the sum of its shards, one for each connection that changed it. Without a reference to the
    run: checking it would cost more than the count.
    """

    __tablename__ = "run_count"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: int = Field(primary_key=True, sa_type=sa.Integer, sa_column_kwargs={"autoincrement": False})
    figure: str = Field(primary_key=True, max_length=30)
    part: str = Field(primary_key=True)  # of recipients: a variant or the control group; of failures: why
    shard: int = Field(primary_key=True, sa_type=sa.Integer, sa_column_kwargs={"autoincrement": False})
    amount: int = Field(sa_type=sa.BigInteger)
    segments: int = Field(sa_type=sa.BigInteger)


class RunAnswer(SQLModel, table=True):
    """A person of a run who wrote back or opted out (`store/people/run_answers.py`): once, however often they did.

    `part` is theirs, as in `RunCount`. Triggers count these rows there.
    """

    __tablename__ = "run_answer"

    run_id: int = Field(primary_key=True, foreign_key="run.id", sa_type=sa.Integer)
    recipient_id: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})
    kind: str = Field(primary_key=True, max_length=10)  # `replied`, `opted_out`
    part: str


class PhoneCount(SQLModel, table=True):
    """How many texts of an account's phone wait, were sent or failed, written by triggers alone
    (`store/kept/phones.py`); on PostgreSQL in shards, too. `last_at`: when it sent its last one.
    """

    __tablename__ = "phone_count"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account_id: int = Field(primary_key=True, sa_type=sa.Integer, sa_column_kwargs={"autoincrement": False})
    device: int = Field(primary_key=True, sa_type=sa.Integer, sa_column_kwargs={"autoincrement": False})
    sim: int = Field(primary_key=True, sa_type=sa.Integer, sa_column_kwargs={"autoincrement": False})  # -1: not known
    figure: str = Field(primary_key=True, max_length=10)
    shard: int = Field(primary_key=True, sa_type=sa.Integer, sa_column_kwargs={"autoincrement": False})
    amount: int = Field(sa_type=sa.BigInteger)
    last_at: datetime | None = Field(default=None, sa_type=UnixTime)


class Attempt(SQLModel, table=True):
    """One POST: the intent before it, the outcome after it, and the evidence for both."""

    __table_args__ = (
        sa.Index("ix_attempt_batch_id", "batch_id"),
        # When a run's first and last request were made is read from both ends of it.
        sa.Index("ix_attempt_run_id_started_at", "run_id", "started_at"),
        sa.Index("ix_attempt_granted_at", "granted_at"),
        sa.Index(
            "ix_attempt_unsettled",
            "next_check_at",
            sqlite_where=sa.text("state <> 'closed' OR outcome = 'missed'"),
            postgresql_where=sa.text("state <> 'closed' OR outcome = 'missed'"),
        ),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    run_id: int = Field(foreign_key="run.id")
    batch_id: int = Field(sa_type=sa.BigInteger)
    number: int  # 1 for the first POST of the batch
    state: AttemptState = Field(sa_type=by_value(AttemptState))
    started_at: datetime
    send_by: datetime  # no byte is written later
    id_floor: int = Field(sa_type=sa.BigInteger)  # the highest gateway ID seen before: its messages are above it
    payload_hash: str = Field(max_length=64)
    target: str = ""
    recipients: int
    segments: int
    granted_at: datetime | None = None  # the throttle's moment, on its clock: the rate is counted by it
    outcome: str = Field(default="", max_length=20)
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    finished_at: datetime | None = None
    next_check_at: datetime  # when reconciling, or the watch over missed requests, next looks at it
    checks: int = 0


class Charge(SQLModel, table=True):
    """What a text of a request costs, if there are prices: `segments` times `price`, in millionths of the account's
    currency. A price that nobody knows is None. Without references: checking them would cost more than the charge.
    """

    __table_args__ = ({"sqlite_with_rowid": False},)

    # The run first: what it costs is added up. Then the person, for exports; a request knows its people.
    run_id: int = Field(primary_key=True, sa_type=sa.Integer, sa_column_kwargs={"autoincrement": False})
    recipient_id: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})
    attempt_id: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})
    segments: int
    price: int | None = Field(default=None, sa_type=sa.BigInteger)
    is_refunded: bool = False  # the text is proven not sent by this request


class SpentMoney(SQLModel, table=True):
    """What was spent of a budget of money in one of its periods (`store/money/spending.py`), in millionths."""

    __tablename__ = "spent_money"
    __table_args__ = ({"sqlite_with_rowid": False},)

    scope: str = Field(primary_key=True, max_length=40)  # `account:ID`, `campaign:ID`
    starts_at: datetime = Field(primary_key=True)
    ends_at: datetime = Field(primary_key=True)
    millionths: int = Field(sa_type=sa.BigInteger)


class MessageGroup(SQLModel, table=True):
    """The messages that the gateway keeps under one groupID: the unit that following polls."""

    __tablename__ = "message_group"
    __table_args__ = (
        sa.UniqueConstraint("run_id", "group_id", "batch_id"),  # several requests may have messages without a group
        sa.Index("ix_message_group_next_poll_at", "next_poll_at"),
        sa.Index("ix_message_group_accepted_at", "accepted_at"),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    run_id: int = Field(foreign_key="run.id")
    batch_id: int = Field(sa_type=sa.BigInteger)
    group_id: str
    accepted_at: datetime
    messages: int
    polls: int = 0
    next_poll_at: datetime | None = None  # None: every message in it has reached its end


class Event(SQLModel, table=True):
    """Something that happened and that somebody may ask about later."""

    __table_args__ = (sa.Index("ix_event_run_id", "run_id"),)

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    at: datetime
    name: str = Field(max_length=60)
    run_id: int | None = Field(default=None, foreign_key="run.id")
    batch_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    attempt_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=Json)


class InboxFile(SQLModel, table=True):
    """A campaign file in the inbox, as it was when it was last accepted."""

    __tablename__ = "inbox_file"

    path: str = Field(primary_key=True)
    fingerprint: str = Field(max_length=64)
    run_id: int | None = Field(default=None, foreign_key="run.id")
    problem: str = Field(default="", sa_type=sa.Text)
    seen_at: datetime
    status_text: str = Field(default="", sa_type=sa.Text)  # what NAME.status.txt says
    reported: bool = False  # NAME.report.csv is written


class Ceiling(SQLModel, table=True):
    """A limit that was set or lowered while the service runs. One row per thing limited and source of the limit."""

    __table_args__ = (sa.UniqueConstraint("account_id", "scope", "source"),)

    id: int = Field(default=None, primary_key=True, sa_type=sa.Integer)
    account_id: int = Field(foreign_key="account.id")
    scope: str = Field(max_length=100)  # `account`, `device:TARGET`, `campaign:SLUG`
    source: str = Field(max_length=20)  # `person` (`campaigns throttle`) or `receipts` (a phone at its limit)
    rate: str = ""  # as in a campaign file; empty: not limited by this row
    daily: int | None = None  # segments
    weight: int | None = None  # of a campaign, relative to others of its kind
    reason: str = ""
    until: datetime | None = None  # None: until it is cleared
    set_at: datetime


class Lease(SQLModel, table=True):
    """The right to do something that only one process at a time does. `token` grows with each new holder: the fence."""

    name: str = Field(primary_key=True, max_length=40)
    holder: str = Field(default="", max_length=100)
    token: int = Field(default=0, sa_type=sa.BigInteger)
    expires_at: datetime


class ServiceProcess(SQLModel, table=True):
    """A process of the service, which says every few seconds that it is there. It deletes its row when it ends."""

    __tablename__ = "service_process"

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    role: str = Field(max_length=20)  # the command: `up`, `scheduler`, `worker`, `dashboard`
    host: str = Field(max_length=100)
    pid: int
    version: str = Field(max_length=40)
    started_at: datetime
    seen_at: datetime


class Suppression(SQLModel, table=True):
    """A number that gets nothing from one kind of campaign, or (empty) from any. One list for the installation."""

    __table_args__ = (
        # Ended entries stay as the person's history; at most one entry per number and kind is in force.
        sa.Index(
            "uq_suppression_in_force",
            "number",
            "kind",
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
        sa.Index("ix_suppression_number", "number"),  # with the ended ones, for `why`
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    number: str = Field(max_length=32)  # E.164
    kind: str = Field(default="", max_length=20)
    reason: str = ""  # the keyword that was sent, or a person's words
    source: str = Field(default="", max_length=60)  # `reply`, `command`, `import FILE`
    since: datetime
    ended_at: datetime | None = None  # the person came back, or the entry was removed


_WAITS_TO_BE_READ = sa.text("reviewed_at IS NULL AND meaning IN ('review', 'stop')")


class Inbound(SQLModel, table=True):
    """A message that somebody sent to a phone, stored once, however it arrived.

    (account, gateway ID, fingerprint) is unique: the IDs of a gateway that was set up again start at 1.
    """

    __table_args__ = (
        sa.UniqueConstraint("account_id", "gateway_id", "fingerprint"),
        sa.Index("ix_inbound_number", "number"),
        sa.Index("ix_inbound_run_id", "run_id"),
        # What a person has to read is looked at again and again: few of all replies.
        sa.Index("ix_inbound_waiting", "id", sqlite_where=_WAITS_TO_BE_READ, postgresql_where=_WAITS_TO_BE_READ),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    account_id: int = Field(foreign_key="account.id")
    gateway_id: int = Field(sa_type=sa.BigInteger)
    fingerprint: str = Field(default="", max_length=32)  # of number, text and date
    number: str = Field(max_length=32)  # where its sender can be reached: E.164, or as it arrived (a shop's name)
    sender: str = Field(default="", max_length=32)  # the number that it was sent from
    text: str = Field(sa_type=sa.Text)
    device: int | None = None
    sim: int | None = None
    received_at: datetime  # the gateway's date
    stored_at: datetime
    came_by: str = Field(max_length=10)  # `poll` or `webhook`
    meaning: str = Field(max_length=10)  # `stop`, `start`, `help`, `review` (perhaps a stop), `reply`
    reviewed_at: datetime | None = None  # a person has read a `review`; None for a `stop`: its sender is not known
    run_id: int | None = Field(default=None, foreign_key="run.id")  # the run that it answers
    recipient_id: int | None = Field(default=None, sa_type=sa.BigInteger)


class PrivacyKey(SQLModel, table=True):
    """The one row of a database in which people were erased: it tells the key of their hashes from any other."""

    __tablename__ = "privacy_key"

    id: int = Field(primary_key=True, sa_type=sa.Integer)
    check_value: str = Field(max_length=32)
    since: datetime


class Erasure(SQLModel, table=True):
    """A number that somebody asked to erase, until it is done: a text to it may still be on its way.

    The empty one stands for what is left of rows that were changed, in the files of the database.
    """

    number: str = Field(primary_key=True, max_length=32)
    asked_at: datetime


class Unsubscription(SQLModel, table=True):
    """A number to take off a contact list of the gateway. Done once for each (account, list, number)."""

    __table_args__ = (
        sa.UniqueConstraint("account_id", "list_id", "number"),
        sa.Index(
            "ix_unsubscription_next_try_at",
            "next_try_at",
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    account_id: int = Field(foreign_key="account.id")
    list_id: int
    number: str = Field(max_length=32)
    asked_at: datetime
    next_try_at: datetime
    tries: int = 0
    done_at: datetime | None = None
    problem: str = ""


class Notice(SQLModel, table=True):
    """Something to report outside until it is delivered: a webhook call, an e-mail, a command."""

    __table_args__ = (
        sa.UniqueConstraint("key"),
        sa.Index(
            "ix_notice_next_try_at",
            "next_try_at",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    key: str = Field(max_length=200)  # what is reported to whom: reported once, however often it is noticed
    channel: str = Field(max_length=20)  # `webhook`, `reply_webhook`, `email`, `command`
    target: str = Field(sa_type=sa.Text)  # the address
    event: str = Field(max_length=40)  # `run.started`, `run.paused`, `run.completed`, `run.held`, `reply` ...
    body: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    run_id: int | None = Field(default=None, foreign_key="run.id")
    created_at: datetime
    next_try_at: datetime
    tries: int = 0
    ended_at: datetime | None = None  # delivered, or given up (then there is a problem)
    problem: str = ""


class StuckDevice(SQLModel, table=True):
    """A phone whose texts stay Pending longer than those of the others: no new texts are planned for it meanwhile."""

    __tablename__ = "stuck_device"
    __table_args__ = (sa.UniqueConstraint("account_id", "device"),)

    id: int = Field(default=None, primary_key=True, sa_type=sa.Integer)
    account_id: int = Field(foreign_key="account.id")
    device: int
    waiting: int  # texts that it has not sent
    oldest_at: datetime  # since when the oldest of them has waited
    since: datetime  # when this was noticed


class DevicePerson(SQLModel, table=True):
    """A person whom a phone or SIM texted in a calendar month, or whom a request of it is for (`store/people`).

    Written only where a budget of people is set. `device`: as in `devices.use`, or `any`. `month`: when it began.
    """

    __tablename__ = "device_person"
    __table_args__ = (sa.Index("ix_device_person_number", "number"), {"sqlite_with_rowid": False})

    account_id: int = Field(primary_key=True, sa_type=sa.Integer, sa_column_kwargs={"autoincrement": False})
    month: datetime = Field(primary_key=True, sa_type=UnixTime)
    device: str = Field(primary_key=True, max_length=20)
    number: str = Field(primary_key=True, max_length=32)


class DeviceMonth(SQLModel, table=True):
    """How many people each device has in `DevicePerson`; the row without a device says up to which request."""

    __tablename__ = "device_month"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account_id: int = Field(primary_key=True, sa_type=sa.Integer, sa_column_kwargs={"autoincrement": False})
    month: datetime = Field(primary_key=True, sa_type=UnixTime)
    device: str = Field(primary_key=True, max_length=20)
    people: int
    counted_to: int | None = Field(default=None, sa_type=sa.BigInteger)  # the last attempt that was looked at


_WAITS = sa.text("due_at IS NOT NULL")
_IS_WATCHED = sa.text("next_look_at IS NOT NULL")


class Retry(SQLModel, table=True):
    """A text that a phone did not send, and that is sent again as another message.

    (recipient, gateway ID) is unique: a failure is noticed once, however often it is shown.
    """

    __table_args__ = (
        sa.UniqueConstraint("recipient_id", "gateway_id"),
        sa.Index("ix_retry_gateway_id", "gateway_id"),
        sa.Index("ix_retry_run_id", "run_id"),
        sa.Index("ix_retry_due_at", "due_at", sqlite_where=_WAITS, postgresql_where=_WAITS),
        sa.Index("ix_retry_next_look_at", "next_look_at", sqlite_where=_IS_WATCHED, postgresql_where=_IS_WATCHED),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    run_id: int = Field(foreign_key="run.id")
    recipient_id: int = Field(sa_type=sa.BigInteger)
    batch_id: int = Field(sa_type=sa.BigInteger)  # of the request that the failed message came from
    gateway_id: int = Field(sa_type=sa.BigInteger)  # the failed message
    device: int | None = None
    sim: int | None = None
    result_code: int  # why it failed: proof that it was not sent
    gateway_retries: int  # the gateway's own retries when this was noticed
    segments: int
    noticed_at: datetime
    due_at: datetime | None  # when it is sent again; None: it was, or it will not be
    began_at: datetime | None = None  # since when the person has waited for the next message
    dropped: str = ""  # why it is not sent again after all
    next_look_at: datetime | None = None  # when to check whether the failed message was sent after all
    looks: int = 0
    doubled_at: datetime | None = None  # it was: the person may have got the text twice


class AcceptedBefore(SQLModel, table=True):
    """A message that the gateway has and no row of this database made: `recover` found it.

    A person who is planned with its number and text has already got it. That uses the row up.
    """

    __tablename__ = "accepted_before"
    __table_args__ = (
        sa.UniqueConstraint("account_id", "gateway_id"),
        sa.Index("ix_accepted_before_number", "account_id", "number"),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    account_id: int = Field(foreign_key="account.id")
    gateway_id: int = Field(sa_type=sa.BigInteger)
    number: str = Field(max_length=32)  # as a recipient's: `+` and digits
    text: str = Field(sa_type=sa.Text)  # in full: a server may have added a footer, and then no digest would match
    group_id: str | None = None
    device: int | None = None
    sim: int | None = None
    sent_at: datetime | None = None  # the gateway's date


class Installation(SQLModel, table=True):
    """The one row that names this database's installation: a database that was lost and made again is another one."""

    id: int = Field(primary_key=True, sa_type=sa.Integer)
    name: str = Field(max_length=16)
    since: datetime


class AppUser(SQLModel, table=True):
    """A person who signs in. Users are disabled rather than deleted: the audit names them."""

    __tablename__ = "app_user"
    __table_args__ = (sa.UniqueConstraint("name"),)

    id: int = Field(default=None, primary_key=True, sa_type=sa.Integer)
    name: str = Field(max_length=64)
    role: Role = Field(sa_type=by_value(Role))
    password_hash: str = Field(max_length=255)  # argon2id, with its parameters and salt
    created_at: datetime
    created_by: str = Field(max_length=100)
    password_at: datetime  # sessions from before it have ended
    disabled_at: datetime | None = None


class ApiToken(SQLModel, table=True):
    """A key for programs. The token itself is shown once and stored nowhere."""

    __tablename__ = "api_token"
    __table_args__ = (sa.UniqueConstraint("name"), sa.UniqueConstraint("digest"))

    id: int = Field(default=None, primary_key=True, sa_type=sa.Integer)
    name: str = Field(max_length=64)
    prefix: str = Field(max_length=12)  # how it begins: people recognise it by that
    digest: str = Field(max_length=64)  # SHA-256, hexadecimal
    scopes: list[str] = Field(default_factory=list, sa_type=Json)
    recipients_daily: int | None = None  # None: no quota
    used_on: date | None = None  # the last day (UTC) on which it sent to somebody
    used_recipients: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  # to how many on that day
    created_at: datetime
    created_by: str = Field(max_length=100)
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    ended_at: datetime | None = None  # it was removed


class WebSession(SQLModel, table=True):
    """A browser that has signed in, known by the digest of its cookie."""

    __tablename__ = "web_session"
    __table_args__ = (sa.Index("ix_web_session_user_id", "user_id"),)

    digest: str = Field(primary_key=True, max_length=64)  # SHA-256, hexadecimal
    user_id: int | None = Field(default=None, foreign_key="app_user.id")  # None: the first-run link or a proxy's header
    name: str = Field(max_length=100)
    role: Role = Field(sa_type=by_value(Role))
    created_at: datetime
    seen_at: datetime
    ended_at: datetime | None = None


class AuditEntry(SQLModel, table=True):
    """Something that a person, a token or the service itself did. Only ever appended; each entry seals the one before.

    No full number, text or secret.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        sa.Index("ix_audit_entry_campaign", "campaign", "id"),
        sa.Index("ix_audit_entry_action", "action", "id"),
        sa.Index("ix_audit_entry_actor", "actor", "id"),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    at: datetime
    actor_kind: str = Field(max_length=20)  # `cli`, `user`, `token`, `process`
    actor: str = Field(max_length=100)
    origin: str = Field(default="", max_length=64)  # the address that it was asked from; empty: this machine
    action: str = Field(max_length=40)
    campaign: str = Field(default="", max_length=70)
    run_id: int | None = None  # without a reference: the entry outlives the run
    plan_hash: str = Field(default="", max_length=64)  # for `submit`: the one that has to be approved
    subject: str = Field(default="", max_length=200)  # what it was done to: a masked number, a token's or user's name
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    previous: str = Field(max_length=64)  # the digest of the entry before; empty for the first
    digest: str = Field(max_length=64)  # SHA-256 over all other columns, hexadecimal


class AuditHead(SQLModel, table=True):
    """The one row that knows the end of the audit: without it, nobody would notice that the last entries are gone."""

    __tablename__ = "audit_head"

    id: int = Field(primary_key=True, sa_type=sa.Integer)
    entries: int = Field(default=0, sa_type=sa.BigInteger)
    last_id: int = Field(default=0, sa_type=sa.BigInteger)
    digest: str = Field(default="", max_length=64)  # of the last entry


class IdempotentCall(SQLModel, table=True):
    """A call with an `Idempotency-Key`, and its answer: the same call again gets it again and changes nothing."""

    __tablename__ = "idempotent_call"
    __table_args__ = (
        sa.UniqueConstraint("caller", "key"),
        sa.Index("ix_idempotent_call_created_at", "created_at"),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    caller: str = Field(max_length=120)
    key: str = Field(max_length=255)
    request_digest: str = Field(max_length=64)  # of method, path and body
    answer: str = Field(default="", sa_type=sa.Text)  # JSON
    created_at: datetime


class MessageKey(SQLModel, table=True):
    """A key by which a program asked for a single text: used once, for as long as the text is known."""

    __tablename__ = "message_key"

    digest: str = Field(primary_key=True, max_length=64)  # SHA-256 of caller and key, hexadecimal
    recipient_id: int = Field(sa_type=sa.BigInteger)
    request_digest: str = Field(max_length=64)  # of number, text, device and validity
    created_at: datetime


class ReplyAnswer(SQLModel, table=True):
    """An answer that somebody gave to a reply. Of two people who answer at once, the key refuses one."""

    __tablename__ = "reply_answer"

    reply_id: int = Field(primary_key=True, sa_type=sa.BigInteger)
    place: int = Field(primary_key=True)  # 1: the first answer to this reply
    recipient_id: int = Field(sa_type=sa.BigInteger)  # the text that answers
    answered_by: str = Field(max_length=100)
    answered_at: datetime


_IS_RAISED = sa.text("cleared_at IS NULL")


class Alert(SQLModel, table=True):
    """A condition that somebody has to know of: raised once, and cleared when it no longer holds."""

    __table_args__ = (
        sa.Index(
            "uq_alert_raised", "name", "subject", unique=True, sqlite_where=_IS_RAISED, postgresql_where=_IS_RAISED
        ),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    name: str = Field(max_length=60)
    subject: str = Field(default="", max_length=100)  # a campaign, a phone; empty: the installation
    raised_at: datetime
    cleared_at: datetime | None = None
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=Json)


class CallOut(SQLModel, table=True):
    """One try to deliver a notice, and how it ended."""

    __tablename__ = "call_out"
    __table_args__ = (sa.Index("ix_call_out_notice_id", "notice_id"), sa.Index("ix_call_out_at", "at"))

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    notice_id: int = Field(sa_type=sa.BigInteger)
    at: datetime
    target: str = Field(default="", max_length=200)  # the host only
    channel: str = Field(max_length=20)
    event: str = Field(max_length=40)
    status: int | None = None  # as HTTP says it; None: there was no answer, or it is not HTTP
    problem: str = Field(default="", sa_type=sa.Text)
    seconds: float


class RunCourse(SQLModel, table=True):
    """How far a run was over time, and what kept it back: one row for a run, of bounded size.

    See `campaigns.following.course`.
    """

    __tablename__ = "run_course"

    run_id: int = Field(primary_key=True, foreign_key="run.id", sa_type=sa.Integer)
    course: dict[str, Any] = Field(sa_type=Json)  # of people handed over, sent to, delivered to
    bottlenecks: list[tuple[int, str]] = Field(sa_type=Json)  # since when by what
