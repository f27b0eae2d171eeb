"""The product on real servers as users run it: processes of its command line, an inbox, a gateway with a ledger."""

import json
import os
import subprocess
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg

from tests.bench.reporting.results import BenchError
from tests.bench.reporting.samples import FIRST_NUMBER, write_campaign
from tests.bench.windows import Stamp
from tests.prove.world.product import Product
from tests.prove.world.stage import KEY, TIED, Process, kill, wait_until
from tests.support.json_lines import whole_lines
from tests.support.servers import PostgresServer, RedisServer
from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.running.process import PrivateSandbox
from worker.settings.settings import Settings

GIVE_UP_SECONDS: Final = 120.0
PACE_PER_SECOND: Final = 1_000_000.0  # phones that never make anybody wait: they are not what is measured

SIGNS: Final = {"worker": "service.started", "dashboard": "front_door.opened"}
"""What a process that leads nothing logs when it is at work."""

DEFAULTS: Final = {
    name: str(Settings.model_fields[name].default)
    for name in ("send_by_seconds", "settle_seconds", "first_poll_seconds", "max_poll_seconds")
}
"""The protocol's times as in service, not the short ones of the proof."""

GRANTS: Final = """
SELECT attempt.granted_at, attempt.segments, campaign.slug, attempt.target
FROM attempt JOIN run ON run.id = attempt.run_id JOIN campaign ON campaign.id = run.campaign_id
"""

