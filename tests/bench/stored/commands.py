"""What commands that only read cost with millions of recipients stored, beyond what it costs to start them.

Each is run as people run it, as a process of its own, for other campaigns and people each time; alternately on the
large database and on one with 200 recipients, whose time is taken off. Percentiles are those of the two series.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Final

from rich.table import Table

from scheduler.actions.reading.exports import to_export, write_export
from scheduler.actions.reading.lists import read_needs
from scheduler.actions.reading.people import read_person
from scheduler.actions.reading.runs import read_runs
from scheduler.report.formats import Format
from tests.bench.installation import Installation
from tests.bench.messages import percentile
from tests.bench.starting import spent
from tests.bench.stored.filling import FIRST_NUMBER, LIST_PEOPLE, LISTS
from tests.bench.stored.reading import what_is_read
from worker.store.engine import Store

MOST_MILLISECONDS: Final = 100

LOOK_UPS: Final = 5
"""What an export looks up for each of its rows: replies, opt-outs."""

SPREAD: Final = 7
"""From one campaign or person that is asked for to the next, so that they lie far apart."""


@dataclass(frozen=True, slots=True)
class CommandCost:
    """A command: seconds of each process on the large database and on the small one, by the clock and of CPU.

    `most`: the most rows (steps of SQLite) that one of its statements read. `counted`: those that counted rows.
    """

    name: str
    seconds: Sequence[float]
    cpu_seconds: Sequence[float]
    start_seconds: Sequence[float]
    start_cpu_seconds: Sequence[float]
    statements: int
    most: int
    counted: Sequence[str]

    def beyond(self, share: float) -> float:
        """By how much the large database makes it longer, in seconds."""
        return percentile(self.seconds, share) - percentile(self.start_seconds, share)

    def beyond_cpu(self, share: float) -> float:
        """The same of processor time."""
        return percentile(self.cpu_seconds, share) - percentile(self.start_cpu_seconds, share)


@dataclass(frozen=True, slots=True)
class _Command:
    """Its words for a place, on the large and on the small database; and what it reads for a place."""

    name: str
    words: Callable[[int], Sequence[str]]
    small: Sequence[str]
    read: Callable[[Store, int], object]
    rows: int = 0  # that it is asked to read


def _commands(recipients: int, campaigns: int) -> tuple[_Command, ...]:
    each = recipients // campaigns

    def sale(place: int) -> str:
        return f"sale-{place * SPREAD % (campaigns - 1)}"

    def number(place: int) -> str:
        return f"+39{FIRST_NUMBER + place * SPREAD * each % min(recipients, 500_000)}"

    def a_list(place: int) -> str:
        return f"list-{place % LISTS}"

    def read_status(store: Store, place: int) -> None:
        read_runs(store, sale(place), now=datetime.now(UTC))
        read_needs(store).sentences()

    def read_export(store: Store, place: int) -> None:
        write_export(store, to_export(store, a_list(place)), StringIO(), Format.CSV)

    return (
        _Command("status CAMPAIGN", lambda place: ["status", sale(place)], ["status", "sale-0"], read_status),
        _Command(
            "why NUMBER",
            lambda place: ["why", number(place)],
            ["why", f"+39{FIRST_NUMBER}"],
            lambda store, place: read_person(store, number(place), None, now=datetime.now(UTC)),
        ),
        _Command(
            "export of 1,000 rows",
            lambda place: ["export", a_list(place)],
            ["export", "sale-0"],
            read_export,
            rows=LOOK_UPS * LIST_PEOPLE,
        ),
    )


def measure_commands(
    world: Installation, small: Installation, *, recipients: int, campaigns: int, runs: int
) -> list[CommandCost]:
    """Run each command so many times on both databases."""
    found = []
    for command in _commands(recipients, campaigns):
        with closing(Store(world.database_url)) as store:
            read = [
                what_is_read(store, partial(command.read, store, place), asked=command.rows)
                for place in range(min(runs, 3))
            ]
        pairs = [(_spent(world, command.words(place)), _spent(small, command.small)) for place in range(runs)]
        large, start = [each for each, _ in pairs], [each for _, each in pairs]
        found.append(
            CommandCost(
                command.name,
                seconds=[each[0] for each in large],
                cpu_seconds=[each[1] for each in large],
                start_seconds=[each[0] for each in start],
                start_cpu_seconds=[each[1] for each in start],
                statements=max(each[0] for each in read),
                most=max(each[1] for each in read),
                counted=sorted({statement for each in read for statement in each[2]}),
            )
        )
    return found


def _spent(world: Installation, words: Sequence[str]) -> tuple[float, float]:
    return spent(
        [sys.executable, "-c", "from scheduler.cli import main; main()", *words], world.folder, _environment(world)
    )


def _environment(world: Installation) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
    ours = {"DATABASE_URL": world.database_url, "TIMEZONE": "UTC", "REGION": "IT"}
    return kept | {"PYTHONPATH": str(Path.cwd())} | {f"CAMPAIGNS_{name}": value for name, value in ours.items()}


def commands_table(title: str, measured: Sequence[CommandCost]) -> Table:
    """The figures of one database, in milliseconds, and what misses its target."""
    table = Table(
        title=f"Commands on {title}, in milliseconds", caption="beyond: the same on 200 recipients is taken off"
    )
    heads = ("command", "start p50", "p95", "beyond p50", "p95", "of CPU p50", "p95", "statements", "most read")
    for head in (*heads, "counts rows", ""):
        table.add_column(head)
    for each in measured:
        figures = [percentile(each.start_seconds, share) for share in (0.5, 0.95)]
        figures += [of(share) for of in (each.beyond, each.beyond_cpu) for share in (0.5, 0.95)]
        misses = 1_000 * each.beyond(0.95) > MOST_MILLISECONDS or each.counted
        table.add_row(
            each.name, *(f"{1_000 * seconds:.0f}" for seconds in figures), str(each.statements), f"{each.most:,}",
            str(len(each.counted)), "missed" if misses else "",
        )  # fmt: skip
    return table
