"""The one place that writes to standard output: JSON for programs, plain sentences and tables for people."""

import errno
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import typer

from campaigns.display import TOO_FAR, shown_time, state_words
from campaigns.printable import printable

STYLES: Final[Mapping[str, str]] = {
    "delivered": "green",
    "completed": "green",
    "sent": "cyan",
    "accepted": "cyan",
    "running": "cyan",
    "settling": "cyan",
    "in_doubt": "yellow",
    "held": "yellow",
    "paused": "yellow",
    "failed": "red",
    "expired": "red",
}
"""The colour of a state; the others have none."""

NOT_A_TERMINAL_COLUMNS: Final = 240
"""Wide enough to keep table rows on one line for a program that reads them."""


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object on one line; in ASCII, so that it is the same in every locale."""
    typer.echo(json.dumps(value))


def say(text: str) -> None:
    """Print a line for people."""
    typer.echo(shown(text))


def warn(text: str) -> None:
    """Print a line for people on standard error."""
    typer.echo(shown(text), err=True)


def tell_if_read(text: str) -> None:
    """Print a line of a service for the person who starts it; nobody may read it, which stops nothing."""
    with suppress(OSError):
        say(text)


def problem_of_output() -> str:
    """Return why standard output did not accept the output, in a sentence; empty if it did, or if its reader is gone.

    The remaining output is dropped, because Python would try once more at exit and fail with another code.
    """
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
            return unwritten(error)
    return ""


def unwritten(error: OSError) -> str:
    """Return the sentence for output that could not be written: such an error names no file."""
    return f"the output cannot be written ({error.strerror}); check the free space"


def clear_screen() -> None:
    """Begin at the top of a terminal; elsewhere print an empty line."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console().clear()
    else:
        typer.echo()


def shown(text: str) -> str:
    """Return a text from outside in a form that is safe for a terminal."""
    return printable(text)


def local_time(moment: datetime | None, zone: ZoneInfo) -> str:
    """Return a moment by the clocks of a zone, to the minute; empty for None."""
    return shown_time(moment, zone) if moment else ""


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Sequence[str] = ()) -> None:
    """A table, each row in one line; a cell that is a state has its colour. `numeric`: headings of figures."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else NOT_A_TERMINAL_COLUMNS)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in numeric else "left")
    for row in rows:
        table.add_row(*(Text(shown(cell).replace("\n", " "), STYLES.get(cell.replace(" ", "_"), "")) for cell in row))
    with console.capture() as printed:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one a line; a fact without a value is left out."""
    known = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        first, *more = shown(value).split("\n")
        typer.echo(f"{name:<{width}}  {first}")
        for line in more:
            typer.echo(f"{'':<{width}}  {line}")


def print_counts(recipients: Mapping[str, int]) -> None:
    """Print counts by state, and the audience that they add up to."""
    counted = [(state_words(state), f"{n:,}") for state, n in recipients.items() if state != "audience"]
    print_table(
        ("state", "recipients"), [*counted, ("audience", f"{recipients['audience']:,}")], numeric=("recipients",)
    )


def print_run(summary: Mapping[str, Any], *, with_steps: str = "") -> None:
    """Print one run, from an object of `report.summary.run_summary`. `with_steps`: what it costs with them."""
    requests = summary["requests"]
    state = state_words(summary["state"])
    print_facts(
        [
            ("campaign", summary["campaign"]),
            ("step", summary.get("step", "")),
            ("state", f"{state}: {summary['reason']}" if "reason" in summary else state),
            ("started", _to_the_second(summary["started_at"])),
            ("finished", _to_the_second(summary["finished_at"])),
            ("forecast", _span(summary.get("forecast"))),
            ("happened", _span(summary.get("happened"))),
            ("segments", f"{summary['segments']:,}"),
            ("cost", "; ".join(filter(None, (_cost(summary.get("cost")), with_steps)))),
            ("requests", f"{requests['send']:,} to send, {requests['read']:,} to read receipts"),
        ]
    )
    typer.echo()
    print_counts(summary["recipients"])


def _span(times: Mapping[str, str | None] | None) -> str:
    """Return the time from the first to the last text; empty if nothing is known about them."""
    if not times:
        return ""
    first, last = _to_the_second(times["first_send_at"]), _to_the_second(times["last_send_at"])
    day = f"{first[:10]} "
    return first if first == last else f"{first.removesuffix(' UTC')} to {last.removeprefix(day) or TOO_FAR}"


def _cost(cost: Mapping[str, Any] | None) -> str:
    """Return what the texts cost; empty without prices."""
    if not cost:
        return ""
    without = cost["segments_without_price"]
    return f"{cost['amount']} {cost['currency']}" + (f", and {without:,} segments without a price" if without else "")


def print_groups(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the results of variants and control group, from `scheduler.report.variants.outcome_table`, if any."""
    from scheduler.report.variants import CONFIDENCE

    if not rows:
        return
    typer.echo()
    print_table(headings, rows, numeric=headings[1:])
    say(CONFIDENCE)


def _to_the_second(at: str | None) -> str:
    return f"{at[:10]} {at[11:19]} UTC" if at else ""
