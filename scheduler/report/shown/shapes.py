"""What objects for programs look like. The document of the API is made from these, and mypy holds builders to them.

Members that are not always there are `NotRequired`; what is known to be nothing is null. New members may be added.
"""

from collections.abc import Iterable
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads those of `typing` from Python 3.12 on

from campaigns.lifecycle import RecipientState, RunState
from campaigns.optout import Meaning
from worker.store.models import AttemptState


def words(known: Iterable[str]) -> Any:
    """Return what says in the document that a text is one of these."""
    return Field(json_schema_extra={"enum": [*map(str, known)]})


Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""ISO 8601 in UTC."""

MoneyText = Annotated[str, Field(description="An exact decimal, such as 12.40.")]

RunStateWord = Annotated[str, words(RunState)]
RecipientStateWord = Annotated[str, words(RecipientState)]
MeaningWord = Annotated[str, words(Meaning)]

Counts = Annotated[dict[str, int], Field(description="`audience`, and how many of it are in each state, if any are.")]
Encodings = Annotated[dict[str, int], Field(description="How many texts have each encoding.")]


class EvidencedRequest(TypedDict):
    """A request to the gateway. `evidence` is what is known of how it ended; it holds no number and no text."""

    batch: int
    request: int
    state: Annotated[str, words(AttemptState)]
    started_at: Moment
    send_by: Moment
    finished_at: Moment | None
    device: str | None
    recipients: int
    outcome: str | None
    evidence: dict[str, Any]


class OptOut(TypedDict):
    """An entry of the suppression list. `kind` null: of any. `reason` is null without `read:numbers`."""

    kind: str | None
    since: Moment
    ended_at: Moment | None
    source: str
    reason: str | None


class ListedOptOut(TypedDict):
    """An entry in force, with its number. `reason` is null without `read:numbers`: it may quote what somebody wrote."""

    number: str
    kind: str | None
    since: Moment
    source: str
    reason: str | None


class ReplyShape(TypedDict):
    """What somebody wrote. `text` is null without `read:numbers`."""

    meaning: MeaningWord
    text: str | None
    received_at: Moment
    stored_at: Moment
    came_by: str
    campaign: str | None
    run: int | None


Decision = TypedDict("Decision", {"at": Moment, "by": str, "as": str})
Decision.__doc__ = "What a person declared about somebody who was held."


class FailedTryShape(TypedDict):
    """A text that failed and was, or is to be, sent again."""

    gateway_id: int
    device: int | None
    result_code: int | None
    noticed_at: Moment
    due_at: Moment | None
    sent_again_at: Moment | None
    not_sent_again: str | None
    perhaps_doubled_at: Moment | None


class ChapterShape(TypedDict):
    """A person's text in one campaign, and why it is in its state. `text` is null without `read:numbers`."""

    campaign: str
    rehearsal: bool
    run: int
    sends_again: int | None
    step: NotRequired[str]
    answered_on_the_way_at: NotRequired[list[Moment]]
    state: RecipientStateWord
    why: str
    source: str
    row: int
    contact_list: int | None
    reason: str
    reminder: NotRequired[str]
    variant: str
    text: str | None
    segments: int
    batch: int | None
    attempts: int
    requests: list[EvidencedRequest]
    decisions: list[Decision]
    gateway_id: int | None
    group_id: str | None
    device: int | None
    sim: int | None
    retries: int
    result_code: int | None
    failed_before: list[FailedTryShape]
    accepted_at: Moment | None
    sent_at: Moment | None
    delivered_at: Moment | None


class Ends(TypedDict):
    """When the first and the last text leave."""

    first_send_at: Moment | None
    last_send_at: Moment | None


class Bounds(TypedDict):
    """The 95 % confidence interval of a share, or of a difference between two."""

    low: float
    high: float


class ShareShape(Bounds):
    """How many people that are, and what share of them all: 0 to 1, null of nobody."""

    count: int
    share: float | None


class ControlOutcome(TypedDict):
    """What people did who were sent nothing."""

    recipients: int
    replied: ShareShape
    opted_out: ShareShape


class VariantOutcome(ControlOutcome):
    """What came of a variant."""

    name: str
    sent: ShareShape
    delivered: ShareShape
    replied_more_than_control: NotRequired[Bounds]


class OutcomesShape(TypedDict):
    """What came of each variant, and of the control group, if people were divided."""

    variants: NotRequired[list[VariantOutcome]]
    control: NotRequired[ControlOutcome]


class ToApprove(TypedDict):
    """The hash that has to be approved before anything is sent, and the command that does it."""

    plan: str
    command: str


class ApprovedBy(TypedDict):
    """Who approved the plan, and when."""

    by: str
    at: Moment


class CostShape(TypedDict):
    """What texts cost that were handed over, or may have been. `segments_without_price` are not in it."""

    amount: MoneyText
    currency: str
    segments_without_price: int


class Saving(TypedDict):
    """How many texts are sent in GSM characters instead of those in the file, and what that saves."""

    texts: int
    segments_saved: int


class Requests(TypedDict):
    """How many requests were made to the gateway."""

    send: int
    read: int


class RunShape(OutcomesShape):
    """How far a run is. Its counts by state add up to the audience."""

    campaign: str
    run: int
    step: NotRequired[str]
    moment: NotRequired[Moment]
    day: NotRequired[str]
    state: RunStateWord
    recipients: Counts
    segments: int
    cost: NotRequired[CostShape]
    replaced: NotRequired[Saving]
    requests: Requests
    started_at: Moment | None
    finished_at: Moment | None
    forecast: NotRequired[Ends]
    happened: NotRequired[Ends]
    approval: NotRequired[ToApprove]
    approved: NotRequired[ApprovedBy]
    reason: NotRequired[str]


class ProgressShape(RunShape):
    """How far a campaign is. What is about replies, variants and approvals is there if one campaign was asked for."""

    replies: NotRequired[Annotated[dict[str, int], Field(description="How many, by meaning.")]]
    reached_though_opted_out: NotRequired[int]
    resends: NotRequired[list[RunShape]]
    steps: NotRequired[list[RunShape]]


class LimitShape(TypedDict):
    """One limit in force, and who set it. `value` null: there is none."""

    scope: str
    limit: str
    value: str | None
    source: str
    until: Moment | None
    reason: str | None


class StuckShape(TypedDict):
    """Since when a phone sends nothing, and how old the oldest text is that it holds."""

    since: Moment | None
    oldest_at: Moment | None


class DeviceShape(TypedDict):
    """A phone or a SIM that sent texts."""

    device: int
    sim: int | None
    waiting: int
    sent: int
    failed: int
    last_sent_at: Moment | None
    rate: str | None
    people: Annotated[int | None, Field(description="Different people it texted this month, where that is limited.")]
    people_monthly: Annotated[int | None, Field(description="How many different people it may text in a month.")]
    stuck: StuckShape | None
