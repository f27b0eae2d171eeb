"""`audit`: who did what, and whether the record of it is whole."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from scheduler.cli.completing import campaign_names
from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import Output, chosen, print_listed
from scheduler.cli.rendering.output import local_time, print_json, print_table, say, warn
from scheduler.exits import Exit

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

COLUMNS: Final = ("id", "at", "actor", "from", "action", "campaign", "run", "plan", "subject", "detail", "digest")

MOST: Final = 10_000
"""They are all in memory at once."""

NOTHING_DONE: Final = "there are no entries yet"


def audit(
    campaign: Annotated[
        str,
        typer.Option(
            "--campaign", metavar="NAME", help="Only entries of this campaign.", autocompletion=campaign_names
        ),
    ] = "",
    actor: Annotated[
        str, typer.Option("--actor", metavar="NAME", help="Only entries of this user or token: anna, or token:ci.")
    ] = "",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="Only entries since then: 2026-12-01, or 7d for the last week."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=MOST, help="Show at most this many (default 100).")
    ] = 100,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that no entry was changed, removed or inserted.")
    ] = False,
    anchor: Annotated[
        str | None,
        typer.Option("--anchor", metavar="ID:DIGEST", help="With --verify: check also that it goes on from this end."),
    ] = None,
    output: AsOutput = None,
    json: AsJson = False,
) -> None:
    """Show who did what, when and from where, with the newest last."""
    from campaigns.clock import SystemClock
    from scheduler.actions.opening import report_store
    from scheduler.actions.reading.audit import audit_json, begins_at, check_audit, known_anchor, read_audit
    from worker.settings.settings import load_settings

    form = chosen(output, as_json=json)
    settings = load_settings()
    try:
        noted = None if anchor is None else known_anchor(anchor)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--anchor") from None
    begins = None if since is None else begins_at(since, settings.zone, now=SystemClock().now())
    with report_store(settings, warn) as store:
        if verify or noted:
            checked = check_audit(store, noted)
            if form is Output.JSON:
                print_json(checked.as_json())
            else:
                say(str(checked))
            raise typer.Exit(Exit.DONE if checked.broken is None else Exit.UNHAPPY)
        found, older = [], None
        if store is not None:
            page = read_audit(store, campaign=campaign, actor=actor, since=begins, limit=limit)
            found, older = list(page.rows)[::-1], page.next
    if print_listed(form, COLUMNS, map(audit_json, found)):
        return
    if not found:
        say(NOTHING_DONE)
        return
    rows = [
        (
            str(entry.id),
            local_time(entry.at, settings.zone),
            f"{entry.actor_kind}:{entry.actor}",
            entry.origin,
            entry.action,
            entry.campaign,
            str(entry.run_id or ""),
            entry.plan_hash[:8],
            entry.subject,
            ", ".join(
                f"{name.replace('_', ' ')} {_shown(value, settings.zone)}"
                for name, value in entry.detail.items()
                if value not in ("", None)
            ),
        )
        for entry in found
    ]
    print_table(("id", "at", "who", "from", "did", "campaign", "run", "plan", "to", "detail"), rows, numeric=("id",))
    if older is not None:
        say(f"only the newest {limit:,} are shown; --limit shows more")


def _shown(value: object, zone: "ZoneInfo") -> str:
    """Return a value of an entry as people write it: times by the clocks of a zone, several values with spaces."""
    from datetime import datetime

    if isinstance(value, list):
        return " ".join(_shown(each, zone) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return local_time(read, zone) if read.tzinfo else str(value)
