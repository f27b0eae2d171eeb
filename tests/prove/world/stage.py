"""Everything around the product while it is tried: a folder, a sandbox with faults, processes to kill."""

import json
import os
import shutil
import signal
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.prove.leaks import dump_redis
from tests.prove.spec.book import KEEP, Commit, keep_commit_times, read_book
from tests.prove.spec.lives import replay
from tests.prove.spec.observed import Replayed
from tests.prove.world.evidence import Ceiling, Evidence, Sending, miscounted, read_ledger
from tests.prove.world.product import QUICK, Audience, Product, summary_of
from tests.support.nursery import Sandbox
from tests.support.servers import PostgresServer, RedisServer
from worker.sandbox.faults.plan import FaultPlan
from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.running.process import PrivateSandbox

KEY: Final = "key-of-the-proof-4711"
Process = ForkServerProcess

TIED: Final = ("--patch", "tests.prove.world.removals:end_with_parent")


@dataclass(frozen=True, slots=True)
class Backing:
    """What the product runs on in a proof: one process on SQLite, or a fleet on servers."""

    database_url: str = ""
    redis_url: str = ""

    @property
    def is_fleet(self) -> bool:
        return bool(self.redis_url)

    def database_of(self, folder: Path) -> str:
        """The address of its database."""
        return self.database_url or f"sqlite:///{folder / 'campaigns.db'}"

    @property
    def commands(self) -> tuple[str, ...]:
        """The processes of a service."""
        return ("scheduler", "worker", "worker", "dashboard") if self.is_fleet else ("up",)


@contextmanager
def backed(*, as_fleet: bool, keeps_book: bool = False) -> Iterator[Backing]:
    """SQLite, or Redis and PostgreSQL servers that end with the block; `keeps_book`: for stages that keep one."""
    if not as_fleet:
        yield Backing()
        return
    with closing(RedisServer()) as redis, closing(PostgresServer()) as postgres:
        redis.start()
        postgres.start()
        url = postgres.url(postgres.create_database())
        if keeps_book:
            keep_commit_times(postgres, url)
        yield Backing(url, redis.url)


