"""What becomes of a campaign when its file is picked up, depending on what exists already: one table for all campaigns.

The first row that fits decides. *Of its kind* means a run of the kind that this file makes: one file makes one kind.

| the file makes | what exists | decision |
| --- | --- | --- |
| runs that repeat, or reminders | somebody has cancelled the campaign | over |
| any | nothing | planned |
| any | a run of another kind that has sent | refused |
| any | a run of another kind that has not sent | planned, in its place |
| runs that repeat, or reminders | runs of its kind | planned: runs that have sent stay |
| one run | it is planned and has not sent, the file says the same, and its audience is frozen | kept |
| one run | it has not sent, and is not over | planned again |
| one run | it is completed or cancelled | over; it may take more people |
| one run | it has sent, and the file says the same | continued; it may take more people |
| one run | it has sent, and only limits were changed | tuned; it may take more people |
| one run | it has sent, and the file says something else | refused |

Nothing here reads or writes anything. The caller that carries out a decision locks the run. If the run has sent in the
meantime, the caller decides again, with `has_sent`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.definition.schedule import Schedule
from campaigns.lifecycle import RunState
from campaigns.timing.recurrence import Recurrence


class Taken(StrEnum):
    """What becomes of a campaign whose file is picked up."""

    PLANNED = "planned"  # a new run, or a new plan of a run that has sent nothing
    KEPT = "kept"  # its run has sent nothing, and its plan stays: its people are those of earlier campaigns
    CONTINUED = "continued"  # its run is under way and continues as planned
    TUNED = "tuned"  # the same, with the limits of the edited file
    EXTENDED = "extended"  # its run is under way or over; people new in its tables were added
    OVER = "over"  # its run is completed or cancelled: nothing is sent


@dataclass(frozen=True, slots=True)
class TakeUp:
    """The file is picked up. With `takes_more`, people new in its tables are added; if there are any: `EXTENDED`."""

    taken: Taken
    takes_more: bool = False


class EditCode(StrEnum):
    """Why a file is refused."""

    CHANGED = "changed"  # after its campaign began to send
    ENDS_REPEATING = "ends_repeating"
    ENDS_REMINDING = "ends_reminding"
    REPEATS_AFTER_ONCE = "repeats_after_once"
    REPEATS_AFTER_REMINDING = "repeats_after_reminding"
    REMINDS_AFTER_OTHERS = "reminds_after_others"
    NO_MOMENT_LEFT = "no_moment_left"
    NO_DATE = "no_date"
    PAUSED = "paused"  # it was picked up, and its run waits for somebody to resume it


@dataclass(frozen=True, slots=True)
class Refuse:
    """The file is refused; what exists of its campaign stays as it is."""

    code: EditCode
    sentence: str


class Existing(Protocol):
    """A run that a campaign already has. `content_hash` is the hash of the file version it was planned from."""

    @property
    def type(self) -> RunType: ...
    @property
    def state(self) -> RunState: ...
    @property
    def content_hash(self) -> str: ...
    @property
    def planned_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...


PLAN: Final = TakeUp(Taken.PLANNED)

NO_MOMENT_LEFT: Final = Refuse(
    EditCode.NO_MOMENT_LEFT, "it repeats, but has no moments left: move `until`, or repeat more often"
)
NO_DATE: Final = Refuse(EditCode.NO_DATE, "its tables have no row with a date: there is nothing to send")
"""What is reported when a campaign was planned and has no run."""


def decide(
    existing: Existing | None,
    definition: Definition,
    *,
    source: str,
    has_sent: bool = False,
    planned: Definition | None = None,
    is_ended: bool = False,
    dropped_at: datetime | None = None,
) -> TakeUp | Refuse:
    """Decide what becomes of a campaign whose file, named `source`, now says `definition`.

    `has_sent`: a request of the run was prepared, or found at the gateway. `planned`: the file version that the run was
    planned from, for a campaign that runs once. `is_ended`: somebody has cancelled a campaign that repeats or reminds.
    `dropped_at`: when the file was written; None if somebody asks for it now.
    """
    makes = definition.run_type
    if is_ended and makes is not RunType.ONCE:
        return TakeUp(Taken.OVER)
    if existing is None:
        return PLAN
    if existing.type is not makes:
        return _refused(_CHANGES_OF_KIND[existing.type, makes], definition.campaign, source) if has_sent else PLAN
    is_over = existing.state in {RunState.COMPLETED, RunState.CANCELLED}
    if makes is not RunType.ONCE or not (has_sent or is_over):
        return TakeUp(Taken.KEPT) if _keeps_plan(existing, definition) else PLAN
    is_same_plan = planned is not None and _plan_hash(planned) == _plan_hash(definition)
    takes_more = is_same_plan and may_extend(definition) and _is_open(existing, dropped_at)
    if is_over:
        return TakeUp(Taken.OVER, takes_more)
    if existing.content_hash == definition.content_hash:
        return TakeUp(Taken.CONTINUED, takes_more)
    if is_same_plan:
        return TakeUp(Taken.TUNED, takes_more)
    return _refused(EditCode.CHANGED, definition.campaign, source)


def may_extend(definition: Definition) -> bool:
    """Return whether people may be added after the plan. They may not if somebody approves exactly that plan, if the
    campaign goes to a contact list, whose people the gateway has anyway, or if it reads no table."""
    return not definition.approval and definition.contact_list is None and not definition.is_frozen


def _keeps_plan(existing: Existing, definition: Definition) -> bool:
    """Return whether the plan stays although nothing of it was sent. Planned again, it would have other people with
    each receipt of the earlier campaign, and nobody could approve it before it is void."""
    is_same = existing.type is RunType.ONCE and existing.content_hash == definition.content_hash
    is_whole = existing.planned_at is not None and existing.state is not RunState.FAILED
    return definition.is_frozen and is_same and is_whole


def _is_open(existing: Existing, dropped_at: datetime | None) -> bool:
    """Return whether a run accepts new people: not if it was cancelled, nor just because its table was used again."""
    if existing.state is RunState.COMPLETED and existing.finished_at is not None and dropped_at is not None:
        return dropped_at > existing.finished_at
    return existing.state is not RunState.CANCELLED


def _plan_hash(definition: Definition) -> str:
    """Return the hash of what a plan is made from, without limits: they only decide when requests leave."""
    limits = dict.fromkeys(("rate", "daily", "monthly", "budget"))
    throughput = definition.throughput.model_copy(update=limits)
    return definition.model_copy(update={"throughput": throughput}).content_hash


_CHANGES_OF_KIND: Final[Mapping[tuple[RunType, RunType], EditCode]] = {
    (RunType.FIRING, RunType.ONCE): EditCode.ENDS_REPEATING,
    (RunType.REMINDER_DAY, RunType.ONCE): EditCode.ENDS_REMINDING,
    (RunType.ONCE, RunType.FIRING): EditCode.REPEATS_AFTER_ONCE,
    (RunType.REMINDER_DAY, RunType.FIRING): EditCode.REPEATS_AFTER_REMINDING,
    (RunType.ONCE, RunType.REMINDER_DAY): EditCode.REMINDS_AFTER_OTHERS,
    (RunType.FIRING, RunType.REMINDER_DAY): EditCode.REMINDS_AFTER_OTHERS,
}
"""The type of the run that has sent, and the type that its file makes now -> the code."""

_TO_END_IT: Final = (
    "but {campaign} was sent before; it continues. To end it, remove the file or run: campaigns cancel {campaign}. "
    "For another run, make a campaign with another name"
)
_SENTENCES: Final[Mapping[EditCode, str]] = {
    EditCode.CHANGED: (
        "{source} was changed after {campaign} began to send; it continues as planned. "
        "Undo the change, or cancel the campaign and give the new version another name; "
        "only rate, daily, monthly and budget below throughput may change while it runs"
    ),
    EditCode.ENDS_REPEATING: "{source} no longer repeats, " + _TO_END_IT,
    EditCode.ENDS_REMINDING: "{source} no longer reminds, " + _TO_END_IT,
    EditCode.REPEATS_AFTER_ONCE: (
        "{source} repeats now, but {campaign} was sent before; give the campaign that repeats another name"
    ),
    EditCode.REPEATS_AFTER_REMINDING: (
        "{source} repeats now, but {campaign} reminded people before; give the one that repeats another name"
    ),
    EditCode.REMINDS_AFTER_OTHERS: (
        "{source} reminds of dates now, but {campaign} was sent before; give the campaign that reminds another name"
    ),
}


def _refused(code: EditCode, campaign: str, source: str) -> Refuse:
    return Refuse(code, _SENTENCES[code].format(source=source, campaign=campaign))


class Renewal(StrEnum):
    """What becomes of a repeated run when its file is picked up again."""

    STAYS = "stays"  # unchanged
    PLANNED = "planned"  # again, from the version that counts now
    FORGOTTEN = "forgotten"  # that version has no such moment


def renewal(
    moment: datetime, state: RunState, recurrence: Recurrence | None, *, has_sent: bool, now: datetime
) -> Renewal:
    """Decide what becomes of the run of this moment (aware), now that its campaign repeats as in `recurrence`."""
    if has_sent or (state is RunState.FAILED and moment < now):
        return Renewal.STAYS
    if recurrence is None or recurrence.next_after(moment - timedelta(seconds=1)) != moment:
        return Renewal.FORGOTTEN
    return Renewal.PLANNED


def is_retimed(before: Schedule, after: Schedule) -> bool:
    """Return whether the moments of runs change. If they do, only runs still to come are made."""
    return any(getattr(before, key) != getattr(after, key) for key in ("repeat", "start", "timezone"))
