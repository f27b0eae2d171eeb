"""The report of a campaign: one file with the stylesheet and the pictures of the desk. It loads nothing else."""

from typing import Final, TextIO
from zoneinfo import ZoneInfo

from campaigns.display import state_words
from campaigns.lifecycle import RecipientState
from scheduler.actions.reading.exports import CampaignReport
from scheduler.report.meanings import MEANINGS
from scheduler.report.page_figures import MOST_REASONS
from scheduler.report.summary import cost_words, saved_words
from scheduler.report.variants import groups_of
from scheduler.web.desk.charts import LOOKS
from scheduler.web.desk.rendering import render_file

TEMPLATE: Final = "report.html"


def write_report(report: CampaignReport, stream: TextIO, zone: ZoneInfo, *, full: bool = True) -> int:
    """Write it; return how many people it is about. Unless `full`, numbers are masked; texts are never in it."""
    figures, run = report.figures, report.runs[-1]
    delivered, sent = figures.by_state.get(RecipientState.DELIVERED, 0), figures.sent
    values = {
        "run": run,
        "runs": report.runs,
        "facts": _facts(report),
        "started_at": min((each.started_at for each in report.runs if each.started_at is not None), default=None),
        "figures": figures,
        "course": report.course,
        "groups": groups_of(report.seen.groups),
        "steps": report.seen.steps,
        "states": [
            (state_words(state), count, LOOKS.get(state, "plain"), MEANINGS[state])
            for state, count in figures.by_state.items()
        ],
        "reasons": [(reason, count, "bad", "") for reason, count in figures.reasons.most_common(MOST_REASONS)],
        "phones": [
            (name, count, "set", f"{missed:,} did not arrive" if missed else "")
            for name, count, missed in figures.phones
        ],
        "tiles": (
            ("people", figures.people, 0, ""),
            ("sent", sent, figures.people, "of all people"),
            ("delivered", delivered, figures.people, "of all people"),
            ("replied", figures.replies, sent, "of those sent to"),
            ("opted out since", figures.opt_outs, sent, "of those sent to"),
            ("segments", figures.segments, 0, ""),
        ),
    }
    stream.write(f"{render_file(TEMPLATE, values, zone, full=full)}\n")
    return figures.people


def _facts(report: CampaignReport) -> list[str]:
    run, figures = report.runs[-1], report.figures
    parts = [state_words(run.state)]
    if run.rehearsal:
        parts.append("a rehearsal in the sandbox")
    if len(report.runs) > 1:
        parts.append(f"{len(report.runs):,} runs")
    if saved := saved_words(*report.runs):
        parts.append(saved)
    if figures.cost or figures.unpriced:
        parts.append(f"cost {cost_words(figures.cost, figures.unpriced, run.currency)}")
    return parts
