"""What `status` shows."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from campaigns.display import state_words
from campaigns.lifecycle import RecipientState
from scheduler.cli.rendering.output import local_time, print_facts, print_groups, print_run, print_table, say
from scheduler.report.devices import failure_words
from scheduler.report.opt_outs import counted
from scheduler.report.summary import (
    RunProgress,
    again_lines,
    alarm_words,
    approved_words,
    moment_words,
    other_lines,
    parent_words,
    phone_lines,
    rehearsal_words,
    run_summary,
    saved_words,
    spent_words,
    step_lines,
    waits_for,
)
from scheduler.report.variants import outcome_table

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


def show_all(seen: Sequence[RunProgress], zone: ZoneInfo) -> None:
    """Print a table of all runs."""
    rows = [
        (
            entry.run.campaign,
            state_words(entry.run.state),
            *(f"{sum(entry.books.by_state.get(state, 0) for state in states):,}" for states in COLUMNS.values()),
            f"{entry.books.audience:,}",
            local_time(entry.run.started_at, zone),
            _remarks(entry, zone),
        )
        for entry in seen
    ]
    figures = (*COLUMNS, "audience")
    print_table(("campaign", "state", *figures, "started", "remarks"), rows, numeric=figures)
    for line in dict.fromkeys(line for entry in seen for line in phone_lines(entry, zone)):
        say(line)


def _remarks(entry: RunProgress, zone: ZoneInfo) -> str:
    remarks = rehearsal_words(entry.run), parent_words(entry.run), alarm_words(entry), waits_for(entry, zone)
    return "; ".join(filter(None, remarks))


def show_one(entry: RunProgress, zone: ZoneInfo) -> None:
    """Print everything about one run."""
    print_run(run_summary(entry.run, entry.books))
    print_groups(*outcome_table(entry.groups))
    batches = entry.outlook.batches
    say("")
    print_facts(
        [
            ("file", entry.run.source),
            ("gateway", rehearsal_words(entry.run)),
            ("approved", approved_words(entry, zone)),
            ("saved", saved_words(entry.run)),
            ("spent", spent_words(entry)),
            ("batches", ", ".join(f"{n:,} {state_words(state)}" for state, n in sorted(batches.items()))),
            ("in flight", f"{entry.in_flight:,} of them" if entry.in_flight else ""),
            ("now", waits_for(entry, zone)),
            ("replies", counted(entry.replies)),
            ("alarm", alarm_words(entry)),
            ("phones", "\n".join(phone_lines(entry, zone))),
            ("failed", "\n".join(failure_words(entry.failures))),
            ("run", moment_words(entry.run, zone)),
            ("step" if entry.run.step else "sends again", parent_words(entry.run)),
            ("sent again", "\n".join(again_lines(entry))),
            ("steps", "\n".join(step_lines(entry, zone))),
            ("other runs", "\n".join(other_lines(entry, zone))),
        ]
    )
