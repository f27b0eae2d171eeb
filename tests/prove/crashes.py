"""Kill the product at every commit and every request, start it again, and judge the result.

`python -m tests.prove.crashes [--long] [--cases N] [--from N] --seed N`. The exit code is 1 when a promise was broken.
A case spends nearly all of its time waiting for `send_by` and `settle`, so many are tried at a time.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Final

import psycopg
from rich.console import Console
from rich.table import Table

from tests.memory import folder_in_memory
from tests.prove.checker import Findings, check
from tests.prove.record.lines import Recording, recording
from tests.prove.world.crash_points import LEASED, Case, Database, Kind, World, matrix, sample
from tests.prove.world.evidence import Ceiling, Evidence, Sending, miscounted, read_ledger
from tests.prove.world.product import FIRST_NUMBER, Audience, Ended, Product, summary_of, write_campaign
from tests.prove.world.stage import wait_until
from tests.support.nursery import Sandbox
from tests.support.servers import PostgresServer
from worker.sandbox.contacts import STARTING_LISTS
from worker.sandbox.running.options import SandboxOptions
from worker.store.engine import Store
from worker.store.migrate import migrate

RECIPIENTS: Final = 30
BATCH: Final = 5
SHORT: Final = 12
AT_ONCE: Final = 10
"""Cases at a time: each takes about 2 s of CPU in the 10 s of its life."""

SEND_BY_SECONDS: Final = "1"
"""Waiting is not free: a process that waits takes a tenth of a core. No request here is slow to begin."""

CONNECTIONS: Final = 20
"""Of PostgreSQL, for each case at a time: 12 cases took more than a hundred between them."""

MATRIX: Final = "crash matrix"
SAMPLE: Final = "crashes"
"""Names in the record."""

MOST_PROCESSES: Final = 8
SHOWN: Final = 3
MOST_SECONDS: Final = 90
OTHERS: Final = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
DONE, BAD_INPUT, UNHAPPY, STOPPED = 0, 2, 3, 4
CAMPAIGN: Final = "crash"


@dataclass(frozen=True, slots=True)
class Tried:
    """A case and its result. `kills`: how many processes were killed where they should be."""

    case: Case
    kills: int
    processes: int
    seconds: float
    findings: Findings

    @property
    def is_reached(self) -> bool:
        """Return whether the process was killed at the case's own point at least once."""
        return self.kills > (1 if self.case.world.first_crash else 0)


def try_case(case: Case, folder: Path, database_url: str) -> Tried:
    """Run one case in its own empty folder, with its own gateway, until the product has ended by itself."""
    began = time.monotonic()
    audience = _write(folder, case)
    delivery = case.world.delivery_seconds
    ledger = folder / "ledger.jsonl"
    options = SandboxOptions(
        ledger=ledger,
        faults=case.world.faults(case.seed),
        delivery_min_seconds=delivery,
        delivery_max_seconds=delivery + 0.3,
        seed=case.seed,
    )
    with Sandbox.start(options) as sandbox:
        product = Product(
            folder, gateway_url=sandbox.url, key=sandbox.key, database_url=database_url, send_by_seconds=SEND_BY_SECONDS
        )
        ends, kills, troubles = _live(product, audience, case, database_url)
        try:
            told = product.export(CAMPAIGN)
        except RuntimeError as error:
            told, troubles = (), [*troubles, str(error)]
    summary = summary_of(ends[-1].stdout) if ends else None
    if case.world.kind is Kind.BROKEN:
        # A run that could not be planned has no `run --json` summary: nothing of it may be at the gateway.
        sendings: tuple[Sending, ...] = ()
        troubles += [f"a campaign without a plan has somebody {row.state}" for row in told if row.state != PENDING]
    else:
        sendings = (Sending(CAMPAIGN, audience.rows, audience.eligible, told, summary, ceiling=_ceiling(case.world)),)
    evidence = Evidence(sendings, read_ledger(ledger), product.said(), sandbox.key, miscounted=miscounted(database_url))
    findings = check(evidence)
    findings = replace(findings, violations=(*troubles, *findings.violations))
    return Tried(case, kills, len(ends), time.monotonic() - began, findings)


PENDING: Final = "pending"
TWO_SEGMENTS: Final = "Ciao " * 40


