"""A run as one object, for `run --json`, `status --json` and webhooks; and what it waits for, in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast
from zoneinfo import ZoneInfo

from campaigns.counting import amount
from campaigns.display import saving_words, shown_time, state_words, utc
from campaigns.lifecycle import BatchState, RunState
from campaigns.lifecycle import RecipientState as P
from campaigns.money.amounts import MoneyAmount, decimal_of
from campaigns.optout import Meaning
from campaigns.planning.approval import command
from scheduler.report.devices import stuck_words
from scheduler.report.limits import Limit
from scheduler.report.shown.shapes import ProgressShape, RunShape
from scheduler.report.variants import outcomes_json
from worker.store.following.devices import Stuck
from worker.store.reports.counts import Books, Failures, final
from worker.store.reports.variants import GroupOutcome
from worker.store.reports.waiting import Outlook
from worker.store.runs.runs import RunView


def run_summary(
    run: RunView,
    books: Books,
    groups: Sequence[GroupOutcome] = (),
    *,
    awaits: str = "",
    approved: tuple[str, datetime] | None = None,
) -> RunShape:
    """Return the object that ends `run --json` and `status --json`: its counts by state add up to the audience.

    Times are ISO 8601 in UTC, or None. `reason`, `moment`, `day`, `forecast` and `happened` are present only if known,
    `replaced` only if characters of texts were, `cost` only if there were prices, `step` only for a step, `variants`
    and `control` only with `groups`. `awaits`: the hash to approve before it starts; `approved`: by whom it was, and
    when.
    """
    moment = run.fires_at
    summary: RunShape = {
        "campaign": run.campaign,
        "run": run.id,
        "state": run.state.value,
        "recipients": {"audience": books.audience} | {state.value: n for state, n in books.by_state.items()},
        "segments": books.segments,
        "requests": {"send": books.send_requests, "read": run.read_requests},
        "started_at": utc(run.started_at),
        "finished_at": utc(run.finished_at),
    }
    if books.cost or books.unpriced:
        summary["cost"] = {
            "amount": decimal_of(books.cost),
            "currency": run.currency,
            "segments_without_price": books.unpriced,
        }
    if run.step:
        summary["step"] = run.step
    if moment:
        summary["moment"] = utc(moment)
    if run.day:
        summary["day"] = run.day.isoformat()
    expected = run.plan_summary.get("forecast")
    if expected is not None:
        summary["forecast"] = {
            "first_send_at": expected["first_send_at"],
            "last_send_at": expected["last_send_at"],
        }
    if (replaced := run.plan_summary.get("replaced")) and replaced["texts"]:
        summary["replaced"] = {"texts": replaced["texts"], "segments_saved": replaced["segments_saved"]}
    if run.sent_at is not None and books.first_send_at is not None:
        summary["happened"] = {"first_send_at": utc(books.first_send_at), "last_send_at": utc(books.last_send_at)}
    summary = {**summary, **outcomes_json(groups)}
    if awaits:
        summary["approval"] = {"plan": awaits, "command": command(run.campaign, awaits)}
    if approved is not None:
        summary["approved"] = {"by": approved[0], "at": utc(approved[1])}
    if run.reason:
        summary["reason"] = run.reason
    return summary


IN_FLIGHT: Final = (BatchState.SENDING, BatchState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """One run at one moment."""

    run: RunView
    books: Books
    outlook: Outlook
    slowed: tuple[Limit, ...] = ()
    others: tuple[RunView, ...] = ()  # of a campaign that repeats
    groups: tuple[GroupOutcome, ...] = ()  # only if one campaign was asked for
    awaits: str = ""  # the hash that has to be approved
    failures: tuple[Failures, ...] = ()  # only if one campaign was asked for
    stuck: tuple[Stuck, ...] = ()
    replies: Mapping[Meaning, int] = field(default_factory=dict)  # only if one campaign was asked for
    reached: int = 0  # people who had opted out, but were on the contact list that it was sent to
    again: tuple[tuple[RunView, Books], ...] = ()  # its resends; only if one campaign was asked for
    after_all: int = 0  # how many of their rows were left out, since the failed text was sent after all
    approved: tuple[str, datetime] | None = None  # by whom, and when; only if one campaign was asked for
    budget: MoneyAmount | None = None  # what the campaign may cost in all
    steps: tuple[tuple[RunView, Books], ...] = ()  # later texts to its people; only if one campaign was asked for
    whole: Books | None = None  # with its steps (`counts.whole_books`); only if one campaign was asked for
    paused: tuple[RunView, ...] = ()  # its steps that are paused, while it is not

    @property
    def outcome(self) -> Books:
        """What became of each person, over the run and its resends."""
        return final(self.books, [of_run for _, of_run in self.again], self.after_all) if self.again else self.books

    @property
    def to_resend(self) -> RunView:
        """The last of them in which texts failed."""
        return next((run for run, of_run in reversed(self.again) if of_run.by_state.get(P.FAILED)), self.run)

    @property
    def in_flight(self) -> int:
        """How many of its requests are on their way or in doubt."""
        return sum(self.outlook.batches.get(state, 0) for state in IN_FLIGHT)

    @property
    def waits_for_approval(self) -> bool:
        """Whether nothing but an approval is missing: a run that is paused waits for somebody to resume it first."""
        return bool(self.awaits) and self.run.finished_at is None and self.run.state is not RunState.PAUSED


def progress_json(seen: RunProgress) -> ProgressShape:
    """Return the object of `--json`; a run with resends has them as `resends`, and its steps as `steps`."""
    whole = run_summary(seen.run, seen.books, seen.groups, awaits=seen.awaits, approved=seen.approved)
    summary = cast(ProgressShape, whole)
    if seen.replies:
        summary["replies"] = {meaning.value: count for meaning, count in seen.replies.items()}
    if seen.reached:
        summary["reached_though_opted_out"] = seen.reached
    if seen.again:
        summary["resends"] = [run_summary(run, of_run) for run, of_run in seen.again]
    if seen.steps:
        summary["steps"] = [run_summary(run, of_run) for run, of_run in seen.steps]
    return summary


def alarm_words(seen: RunProgress) -> str:
    """Return what must never happen but did; empty if nothing did."""
    if not seen.reached:
        return ""
    who = amount(seen.reached, "person", "people")
    return f"{who} who had opted out were on the contact list anyway, and got the text"


def saved_words(*runs: RunView) -> str:
    """Return what replacing characters saves in these runs, in words; empty if nothing was replaced."""
    stored = [replaced for run in runs if (replaced := run.plan_summary.get("replaced"))]
    texts = sum(replaced["texts"] for replaced in stored)
    return saving_words(texts, sum(replaced["segments_saved"] for replaced in stored)) if texts else ""


def spent_words(seen: RunProgress) -> str:
    """Return what its texts cost so far, in words, of what budget, and what was planned; empty without prices."""
    run, books = seen.run, seen.outcome
    planned = run.plan_summary.get("cost")
    currency = run.currency or (planned["currency"] if planned else "")
    if not (books.cost or books.unpriced or planned):
        return ""
    words, whole = cost_words(books.cost, 0, currency), seen.whole
    planned = planned if run.finished_at is None else None
    budget = seen.budget if planned else None
    if planned and budget is not None and not seen.steps:
        words = f"{_of_budget(books, budget)} ({planned['most']} planned)"
    elif planned:
        words += f" of {planned['most']} planned"
    words += _unpriced_words(books.unpriced)
    if budget is not None and seen.steps:  # which share it with the campaign's own text
        with_steps = (
            f"{_of_budget(whole or books, budget)} with its steps{_unpriced_words(whole.unpriced if whole else 0)}"
        )
    else:
        with_steps = with_steps_words(whole, currency)
    return "; ".join(filter(None, (words, with_steps)))


def _of_budget(books: Books, budget: MoneyAmount) -> str:
    return f"{decimal_of(books.cost)} of a budget of {budget}"


def with_steps_words(whole: Books | None, currency: str) -> str:
    """Return what a run has cost with its steps (`counts.whole_books`); empty if no step has cost anything."""
    return f"{cost_words(whole.cost, 0, currency)} with its steps{_unpriced_words(whole.unpriced)}" if whole else ""


def cost_words(cost: int, unpriced: int, currency: str) -> str:
    """Return what texts cost (millionths), and how many segments have no price."""
    return f"{MoneyAmount(cost, currency)}{_unpriced_words(unpriced)}"


def _unpriced_words(segments: int) -> str:
    return f", and {amount(segments, 'segment')} without a price" if segments else ""


def moment_words(run: RunView, zone: ZoneInfo) -> str:
    """Return the number and moment of a run of a campaign that repeats or reminds; else ''."""
    when = run.day.isoformat() if run.day else shown_time(run.fires_at, zone) if run.fires_at else ""
    return f"{run.id} of {when}" if when else ""


def other_lines(seen: RunProgress, zone: ZoneInfo) -> Iterator[str]:
    """Yield the other runs of its campaign, by their moments."""
    for run in seen.others:
        if not moment_words(run, zone):
            continue  # the only run of its campaign, while one of its steps is shown
        yield f"{moment_words(run, zone)}: {state_words(run.state)}" + (f", {run.reason}" if run.reason else "")


def parent_words(run: RunView) -> str:
    """Return which run a resend sends again, or a step belongs to."""
    if run.step:
        return f"run {run.id}, step {run.step} of run {run.root_id}"
    return "" if run.parent_id is None else f"run {run.id}, what failed in run {run.parent_id}"


def again_lines(seen: RunProgress) -> Iterator[str]:
    """Yield the resends of its failed texts."""
    for run, of_run in seen.again:
        counts = ", ".join(f"{count:,} {state_words(state)}" for state, count in of_run.by_state.items())
        yield f"run {run.id}, {state_words(run.state)}: {counts}"


def step_lines(seen: RunProgress, zone: ZoneInfo) -> Iterator[str]:
    """Yield the steps of a run: later texts to its people."""
    for run, of_run in seen.steps:
        counts = ", ".join(f"{count:,} {state_words(state)}" for state, count in of_run.by_state.items())
        why = f", {run.reason}" if run.reason else ""
        begins = "" if run.started_at or run.finished_at else f", not before {shown_time(run.starts_at, zone)}"
        yield f"{run.step}, run {run.id}, {state_words(run.state)}{begins}{why}: {counts}"


def rehearsal_words(run: RunView) -> str:
    """Return that nobody really gets anything; empty if they do."""
    return "a rehearsal in the sandbox" if run.rehearsal else ""


def phone_lines(seen: RunProgress, zone: ZoneInfo) -> list[str]:
    """Return the phones that hold up its texts."""
    return [stuck_words(device, zone) for device in seen.stuck] + [
        f"{limit.what} is slowed down to {limit.value}, back at its own pace "
        f"{shown_time(limit.until, zone) if limit.until else ''}: {limit.reason}"
        for limit in seen.slowed
    ]


def approved_words(seen: RunProgress, zone: ZoneInfo) -> str:
    """Return who approved its plan, and when; empty if nobody did."""
    return "" if seen.approved is None else f"by {seen.approved[0]}, {shown_time(seen.approved[1], zone)}"


def paused_words(steps: Iterable[RunView]) -> str:
    """Return which of these steps are paused, and why; empty if none is."""
    paused = (run for run in steps if run.state is RunState.PAUSED)
    return "; ".join(f"step {run.step} is paused{f': {run.reason}' if run.reason else ''}" for run in paused)


def waits_for(seen: RunProgress, zone: ZoneInfo) -> str:
    """Return what the run waits for, and which of its steps are paused; empty if it has ended or is sending."""
    return "; ".join(filter(None, (_own_wait(seen, zone), paused_words(seen.paused))))


def _own_wait(seen: RunProgress, zone: ZoneInfo) -> str:
    run, ahead = seen.run, seen.outlook
    if run.finished_at is not None:
        return run.reason
    if run.state is RunState.PAUSED:
        return f"paused: {run.reason}" if run.reason else "paused"
    if seen.waits_for_approval:
        return f"waits for approval: {command(run.campaign, seen.awaits)}"
    if ahead.account_reason:
        return f"the account is paused: {ahead.account_reason}"
    if run.state is RunState.SCHEDULED and run.reason:
        return run.reason
    if run.step and not ahead.batches:
        return "waits for the text before"
    if run.state is RunState.SCHEDULED:
        is_ahead = run.planned_at is not None or run.fires_at is not None
        return f"starts {shown_time(run.starts_at, zone)}" if is_ahead else "is being planned"
    in_doubt = ahead.batches.get(BatchState.UNKNOWN, 0)
    requests = amount(in_doubt, "request is", "requests are")
    if in_doubt and ahead.unread:
        return f"{requests} in doubt, and the gateway cannot be asked: {ahead.unread.problem}"
    if in_doubt:
        return f"{requests} in doubt and looked up at the gateway"
    if run.followed_at is not None:
        return "waits for its steps"
    if run.state in {RunState.SETTLING, RunState.CANCELLED}:
        return "waits for receipts"
    if ahead.next_due_at is not None and ahead.next_reason:
        return f"next request {shown_time(ahead.next_due_at, zone)}: {ahead.next_reason}"
    return ""