@dataclass
class Stage:
    """A folder with a sandbox, in which the product is started. Everything started ends with the block.

    Without `database_url` it uses SQLite. `settings` are further settings of the product, by name. `keeps_book`: what
    is committed is written down, for `replayed`. `gateway_port` is where the sandbox listens; 0: at any free one.
    """

    folder: Path
    database_url: str = ""
    redis_url: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    keeps_book: bool = False
    gateway_port: int = 0
    processes: list[Process] = field(default_factory=list)
    lives: list[list[Commit]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = self.folder / "ledger.jsonl"
        self.database = self.folder / "campaigns.db"
        self.inbox = self.folder / "inbox"
        self.inbox.mkdir(parents=True)

    def __enter__(self) -> Self:
        self.sandbox: Sandbox | PrivateSandbox = Sandbox.start(self.gateway())
        url = self.database_url or f"sqlite:///{self.database}"
        self.product = Product(
            self.folder, gateway_url=self.sandbox.url, key=KEY, database_url=url, redis_url=self.redis_url,
            inbox=str(self.inbox), **self.settings,
        )  # fmt: skip
        self.product.victim = KEEP if self.keeps_book else ()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            kill(process)
        self.sandbox.stop()

    def gateway(self) -> SandboxOptions:
        """What the sandbox is like."""
        return SandboxOptions(
            port=self.gateway_port, key=KEY, ledger=self.ledger, proxy=True, pace_per_second=500,
            delivery_min_seconds=0.1, delivery_max_seconds=0.4,
        )  # fmt: skip

    def start(self, *command: str, victim: Sequence[str] = ()) -> Process:
        """Start `campaigns COMMAND`; it ends with this process, however this one ends."""
        process = self.product.fork(*command, victim=(*TIED, *victim))
        for path in self.product.outputs[-2:]:
            path.touch()  # a process that is killed at once has not created them
        self.processes.append(process)
        return process

    def errors_of_last(self) -> str:
        """The standard error of the process that was started last."""
        return self.product.outputs[-1].read_text(errors="replace")

    def put_faults(self, plan: FaultPlan) -> None:
        """Change what goes wrong from now on."""
        body = json.dumps({**asdict(plan), "key": KEY}).encode()
        self._own("faults", body)

    def faults_drawn(self) -> dict[str, int]:
        """How often each fault was made."""
        drawn: dict[str, int] = {}
        for counts in self._own("faults")["drawn"].values():
            for name, count in counts.items():
                drawn[name] = drawn.get(name, 0) + count
        return drawn

    def posts(self) -> int:
        """How many requests to send the sandbox received."""
        return int(self._own("stats")["requests"].get("send", 0))

    def stored(self) -> int:
        """The number of messages that the sandbox has; cheap enough to ask many times a second."""
        return self.ledger.read_bytes().count(b"\n")

    def settled(self, quiet_seconds: float = 1.5) -> int:
        """The number of messages once none has come for so long: what was on its way has arrived by then."""
        found, since = self.stored(), time.monotonic()
        while time.monotonic() - since < quiet_seconds:
            time.sleep(0.05)
            if (now := self.stored()) != found:
                found, since = now, time.monotonic()
        return found

    def _own(self, name: str, body: bytes | None = None) -> Any:
        for _ in range(20):  # the sandbox's own addresses share the port, and its fault of a port that refuses
            try:
                with urllib.request.urlopen(f"{self.sandbox.url}/sandbox/{name}", body, 10) as reply:
                    return json.load(reply)
            except OSError:
                time.sleep(0.2)
        raise RuntimeError("the sandbox does not answer any more: look at its process")

    def evidence(self, audiences: Sequence[Audience], *, ceiling: Ceiling | None = None) -> Evidence:
        """What is left: the export and the summary of each campaign, the ledger, every output, Redis."""
        sendings = tuple(self._sending(audience) for audience in audiences)
        outputs = self.product.said()
        if self.redis_url:
            outputs["redis"] = dump_redis(self.redis_url)
        return Evidence(
            sendings, read_ledger(self.ledger), outputs, KEY, ceiling, texts_may_change=True, rows_may_be_hidden=True,
            miscounted=miscounted(self.database_url or f"sqlite:///{self.database}"),
        )  # fmt: skip

    def end_life(self) -> None:
        """Read the book of a database that is about to be lost or replaced. Nobody may work on it."""
        if not self.keeps_book or not self.database.exists():
            return
        with tempfile.TemporaryDirectory(dir=self.folder) as copy:  # whoever opens it would empty its log
            for ending in ("", "-wal"):
                file = self.database.with_name(f"{self.database.name}{ending}")
                if file.exists():
                    shutil.copy(file, copy)
            self.lives.append(read_book(f"sqlite:///{copy}/{self.database.name}"))

    def replayed(self, *, limit: tuple[int, float] = (0, 1.0)) -> Replayed:
        """Check what was committed and stored against the model; `limit` is that of a run, as (segments, seconds)."""
        lives = [*self.lives, read_book(self.database_url or f"sqlite:///{self.database}")]
        settle_seconds = float(QUICK["CAMPAIGNS_SETTLE_SECONDS"])
        return replay(lives, read_ledger(self.ledger), settle_seconds=settle_seconds, limit=limit)

    def _sending(self, audience: Audience) -> Sending:
        ended = self.product.run("status", audience.campaign, "--json")
        told = self.product.export(audience.campaign)
        return Sending(audience.campaign, audience.rows, audience.eligible, told, summary_of(ended.stdout))


def kill(process: Process) -> None:
    """Kill with SIGKILL, and wait for the end. Harmless if it has ended or is stopped."""
    process.kill()
    process.join()


def ends_within(process: Process, seconds: float) -> bool:
    """Return whether it ends by itself in that time."""
    process.join(max(0.0, seconds))
    return process.exitcode is not None


def freeze(process: Process, seconds: float) -> None:
    """Stop it for this long, as a suspended machine would; harmless if it has ended."""
    if process.pid is None or process.exitcode is not None:
        return
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGCONT)


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Return whether it became so within that time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