def _write(folder: Path, case: Case) -> Audience:
    """Write the campaign of the case."""
    more = f"follow:\n  on_unknown: {case.policy}\n"
    if case.world.kind in {Kind.PEOPLE, Kind.STEPS}:
        if case.world.kind is Kind.STEPS:
            more += "steps:\n  - {name: sorry, after: 1s, only_if: failed, message: Sorry}\n"
        rate = case.world.rate_per_second
        more = (f"  rate: {rate}/second\n" if rate else "") + more
        return write_campaign(folder, CAMPAIGN, recipients=RECIPIENTS, batch_size=BATCH, more=more)
    path = folder / f"{CAMPAIGN}.yaml"
    source, eligible = "contact_list: 1", frozenset(number for number, _ in STARTING_LISTS[1])
    text = "Ciao to all"
    if case.world.kind is Kind.BROKEN:
        source, eligible = f"file: {CAMPAIGN}.csv", frozenset()
        path.with_suffix(".csv").write_text(f"number\n+39{FIRST_NUMBER}\n", encoding="utf-8")
        text, more = TWO_SEGMENTS, f"throughput: {{daily: 1}}\n{more}"
    path.write_text(f"campaign: {CAMPAIGN}\nmessage: {text}\naudience:\n  - {source}\n{more}", encoding="utf-8")
    return Audience(path, CAMPAIGN, len(eligible), eligible)


def _live(product: Product, audience: Audience, case: Case, database_url: str) -> tuple[list[Ended], int, list[str]]:
    """Start the product again and again, killed as the case says; return its ends, the kills, and what must not be."""
    crashes = list(case.crashes())
    ends: list[Ended] = []
    kills = 0
    for _ in range(MOST_PROCESSES):
        victim = ["--crash", crashes[0]] if crashes else []
        try:
            ended = product.run(
                "run", audience.path.name, "--json", "--verbose", victim=victim, timeout_seconds=MOST_SECONDS
            )
        except TimeoutError as error:
            return ends, kills, [str(error)]
        ends.append(ended)
        if ended.code < 0:
            kills += 1
            crashes = crashes[1:]
            if case.database is Database.POSTGRESQL and case.world is not LEASED:
                end_lease(database_url)
        elif ended.code in _good_ends(case.world):
            return ends, kills, []
        elif ended.code != STOPPED or not case.world.fault:
            return ends, kills, [f"it ended with {ended.code}: {_last_line(ended.stderr)}"]
    return ends, kills, [f"it did not finish in {MOST_PROCESSES} processes"]


def end_lease(database_url: str) -> None:
    """End the lease of a process that was killed, once the server has let go of all of its connections.

    It would last 10 s more, in which nothing happens but waiting: half of the time of a case. Cases of the world
    `lease` wait for it.
    """
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        if not wait_until(lambda: connection.execute(OTHERS).fetchone() == (0,), MOST_SECONDS):
            raise TimeoutError("connections of a process that was killed do not end")
        connection.execute("UPDATE lease SET expires_at = clock_timestamp()")


def _good_ends(world: World) -> tuple[int, ...]:
    return (BAD_INPUT,) if world.kind is Kind.BROKEN else (DONE, UNHAPPY)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:200]


def _ceiling(world: World) -> Ceiling | None:
    """A killed process forgets the slots it took: what it had on its way may be added to a new second's worth."""
    if world.rate_per_second is None:
        return None
    return Ceiling(world.rate_per_second, timedelta(seconds=1), slack_segments=world.rate_per_second)


def try_all(cases: Sequence[Case], *, at_once: int, shown: Callable[[Tried], None]) -> list[Tried]:
    """Try the cases, a few at a time; `shown` is called with each as it ends.

    If it is interrupted, it ends those under way, which takes a minute.
    """
    with (
        tempfile.TemporaryDirectory(prefix="crashes-", dir=folder_in_memory()) as place,
        closing(PostgresServer(max_connections=CONNECTIONS * at_once, within=folder_in_memory())) as postgres,
        ThreadPoolExecutor(at_once) as pool,
    ):
        original = Path(place, "campaigns.db")
        with closing(Store(f"sqlite:///{original}")) as store:
            migrate(store)
        migrated = _migrated(postgres) if any(case.database is Database.POSTGRESQL for case in cases) else ""
        making = Lock()

        def attempt(case: Case) -> Tried:
            name = ""
            if case.database is Database.POSTGRESQL:
                with making:  # one per case at once would keep autovacuum busy with a thousand of them
                    name = postgres.create_database(migrated)
            with tempfile.TemporaryDirectory(prefix="crash-", dir=place) as folder:
                database = shutil.copy(original, folder)  # making the schema costs a fifth of a process's start
                tried = try_case(case, Path(folder), postgres.url(name) if name else f"sqlite:///{database}")
            if name:
                postgres.drop_database(name)
            shown(tried)
            return tried

        return list(pool.map(attempt, cases))  # which cancels the others if it is interrupted


