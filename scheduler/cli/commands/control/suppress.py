"""`suppress`: the numbers that get nothing, and the replies that a person has to read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from campaigns.counting import amount
from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import Output, chosen, print_listed
from scheduler.cli.rendering.output import local_time, print_json, print_table, say, warn
from scheduler.exits import Exit

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from scheduler.actions.reading.replies import WaitingReply
    from scheduler.actions.suppressing.opt_outs import Changed

suppress = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Numbers that get nothing, and replies to read."
)

Numbers = Annotated[
    list[str], typer.Argument(metavar="NUMBER...", help="With +country, or as dialled in the region of the settings.")
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind", help="Only campaigns of this kind: marketing, reminder or transactional. Default: all kinds."
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why, in your words; `why` shows it.")]

WAITING_COLUMNS: Final = ("id", "number", "received_at", "campaign", "of_nobody_known", "text")

SHOWN = 20
"""How many bad rows are reported one by one."""


@suppress.command()
def add(numbers: Numbers, kind: Kind = None, reason: Reason = "", json: AsJson = False) -> None:
    """Send nothing more to these numbers, from the next request on.

    This includes texts that are already planned. Example: campaigns suppress add "+39 333 123 4567" --reason "by phone"
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.numbers import all_normalised
    from scheduler.actions.opening import own_store
    from scheduler.actions.suppressing import opt_outs
    from scheduler.actions.suppressing.kinds import known_kind
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    settings, now = load_settings(), SystemClock().now()
    wanted, only = all_normalised(numbers, settings.region), known_kind(kind)
    with own_store(settings) as store:
        done = opt_outs.suppress(store, this_user(), wanted, kind=only, reason=reason, now=now)
    _tell("added", done, "on the list already", as_json=json)


@suppress.command()
def remove(numbers: Numbers, kind: Kind = None, json: AsJson = False) -> None:
    """Let these numbers get texts again, if their owners asked for it.

    With --kind only an entry of this kind ends. Campaigns that are already planned stay as they are.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.numbers import all_normalised
    from scheduler.actions.opening import existing_store
    from scheduler.actions.suppressing import opt_outs
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    settings, now = load_settings(), SystemClock().now()
    wanted = all_normalised(numbers, settings.region)
    with existing_store(settings) as store:
        done = opt_outs.unsuppress(store, this_user(), wanted, kind=kind, now=now)
    _tell("removed", done, "not on the list", as_json=json)


@suppress.command("list")
def list_(kind: Kind = None, output: AsOutput = None, json: AsJson = False) -> None:
    """Show the list, the newest last; numbers are masked.

    `suppress export` has them in full.
    """
    from campaigns.phone_numbers.masking import mask
    from scheduler.actions.opening import existing_store
    from scheduler.actions.suppressing import opt_outs
    from scheduler.report.opt_outs import COLUMNS, listed_json
    from worker.settings.settings import load_settings

    form = chosen(output, as_json=json)
    settings = load_settings()
    with existing_store(settings) as store:
        seen = opt_outs.suppressed(store, kind=kind)
        if print_listed(form, COLUMNS, (listed_json(entry, number=mask(entry.number), full=True) for entry in seen)):
            return
        entries = list(seen)
    if not entries:
        say("nobody is on the list")
        return
    rows = [(mask(e.number), e.kind or "any", local_time(e.since, settings.zone), e.source, e.reason) for e in entries]
    print_table(("number", "kind", "since", "source", "reason"), rows)
    say(f"{len(entries):,} on the list")


@suppress.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, .tsv, .jsonl or .xlsx table.")],
    number: Annotated[str, typer.Option("--number", help="The column that holds the numbers.")] = "number",
    kind: Kind = None,
    reason: Reason = "",
    json: AsJson = False,
) -> None:
    """Put a table of numbers on the list.

    Its columns `kind` and `reason`, if it has them, apply where the options are not given, so the output of
    `suppress export` can be read again. Rows without a usable number are reported and left out; exit code 3 then.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.opening import own_store
    from scheduler.actions.suppressing import opt_outs
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    settings, now = load_settings(), SystemClock().now()
    table = opt_outs.open_table(file, number, settings.region, kind=kind, reason=reason, now=now)
    with own_store(settings) as store:
        done = opt_outs.suppress_table(store, this_user(), table, now=now)
    _tell("added", done, "on the list already", as_json=json)
    if done.bad:
        raise typer.Exit(Exit.UNHAPPY)


