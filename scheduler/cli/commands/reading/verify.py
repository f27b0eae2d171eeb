"""`verify`: every promise about a campaign, worked out again."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from campaigns.counting import amount
from scheduler.cli.options import AsJson, RunNumber, Sandbox, Slug
from scheduler.cli.rendering.output import print_json, print_table, say
from scheduler.exits import Exit

if TYPE_CHECKING:
    from scheduler.verify.verifying import Verified


def verify(
    campaign: Slug,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the gateway for its messages.")] = False,
    number_of_run: RunNumber = None,
    sandbox: Sandbox = False,
    json: AsJson = False,
) -> None:
    """Work out again whether a campaign kept every promise, and show what is wrong with whom.

    From the rows, the requests, the audit and the gateway's own messages, by code that shares nothing with what sends:
    books, doubles, losses, rates, hours, caps, budgets, opt-outs. Changes nothing.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.upkeep.verifying import to_verify, verified_json, verify_campaign
    from scheduler.processes.rehearsal import private_sandbox, rehearsal_settings
    from worker.settings.settings import load_settings

    settings = load_settings()
    with campaign_store(settings) as store:
        wanted = to_verify(store, campaign, number_of_run, rehearsal=sandbox)
        if wanted.is_rehearsal:
            settings = rehearsal_settings(settings)
        with private_sandbox(settings) if sandbox and not offline else nullcontext() as gateway:
            verified = verify_campaign(store, wanted, settings, SystemClock(), offline=offline, sandbox=gateway)
    if json:
        print_json(verified_json(wanted, verified))
    else:
        _show(campaign, verified)
    raise typer.Exit(Exit.UNHAPPY if verified.wrong else Exit.STOPPED if verified.is_cut_off else Exit.DONE)


def _show(campaign: str, verified: "Verified") -> None:
    from scheduler.verify.checks import ABOUT

    rows = [
        (
            result.check.value.replace("_", " "),
            amount(result.examined, *ABOUT[result.check][0].split("/")),
            f"{result.wrong:,} wrong" if result.wrong else "ok" if result.examined else "nothing to check",
            ABOUT[result.check][1],
        )
        for result in verified.checks
    ]
    print_table(("check", "examined", "result", "promise"), rows)
    for result in verified.checks:
        for found in result.findings:
            say(f"{result.check.value.replace('_', ' ')}: {found}" + (f", run {found.run}" if found.run else ""))
        if result.wrong > len(result.findings):
            say(f"{result.check.value.replace('_', ' ')}: and {result.wrong - len(result.findings):,} more")
    for result in verified.checks:
        for note in result.notes:
            say(f"not checked: {note}")
    if verified.is_cut_off:
        say(f"the gateway's messages were not read to the end: {verified.is_offline}")
    elif verified.is_offline:
        say(f"the gateway was not asked ({verified.is_offline}): nobody knows whether its messages are these")
    runs = amount(len(verified.runs), "run")
    kept = "broke" if verified.wrong else "kept"
    say(
        f"{campaign} ({runs}) {kept} its promises"
        + (f": {amount(verified.wrong, 'thing is', 'things are')} wrong" if verified.wrong else "")
    )
