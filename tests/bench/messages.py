"""How long a single text takes from its call to the gateway, beside a marketing campaign at full rate.

`python -m tests.bench.messages [--calls N] [--only up|fleet]` prints median and 99th percentile for both installations.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from campaigns.access import Scope
from tests.bench.installation import Installation, Servers, servers
from tests.bench.reporting.results import BenchError
from tests.bench.reporting.samples import FIRST_NUMBER
from worker.logs import configure_logs
from worker.store.access import tokens
from worker.store.engine import Store

CALLS: Final = 200
PER_SECOND: Final = 4.0
RATES: Final = ("none", "20/second")
FASTEST: Final = 1_500
"""Texts a second that an unlimited campaign may reach: it has to last as long as the calls do."""

FIRST: Final = FIRST_NUMBER + 900_000
"""Where the numbers of the single texts begin: nobody in the campaign has one."""

ACCEPTED: Final = 202


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from each call to its answer, and to the gateway; and the texts a second of the campaign meanwhile."""

    where: str
    rate: str
    answered: Sequence[float]
    arrived: Sequence[float]
    beside_per_second: float


def measure(where: Servers | None, rate: str, *, calls: int) -> Delays:
    """Ask for single texts while a campaign sends all it may. Raises `BenchError` if one is missing or doubled."""
    roles = ("up",) if where is None else ("scheduler", "worker", "worker", "dashboard")
    per_second = FASTEST if rate == "none" else int(rate.partition("/")[0])
    with Installation(where, {"device_rate": "none", "http": "127.0.0.1:0", "rate": rate}) as world:
        world.start(*roles)
        url, token = world.door(), make_token(world.database_url)
        world.drop("sale", recipients=int(per_second * (calls / PER_SECOND + 10)))
        world.wait(lambda: world.stored() > 0, "sending")
        called: list[float] = []
        answered: list[float] = []
        began = time.monotonic()
        for place in range(calls):
            time.sleep(max(0.0, began + place / PER_SECOND - time.monotonic()))
            called.append(time.time())
            ask(url, token, f"+39{FIRST + place}", key=str(place))
            answered.append(time.time() - called[-1])
        world.wait(lambda: len(world.accepted_at(FIRST)) >= calls, "done with the texts")
        arrived = world.accepted_at(FIRST)
        if sorted(number for number, _ in arrived) != list(range(FIRST, FIRST + calls)):
            raise BenchError(f"{calls} texts were asked for, and {len(arrived)} arrived")
        beside = [at for number, at in world.accepted_at(0) if number < FIRST and called[0] <= at <= called[-1]]
    name = "up, SQLite" if where is None else "scheduler, 2 workers, dashboard"
    delays = [at - called[number - FIRST] for number, at in arrived]
    return Delays(name, rate, answered, delays, len(beside) / (called[-1] - called[0]))


def make_token(database_url: str) -> str:
    """Make a token that may send."""
    store = Store(database_url)
    with store.write() as session:
        secret = tokens.create(session, "bench", [Scope.SUBMIT], by="bench", now=datetime.now(UTC))
    store.close()
    return secret


def ask(url: str, token: str, to: str, *, key: str) -> None:
    """Ask for one text. Raises `BenchError` if it is not accepted."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    body = json.dumps({"to": to, "text": f"Your code is {key}."})
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key, "Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/messages", body, headers)
        response = connection.getresponse()
        said = response.read()
    finally:
        connection.close()
    if response.status != ACCEPTED:
        raise BenchError(f"a text was refused: {response.status} {said.decode()}")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    return sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]


def table_of(measured: Sequence[Delays]) -> Table:
    """The figures in milliseconds."""
    table = Table(title="From a call of POST /v1/messages, in milliseconds")
    heads = ("answer p50", "p99", "gateway p50", "p99", "longest", "campaign/s")
    for head in ("installation", "account rate", "calls", *heads):
        table.add_column(head)
    for row in measured:
        shown = [percentile(each, share) for each in (row.answered, row.arrived) for share in (0.5, 0.99)]
        milliseconds = [f"{1000 * seconds:.0f}" for seconds in (*shown, max(row.arrived))]
        calls = str(len(row.arrived))
        table.add_row(row.where, row.rate, calls, *milliseconds, f"{row.beside_per_second:.0f}")
    return table


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 0, or 1 if something went wrong. A missed target is only shown."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.messages", description="Measures POST /v1/messages.")
    parser.add_argument("--calls", type=int, default=CALLS, help=f"in each part; default {CALLS}")
    parser.add_argument("--only", choices=("up", "fleet"), help="one of the installations")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryFile("w") as log, servers() as world:
        configure_logs("json", stream=log)
        try:
            measured = [
                measure(where, rate, calls=options.calls)
                for name, where in (("up", None), ("fleet", world))
                if options.only in (None, name)
                for rate in RATES
            ]
        except BenchError as error:
            Console(stderr=True).print(str(error), markup=False)
            return 1
    Console(width=120).print(table_of(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
