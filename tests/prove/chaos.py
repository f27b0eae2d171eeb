"""The product under kill -9, pauses, clock changes, lost and repeated jobs, and a gateway that fails at random.

`python -m tests.prove.chaos --mode embedded|fleet --recipients N --kills K --faults 0.2 --seed N`. The seed decides
what is tried and when; what the processes are doing at that moment is up to the machine. In a fleet, `--servers` also
restarts Redis, crashes PostgreSQL, and kills the scheduler that leads.
"""

import argparse
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.memory import folder_in_memory
from tests.prove.checker import Findings, check
from tests.prove.record.lines import INTERRUPTED, recording, terminable
from tests.prove.spec.book import keep_commit_times
from tests.prove.spec.lives import table as replayed_table
from tests.prove.spec.observed import Replayed
from tests.prove.world.evidence import Ceiling
from tests.prove.world.product import Audience, write_campaign
from tests.prove.world.stage import Process, Stage, ends_within, freeze, kill, wait_until
from tests.prove.world.unrest import QUIET, STOPS_THE_ACCOUNT, unrest
from tests.support.servers import PostgresServer, RedisServer
from worker.redis_jobs import redis_queue
from worker.servers.troubles import Troubles

SETTLED_SECONDS: Final = 360.0
"""How long everything may take at the end, however many people are left: an account whose trouble came back three times
is probed after 3.4 minutes."""

STEPS: Final = ("intent", "reply", "failure", "queue", "verdict", "rescue", "receipts", "settle")
REQUEST: Final = ("post:before_connect", "post:before_first_byte", "post:replied", "post:failed")
POINTS: Final = (*REQUEST, *(f"{step}:{moment}" for step in STEPS for moment in ("before_commit", "committed")))
"""Targets of half of the kills; the others come at any moment."""

RATE: Final = 40
"""Segments a second: slows down a short trial's sending, so that kills find it under way."""

BATCH: Final = 5
UNDER_FIRE: Final = 0.95
"""Share of the people (0..1) whom the gateway has when the faults and kills end, in a trial that lasts that long."""

LIFE_SECONDS: Final = 4.0
"""The longest life of a process."""

LONG_LIFE_SECONDS: Final = 40.0
"""The same in a trial with very many people, once the requested kills are done: each kill in the middle of requests
costs `send_by` and `settle` until the account sends again. With a kill every few seconds it would never have reached
all of them."""

A_PERSON_LOOKS_EVERY: Final = 20
"""Kills of a service's processes between two checks whether a campaign paused itself."""

LAST_WORDS: Final = 1_000
"""Characters that are reported of the last process's output."""

FOLLOW: Final = "60s"
AT_RANDOM, AT_A_POINT = "killed at random", "killed at a point"
KILLS: Final = frozenset({AT_RANDOM, AT_A_POINT})
GAVE_UP: Final = "ended by itself"
"""What a service's processes must never do."""

RECOVERIES: Final = 5
"""How often somebody tries to recover while reads fail; after that the gateway stops failing."""

WORKERS: Final = 4
SCHEDULERS: Final = 2
THREADS: Final = 4  # the product's default for one process

DOWN_SECONDS: Final = 1.0
"""How long a crashed PostgreSQL is away, at most."""

START_WAIT_SECONDS: Final = "30"
"""How long a process that starts meanwhile waits for it: by `QUICK` it would give up after a second."""

