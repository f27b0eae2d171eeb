"""What NAME.status.txt says about a run, in words for people who never see the command line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.codes import RunType
from campaigns.counting import amount
from campaigns.definition import Schedule
from campaigns.definition.schedule import LocalTime
from campaigns.definition.windows import Window
from campaigns.display import shown_time, span_words
from campaigns.lifecycle import RecipientState, RunState
from campaigns.planning.approval import command
from campaigns.timing.sending_hours import hours_of
from scheduler.report.meanings import MEANINGS
from scheduler.report.summary import paused_words
from scheduler.report.variants import outcome_lines
from worker.servers.conditions import SENDS_ON, Trouble
from worker.store.reports.variants import GroupOutcome
from worker.store.reports.waiting import PutOff
from worker.store.runs.runs import RunView

R = RunState

INSTALLATION: Final = "Installation:"
"""Precedes the name of the database that wrote a status: another one does not know what was sent of the campaign."""

UNKNOWN: Final = "unknown"
"""In place of that name where what stood beside the file could not be read, or is not whole."""

REHEARSAL: Final = "rehearsal"
"""In place of that name in the last line of a rehearsal's status: one that is torn does not say so."""

SENT_BEFORE: Final = "may have been sent before"
"""After the name of a campaign that a status named before our words were written over it."""

LAST_UPDATED: Final = "Last updated:"
"""In the last lines of every status, whoever wrote it."""

IN_TROUBLE: Final = "Nothing is sent at the moment:"

NOTED: Final = "Please note:"

