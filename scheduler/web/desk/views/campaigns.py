"""Now, the list of campaigns, one campaign, and its people."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO

from campaigns.access import Scope
from campaigns.lifecycle import RecipientState, RunState
from scheduler.actions import control
from scheduler.actions.reading.alerts import read_alerts
from scheduler.actions.reading.audit import read_audit
from scheduler.actions.reading.exports import read_report, to_export, write_export
from scheduler.actions.reading.lists import read_needs
from scheduler.actions.reading.runs import read_campaigns, read_course, read_line, read_now, run_lines
from scheduler.actions.refusals import Refusal
from scheduler.actions.throttling import place_of, read_limits
from scheduler.report.devices import whose_failed, why_failed
from scheduler.report.formats import Format
from scheduler.report.limits import Limit
from scheduler.report.summary import RunProgress, alarm_words, approved_words, phone_lines, saved_words, spent_words
from scheduler.report.variants import groups_of
from scheduler.web.api.problems import CallProblem
from scheduler.web.desk.files import DeskFile, written
from scheduler.web.desk.pages import DeskPage, DeskPlace, Visit
from scheduler.web.desk.report import write_report
from scheduler.web.desk.values import after_of, number_of, one_of

ROWS: Final = 100

MEDIA_TYPES: Final = {Format.HTML: "text/html; charset=utf-8", Format.CSV: "text/csv; charset=utf-8"}
"""Of a report, by its format."""

DONE: Final = 8
"""How much of what was done to a campaign its page shows."""


def now(asked: Visit) -> DeskPage:
    """What is at work, what needs somebody, and until when it takes."""
    store = asked.runtime.store
    lines = read_now(store, asked.zone, now=asked.now)
    sending = [line for line in lines if line.seen.run.state in {RunState.RUNNING, RunState.SETTLING}]
    return DeskPage(
        "now.html",
        {
            "alerts": read_alerts(store),
            "needs": read_needs(store),
            "groups": (("Sending", sending), ("Waiting", [line for line in lines if line not in sending])),
        },
    )


def campaigns(asked: Visit) -> DeskPage:
    """All campaigns, the oldest first, a page at a time."""
    page = read_campaigns(asked.runtime.store, after=after_of(asked), limit=ROWS, now=asked.now)
    lines = run_lines(asked.runtime.store, page.rows, asked.zone, now=asked.now)
    return DeskPage("campaigns.html", {"lines": lines, "next": page.next})


def campaign(asked: Visit) -> DeskPage:
    """How far one campaign is: a bar of its states, what it waits for, and what can be done."""
    name = asked.path["name"]
    line = read_line(asked.runtime.store, name, asked.zone, number=number_of(asked, "run"), now=asked.now)
    seen = line.seen
    return DeskPage(
        "campaign.html",
        {
            "seen": seen,
            "rehearsed": seen.run.rehearsal,
            "course": read_course(asked.runtime.store, seen, now=asked.now),
            "pace": line.pace,
            "done": _done(asked, name),
            "waits_for": line.reason,
            "alarm": alarm_words(seen),
            "phones": phone_lines(seen, asked.zone),
            "approved": approved_words(seen, asked.zone),
            "saved": saved_words(seen.run),
            "spent": spent_words(seen),
            "failures": [(entry, whose_failed(entry), why_failed(entry)) for entry in seen.failures],
            "groups": groups_of(seen.groups),
            "limits": _limits(asked, name, ended=seen.run.finished_at is not None),
            "can": _can(asked, seen),
        },
    )


def _done(asked: Visit, name: str) -> Sequence[Any]:
    """Return what was done to a campaign last, for those who may read the audit."""
    return read_audit(asked.runtime.store, campaign=name, limit=DONE).rows if asked.may(Scope.CONTROL) else ()


def _limits(asked: Visit, name: str, *, ended: bool) -> Sequence[Limit]:
    """Return the limits of a campaign; one that has ended has none."""
    runtime = asked.runtime
    place = place_of(runtime.store, runtime.settings, campaign=name)
    return () if ended else read_limits(runtime.store, runtime.settings, place, now=asked.now)


def _can(asked: Visit, seen: RunProgress) -> Mapping[str, bool]:
    """Return what the page offers. The action decides all the same whether it can be done."""
    steers, state = asked.may(Scope.CONTROL), seen.run.state
    return {
        "approve": bool(seen.awaits) and asked.may(Scope.APPROVE),
        "pause": steers and state in {RunState.SCHEDULED, RunState.RUNNING},
        "resume": steers and (state is RunState.PAUSED or bool(seen.paused)),
        "cancel": steers and state in control.AT_WORK,
        "resend": steers and bool(seen.outcome.by_state.get(RecipientState.FAILED)),
        "no_reply": steers and _may_lack_answers(seen),
        "resolve": steers and bool(seen.books.by_state.get(RecipientState.HELD)),
        "account": steers and bool(seen.outlook.account_reason),
        "throttle": steers and seen.run.finished_at is None,
    }


def _may_lack_answers(seen: RunProgress) -> bool:
    """Return whether everything of a campaign's own text is sent, and somebody has it."""
    has_it = (RecipientState.ACCEPTED, RecipientState.SENT, RecipientState.DELIVERED, RecipientState.EXPIRED)
    return seen.run.is_own and seen.run.sent_at is not None and any(map(seen.outcome.by_state.get, has_it))


def report(asked: Visit) -> DeskFile:
    """The report of a campaign as one file: a page with charts, or everybody as CSV."""
    store, name, number = asked.runtime.store, asked.path["name"], number_of(asked, "run")
    form = one_of(asked, "format", Format) or Format.HTML
    if form not in MEDIA_TYPES:
        raise CallProblem(Refusal.INVALID, f"a report is {' or '.join(MEDIA_TYPES)}; open the page again")

    def write(stream: TextIO) -> None:
        if form is Format.HTML:
            write_report(read_report(store, name, number, now=asked.now), stream, asked.zone, full=asked.full)
        else:
            write_export(store, to_export(store, name, number), stream, form, full=asked.full)

    return written(f"{name}.{form}", MEDIA_TYPES[form], write)


PLACES: Final = (
    DeskPlace("/campaigns/{name}/report", report),
    DeskPlace("/", now),
    DeskPlace("/campaigns", campaigns),
    DeskPlace("/campaigns/{name}", campaign),
)
