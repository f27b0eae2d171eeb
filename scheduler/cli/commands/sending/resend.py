"""`resend`: sending again to those whose text failed."""

import sys
from contextlib import nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from campaigns.counting import amount
from scheduler.cli.options import AsJson, RunNumber, Sandbox, Slug
from scheduler.cli.rendering.output import print_json, print_run, print_table, say, warn

if TYPE_CHECKING:
    from scheduler.actions.resending import FailedTexts


class Only(StrEnum):
    """Whom to send to again."""

    FAILED = "failed"


def resend(
    campaign: Slug,
    only: Annotated[Only, typer.Option("--only", help="Whom to send to again.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show how many and why, and send nothing.")] = False,
    number_of_run: RunNumber = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    sandbox: Sandbox = False,
    json: AsJson = False,
) -> None:
    """Send the same text again to those whose text failed, and follow it to the end.

    Only if it is proven that they did not get it: the gateway left them out or refused them, or the phone reported a
    reason that says so. Keeps the campaign's sending hours and limits, and leaves out those who have since opted out.
    """
    import logging

    from rich.console import Console

    from scheduler.actions.answers import failures_json, resend_json
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.resending import failed_texts
    from scheduler.cli.rendering.live import LiveProgress
    from scheduler.cli.settings import sending_settings
    from scheduler.cli.user import this_user
    from scheduler.processes.rehearsal import private_sandbox, rehearsal_settings
    from scheduler.processes.resending import resend as send_again
    from scheduler.report.summary import run_summary
    from worker.logs import configure_logs

    settings = sending_settings()
    configure_logs(settings.log_format, level=logging.ERROR)
    if sandbox:
        settings = rehearsal_settings(settings)
    with campaign_store(settings) as store:
        found = failed_texts(store, campaign, number_of_run, rehearsal=sandbox)
    if not json:
        _show(campaign, found)
    if dry_run or not (found.people or found.goes_on):
        if json:
            print_json(resend_json(campaign, found, only.value, people=found.people))
        return
    who = amount(found.people, "person", "people")
    if sys.stdin.isatty() and not yes and not typer.confirm(f"Send to {who} again?", err=True):
        warn("nothing was changed")
        return
    console = Console(stderr=True)
    with (
        private_sandbox(settings) if sandbox else nullcontext() as gateway,
        LiveProgress(console, enabled=console.is_terminal) as live,
    ):
        done = send_again(found.root, settings, this_user(), sandbox=gateway, told=warn, shown=live.show)
    if done.outcome.reason:
        warn(done.outcome.reason)
    for progress in done.outcome.progress:
        summary = run_summary(progress.run, progress.books)
        if not json:
            print_run(summary)
        elif progress.run.id == done.run_id:
            print_json({**summary, **failures_json(found)})
    if done.run_id is None and not done.outcome.reason:
        if json:
            print_json(resend_json(campaign, found, only.value))
        else:
            say("there is nobody left to send to: the gateway no longer shows any of these texts as failed")
    raise typer.Exit(done.outcome.exit_code)


def _show(campaign: str, found: "FailedTexts") -> None:
    if not found.failures:
        say(f"no text of {campaign} has failed")
        return
    rows = [
        (
            f"{failure.people:,}",
            failure.reason or "no reason was given",
            "sent again" if failure.is_proven else "left out: it may have been sent; ask, or look on the phone",
        )
        for failure in found.failures
    ]
    print_table(("people", "failed because", ""), rows, numeric=("people",))
    say(f"\n{amount(found.people, 'person', 'people')} of {campaign} to be texted again\n")