DELAYS: Final = """
SELECT recipient.gateway_id, attempt.granted_at
FROM recipient JOIN attempt ON attempt.batch_id = recipient.batch_id
WHERE attempt.outcome = 'accepted' AND recipient.gateway_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """What every installation uses, one after the other."""

    postgres: PostgresServer
    redis: RedisServer


@contextmanager
def servers(data: Path | None = None) -> Iterator[Servers]:
    """PostgreSQL (fsync off) and Redis (nothing persisted) that end with the block. `data`: a cluster that stays."""
    with closing(PostgresServer(data=data)) as postgres, closing(RedisServer()) as redis:
        postgres.start()
        redis.start()
        yield Servers(postgres, redis)


@dataclass
class Installation:
    """Processes that work together: with `servers` on a fresh database and an empty Redis, without on SQLite.

    `settings` are settings of the product by name; everything started ends with the block. `database`: the address of
    one that is there already, and stays.
    """

    servers: Servers | None
    settings: dict[str, str] = field(default_factory=dict)
    has_ledger: bool = True
    database: str = ""
    processes: list[Process] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._home = tempfile.TemporaryDirectory(prefix="bench-")
        self.folder = Path(self._home.name)
        self.inbox = self.folder / "inbox"
        self.inbox.mkdir()
        self.ledger = self.folder / "ledger.jsonl"
        self._programs: list[subprocess.Popen[bytes]] = []
        self._firsts: list[int] = []
        self._campaigns: list[str] = []
        self._next = 0
        ledger = self.ledger if self.has_ledger else None
        self.sandbox = PrivateSandbox.start(SandboxOptions(key=KEY, ledger=ledger, pace_per_second=PACE_PER_SECOND))
        self.database_url, redis_url = f"sqlite:///{self.folder / 'campaigns.db'}", ""
        self._database = ""
        if self.servers is not None:
            self.servers.redis.restart()
            redis_url = self.servers.redis.url
        if self.database:
            self.database_url = self.database
        elif self.servers is not None:
            self._database = self.servers.postgres.create_database()
            self.database_url = self.servers.postgres.url(self._database)
        self._product = Product(
            self.folder, gateway_url=self.sandbox.url, key=KEY, database_url=self.database_url, redis_url=redis_url,
            inbox=str(self.inbox), **{**DEFAULTS, **self.settings},
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_all()
        self.sandbox.stop()
        if self.servers is not None and self._database:
            self.servers.postgres.drop_database(self._database)
        self._home.cleanup()

    def start(self, *roles: str) -> list[Process]:
        """Start a process of each role and wait until all of them are at work; a scheduler is when it leads."""
        started = [self._product.fork(role, "--json", victim=TIED) for role in roles]
        self.processes += started
        self._wait_for_work(roles)
        return started

    def launch(self, *roles: str) -> list[subprocess.Popen[bytes]]:
        """Do the same with programs of their own, not forked: what they use is theirs alone."""
        self._programs += [self._product.start(role, "--json", victim=TIED) for role in roles]
        self._wait_for_work(roles)
        return self._programs[-len(roles) :]

    def _wait_for_work(self, roles: Sequence[str]) -> None:
        logs = self._product.outputs[-2 * len(roles) :][1::2]
        signs = {log: SIGNS.get(role, "scheduler.leads") for log, role in zip(logs, roles, strict=True)}
        self.wait(lambda: all(log.exists() and sign in log.read_text() for log, sign in signs.items()), "at work")

    def door(self) -> str:
        """The address at which the last process of it that was started to listen does."""
        said = "".join(self._product.said().values()).splitlines()
        return [str(json.loads(line)["at"]) for line in said if '"front_door.opened"' in line][-1]

    def kill_all(self) -> None:
        """Kill every process of the product with SIGKILL."""
        while self.processes:
            kill(self.processes.pop())
        while self._programs:
            program = self._programs.pop()
            program.kill()
            program.wait()

    def replace(self, process: Process) -> Process:
        """Kill a worker with SIGKILL and start another one in its place."""
        kill(process)
        self.processes.remove(process)
        return self.start("worker")[0]

    def restart(self, *roles: str) -> None:
        """Kill everything at once with SIGKILL, empty Redis, then start again."""
        if self.servers is None:
            raise TypeError("only what has servers can be restarted with them")
        self.kill_all()
        self.servers.redis.restart()
        self.start(*roles)

    def drop(self, campaign: str, *, recipients: int, more: str = "", **throughput: int | str) -> None:
        """Put a campaign for that many people into the inbox; nobody is in two of them."""
        self._firsts.append(self._next)
        self._campaigns.append(campaign)
        # Written elsewhere, then moved: planning begins as soon as a file is complete, and the table has to be there
        # first.
        path = write_campaign(
            self.folder, recipients=recipients, campaign=campaign, first=self._next, more=more, **throughput
        )
        for file in (path.with_suffix(".csv"), path):
            file.rename(self.inbox / file.name)
        self._next += recipients

    def wait(self, is_so: Callable[[], bool], what: str, seconds: float = GIVE_UP_SECONDS) -> None:
        """Wait until it is so. Raises `BenchError` if it does not happen."""
        if not wait_until(is_so, seconds):
            raise BenchError(f"the installation was not {what} within {seconds:.0f} s")

    def stored(self) -> int:
        """The number of messages that the gateway has."""
        return self.ledger.read_bytes().count(b"\n") if self.ledger.exists() else 0

    def arrivals(self) -> list[Stamp]:
        """What the gateway stored, on its clock."""
        return [
            Stamp(_moment(entry), 1, self._campaign_of(entry["number"]), str(entry["device"]))
            for entry in self._entries()
        ]

    def accepted_at(self, first: int) -> list[tuple[int, float]]:
        """The numbers from this one on, without their country, and when the gateway stored their texts."""
        found = ((int(entry["number"].removeprefix("+39")), entry["accepted_at"]) for entry in self._entries())
        return [(number, at) for number, at in found if number >= first]

    def grants(self) -> list[Stamp]:
        """What the throttle granted, on its clock: every intent that was stored, whatever became of it."""
        return [Stamp(*row) for row in self.ask(GRANTS)]

    def spread_seconds(self) -> float:
        """How much requests differed in the time from their slot to their texts' arrival."""
        granted_at: dict[int, datetime] = dict(self.ask(DELAYS))
        delays = [
            (_moment(entry) - granted_at[int(entry["ID"])]).total_seconds()
            for entry in self._entries()
            if int(entry["ID"]) in granted_at
        ]
        return max(delays) - min(delays)

    def ask(self, query: str) -> list[Any]:
        """The rows of a query (PostgreSQL only)."""
        with psycopg.connect(self.database_url.replace("+psycopg", ""), autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def _entries(self) -> list[dict[str, Any]]:
        return whole_lines(self.ledger)

    def _campaign_of(self, number: str) -> str:
        return self._campaigns[bisect_right(self._firsts, int(number.removeprefix("+39")) - FIRST_NUMBER) - 1]


def _moment(entry: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(entry["accepted_at"], UTC)


def cpu_seconds(process: Process | subprocess.Popen[bytes]) -> float:
    """The CPU seconds that a process has used so far, over all its threads (Linux)."""
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pass_time(seconds: float, act: Callable[[], object], every_seconds: float) -> None:
    """Let this much time pass, and do something repeatedly meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if left <= every_seconds:
            time.sleep(left)
            return
        time.sleep(every_seconds)
        act()


def campaigns_of(stamps: Sequence[Stamp], campaign: str) -> list[Stamp]:
    """The stamps of one campaign."""
    return [stamp for stamp in stamps if stamp.campaign == campaign]
