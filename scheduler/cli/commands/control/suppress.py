"""`suppress`: the numbers that get nothing, and the replies that a person has to read."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from campaigns.counting import amount
from scheduler.cli.errors import Refused
from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import local_time, print_json, print_table, say, warn
from scheduler.exits import Exit

if TYPE_CHECKING:
    from datetime import datetime

    from scheduler.actions.suppressing.tables import BadRow
    from worker.settings import Settings
    from worker.store.engine import Store
    from worker.store.inbound import Answer
    from worker.store.suppressions import Entry

Numbers = Annotated[
    list[str], typer.Argument(metavar="NUMBER...", help="With +country, or of the region in the settings.")
]
Kind = Annotated[
    str | None,
    typer.Option("--kind", help="Only campaigns of this kind: marketing, reminder or transactional. Else of any."),
]
Reason = Annotated[str, typer.Option("--reason", help="Why, in your words; `why` shows it.")]

AT_ONCE = 1_000
"""So many numbers in one transaction: a request that is promised waits for it."""

SHOWN = 20
"""So many bad rows are told one by one."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Numbers that get nothing, and replies to read."
    )
    group.command("add")(add)
    group.command("remove")(remove)
    group.command("list")(list_)
    group.command("import")(import_)
    group.command("export")(export)
    group.command("review")(review)
    app.add_typer(group, name="suppress")


def add(numbers: Numbers, kind: Kind = None, reason: Reason = "", json: AsJson = False) -> None:
    """Send nothing more to these numbers, from the next request on.

    Also not to those that are planned already. Example: campaigns suppress add "+39 333 123 4567" --reason "by phone"
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.numbers import all_normalised
    from worker.settings import load_settings
    from worker.store.suppressions import Entry

    settings, now = load_settings(), SystemClock().now()
    entries = [Entry(number, _kind(kind), reason, "command", now) for number in all_normalised(numbers, settings)]
    added = _store(settings, [entries], now)
    _tell("added", added, len({entry.number for entry in entries}) - added, "on the list already", as_json=json)


def remove(numbers: Numbers, kind: Kind = None, json: AsJson = False) -> None:
    """Let these numbers get texts again; only if they asked for it.

    With --kind only an entry of this kind ends. Campaigns that are planned already stay as they are.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.naming import existing_store
    from scheduler.actions.numbers import all_normalised
    from worker.settings import load_settings
    from worker.store import suppressions

    settings = load_settings()
    wanted = set(all_normalised(numbers, settings))
    only = _kind(kind) if kind is not None else None
    ended: set[str] = set()
    with existing_store(settings) as store:
        if store is not None:
            with store.write("unsuppress") as session:
                ended = suppressions.release(session, wanted, now=SystemClock().now(), kind=only)
    _tell("removed", len(ended), len(wanted - ended), "not on the list", as_json=json)


def list_(kind: Kind = None, json: AsJson = False) -> None:
    """Show the list, the newest last; numbers are masked.

    `suppress export` has them in full.
    """
    from campaigns.numbers import mask
    from worker.settings import load_settings

    settings = load_settings()
    entries = list(_entries(settings, kind))
    if json:
        for entry in entries:
            print_json(_as_json(entry) | {"number": mask(entry.number)})
        return
    if not entries:
        say("nobody is on the list")
        return
    rows = [(mask(e.number), e.kind or "any", local_time(e.since, settings.zone), e.source, e.reason) for e in entries]
    print_table(("number", "kind", "since", "source", "reason"), rows)
    say(f"{len(entries):,} on the list")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, .tsv, .jsonl or .xlsx table.")],
    number: Annotated[str, typer.Option("--number", help="The column that holds the numbers.")] = "number",
    kind: Kind = None,
    reason: Reason = "",
    json: AsJson = False,
) -> None:
    """Put a table of numbers on the list.

    Its columns `kind` and `reason`, if it has them, count where the options are not given: what `suppress export` wrote
    can be read again. Rows without a usable number are told and left out; the exit code is then 3.
    """
    from campaigns.audience import AudienceProblem
    from campaigns.clock import SystemClock
    from scheduler.actions.suppressing.tables import OptOutFile
    from worker.settings import load_settings

    settings, now = load_settings(), SystemClock().now()
    only = _kind(kind)
    try:
        table = OptOutFile(file, number, settings.region, kind=only, reason=reason, now=now)
        added = _store(settings, table.chunks(AT_ONCE), now)
    except AudienceProblem as error:
        raise Refused(f"{file}: {error}") from None
    unchanged = table.entries - added
    _tell("added", added, unchanged, "on the list already", as_json=json, bad=table.bad, bad_rows=table.bad_rows)
    if table.bad:
        raise typer.Exit(Exit.UNHAPPY)


def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, whole or not at all.")
    ] = None,
    kind: Kind = None,
    json: AsJson = False,
) -> None:
    """Write the list as CSV, or JSON lines, with every number in full."""
    from scheduler.actions.suppressing.tables import write_list
    from scheduler.cli.rendering.destination import destination
    from worker.settings import load_settings

    entries = _entries(load_settings(), kind)
    with destination(output) as stream:
        count = write_list(stream, entries, as_json=json)
    if output:
        warn(f"wrote {amount(count, 'number')} to {output}")


