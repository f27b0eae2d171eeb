"""What actions did."""

from typing import NotRequired

from typing_extensions import TypedDict

from scheduler.report.shown.shapes import Moment, RunStateWord


class Approval(TypedDict):
    """The plan that is approved, and whether it was before."""

    campaign: str
    run: int
    plan: str
    was_approved: bool


class RequestUnderWay(TypedDict):
    """A request that is under way or being looked up."""

    batch: int
    recipients: int
    age_seconds: float


class Paused(TypedDict):
    """A campaign that was paused, and what of it is under way."""

    campaign: str
    run: int
    state: RunStateWord
    in_flight: list[RequestUnderWay]


class Cancelled(Paused):
    """A campaign that was cancelled: `unsent` texts will not be sent, those of its steps among them."""

    unsent: int


class ResumedShape(TypedDict):
    """What resumes. `state` null: only the account does. `account`: why it sends nothing, if it does not."""

    campaign: str
    run: int
    state: RunStateWord | None
    account: str | None
    held: NotRequired[int]


ResolvedShape = TypedDict(
    "ResolvedShape",
    {"campaign": str, "run": int, "state": RunStateWord, "as": str, "people": int, "lists": int, "cancelled": int},
)
ResolvedShape.__doc__ = "What was decided, about how many people and contact lists."


class FailureShape(TypedDict):
    """Why texts failed, of how many people, and whether they are sent to again."""

    people: int
    reason: str
    result_code: int | None
    sent_again: bool


class FailuresShape(TypedDict):
    """Why texts failed."""

    failures: list[FailureShape]


class BadRowShape(TypedDict):
    """A row that could not be used."""

    row: int
    problem: str


class LeftOutShape(TypedDict):
    """How many people are left out for a cause, and what that means."""

    cause: str
    people: int
    why: str


class LeftOutCauses(TypedDict):
    """How many people are left out, and why."""

    left_out: list[LeftOutShape]


class ResentShape(TypedDict):
    """The run that sends the text of `parent` again; null: nobody is sent to. `failures` are there for `failed`, and
    `left_out` for `no-reply`."""

    campaign: str
    run: int | None
    only: str
    parent: int
    people: int
    failures: NotRequired[list[FailureShape]]
    left_out: NotRequired[list[LeftOutShape]]


class BulkShape(TypedDict):
    """For how many `people` it would be done, or was. `plan` stands for exactly these; `run` may be a new one."""

    campaign: str
    run: int | None
    do: str
    done: bool
    people: int
    left_out: list[LeftOutShape]
    plan: str


class ChangedOptOuts(TypedDict):
    """How many numbers were added or removed. `problems`: the first of the `bad_rows`."""

    added: NotRequired[int]
    removed: NotRequired[int]
    unchanged: int
    bad_rows: NotRequired[int]
    problems: NotRequired[list[BadRowShape]]


class Reviewed(TypedDict):
    """How many replies were read, and as what."""

    opted_out: NotRequired[int]
    kept: NotRequired[int]
    unchanged: int


class AnsweredShape(TypedDict):
    """The single text (`message`) that answers a reply; `answer`: 1 if it is the first answer."""

    reply: int
    answer: int
    message: int
    run: int
    at: Moment


WaitingPerson = TypedDict("WaitingPerson", {"number": str, "for": str})
"""Somebody who is erased later, and what that waits for."""


class ErasedShape(TypedDict):
    """What became of people who were to be erased. `waiting`: the first of the people who wait (`waits`).

    `cancelled`: texts that are never sent. `files`: those of the inbox that may still name them. `wiped`: no trace is
    left in the database's files.
    """

    erased: int
    unknown: int
    cancelled: int
    waits: int
    waiting: list[WaitingPerson]
    files: list[str]
    wiped: bool


class KeptTable(TypedDict):
    """A table that was uploaded. `problems`: the first of the `bad_rows`."""

    table: str
    digest: str
    bytes: int
    changed: bool
    rows: int
    bad_rows: int
    problems: list[BadRowShape]