CLOCK_OFFSET_SECONDS: Final = 1.0
"""How far ahead one worker's clock is. In proportion to `settle`, that is more than a minute and a half in service."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The parameters. `faults` and `reads` are shares (0..1) of sends and of reads; `rate` is in segments a second.

    `endure`: faults and kills continue until most people have been sent to, for at most `minutes`. `losses`: how many
    of the kills lose the database, too (embedded). `servers`: Redis and PostgreSQL fail, too (fleet).
    """

    @property
    def settled_seconds(self) -> float:
        """Liveness: everything must be over this long after the last disturbance."""
        return SETTLED_SECONDS + 2 * self.recipients / self.rate

    mode: str
    recipients: int
    kills: int
    faults: float
    seed: int
    rate: int = RATE
    batch: int = BATCH
    endure: bool = False
    minutes: float = 60.0
    long_life_seconds: float = LONG_LIFE_SECONDS
    reads: float | None = None
    losses: int = 0
    servers: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result. `disturbances` counts everything that was done to the processes, by kind.

    `last_words`: if it did not end in time, the end of the last process's error output. `replayed`: what was committed,
    as steps of the model.
    """

    trial: Trial
    findings: Findings
    posts: int
    faults: dict[str, int]
    disturbances: dict[str, int]
    seconds: float
    ended_in_time: bool
    last_words: str = ""
    replayed: Replayed = field(default_factory=Replayed)

    @property
    def is_kept(self) -> bool:
        """Return whether every promise was kept, by steps of the model alone."""
        return not self.broken

    @property
    def broken(self) -> int:
        """How many promises were broken, and changes made that are no steps of the model."""
        found = len(self.findings.violations) + len(self.replayed.problems)
        return found + (not self.ended_in_time) + self.disturbances.get(GAVE_UP, 0)

    def figures(self) -> dict[str, int]:
        """What it adds to the record."""
        found, done = self.findings, self.disturbances
        others = {name: count for name, count in done.items() if name not in {*KILLS, GAVE_UP}}
        return {
            "trials": 1, "recipients": found.recipients, "requests": self.posts, "stored": found.stored,
            "faults": sum(self.faults.values()), "kills": sum(done.get(name, 0) for name in KILLS), **others,
            "held": found.held, "failed": found.failed, "doubled": found.doubled, "lost": found.lost,
            "transitions": self.replayed.validated, "not in the model": self.replayed.outside,
        }  # fmt: skip


@dataclass
class _Course:
    """One trial on its stage."""

    trial: Trial
    stage: Stage
    rng: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def write(self, folder: Path) -> list[Audience]:
        """Write two campaigns; half of the second one's people are in the first, too."""
        half = self.trial.recipients // 2
        more = f"  rate: {self.trial.rate}/second\nfollow:\n  until: {FOLLOW}\n"
        return [
            write_campaign(folder, name, recipients=people, first=first, batch_size=self.trial.batch, more=more)
            for name, people, first in (("first", half, 0), ("second", self.trial.recipients - half, half // 2))
        ]

    def aim(self) -> tuple[str, ...]:
        """The victim's option for a kill at a named point, for half of the victims."""
        if self.rng.random() < 0.5:
            return ()
        return ("--crash", f"{self.rng.choice(POINTS)}:{self.rng.randint(1, 3)}")

    def blows(self) -> Iterator[int]:
        """The number of each coming kill, from 0, until the kills are over."""
        until = time.monotonic() + 60 * self.trial.minutes
        for number in count():
            is_enough = number >= self.trial.kills
            if time.monotonic() > until:
                return
            if is_enough and (not self.trial.endure or self.stage.stored() >= UNDER_FIRE * self.trial.recipients):
                return
            yield number

    def life_seconds(self, number: int) -> float:
        """How long the `number`-th process to be killed lives."""
        is_long = self.trial.endure and number >= self.trial.kills
        return self.rng.uniform(0.0, self.trial.long_life_seconds if is_long else LIFE_SECONDS)

    def lose_database(self) -> None:
        """Between two lives: delete it, drop its last commits, or put back an older one; somebody recovers at once."""
        database = self.stage.database
        self.stage.end_life()
        files = [database.with_name(f"{database.name}{ending}") for ending in ("", "-wal", "-shm")]
        way = self.rng.choice(("deleted", "log deleted", "restored"))
        backup = self.stage.folder / "backup.db"
        if way != "restored" or backup.exists():
            for file in files if way != "log deleted" else files[1:]:
                file.unlink(missing_ok=True)
        if way == "restored" and backup.exists():
            shutil.copy(backup, database)
        elif database.exists():
            with closing(sqlite3.connect(database)) as connection:
                connection.execute(f"VACUUM INTO '{self.stage.folder / 'next.db'}'")
            (self.stage.folder / "next.db").replace(backup)
        self.done[f"database {way}"] += 1
        for _ in range(RECOVERIES):  # reads fail, too
            if self.stage.product.run("recover").code == 0:
                return
        self.stage.put_faults(QUIET)
        self.stage.product.run("recover")

    def end(self, process: Process) -> None:
        """Kill it, unless it has killed itself."""
        self.done[AT_RANDOM if process.exitcode is None else AT_A_POINT] += 1
        kill(process)


def _speaks(process: Process, log: Path) -> bool:
    """It has ended, or has logged something: from here on a kill can hit it at work."""
    return process.exitcode is not None or log.stat().st_size > 0


def embedded(trial: Trial, stage: Stage) -> tuple[list[Audience], bool, Counter[str]]:
    """Run `campaigns run` on SQLite, killed again and again while the gateway fails; then leave it alone."""
    course = _Course(trial, stage, random.Random(trial.seed))
    audiences = course.write(stage.folder)
    command = ("run", *(str(audience.path) for audience in audiences), "--json", "--verbose")
    stage.put_faults(
        unrest(trial.faults, trial.seed, reads=trial.reads, rare=STOPS_THE_ACCOUNT if trial.endure else ())
    )
    lost_at = {round((n + 1) * trial.kills / (trial.losses + 1)) for n in range(trial.losses)}
    for number in course.blows():
        process = stage.start(*command, victim=course.aim())
        log = stage.product.outputs[-1]
        wait_until(partial(_speaks, process, log), 10.0)
        if not ends_within(process, course.life_seconds(number)) and course.rng.random() < 0.3:
            freeze(process, 2.5)
            course.done["paused"] += 1
        if process.exitcode is None or process.exitcode < 0:
            course.end(process)
            if number in lost_at:
                course.lose_database()
        elif process.exitcode in {0, 3}:
            break
        else:
            course.done[f"run ended with {process.exitcode}"] += 1
            _as_a_person(stage, audiences)
    stage.put_faults(QUIET)
    until = time.monotonic() + trial.settled_seconds
    while time.monotonic() < until:
        process = stage.start(*command)
        ends_within(process, until - time.monotonic())
        if process.exitcode in {0, 3}:
            return audiences, True, course.done
        course.done[f"run ended with {process.exitcode}"] += 1
        _as_a_person(stage, audiences)
    return audiences, False, course.done


def _as_a_person(stage: Stage, audiences: Sequence[Audience]) -> None:
    """Resume campaigns that were paused because the gateway refused too much."""
    for audience in audiences:
        stage.product.run("resume", audience.campaign)
    time.sleep(1)


@dataclass
class _Fleet:
    """The processes of a service by their role, started again when they end."""

    course: _Course
    roles: dict[str, Process] = field(default_factory=dict)

    def start(self, role: str) -> None:
        kind, number = role.split("-")
        clock = ("--clock-offset", str(CLOCK_OFFSET_SECONDS)) if role == "worker-0" else ()
        aim = () if number == "0" else self.course.aim()
        self.roles[role] = self.course.stage.start(kind, "--json", victim=(*clock, *aim))

    def revive(self) -> None:
        """Restart whatever has ended."""
        for role, process in self.roles.items():
            if process.exitcode is not None:
                self.course.done[AT_A_POINT if process.exitcode == -signal.SIGKILL else GAVE_UP] += 1
                self.start(role)

    def kill_one(self, among: Sequence[str] = ()) -> None:
        role = self.course.rng.choice(among or sorted(self.roles))
        self.course.end(self.roles[role])
        self.start(role)

    def kill_leader(self, holder: str) -> None:
        """Kill the scheduler that holds the lease: whichever is there when it has expired takes over."""
        self.kill_one([role for role, process in self.roles.items() if holder.startswith(f"process {process.pid} ")])

    def pause_one(self) -> None:
        role = self.course.rng.choice([role for role in sorted(self.roles) if role != "worker-0"])
        freeze(self.roles[role], 2.5)
        self.course.done["paused"] += 1


@dataclass(frozen=True, slots=True)
class Servers:
    """What a fleet needs. `url`: the database's."""

    redis: RedisServer
    postgres: PostgresServer
    url: str

    def lease(self) -> tuple[str, int]:
        """Who leads, and how often somebody else began to lead. ("", 0): nobody ever did."""
        query = "SELECT holder, token FROM lease WHERE name = 'clock'"
        with psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=30) as connection:
            holder, token = connection.execute(query).fetchone() or ("", 1)
            return str(holder), int(token) - 1

    def crash_postgres(self, seconds: float) -> None:
        """It ends in the middle of everything, and recovers from its log after a while."""
        self.postgres.stop()
        time.sleep(seconds)
        self.postgres.start()


def fleet(trial: Trial, stage: Stage, servers: Servers) -> tuple[list[Audience], bool, Counter[str]]:
    """Workers and schedulers on PostgreSQL and Redis, killed and started again; jobs are lost and repeated."""
    redis = servers.redis
    course = _Course(trial, stage, random.Random(trial.seed))
    stage.put_faults(unrest(trial.faults, trial.seed, reads=trial.reads, without=STOPS_THE_ACCOUNT))
    processes = _Fleet(course)
    for role in [f"worker-{n}" for n in range(WORKERS)] + [f"scheduler-{n}" for n in range(SCHEDULERS)]:
        processes.start(role)
    audiences = course.write(stage.inbox)
    wait_until(lambda: stage.stored() > 0, 30.0)

    def flush() -> None:
        redis.flush()
        course.done["Redis flushed"] += 1
        repeat()

    def repeat() -> None:
        # This also brings back jobs that a flush lost; otherwise their batches would wait a minute for the rescue.
        jobs = redis_queue(redis.url, lambda _: None, Troubles())
        course.done["jobs repeated"] += jobs.enqueue(range(1, trial.recipients // trial.batch + 1))
        jobs.stop()

    def restart_redis() -> None:
        redis.restart()
        course.done["Redis restarted"] += 1
        repeat()

    def crash_postgres() -> None:
        servers.crash_postgres(course.rng.uniform(0.0, DOWN_SECONDS))
        course.done["PostgreSQL crashed"] += 1

    others: list[Callable[[], None]] = [flush, repeat, processes.pause_one]
    if trial.servers:
        others += [restart_redis, crash_postgres, lambda: processes.kill_leader(servers.lease()[0])]
    for number in course.blows():
        processes.kill_one()
        others[number % len(others)]()
        if number % A_PERSON_LOOKS_EVERY == 0:
            _as_a_person(stage, audiences)
        time.sleep(0.2 + course.life_seconds(number) / 2)
        processes.revive()
    stage.put_faults(QUIET)
    reports = [stage.inbox / f"{audience.campaign}.report.csv" for audience in audiences]

    def is_over() -> bool:
        processes.revive()
        return all(report.exists() for report in reports)

    has_ended = wait_until(is_over, trial.settled_seconds)
    for process in processes.roles.values():
        kill(process)
    course.done["take-overs"] = servers.lease()[1]
    return audiences, has_ended, course.done


def run(trial: Trial, folder: Path, *, servers: Servers | None = None) -> Outcome:
    """Carry out a trial in a folder of its own and judge it; a fleet needs its servers."""
    began = time.monotonic()
    # Up to a second lies between the moment at which the product counts a segment and the one at which the gateway
    # stores it, mostly because of late commits: allow another second's worth, and the requests of every thread.
    slack = 2 * trial.rate + THREADS * trial.batch
    ceiling = Ceiling(2 * trial.rate, timedelta(seconds=1), slack_segments=slack)
    database_url, redis_url = (servers.url, servers.redis.url) if servers else ("", "")
    settings = {"start_wait_seconds": START_WAIT_SECONDS} if trial.servers else {}
    with Stage(folder, database_url, redis_url, settings, keeps_book=True) as stage:
        if servers is None:
            audiences, has_ended, disturbances = embedded(trial, stage)
        else:
            audiences, has_ended, disturbances = fleet(trial, stage, servers)
        last_words = "" if has_ended else stage.errors_of_last()[-LAST_WORDS:]
        findings = check(stage.evidence(audiences, ceiling=ceiling))
        return Outcome(
            trial,
            findings,
            stage.posts(),
            stage.faults_drawn(),
            dict(disturbances),
            time.monotonic() - began,
            has_ended,
            last_words,
            stage.replayed(limit=(trial.rate, 1.0)),
        )


def table(outcome: Outcome) -> str:
    """The outcome as text, one figure per line, then every violation."""
    found = outcome.findings
    lines = {
        "mode": outcome.trial.mode, "seed": outcome.trial.seed, "recipients": found.recipients, "posts": outcome.posts,
        "stored": found.stored, "faults": sum(outcome.faults.values()), **outcome.disturbances, "held": found.held,
        "failed": found.failed, "unsettled": found.unsettled, "doubled": found.doubled, "lost": found.lost,
        "seconds": round(outcome.seconds, 1), "ended in time": outcome.ended_in_time,
    }  # fmt: skip
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(outcome.faults.items()))
    rows = [f"{name:>20}  {value}" for name, value in lines.items()]
    violations = [f"VIOLATION: {each}" for each in found.violations]
    said = [f"the last process said: {outcome.last_words}"] if outcome.last_words else []
    model = replayed_table(outcome.replayed)
    return "\n".join([*rows, f"{'faults by kind':>20}  {kinds}", model, *violations, *said])


def run_with_servers(trial: Trial, folder: Path) -> Outcome:
    """Start the servers that the trial needs, and carry it out."""
    if trial.mode == "embedded":
        return run(trial, folder)
    with ExitStack() as stack:
        redis, postgres = RedisServer(), PostgresServer()
        for server in (redis, postgres):
            stack.callback(server.close)
            server.start()
        url = postgres.url(postgres.create_database())
        keep_commit_times(postgres, url)
        return run(trial, folder, servers=Servers(redis, postgres, url))


def run_many(trials: int, arguments: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Run this many trials at once with seeds from `seed` on, each in its own process; return their outcomes as JSON.

    Most of a trial is waiting for what is in doubt, at most three requests of one account at a time: only parallel
    trials keep a machine busy. If this is interrupted, the trials are.
    """
    running: list[subprocess.Popen[str]] = []

    def one(number: int) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            told = Path(folder, "outcome.json")
            command = [sys.executable, "-m", __spec__.name, *arguments, "--trials", "1", "--seed", str(seed + number)]
            trial = subprocess.Popen(
                [*command, "--json", str(told)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            running.append(trial)
            said, complaint = trial.communicate()
            sys.stdout.write(f"{said or complaint[-2000:]}\n")
            sys.stdout.flush()
            outcome: dict[str, Any] = json.loads(told.read_text()) if told.exists() else {}
            return {**outcome, "is_kept": trial.returncode == 0}

    with terminable(), ThreadPoolExecutor(trials) as pool:
        try:
            return list(pool.map(one, range(trials)))
        except KeyboardInterrupt:
            for trial in running:
                trial.terminate()
            raise SystemExit(INTERRUPTED) from None


def sums(outcomes: Sequence[dict[str, Any]]) -> str:
    """Every figure, added up over several outcomes."""
    total: Counter[str] = Counter()
    for outcome in outcomes:
        total["trials that kept every promise"] += outcome["is_kept"]
        total.update({"posts": outcome.get("posts", 0), "faults": sum(outcome.get("faults", {}).values())})
        total.update(outcome.get("disturbances", {}))
        total.update({k: v for k, v in outcome.get("findings", {}).items() if isinstance(v, int)})
        replayed = outcome.get("replayed", {})
        total["transitions validated"] += replayed.get("validated", 0)
        total["transitions not in the model"] += replayed.get("outside", 0)
    return "\n".join(f"{name:>32}  {value:,}" for name, value in total.items())


def main(arguments: Sequence[str]) -> int:
    """Exit code 1: a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.chaos")
    parser.add_argument("--mode", choices=("embedded", "fleet"), default="embedded")
    parser.add_argument("--recipients", type=int, default=300)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--faults", type=float, default=0.2, metavar="SHARE")
    parser.add_argument("--reads", type=float, metavar="SHARE", help="of reads that fault; half of that of connections")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=RATE, help="segments a second")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--endure", action="store_true", help="faults and kills until most people were sent")
    parser.add_argument("--minutes", type=float, default=60.0, help="the longest time under fire")
    parser.add_argument("--life", type=float, default=LONG_LIFE_SECONDS, help="seconds, the longest, later on")
    parser.add_argument("--losses", type=int, default=0, help="so many kills lose the database, too (embedded)")
    parser.add_argument("--servers", action="store_true", help="Redis and PostgreSQL fail, too (fleet)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--trials", type=int, default=1, help="so many at once, with seeds from --seed on")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this folder and leave it behind")
    chosen = parser.parse_args(arguments)
    if chosen.trials > 1:
        outcomes = run_many(chosen.trials, arguments, chosen.seed)
        sys.stdout.write(sums(outcomes) + "\n")
        if chosen.json:
            chosen.json.write_text(json.dumps(outcomes, indent=1) + "\n")
        return 0 if all(outcome["is_kept"] for outcome in outcomes) else 1
    trial = Trial(
        chosen.mode, chosen.recipients, chosen.kills, chosen.faults, chosen.seed, chosen.rate, chosen.batch,
        chosen.endure, chosen.minutes, chosen.life, chosen.reads, chosen.losses, chosen.servers,
    )  # fmt: skip
    with (
        recording(f"chaos {trial.mode}", seed=trial.seed) as record,
        tempfile.TemporaryDirectory(prefix="chaos-", dir=folder_in_memory()) as temporary,
    ):
        outcome = run_with_servers(trial, chosen.keep or Path(temporary))
        record.add(outcome.figures(), broken=outcome.broken)
    sys.stdout.write(table(outcome) + "\n")
    if chosen.json:
        chosen.json.write_text(json.dumps(asdict(outcome), indent=1) + "\n")
    return 0 if outcome.is_kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