def review(
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Replies, as the list names them.")] = None,
    opts_out: Annotated[
        bool, typer.Option("--opt-out", help="They are stops: send nothing more to who wrote them.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="They are no stops: go on.")] = False,
    json: AsJson = False,
) -> None:
    """Read the replies that may mean stop, and decide.

    Also stops from a number at which nobody was sent a text: find out whose it is. Without --opt-out or --keep they are
    listed, with their texts. Example: campaigns suppress review 12 15 --opt-out
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.naming import existing_store
    from scheduler.replies.inbound import opt_outs_of
    from worker.settings import load_settings
    from worker.store import inbound, suppressions

    if opts_out and keep:
        raise typer.BadParameter("decide for --opt-out or for --keep, not for both")
    if (opts_out or keep) and not ids:
        raise typer.BadParameter("name the replies: `campaigns suppress review` lists them", param_hint="ID...")
    settings, now = load_settings(), SystemClock().now()
    with existing_store(settings) as store:
        waiting = [] if store is None else _waiting(store)
        chosen = [answer for answer in waiting if ids is None or answer.id in ids]
        if unknown := set(ids or ()) - {answer.id for answer in chosen}:
            raise Refused(f"no reply {min(unknown)} waits to be read; list those that do: campaigns suppress review")
        nobody = next((answer for answer in chosen if opts_out and not opt_outs_of([answer])), None)
        if nobody is not None:
            raise Refused(
                f"reply {nobody.id} came from {nobody.number}, which is not a complete phone number: put the person on "
                f"the list (campaigns suppress add NUMBER), then: campaigns suppress review {nobody.id} --keep"
            )
        if store is not None and (opts_out or keep):
            with store.write("review") as session:
                inbound.mark_reviewed(session, [answer.id for answer in chosen], now)
                if opts_out:
                    suppressions.suppress(session, opt_outs_of(chosen), now=now)
            _tell("opted out" if opts_out else "kept", len(chosen), 0, "", as_json=json)
            return
    _show_replies(chosen, settings, as_json=json)


def _waiting(store: "Store") -> "list[Answer]":
    from worker.store.inbound import waiting_reviews

    with store.read() as session:
        return waiting_reviews(session)


def _is_unknown(answer: "Answer") -> bool:
    """Whether nothing was ever sent to the number that a reply came from."""
    return answer.is_of_nobody or answer.campaign is None


def _who(answer: "Answer") -> str:
    """The number of a reply: in full where nobody knows whose it is, or it could not be found out."""
    from campaigns.numbers import mask

    return answer.number if _is_unknown(answer) else mask(answer.number)


def _show_replies(answers: "Sequence[Answer]", settings: "Settings", *, as_json: bool) -> None:
    from scheduler.report.moments import utc

    if as_json:
        for a in answers:
            received = utc(a.received_at)
            print_json(
                {
                    "id": a.id,
                    "number": _who(a),
                    "received_at": received,
                    "campaign": a.campaign,
                    "of_nobody_known": _is_unknown(a),
                    "text": a.text,
                }
            )
        return
    if not answers:
        say("no reply waits to be read")
        return
    rows = [
        (
            str(a.id),
            _who(a),
            local_time(a.received_at, settings.zone),
            "nobody known" if _is_unknown(a) else a.campaign or "",
            " ".join(a.text.split()),
        )
        for a in answers
    ]
    print_table(("id", "number", "received", "answers", "text"), rows)
    say("decide: campaigns suppress review ID... --opt-out, or --keep")


def _store(settings: "Settings", chunks: "Iterable[Sequence[Entry]]", now: "datetime") -> int:
    """Put all of it on the list; how many were not on it."""
    from worker.runtime import open_store
    from worker.store.moving import require_here
    from worker.store.suppressions import suppress

    store = open_store(settings)
    added = 0
    try:
        require_here(store)
        for chunk in chunks:
            with store.write("suppress") as session:
                added += suppress(session, chunk, now=now)
    finally:
        store.close()
    return added


def _entries(settings: "Settings", kind: str | None) -> "Iterator[Entry]":
    from scheduler.actions.naming import existing_store
    from worker.store.suppressions import in_force

    only = _kind(kind) if kind is not None else None
    with existing_store(settings) as store:
        if store is not None:
            with store.read() as session:
                yield from in_force(session, kind=only)


def _kind(kind: str | None) -> str:
    """A kind of campaigns; empty for any. Raises `Refused` for a word that is none."""
    from campaigns.definition import Kind as Known

    if kind and kind not in set(Known):
        raise Refused(f"there is no kind {kind}; it is one of {', '.join(Known)}")
    return kind or ""


def _as_json(entry: "Entry") -> dict[str, str | None]:
    from scheduler.report.moments import utc

    return {
        "number": entry.number,
        "kind": entry.kind or None,
        "since": utc(entry.since),
        "source": entry.source,
        "reason": entry.reason,
    }


def _tell(
    done: str, count: int, others: int, why: str, *, as_json: bool, bad: "Sequence[BadRow]" = (), bad_rows: int = 0
) -> None:
    if as_json:
        said: dict[str, object] = {done.replace(" ", "_"): count, "unchanged": others}
        if bad:
            said |= {"bad_rows": bad_rows, "problems": [{"row": row.line, "problem": row.problem} for row in bad]}
        print_json(said)
        return
    say(f"{done}: {count:,}" + (f"; {why}: {others:,}" if others else ""))
    for row in bad[:SHOWN]:
        warn(f"row {row.line}: {row.problem}")
    if bad_rows > SHOWN:
        warn(f"and {bad_rows - SHOWN:,} more rows that cannot be used")
