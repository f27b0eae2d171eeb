"""The rows of the database of the histories. References between rows stand for foreign keys."""

from dataclasses import dataclass, field
from datetime import datetime

from campaigns.definition import OnUnknown
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.protocol.verdicts import LookUp


@dataclass(slots=True)
class Run:
    """One firing of a campaign."""

    id: int
    text: str
    policy: OnUnknown
    state: RunState = RunState.RUNNING
    list_id: int | None = None


@dataclass(slots=True)
class Batch:
    """The recipients of one request."""

    id: int
    run: Run
    not_before: datetime
    state: BatchState = BatchState.PLANNED
    queued_at: datetime | None = None
    attempt: int = 0
    reason: str = ""


@dataclass(slots=True)
class Recipient:
    """One person in one run."""

    id: int
    run: Run
    batch: Batch
    number: str
    state: RecipientState = RecipientState.PENDING
    reason: str = ""
    gateway_id: int | None = None
    accepted_at: datetime | None = None
    retries: int = 0

    @property
    def text(self) -> str:
        """The text that the person should read."""
        return f"{self.run.text} {self.number}"


@dataclass(slots=True)
class Attempt:
    """One POST. `state` is open, unknown or closed."""

    id: int
    batch: Batch
    number: int
    started_at: datetime
    send_by: datetime
    id_floor: int
    people: tuple[Recipient, ...]
    next_check_at: datetime
    state: str = "open"
    outcome: str = ""
    problem: str = ""
    is_device_problem: bool = False
    looks: list[LookUp] = field(default_factory=list)


@dataclass(slots=True)
class Account:
    """The gateway account."""

    paused_reason: str = ""
    next_probe_at: datetime | None = None
    failures: int = 0
    highest_gateway_id: int = 0
    restored: "Restored | None" = None  # an older database came back: nothing is sent until everybody was looked up


@dataclass(slots=True)
class Restored:
    """What is known after an older database came back: when it was made, and the last moment of a request since."""

    backup_at: datetime
    send_by: datetime
    id_floor: int
    has_begun: bool = False
    looked_up: set[int] = field(default_factory=set)  # recipients whose look-up has begun
    lists: set[int] = field(default_factory=set)  # the same for batches, because a contact list's batch has no people
