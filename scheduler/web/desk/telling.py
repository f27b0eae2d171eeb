"""What is told of a file that somebody brings or submits: what it does to what exists, and what happens next."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from campaigns.counting import amount
from campaigns.display import shown_time
from campaigns.lifecycle import RecipientState, RunState
from campaigns.take_up import Taken
from scheduler.actions.submitting import Submitted
from scheduler.actions.uploading.drafts import Planned
from scheduler.actions.uploading.tables import StoredTable
from scheduler.intake.taking import Prospect

if TYPE_CHECKING:
    from scheduler.web.desk.pages import Visit

SOON: Final = timedelta(minutes=1)
"""What begins so soon begins as fast as somebody can press the button."""


def kept_words(stored: StoredTable, zone: ZoneInfo) -> str:
    """Return what became of a table that was brought."""
    rows = amount(stored.rows, "row")
    what = f"is stored, with {rows}" if stored.is_news else "is the same as the one stored already"
    if (old := stored.replaces) is not None:
        had = "" if old.rows is None else f", with {amount(old.rows, 'row')}"
        what = f"{what}. It replaces the one of {shown_time(old.at, zone)}{had}"
    return f"{stored.name} {what}. A campaign file can name it now."


def submit_words(planned: Planned, prospect: Prospect | None, asked: "Visit") -> str:
    """Return what the button that submits says: to whom texts go, and when, if nobody has to approve it before."""
    forecast, people = planned.preview.forecast, planned.preview.summary.counts.get(RecipientState.PENDING, 0)
    if planned.needs_approval or forecast is None or not people or (prospect is not None and prospect.run is not None):
        return "Submit exactly this plan"
    first = forecast.first_send_at
    starts = "now" if first <= asked.now + SOON else shown_time(first, asked.zone)
    return f"Submit: sending to {amount(people, 'person', 'people')} starts {starts}"


def exists_words(prospect: Prospect | None) -> str:
    """Return what the file does to the campaign of its name; empty: there is none."""
    if prospect is None or prospect.run is None:
        return ""
    name, decision = prospect.run.campaign, prospect.decision
    words = f"A campaign called {name} exists already, and this file goes to it: {_TO_EXISTING[decision.taken]}"
    return f"{words}. Only people who are new in its tables are added." if decision.takes_more else f"{words}."


_TO_EXISTING: Final[Mapping[Taken, str]] = {
    Taken.PLANNED: "what it has sent stays, and the rest is planned anew from this file",
    Taken.KEPT: "its plan stays as it is",
    Taken.CONTINUED: "it has begun to send, and continues as planned",
    Taken.TUNED: "it has begun to send, and continues with the limits of this file",
    Taken.OVER: "it has run, and nobody gets its text again",
}


def done_words(done: Submitted, asked: "Visit") -> str:
    """Return what was submitted, and what happens next."""
    run = done.run
    follows = {
        Taken.PLANNED: f"Its texts are sent from {shown_time(run.starts_at, asked.zone)} on.",
        Taken.KEPT: "It is planned already, and its plan stays as it is.",
        Taken.CONTINUED: "It is under way already, and goes on as planned.",
        Taken.TUNED: "It is under way already, and goes on with the limits of this file.",
        Taken.EXTENDED: f"Its tables have {amount(done.added, 'new person', 'new people')}, who get the text, too.",
        Taken.OVER: "It has run already, so nobody gets its text again.",
    }[done.taken]
    if run.state is RunState.AWAITING_APPROVAL:
        follows = "Nothing is sent until somebody approves its plan."
    elif done.taken is Taken.PLANNED and run.starts_at <= asked.runtime.clock.now():  # it was set after the call came
        follows = "Its texts are sent from now on."
    return f"{run.campaign} is submitted. {follows}"
