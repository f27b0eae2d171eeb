"""What people read."""

from typing import Annotated, Any, Generic, NotRequired, TypeVar

from typing_extensions import TypedDict

from campaigns.alerts.conditions import Severity
from scheduler.report.shown.shapes import (
    ChapterShape,
    EvidencedRequest,
    ListedOptOut,
    Moment,
    OptOut,
    RecipientStateWord,
    ReplyShape,
    RunStateWord,
    words,
)

T = TypeVar("T")


class Items(TypedDict, Generic[T]):
    """All of them."""

    items: list[T]


class Paged(TypedDict, Generic[T]):
    """A page; `next` is the place to go on after, null at the end."""

    items: list[T]
    next: int | None


class PersonShape(TypedDict):
    """Everything known about a number."""

    number: str
    suppressions: list[OptOut]
    replies: list[ReplyShape]
    story: list[ChapterShape]


class SingleTextShape(ChapterShape):
    """A single text that a program asked for."""

    id: int
    number: str


class RecipientShape(TypedDict):
    """Somebody in a run, as an export has them. `text` and `reply` are null without `read:numbers`."""

    id: int
    run: int
    number: str
    state: RecipientStateWord
    reason: str
    variant: str
    text: str | None
    segments: int
    gateway_id: int | None
    group_id: str | None
    device: int | None
    sim: int | None
    attempts: int
    planned_at: Moment | None
    accepted_at: Moment | None
    sent_at: Moment | None
    delivered_at: Moment | None
    result_code: int | None
    result: str
    replied_at: Moment | None
    reply: str | None
    opted_out_at: Moment | None
    cost: str | None
    step: str


class PlacedOptOut(ListedOptOut):
    """An entry of the suppression list, with its id."""

    id: int


class AnswerShape(TypedDict):
    """An answer to a reply. `message`: the single text; `text` is null without `read:numbers`."""

    by: str
    at: Moment
    message: int
    state: RecipientStateWord
    text: str | None


class WrittenReply(ReplyShape):
    """A reply; `reviewed_at` null: nobody has read it yet, or nobody has to. `answers`: the first one first."""

    id: int
    number: str
    reviewed_at: Moment | None
    answers: list[AnswerShape]


class LineShape(TypedDict):
    """One text of a conversation. `reply` null: it is ours, and `by` answered with it, if it is an answer.

    `state`: that of our text, or the meaning of theirs; `at` null: it was not handed over yet.
    """

    at: Moment | None
    reply: int | None
    by: str | None
    state: str
    text: str | None
    campaign: str | None
    run: int | None


class ConversationShape(WrittenReply):
    """A reply with the last texts of both sides. `problem`: why nobody may answer it."""

    lines: list[LineShape]
    problem: str | None


class HeldGroupShape(TypedDict):
    """People who are held after the same requests, or a contact list."""

    batch: int | None
    contact_list: int | None
    reason: str
    people: list[str]
    requests: list[EvidencedRequest]


class HeldRequests(HeldGroupShape):
    """A held request: for how many people, and the first of them."""

    campaign: str
    run: int
    held: int


class RunHeld(TypedDict):
    """Who is held in a run."""

    campaign: str
    run: int
    state: RunStateWord
    held: int
    lists: int
    groups: list[HeldGroupShape]
    failed_request: EvidencedRequest | None


class Happening(TypedDict):
    """The `data` of an event. `campaign` and `run` are null for what concerns an account."""

    id: int
    at: Moment
    event: str
    campaign: str | None
    run: int | None
    reason: str | None


class WaitingShape(TypedDict):
    """A reply that a person has to read."""

    id: int
    number: str
    received_at: Moment
    campaign: str | None
    of_nobody_known: bool
    text: str


class AlertShape(TypedDict):
    """Something that is wrong, or was. `subject` is empty for the installation; `raised_at` null: seen just now."""

    name: str
    subject: str
    severity: Annotated[str, words(Severity)]
    says: str
    raised_at: Moment | None
    cleared_at: Moment | None
    detail: dict[str, Any]
    rehearsal: bool


_Who = TypedDict("_Who", {"from": NotRequired[str]})


class AuditedShape(_Who):
    """What somebody did. `actor` is a kind and a name; `digest` seals the entry and those before it."""

    id: int
    at: Moment
    actor: str
    action: str
    campaign: NotRequired[str]
    run: NotRequired[int]
    plan: NotRequired[str]
    subject: NotRequired[str]
    detail: NotRequired[dict[str, Any]]
    digest: str


class CallShape(TypedDict):
    """A try to tell somebody outside. `status`: of HTTP, if there was an answer; `problem` is empty if it was taken."""

    id: int
    notice: int
    at: Moment
    channel: str
    event: str
    target: str
    status: int | None
    problem: str
    seconds: float


class BrokenFileShape(TypedDict):
    """A campaign file that cannot be used as it is. `problem`: its first line only, without `read:numbers`.

    `goes_on`: what it said before is a campaign.
    """

    name: str
    problem: str
    since: Moment
    goes_on: bool


class ProcessShape(TypedDict):
    """A process of the service. `silent`: it has not said for a minute that it is there."""

    role: str
    host: str
    pid: int
    version: str
    started_at: Moment
    seen_at: Moment
    clock: bool
    silent: bool


class FindingShape(TypedDict):
    """What the doctor found in one check."""

    area: str
    standing: str
    says: str
    advice: str | None


class ExaminedShape(TypedDict):
    """What the doctor found, and how many of it are problems."""

    problems: int
    findings: list[FindingShape]
