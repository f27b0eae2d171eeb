"""`people`: one action for everybody of a run whom a filter matches."""

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from campaigns.counting import amount
from campaigns.lifecycle import RecipientState
from campaigns.protocol.bulk_actions import SENTENCES, WHY, BulkAction
from scheduler.cli.options import AsJson, RunNumber, Slug
from scheduler.cli.rendering.output import print_json, say, warn

if TYPE_CHECKING:
    from scheduler.actions.bulk import BulkDone, BulkPlan


def people(
    campaign: Slug,
    do: Annotated[BulkAction, typer.Option("--do", help="What to do for everybody who matches.", show_default=False)],
    state: Annotated[RecipientState | None, typer.Option("--state", help="Only those in this state.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Only with exactly this.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="ID", help="Only by this phone; none: given to no phone.")
    ] = None,
    result_code: Annotated[
        str | None,
        typer.Option("--result-code", metavar="N", help="Only with this code of the phone; none: without one."),
    ] = None,
    variant: Annotated[str | None, typer.Option("--variant", metavar="NAME", help="Only of this variant.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", metavar="N", help="Only of this request.")] = None,
    reply: Annotated[
        str | None,
        typer.Option("--reply", metavar="MEANING", help="Only who wrote back: a meaning, answer, any or none."),
    ] = None,
    part: Annotated[
        str | None, typer.Option("--part", metavar="PART", help="Only of text.NAME (a variant) or control.")
    ] = None,
    reached: Annotated[
        str | None,
        typer.Option("--reached", metavar="FIGURE", help="Only people, sent, delivered, replied or opted_out."),
    ] = None,
    number_of_run: RunNumber = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show how many and why not, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    json: AsJson = False,
) -> None:
    """Do something for everybody of a run who matches every option: first shown, then done as one action.

    `resend` sends failed texts again, `sent` and `not-sent` decide about held ones, `opt-out` stops all texts to these
    people. If the people have changed since the plan was shown, nothing is done.
    """
    from scheduler.actions.answers import bulk_json
    from scheduler.actions.bulk import BulkSelection, known_reply, plan_bulk
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.reading.recipients import known_figure
    from scheduler.cli.user import this_user
    from scheduler.processes.handing_in import do as do_it
    from worker.settings.settings import load_settings

    settings = load_settings()
    given = {
        "state": state and state.value,
        "reason": reason,
        "device": device and _number("--device", device),
        "result_code": result_code and _number("--result-code", result_code),
        "variant": variant,
        "batch_id": batch,
        "reply": reply and known_reply(reply),
        "part": part,
        "reached": reached and known_figure(reached),
    }
    chosen = BulkSelection(campaign, number_of_run, {name: value for name, value in given.items() if value is not None})
    with campaign_store(settings) as store:
        plan = plan_bulk(store, do, chosen)
    if not json:
        _show(plan)
    done: BulkDone | None = None
    if plan.people and not dry_run:
        if sys.stdin.isatty() and not yes and not typer.confirm("Do it?", err=True):
            warn("nothing was changed")
            return
        done = do_it(settings, this_user(), do, chosen, plan.seal)
    if json:
        print_json(bulk_json(plan, done))
    elif done:
        say(f"done for {amount(done.people, 'person', 'people')}")


def _number(option: str, value: str) -> int | str:
    from scheduler.actions.reading.recipients import NONE

    if value != NONE and not re.fullmatch("[0-9]{1,9}", value):
        raise typer.BadParameter(f"must be a number or {NONE}, not {value}", param_hint=option)
    return value if value == NONE else int(value)


def _show(plan: "BulkPlan") -> None:
    people = amount(plan.people, "person", "people")
    say(f"{people} of run {plan.run.id} of {plan.run.campaign} {SENTENCES[plan.action]}")
    for cause, count in plan.left_out.items():
        say(f"  {count:,} not: {WHY[cause]}")