FORECAST: Final = ("first_send_at", "last_send_at")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run as its status text shows it. `account_paused`: why the account sends nothing; empty if it sends.

    `happened`: when the first and the last text left, once all have. `others` are the newest of the other runs of a
    campaign that repeats. `groups` are its variants and its control group. `awaits`: the hash that has to be approved.
    `again` are its resends, with their people by state. `phones`: what is wrong with the phones it uses. `troubles`:
    what is wrong with the servers. `within`: the operator's hours. `put_off`: texts that wait for a budget or prices.
    """

    run: RunView
    by_state: Mapping[RecipientState, int]
    account_paused: str
    schedule: Schedule
    list_id: int | None
    happened: tuple[datetime, datetime] | None = None
    others: tuple[RunView, ...] = ()
    groups: tuple[GroupOutcome, ...] = ()
    awaits: str = ""
    again: tuple[tuple[RunView, Mapping[RecipientState, int]], ...] = ()
    phones: tuple[str, ...] = ()
    troubles: tuple[tuple[Trouble, str], ...] = ()
    within: Window | None = None
    put_off: tuple[PutOff, ...] = ()
    steps: tuple[tuple[RunView, Mapping[RecipientState, int]], ...] = ()


def status_text(notice: str, status: RunStatus | None, now: datetime) -> str:
    """Return the status without the time of writing: equal texts need not be written again."""
    parts = [notice]
    if status is not None:
        warnings = [f"{NOTED} {warning}" for warning in status.run.plan_summary.get("warnings", ())]
        parts += [_headline(status, now), "\n".join(status.phones), _people(status)]
        parts += ["\n".join(outcome_lines(status.groups))]
        parts += ["\n".join(_again(status)), "\n".join(_steps(status)), "\n".join(warnings), _others(status)]
    return "\n\n".join(filter(None, parts)) + "\n"


def stamped(text: str, zone: ZoneInfo, now: datetime, installation: str = "") -> str:
    """The status with the time of its writing, by the clocks of `zone`, and whose database it is from.

    Without one it is a rehearsal's.
    """
    by = f"{INSTALLATION} {installation or REHEARSAL}"
    return f"{text}\n{LAST_UPDATED} {shown_time(now, zone, seconds=True)}\n{by}\n"


def before(text: str, zone: ZoneInfo, at: datetime) -> str:
    """Return the status as of a time, to appear below a later trouble: its figures are from then."""
    return f"Before that, at {shown_time(at, zone, seconds=True)}:\n\n{text}"


def _headline(status: RunStatus, now: datetime) -> str:
    run = status.run
    paused = "" if run.state is R.PAUSED else paused_words(step for step, _ in status.steps)
    lines = [f"{run.campaign}: {'; '.join(filter(None, (_state(status, now), paused)))}"]
    if run.day is not None:
        lines.append(f"These are its reminders for {run.day}.")
    if run.rehearsal:
        lines.append("This is a rehearsal in the sandbox: no text reaches a phone.")
    if status.account_paused and run.state in {R.SCHEDULED, R.RUNNING}:
        lines.append(f"{IN_TROUBLE} {status.account_paused}")
    elif run.state is R.SCHEDULED and run.reason:
        lines.append(f"{IN_TROUBLE} {run.reason}")
    if run.finished_at is None:
        lines += [f"{NOTED if trouble in SENDS_ON else IN_TROUBLE} {says}" for trouble, says in status.troubles]
    if status.awaits:
        lines.append(f"Nothing is sent until somebody approves it: {command(run.campaign, status.awaits)}")
    zone = status.schedule.zone
    lines += [
        f"{amount(each.people, 'text waits', 'texts wait')}"
        f"{f' until {shown_time(each.until, zone)}' if each.until else ''}: {each.reason}"
        for each in status.put_off
    ]
    if run.started_at is not None:
        lines.append(f"Started: {shown_time(run.started_at, zone)}")
    elif run.finished_at is None and run.state not in {R.CANCELLED, R.FAILED}:
        lines.append(f"Starts: {shown_time(run.starts_at, zone)}")
    if run.finished_at is not None and run.state is not R.FAILED:
        lines.append(f"Finished: {shown_time(run.finished_at, zone)}")
    return "\n".join([*lines, *_timing(status)])


def _timing(status: RunStatus) -> Iterator[str]:
    """Yield what was expected at planning, and what happened."""
    zone, expected = status.schedule.zone, status.run.plan_summary.get("forecast")
    if expected is not None and status.run.planned_at is not None:
        first, last = (expected[name] and datetime.fromisoformat(expected[name]) for name in FORECAST)
        yield f"Forecast: texts leave {span_words(first, last, zone)}"
    if cost := status.run.plan_summary.get("cost"):
        without = f", and people without a price: {cost['unpriced']:,}" if cost["unpriced"] else ""
        whole = status.run.plan_summary.get("with_steps", {}).get("cost")
        steps = f", {whole['most']} with its steps" if whole else ""
        yield f"Cost: {cost['most']} {cost['currency']} at most{steps}{without}"
    if status.happened is not None:
        first, last = status.happened
        yield f"Happened: texts left {span_words(first, last, zone)}"


def _state(status: RunStatus, now: datetime) -> str:
    run, schedule = status.run, status.schedule
    match run.state:
        case R.SCHEDULED if run.planned_at is None and run.type is not RunType.ONCE:
            return "waits for its next run, which is planned shortly before"
        case R.SCHEDULED if run.planned_at is None:
            return "is being planned"
        case R.SCHEDULED:
            return "planned, waits for its start"
        case R.AWAITING_APPROVAL:
            return "planned, waits for approval"
        case R.RUNNING | R.SETTLING if schedule.at_gateway is not None and now < schedule.at_gateway:
            done = "is being handed over" if run.state is R.RUNNING else "is handed over"
            return f"{done} to the gateway, which sends it {shown_time(schedule.at_gateway, schedule.zone)}"
        case R.RUNNING if schedule.local_time is LocalTime.RECIPIENT:
            return "sending, to everybody by their own local time"
        case R.RUNNING if (hours := hours_of(schedule, within=status.within)) is not None and not hours.allowed(now):
            opens = hours.next_open(now)
            when = (
                f"continues {shown_time(opens, schedule.zone)}" if opens else "which do not come in the next 400 days"
            )
            both = dict.fromkeys(map(str, filter(None, (schedule.window, status.within))))
            return f"waits for its sending hours ({', within '.join(both)}), {when}"
        case R.RUNNING if status.put_off and sum(each.people for each in status.put_off) >= _unsent(status):
            return "sends nothing at the moment"
        case R.RUNNING:
            return "sending"
        case R.SETTLING if run.followed_at is not None:
            return "everything is sent and followed but its steps"
        case R.SETTLING:
            until = (run.sent_at or now) + timedelta(seconds=run.follow_seconds)
            return f"everything is sent; delivery reports are awaited until {shown_time(until, schedule.zone)}"
        case R.PAUSED:
            return f"paused{_why(run)}. Nothing more is sent until somebody resumes it"
        case R.COMPLETED:
            return "completed"
        case R.CANCELLED:
            rest = "" if run.finished_at is not None else ". What was sent before is still followed"
            return f"cancelled{_why(run)}{rest}"
        case R.FAILED:
            return f"could not be planned{_why(run)}. Nothing is sent"


def _unsent(status: RunStatus) -> int:
    return status.by_state.get(RecipientState.PENDING, 0)


def _why(run: RunView) -> str:
    return f": {run.reason.removesuffix('.')}" if run.reason else ""


def _again(status: RunStatus) -> Iterator[str]:
    """Yield the resends, a line each."""
    for run, by_state in status.again:
        people = ", ".join(f"{count:,} {state.value.replace('_', ' ')}" for state, count in by_state.items())
        when = shown_time(run.starts_at, status.schedule.zone)
        yield f"Sent again to those whose text had failed, {when} ({run.state.value.replace('_', ' ')}): {people}"


def _steps(status: RunStatus) -> Iterator[str]:
    """Yield the steps, a line each."""
    for run, by_state in status.steps:
        people = ", ".join(f"{count:,} {state.value.replace('_', ' ')}" for state, count in by_state.items())
        yield f"Step {run.step} ({run.state.value.replace('_', ' ')}{_why(run)}): {people}"


def _others(status: RunStatus) -> str:
    """Return the runs before and after this one, a line each."""
    zone = status.schedule.zone
    lines = []
    for run in status.others:
        if run.fires_at is not None:
            when = shown_time(run.fires_at, zone)
        elif run.day is not None:
            when = str(run.day)
        else:
            continue
        lines.append(f"Run of {when}: {run.state.value.replace('_', ' ')}{_why(run)}")
    return "\n".join(lines)


def _people(status: RunStatus) -> str:
    if not status.by_state:
        who = f"Goes to contact list {status.list_id} of the gateway; its people are known once it is sent."
        return who if status.list_id is not None else ""
    audience = sum(status.by_state.values())
    width = len(f"{audience:,}")
    lines = [f"{audience:>{width},} in the audience, of these"]
    lines += [
        f"{count:>{width},} {state.value.replace('_', ' ')} ({MEANINGS[state]})"
        for state, count in status.by_state.items()
    ]
    return "\n".join(lines)
