"""What `campaigns status` shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.approval import command
from campaigns.clock import SystemClock
from campaigns.codes import RunType
from campaigns.counting import amount
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.optout import Meaning
from scheduler.actions.naming import latest_run
from scheduler.cli.rendering.output import (
    local_time,
    print_facts,
    print_groups,
    print_run,
    print_table,
    say,
    state_words,
)
from scheduler.intake.approving import awaited
from scheduler.report.devices import failure_words, stuck_words
from scheduler.report.limits import Limit, slowed_devices
from scheduler.report.opt_outs import counted
from scheduler.report.summary import run_summary
from worker.definitions import Definitions
from worker.store.counts import Books, Failures, books, failures
from worker.store.devices import Stuck, stuck_devices
from worker.store.engine import Store
from worker.store.inbound import count_replies, count_waiting
from worker.store.outlook import Outlook, outlook
from worker.store.reminders import every_day
from worker.store.resends import resends_of
from worker.store.runs import RunView, campaign_runs, list_runs, run_view
from worker.store.unsubscriptions import reached_all_the_same
from worker.store.variants import GroupOutcome, group_outcomes

R = RecipientState

COLUMNS = {
    "open": (R.PENDING, R.IN_DOUBT, R.ACCEPTED),
    "sent": (R.SENT,),
    "delivered": (R.DELIVERED,),
    "failed": (R.FAILED, R.EXPIRED),
    "held": (R.HELD,),
    "not sent": (R.CANCELLED, R.SKIPPED, R.INVALID, R.DUPLICATE, R.SUPPRESSED, R.EXCLUDED, R.CAPPED, R.HOLDOUT),
}
"""The columns of the overview: every state is in one of them, so that they add up to the audience."""

IN_FLIGHT = (BatchState.SENDING, BatchState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Progress:
    """One run at one moment."""

    run: RunView
    books: Books
    outlook: Outlook
    slowed: tuple[Limit, ...] = ()
    others: tuple[RunView, ...] = ()  # of a campaign that repeats
    groups: tuple[GroupOutcome, ...] = ()  # of one campaign that was asked for
    awaits: str = ""  # the hash that has to be approved
    failures: tuple[Failures, ...] = ()  # the same
    stuck: tuple[Stuck, ...] = ()
    replies: Mapping[Meaning, int] = field(default_factory=dict)  # likewise
    reached: int = 0  # people who had opted out and stood on the contact list that it went to all the same
    again: tuple[tuple[RunView, Books], ...] = ()  # the runs that sent again what failed in it


OTHERS = 10
"""So many runs of a campaign that repeats are listed beside the one that is shown."""


def read_progress(store: Store, slug: str | None, number: int | None = None) -> list[Progress]:
    """How far one campaign is, or one run of it, or all campaigns, the oldest first.

    Of a campaign that repeats: its runs that are not over, and the last that is. One that reminds is one entry, with
    the books of all its days. Raises `Refused` for an unknown one.
    """
    now, definitions = SystemClock().now(), Definitions(store)
    with store.read() as session:
        runs = _current(list_runs(session)) if slug is None else [latest_run(session, slug, number)]
        days = {run.id: every_day(session, run.campaign_id) for run in runs if number is None and run.day}
        others: tuple[RunView, ...] = ()
        if slug is not None and runs[0].type is not RunType.ONCE:
            made = campaign_runs(session, slug)
            others = tuple(run for run in made if run.id != runs[0].id and run.parent_id is None)[-OTHERS:]
        again = {run.id: resends_of(session, run.id) for run in runs if slug is not None}
        at_work = {run.account_id for run in runs if run.finished_at is None}
        slowed = {account: tuple(slowed_devices(session, account, now)) for account in at_work}
        stuck = {account: tuple(stuck_devices(session, account)) for account in at_work}
        return [
            Progress(
                run,
                books(session, *days.get(run.id, [run.id])),
                outlook(session, run.id),
                slowed.get(run.account_id, ()),
                others,
                group_outcomes(session, run, again[run.id], now=now) if slug is not None else (),
                awaited(run, definitions.get(run.definition_id)) if run.started_at is None else "",
                tuple(failures(session, run.id)) if slug is not None else (),
                stuck.get(run.account_id, ()),
                count_replies(session, *days.get(run.id, [run.id])) if slug is not None else {},
                reached_all_the_same(session, run.id),
                tuple((run_view(session, id_), books(session, id_)) for id_ in again.get(run.id, ())),
            )
            for run in runs
        ]


def _current(runs: Sequence[RunView]) -> list[RunView]:
    """What is shown of all: no tests; no finished run that a later one of its campaign has followed; of days the first.

    The first of days is the first to come, or else the last that is over.
    """
    again = [run for run in runs if run.parent_id is not None and run.finished_at is None]
    runs = [run for run in runs if run.type is not RunType.TEST and run.parent_id is None]
    last_over = {run.campaign_id: run.id for run in runs if run.finished_at is not None}
    of_days = sorted((run for run in runs if run.day), key=attrgetter("day"))
    days = {run.campaign_id: run.id for run in of_days if run.finished_at is not None}
    days |= {run.campaign_id: run.id for run in reversed(of_days) if run.finished_at is None}
    shown = [
        run
        for run in runs
        if days.get(run.campaign_id, run.id) == run.id
        and (run.campaign_id in days or run.finished_at is None or last_over[run.campaign_id] == run.id)
    ]
    return sorted([*shown, *again], key=attrgetter("id"))


def summaries(seen: Sequence[Progress]) -> Iterator[dict[str, Any]]:
    """The objects of `--json`; of a run that failed texts were sent again of with those runs as `resends`."""
    for entry in seen:
        summary = run_summary(entry.run, entry.books, entry.groups, awaits=entry.awaits) | _answered(entry)
        again = [run_summary(run, of_run) for run, of_run in entry.again]
        yield summary | {"resends": again} if again else summary


def _answered(entry: Progress) -> dict[str, Any]:
    replies = {meaning.value: count for meaning, count in entry.replies.items()}
    alarm = {"reached_though_opted_out": entry.reached} if entry.reached else {}
    return ({"replies": replies} if replies else {}) | alarm


def show_progress(seen: Sequence[Progress], zone: ZoneInfo, *, in_detail: bool) -> None:
    """A table of all runs, or everything about one."""
    if in_detail:
        _show_one(seen[0], zone)
        return
    rows = [
        (
            entry.run.campaign,
            state_words(entry.run.state.value),
            *(f"{sum(entry.books.by_state.get(state, 0) for state in states):,}" for states in COLUMNS.values()),
            f"{entry.books.audience:,}",
            local_time(entry.run.started_at, zone),
            "; ".join(filter(None, (_rehearsal(entry.run), _parent(entry.run), _alarm(entry), waits_for(entry, zone)))),
        )
        for entry in seen
    ]
    figures = (*COLUMNS, "audience")
    print_table(("campaign", "state", *figures, "started", "remarks"), rows, numeric=figures)
    for line in dict.fromkeys(line for entry in seen for line in _phones(entry, zone)):
        say(line)


def show_waiting(store: Store) -> None:
    """What of all campaigns waits for a person to read it."""
    with store.read() as session:
        waiting = count_waiting(session)
    if waiting:
        say(f"{amount(waiting, 'reply', 'replies')} may mean stop and wait to be read: campaigns suppress review")


def _show_one(entry: Progress, zone: ZoneInfo) -> None:
    print_run(run_summary(entry.run, entry.books))
    print_groups(entry.groups)
    batches = entry.outlook.batches
    in_flight = sum(batches.get(state, 0) for state in IN_FLIGHT)
    say("")
    print_facts(
        [
            ("file", entry.run.source),
            ("rehearsal", _rehearsal(entry.run)),
            ("batches", ", ".join(f"{n:,} {state_words(state.value)}" for state, n in sorted(batches.items()))),
            ("in flight", f"{in_flight:,} of them" if in_flight else ""),
            ("now", waits_for(entry, zone)),
            ("replies", counted(entry.replies)),
            ("alarm", _alarm(entry)),
            ("phones", "\n".join(_phones(entry, zone))),
            ("failed", "\n".join(failure_words(entry.failures))),
            ("run", _moment(entry.run, zone)),
            ("sends again", _parent(entry.run)),
            ("sent again", "\n".join(_again(run, of_run) for run, of_run in entry.again)),
            ("other runs", "\n".join(_other(run, zone) for run in entry.others)),
        ]
    )


def _alarm(entry: Progress) -> str:
    if not entry.reached:
        return ""
    who = amount(entry.reached, "person", "people")
    return f"{who} who had opted out stood on the contact list in spite of it, and got the text"


def _moment(run: RunView, zone: ZoneInfo) -> str:
    when = run.day.isoformat() if run.day else local_time(run.fires_at, zone)
    return f"{run.id} of {when}" if when else ""


def _other(run: RunView, zone: ZoneInfo) -> str:
    return f"{_moment(run, zone)}: {state_words(run.state.value)}" + (f", {run.reason}" if run.reason else "")


def _parent(run: RunView) -> str:
    return "" if run.parent_id is None else f"run {run.id}, what failed in run {run.parent_id}"


def _again(run: RunView, of_run: Books) -> str:
    counts = ", ".join(f"{count:,} {state_words(state.value)}" for state, count in of_run.by_state.items())
    return f"run {run.id}, {state_words(run.state.value)}: {counts}"


def _rehearsal(run: RunView) -> str:
    return "a rehearsal in the sandbox" if run.rehearsal else ""


def _phones(entry: Progress, zone: ZoneInfo) -> list[str]:
    return [stuck_words(device, zone) for device in entry.stuck] + [
        f"{limit.what} is slowed down to {limit.value}, at its own pace again {local_time(limit.until, zone)}: "
        f"{limit.reason}"
        for limit in entry.slowed
    ]


def waits_for(entry: Progress, zone: ZoneInfo) -> str:
    """What the run waits for, in words; empty when it is over or sends."""
    run, ahead = entry.run, entry.outlook
    if run.finished_at is not None:
        return run.reason
    if run.state is RunState.PAUSED:
        return f"paused: {run.reason}" if run.reason else "paused"
    if entry.awaits:
        return f"waits for approval: {command(run.campaign, entry.awaits)}"
    if ahead.account_reason:
        return f"the account is paused: {ahead.account_reason}"
    if run.state is RunState.SCHEDULED and run.reason:
        return run.reason
    if run.state is RunState.SCHEDULED:
        is_ahead = run.planned_at is not None or run.fires_at is not None
        return f"starts {local_time(run.starts_at, zone)}" if is_ahead else "is being planned"
    in_doubt = ahead.batches.get(BatchState.UNKNOWN, 0)
    requests = amount(in_doubt, "request is", "requests are")
    if in_doubt and ahead.unread:
        return f"{requests} in doubt, and the gateway cannot be asked: {ahead.unread.problem}"
    if in_doubt:
        return f"{requests} in doubt and looked up at the gateway"
    if run.state in {RunState.SETTLING, RunState.CANCELLED}:
        return "waits for receipts"
    if ahead.next_due_at is not None and ahead.next_reason:
        return f"next request {local_time(ahead.next_due_at, zone)}: {ahead.next_reason}"
    return ""
