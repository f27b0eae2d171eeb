"""`resend`: sending again to those whose text failed, or who did not reply."""

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from campaigns.counting import amount
from campaigns.protocol.bulk_actions import WHY, ResendOnly
from scheduler.cli.options import AsJson, RunNumber, Sandbox, Slug
from scheduler.cli.rendering.output import print_json, print_run, print_table, say, warn

if TYPE_CHECKING:
    from scheduler.actions.resending import FailedTexts, Unanswered


def resend(
    campaign: Slug,
    only: Annotated[ResendOnly, typer.Option("--only", help="Whom to send to again.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show how many and why, and send nothing.")] = False,
    number_of_run: RunNumber = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    sandbox: Sandbox = False,
    json: AsJson = False,
) -> None:
    """Send the same text again to those whose text failed, or who did not reply, and follow it to the end.

    `failed`: only if it is proven that they did not get it: the gateway left them out or refused them, or the phone
    reported a reason that says so. `no-reply`: those who have it, have no later text of the campaign, and wrote
    nothing but perhaps a keyword. Keeps the campaign's sending hours and limits, and leaves out those who have since
    opted out.
    """
    import logging

    from rich.console import Console

    from scheduler.actions.answers import causes_json, resend_json
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.resending import to_resend
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
        found = to_resend(store, campaign, only, number_of_run, rehearsal=sandbox)
    if not json:
        _show(campaign, found)
    if dry_run or not (found.people or found.goes_on):
        if json:
            print_json(resend_json(campaign, found, people=found.people))
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
        done = send_again(found, settings, this_user(), sandbox=gateway, told=warn, shown=live.show)
    if done.outcome.reason:
        warn(done.outcome.reason)
    for progress in done.outcome.progress:
        summary = run_summary(progress.run, progress.books)
        if not json:
            print_run(summary)
        elif progress.run.id == done.run_id:
            print_json({**summary, **causes_json(found)})
    if done.run_id is None and not done.outcome.reason:
        if json:
            print_json(resend_json(campaign, found))
        elif only is ResendOnly.FAILED:
            say("there is nobody left to send to: the gateway no longer shows any of these texts as failed")
        else:
            say("there is nobody left to send to")
    raise typer.Exit(done.outcome.exit_code)


def _show(campaign: str, found: "FailedTexts | Unanswered") -> None:
    if found.only is ResendOnly.FAILED:
        if not found.failures:
            say(f"no text of {campaign} has failed")
            return
        _show_failures(found)
    else:
        rows = [(f"{people:,}", WHY[cause]) for cause, people in found.left_out.items()]
        print_table(("left out", "because"), rows, numeric=("left out",))
    say(f"\n{amount(found.people, 'person', 'people')} of {campaign} to be texted again\n")


def _show_failures(found: "FailedTexts") -> None:
    rows = [
        (
            f"{failure.people:,}",
            failure.reason or "no reason was given",
            "sent again" if failure.is_proven else "left out: it may have been sent; ask, or look on the phone",
        )
        for failure in found.failures
    ]
    print_table(("people", "failed because", ""), rows, numeric=("people",))