@suppress.command()
def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, whole or not at all.")
    ] = None,
    kind: Kind = None,
    json: AsJson = False,
) -> None:
    """Write the list as CSV, or JSON lines, with every number in full."""
    from scheduler.actions.opening import report_store
    from scheduler.actions.suppressing import opt_outs
    from scheduler.cli.rendering.destination import destination
    from scheduler.report.opt_outs import write_list
    from worker.settings.settings import load_settings

    with report_store(load_settings(), warn) as store, destination(output) as stream:
        count = write_list(stream, opt_outs.suppressed(store, kind=kind), as_json=json)
    if output:
        warn(f"wrote {amount(count, 'number')} to {output}")


@suppress.command()
def review(
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Replies, by their IDs in the list.")] = None,
    opts_out: Annotated[
        bool, typer.Option("--opt-out", help="They are stops: send nothing more to these people.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="They are not stops: keep sending.")] = False,
    output: AsOutput = None,
    json: AsJson = False,
) -> None:
    """Read the replies that may mean stop, and decide.

    Also stops from a number that was never sent a text: find out whose it is. Without --opt-out or --keep they are
    listed, with their texts. Example: campaigns suppress review 12 15 --opt-out
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.opening import existing_store
    from scheduler.actions.reading.replies import replies_to_review
    from scheduler.actions.suppressing.replies import review as decide
    from scheduler.actions.texts.shown import reviewed_json
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    if opts_out and keep:
        raise typer.BadParameter("choose --opt-out or --keep, not both")
    if (opts_out or keep) and not ids:
        raise typer.BadParameter("name the replies: `campaigns suppress review` lists them", param_hint="ID...")
    form = chosen(output, as_json=json)
    settings, now = load_settings(), SystemClock().now()
    with existing_store(settings) as store:
        if ids and (opts_out or keep):
            count = decide(store, this_user(), ids, is_stop=opts_out, now=now)
            done = reviewed_json(count, is_stop=opts_out)
            if not print_listed(form, tuple(done), [done]):
                say(f"{'opted out' if opts_out else 'kept'}: {count:,}")
            return
        replies = replies_to_review(store, ids)
    _show_replies(replies, settings.zone, form)


def _show_replies(replies: "Sequence[WaitingReply]", zone: "ZoneInfo", form: Output) -> None:
    from scheduler.actions.texts.shown import waiting_json

    if print_listed(form, WAITING_COLUMNS, map(waiting_json, replies)):
        return
    if not replies:
        say("no reply is waiting to be read")
        return
    cells = [
        (
            str(reply.id),
            reply.number,
            local_time(reply.received_at, zone),
            "nobody known" if reply.is_of_nobody_known else reply.campaign or "",
            " ".join(reply.text.split()),
        )
        for reply in replies
    ]
    print_table(("id", "number", "received", "answers", "text"), cells)
    say("decide: campaigns suppress review ID... --opt-out, or --keep")


def _tell(done: Literal["added", "removed"], changed: "Changed", why: str, *, as_json: bool) -> None:
    """Print the result; `why` says why the other numbers did not change."""
    if as_json:
        from scheduler.actions.answers import changed_json

        print_json(changed_json(done, changed))
        return
    say(f"{done}: {changed.changed:,}" + (f"; {why}: {changed.unchanged:,}" if changed.unchanged else ""))
    for row in changed.bad[:SHOWN]:
        warn(f"row {row.line}: {row.problem}")
    if changed.bad_rows > SHOWN:
        warn(f"and {changed.bad_rows - SHOWN:,} more rows that cannot be used")