def _migrated(postgres: PostgresServer) -> str:
    """Start the server; return the name of a database with the schema, to be copied."""
    postgres.start()
    name = postgres.create_database()
    with closing(Store(postgres.url(name))) as store:
        migrate(store)
    return name


def line_of(tried: Tried) -> str:
    """A case in one line."""
    found = tried.findings
    broken = found.violations
    verdict = "; ".join(broken[:SHOWN]) if broken else "kept"
    verdict += f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
    reached = f"{tried.kills} killed" if tried.is_reached else "not reached"
    figures = f"stored {found.stored}, held {found.held}, doubled {found.doubled}, lost {found.lost}"
    return f"{tried.case.name}: {reached}, {figures}, {tried.seconds:.0f} s: {verdict}"


def figures_of(tried: Tried) -> dict[str, int]:
    """A case as figures that can be added up."""
    found = tried.findings
    return {
        "cases": 1, "kills": tried.kills, "not reached": int(not tried.is_reached), "recipients": found.recipients,
        "stored": found.stored, "held": found.held, "doubled": found.doubled, "lost": found.lost,
    }  # fmt: skip


def table_of(results: Sequence[Tried]) -> Table:
    """The sums for each world."""
    sums: dict[str, Counter[str]] = {}
    for tried in results:
        for name in (tried.case.world.name, "all"):
            sums.setdefault(name, Counter()).update(figures_of(tried), broken=int(bool(tried.findings.violations)))
    heads = tuple(sums.get("all", ()))
    table = Table("world", *heads, title="Killed at every commit and every request")
    for name in sorted(sums, key=lambda name: (name == "all", name)):
        table.add_row(name, *(str(sums[name][head]) for head in heads))
    return table


class _InOrder:
    """Counts the cases that have ended, in the order of the matrix: those after a gap are tried again next time."""

    def __init__(self, cases: Sequence[Case], record: Recording) -> None:
        self._left = list(reversed(cases))
        self._ended: dict[str, Tried] = {}
        self._record = record
        self._lock = Lock()

    def add(self, tried: Tried) -> None:
        with self._lock:
            self._ended[tried.case.name] = tried
            while self._left and (first := self._ended.pop(self._left[-1].name, None)) is not None:
                self._left.pop()
                self._record.add(figures_of(first), broken=len(first.findings.violations))


def main(arguments: Sequence[str]) -> int:
    """Print a line per case and the table; return 1 if a promise was broken, otherwise 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.crashes", description="The crash proof.")
    parser.add_argument("--long", action="store_true", help="the whole matrix, in its order")
    parser.add_argument("--cases", type=int, help=f"so many cases; without --long at random ({SHORT})")
    parser.add_argument("--from", type=int, default=0, dest="begin", metavar="N", help="leave out the first N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    options = parser.parse_args(arguments)
    if options.long:
        cases = matrix(options.seed)[options.begin :][: options.cases]
    else:
        cases = sample(options.seed, options.cases or SHORT)[options.begin :]
    console = Console(width=120)
    began = time.monotonic()
    with recording(MATRIX if options.long else SAMPLE, seed=options.seed, first=options.begin) as record:
        in_order = _InOrder(cases, record)

        def shown(tried: Tried) -> None:
            console.print(line_of(tried), highlight=False, markup=False, soft_wrap=True)
            in_order.add(tried)

        results = try_all(cases, at_once=options.at_once, shown=shown)
    console.print(table_of(results))
    console.print(f"seed {options.seed}, {time.monotonic() - began:.0f} s")
    return int(any(tried.findings.violations for tried in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
