"""How long pages of the API take with many recipients stored, and whether any query of them reads a whole table.

`python -m tests.bench.stored.pages [--recipients N] [--campaigns N] [--calls N] [--only sqlite|postgresql]` fills an
empty database with `tests.bench.stored.filling`, calls each address of a real `campaigns dashboard`, and has the
database explain each statement behind it.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from campaigns.access import Scope
from campaigns.optout import Meaning
from scheduler.actions.reading.audit import read_audit
from scheduler.actions.reading.lists import read_all_held
from scheduler.actions.reading.people import read_person
from scheduler.actions.reading.recipients import read_recipients
from scheduler.actions.reading.replies import read_replies
from scheduler.actions.reading.runs import read_campaigns, read_runs
from scheduler.actions.texts.messages import read_message
from tests.bench.installation import Installation, Servers, servers
from tests.bench.messages import percentile
from tests.bench.stored.filling import FIRST_NUMBER, NOW, fill
from worker.store.access import tokens
from worker.store.engine import Store
from worker.store.migrate import migrate

RECIPIENTS: Final = 1_000_000
CAMPAIGNS: Final = 20
CALLS: Final = 40
ROWS: Final = 100

LARGE: Final = ("recipient", "batch", "attempt", "inbound", "event", "audit_entry", "message_group")
"""Tables that grow with what is sent: no page may read one of them whole."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A page: what is asked for (without an address: there is none yet), and the function behind it."""

    address: str
    read: Callable[[Store], object]


def asked(recipients: int, campaigns: int) -> tuple[Asked, ...]:
    """The pages: the first, one in the middle of a list, and the filters that match least."""
    middle, last = recipients // 2, recipients
    of_middle = (campaigns - 1) // 2
    sale, place = f"sale-{of_middle}", recipients // campaigns * of_middle
    failed = partial(read_recipients, campaign=sale, number=None, filters={"state": "failed"}, limit=ROWS)
    everybody = partial(read_recipients, campaign=sale, number=None, filters={}, limit=ROWS)
    return (
        Asked(f"/campaigns/{sale}/recipients", partial(everybody, after=0)),
        Asked(f"/campaigns/{sale}/recipients?after={place + 5_000}", partial(everybody, after=place + 5_000)),
        Asked(f"/campaigns/{sale}/recipients?state=failed", partial(failed, after=0)),
        Asked("/replies", partial(read_replies, after=0, limit=ROWS)),
        Asked("/replies?after=10000", partial(read_replies, after=10_000, limit=ROWS)),
        Asked("/replies?meaning=review", partial(read_replies, meaning=Meaning.REVIEW, after=0, limit=ROWS)),
        Asked("/replies?waiting=true", partial(read_replies, waiting=True, after=0, limit=ROWS)),
        Asked("/audit", partial(read_audit, after=0, limit=ROWS)),
        Asked(f"/audit?campaign={sale}", partial(read_audit, campaign=sale, after=0, limit=ROWS)),
        Asked("/audit?action=cancel", partial(read_audit, action="cancel", after=0, limit=ROWS)),
        Asked("/audit?actor=nobody", partial(read_audit, actor="nobody", after=0, limit=ROWS)),
        Asked("/held", partial(read_all_held, after=0, limit=ROWS)),
        Asked(f"/messages/{last}", partial(read_message, message_id=last, now=NOW)),
        Asked(
            f"/people/%2B39{FIRST_NUMBER + middle % 500_000}",
            lambda store: read_person(store, f"+39{FIRST_NUMBER + middle % 500_000}", None, now=NOW),
        ),
        Asked(f"/campaigns/{sale}", partial(read_runs, campaign=sale, now=NOW)),
        Asked(f"/campaigns?limit={min(ROWS, campaigns)}", partial(read_campaigns, after=0, limit=ROWS, now=NOW)),
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """Seconds of each call, and the tables that a statement behind it read whole."""

    address: str
    seconds: Sequence[float]
    kilobytes: float
    scanned: Sequence[str]


def measure(where: Servers | None, *, recipients: int, campaigns: int, calls: int) -> list[Answered]:
    """Fill a database, then ask for each page so many times, one after the other."""
    with Installation(where, {"http": "127.0.0.1:0", "api_rate": "100000"}, has_ledger=False) as world:
        with closing(Store(world.database_url)) as store:
            migrate(store)
            fill(store, recipients=recipients, campaigns=campaigns)
            with store.write() as session:
                scopes = [Scope.ADMIN]
                token = tokens.create(session, "bench", scopes, by="bench", now=datetime.now(UTC))
            pages = asked(recipients, campaigns)
            scanned = [scans(store, page.read) for page in pages]
        world.start("dashboard")
        door = world.door()
        return [
            Answered(page.address, *call(door, token, page.address, calls), found)
            for page, found in zip(pages, scanned, strict=True)
        ]


def call(door: str, token: str, address: str, calls: int) -> tuple[list[float], float]:
    """Ask for a page as often; return the seconds of each call, and the kilobytes of the answer."""
    parts = urlsplit(door)
    seconds, size = [], 0
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=300)) as connection:
        for _ in range(calls):
            began = time.perf_counter()
            connection.request("GET", f"/v1{address}", None, {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            said = answer.read()
            seconds.append(time.perf_counter() - began)
            if answer.status == 404 and b'"not_found"' in said:
                return [], 0.0
            if answer.status != 200:
                raise ValueError(f"{address} was answered with {answer.status}: {said[:300].decode()}")
            size = len(said)
    return seconds, size / 1_000


def scans(store: Store, read: Callable[[Store], object]) -> list[str]:
    """Read something, and return which large tables the database read whole for it, as it explains the statements."""
    with statements() as seen:
        read(store)
    found = set[str]()
    for statement, values in seen:
        with store.look() as connection:
            for table in _scanned(connection, statement, values):
                found.add(table)
    return sorted(found)


def _scanned(connection: sa.Connection, statement: str, values: Any) -> Iterator[str]:
    if connection.dialect.name == "sqlite":
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values):
            words = row[-1].split()
            if words[0] == "SCAN" and words[1] in LARGE:
                yield f"{words[1]}{' by index' if 'INDEX' in words else ''}"
        return
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
    nodes = [plan[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
            yield node["Relation Name"]


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What this process asks a database during the block: each SELECT with its values."""
    seen: list[tuple[str, Any]] = []

    def see(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            seen.append((statement, values))

    sa.event.listen(sa.Engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", see)


def table_of(name: str, answered: Sequence[Answered]) -> Table:
    """The figures of one database."""
    table = Table(title=f"Pages on {name}")
    for head in ("address", "p50 ms", "p95 ms", "kB", "tables read whole"):
        table.add_column(head)
    for each in answered:
        shown = [f"{1_000 * percentile(each.seconds, share):.0f}" if each.seconds else "-" for share in (0.5, 0.95)]
        table.add_row(each.address, *shown, f"{each.kilobytes:.0f}", ", ".join(each.scanned))
    return table


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 0. A missed target is only shown."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.stored.pages", description="Measures pages of the API."
    )
    for name, value in (("recipients", RECIPIENTS), ("campaigns", CAMPAIGNS), ("calls", CALLS)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="one of the databases")
    options = parser.parse_args(arguments)
    wanted = {"recipients": options.recipients, "campaigns": options.campaigns, "calls": options.calls}
    with servers() as world:
        for name, where in (("sqlite", None), ("postgresql", world)):
            if options.only in (None, name):
                measured = measure(where, **wanted)
                title = f"{name}: {options.recipients:,} recipients in {options.campaigns} campaigns"
                Console(width=140).print(table_of(title, measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
