"""One trial: real processes send a campaign, a fault happens in the middle and is undone, and the checker judges.

Everybody must be settled soon after the fault is gone: within twice the settling time, on top of what the rest of the
texts takes at its rate, and of a wait that is documented.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from tests.prove.checker import Findings, check
from tests.prove.world.evidence import Ceiling, Evidence
from tests.prove.world.product import QUICK, Audience, write_campaign
from tests.prove.world.stage import Backing, Process, Stage, wait_until
from tests.support.servers import PostgresServer, RedisServer, free_port

CAMPAIGN: Final = "sale"
SEND_BY_SECONDS: Final = float(QUICK["CAMPAIGNS_SEND_BY_SECONDS"])
SETTLED_SECONDS: Final = SEND_BY_SECONDS + float(QUICK["CAMPAIGNS_SETTLE_SECONDS"])
"""From the intent of a request until it is decided what became of it."""

MACHINE_SECONDS: Final = 10.0
"""What starting and planning, and a machine with other work, may add: no promise is about that."""

PATIENCE_SECONDS: Final = 120.0
THREADS: Final = 4  # the product's default for one process
WINDOW_SECONDS: Final = 10
"""The rate is judged over windows of this length at the gateway."""

EMBEDDED: Final = ("up",)
FLEET: Final = ("scheduler", "worker", "worker")


@dataclass
class Ground:
    """What the product stands on, and the test's hand on it."""

    backing: Backing = field(default_factory=Backing)
    postgres: PostgresServer | None = None
    redis: RedisServer | None = None


class Fault(ABC):
    """A row of the table. One object is used for one trial.

    `told`: what the log must say of it, such as the code of a trouble. `waits_seconds`: how much longer than twice the
    settling time the product may take, which `because` says where it is documented. `is_restarted`: processes are meant
    to end.
    """

    name: ClassVar[str]
    is_fleet: ClassVar[bool] = False
    people: ClassVar[int] = 240
    rate: ClassVar[int] = 20
    batch: ClassVar[int] = 4
    follow: ClassVar[str] = "1m"
    told: ClassVar[tuple[str, ...]] = ()
    waits_seconds: ClassVar[float] = 0.0
    because: ClassVar[str] = ""
    is_restarted: ClassVar[bool] = False
    settings: ClassVar[dict[str, str]] = {}

    def prepare(self, folder: Path, stack: ExitStack) -> Ground:
        """Start the servers. The folder may be entered by every user of the machine."""
        if not self.is_fleet:
            return Ground()
        redis, postgres = RedisServer(), PostgresServer()
        for server in (redis, postgres):
            stack.callback(server.close)
            server.start()
        return ground(postgres, redis)

    def arrange(self, world: "World", stack: ExitStack) -> None:
        """Change the stage before anything of the product starts."""

    def begin(self, world: "World") -> Audience:
        """Start the processes, and send the campaign."""
        for role in FLEET if self.is_fleet else EMBEDDED:
            world.start(role)
        return self.campaign(world)

    def campaign(self, world: "World") -> Audience:
        """Drop the campaign."""
        more = f"  rate: {self.rate}/second\nfollow: {{until: {self.follow}}}\n"
        return write_campaign(world.stage.inbox, CAMPAIGN, recipients=self.people, batch_size=self.batch, more=more)

    @abstractmethod
    def happen(self, world: "World") -> None:
        """Let it happen and undo it. What a person has to do after it, as documented, is done here, too."""

    def is_over(self, world: "World") -> bool:
        """Return whether everybody is settled, as the folder shows it."""
        return (world.stage.inbox / f"{CAMPAIGN}.report.csv").exists()

    def evidence(self, world: "World", audience: Audience, ceiling: Ceiling) -> Evidence:
        """What is left in the end."""
        return world.stage.evidence([audience], ceiling=ceiling)

    def figures(self) -> str:
        """What else was measured, for people."""
        return ""


def ground(postgres: PostgresServer, redis: RedisServer, url: str = "") -> Ground:
    """A fleet's servers, with an empty database; `url` leads to it another way."""
    return Ground(Backing(url or postgres.url(postgres.create_database()), redis.url), postgres, redis)


@dataclass
class World:
    """A trial under way. `earlier`: texts at a gateway that is gone. `broken`: what must not be, found by the fault."""

    stage: Stage
    ground: Ground
    services: list[tuple[str, Process, Path]] = field(default_factory=list)
    earlier: int = 0
    broken: list[str] = field(default_factory=list)

    def start(self, role: str, *, victim: Sequence[str] = ()) -> Process:
        """Start a process of the service and wait until it is at work, or stands by."""
        process = self.stage.start(role, "--json", victim=victim)
        log = self.stage.product.outputs[-1]
        self.services.append((role, process, log))
        self.until(lambda: "service.started" in log.read_text(errors="replace"), f"{role} did not start")
        return process

    def stop_services(self) -> list[str]:
        """Stop all processes, as an operator does; return their roles."""
        for _, process, _ in self.services:
            process.terminate()
        for _, process, _ in self.services:
            process.join(40)
            process.kill()
            process.join()
        roles = [role for role, _, _ in self.services]
        self.services = []
        return roles

    def said(self) -> str:
        """All that the processes logged so far."""
        return "".join(self.stage.product.said().values())

    def stored(self) -> int:
        """How many texts the gateway was given."""
        return self.earlier + self.stage.stored()

    def await_sent(self, texts: int) -> None:
        """Wait until the gateway has this many."""
        self.until(lambda: self.stored() >= texts, f"fewer than {texts} texts were sent")

    def await_said(self, words: str, times: int = 1) -> None:
        """Wait until the log has these words so often."""
        self.until(lambda: self.said().count(words) >= times, f"nothing was said of {words}")

    def until(self, is_so: Callable[[], bool], complaint: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for it; raise `TimeoutError` if it does not come."""
        if not wait_until(is_so, seconds):
            raise TimeoutError(complaint)

    def nothing_is_sent(self, seconds: float) -> None:
        """Look for so long; what had been promised before may still arrive first."""
        before = self.stage.settled(SEND_BY_SECONDS)
        time.sleep(seconds)
        if (after := self.stage.stored()) != before:
            self.broken.append(f"{after - before} texts were sent meanwhile")

    def status_text(self) -> str:
        """What is written beside the campaign file; empty if there is nothing."""
        path = self.stage.inbox / f"{CAMPAIGN}.status.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found. `settled_seconds` after the fault was gone; `limit_seconds`: how long it may take."""

    fault: Fault
    findings: Findings | None
    broken: tuple[str, ...]
    settled_seconds: float
    limit_seconds: float
    seconds: float

    @property
    def violations(self) -> tuple[str, ...]:
        """All that must not be."""
        return (*self.broken, *(self.findings.violations if self.findings else ()))

    @property
    def is_kept(self) -> bool:
        """Return whether every promise was kept."""
        return not self.violations


def prove(fault: Fault, folder: Path) -> Outcome:
    """Carry out one trial in an empty folder, and judge it."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    began = time.monotonic()
    with ExitStack() as stack:
        on = fault.prepare(folder, stack)
        settings = dict(fault.settings)
        stage = Stage(
            folder / "stage", on.backing.database_url, on.backing.redis_url, settings, gateway_port=free_port()
        )
        stack.enter_context(stage)
        world = World(stage, on)
        stack.callback(end_services, world)  # before what they stand on is taken away
        fault.arrange(world, stack)
        settled, limit, findings = 0.0, 0.0, None
        try:
            audience = fault.begin(world)
            world.await_sent(fault.people // 4)
            fault.happen(world)
            gone = time.monotonic()
            rest = max(0, len(audience.eligible) - world.stored())
            limit = 2 * SETTLED_SECONDS + rest / fault.rate + fault.waits_seconds + MACHINE_SECONDS
            has_ended = wait_until(partial(fault.is_over, world), limit + PATIENCE_SECONDS)
            settled = time.monotonic() - gone
            if not has_ended:
                world.broken.append(f"it never ended: {ends_of_logs(world)}")
            findings = check(strict(fault.evidence(world, audience, ceiling_of(fault))))
        except (TimeoutError, RuntimeError) as error:
            world.broken.append(f"{error}: {ends_of_logs(world)}")
        world.broken += list(complaints(fault, world, settled, limit))
    return Outcome(fault, findings, tuple(world.broken), settled, limit, time.monotonic() - began)


def end_services(world: World) -> None:
    """Kill what still runs."""
    for process in world.stage.processes:
        process.kill()
        process.join()


def ceiling_of(fault: Fault) -> Ceiling:
    """The rate, as the gateway may see it: requests of each thread, and texts of two seconds, may be on their way."""
    workers = FLEET.count("worker") if fault.is_fleet else 1
    slack = int(fault.rate * SEND_BY_SECONDS) + THREADS * workers * fault.batch
    return Ceiling(fault.rate * WINDOW_SECONDS, timedelta(seconds=WINDOW_SECONDS), slack_segments=slack)


def strict(evidence: Evidence) -> Evidence:
    """No gateway of these worlds rewrites texts or hides rows."""
    return replace(evidence, texts_may_change=False, rows_may_be_hidden=False)


def complaints(fault: Fault, world: World, settled: float, limit: float) -> list[str]:
    """What the processes did that they must not do, and what they did not say."""
    found = []
    if settled > limit > 0:
        found.append(f"settled only {settled:.0f} s after the fault was gone: at most {limit:.0f} s")
    said = world.said()
    found += [f"nothing was said of {words}" for words in fault.told if words not in said]
    found += [f"a process wrote a traceback: {line[-700:]}" for line in said.splitlines() if "Traceback" in line][:2]
    if not fault.is_restarted:
        ended = [(role, process.exitcode) for role, process, _ in world.services if process.exitcode is not None]
        found += [f"{role} ended by itself with {code}" for role, code in ended]
    return found


def ends_of_logs(world: World) -> str:
    """The last line of each process, for people."""
    logs = [(role, log.read_text(errors="replace").strip()) for role, _, log in world.services]
    return " | ".join(f"{role}: {text.rpartition(chr(10))[2][-300:]}" for role, text in logs)


def events(world: World, event: str) -> list[dict[str, object]]:
    """The lines of the log about it."""
    lines = [line for line in world.said().splitlines() if line.startswith("{")]
    return [told for line in lines if (told := json.loads(line)).get("event") == event]


def figures(outcome: Outcome) -> dict[str, float]:
    """What is recorded of a trial."""
    found = outcome.findings
    if found is None:
        return {"faults": 1}
    people = {name: getattr(found, name) for name in ("recipients", "doubled", "lost", "held", "unsettled")}
    return {"faults": 1, "kept": int(outcome.is_kept), **people}


def table(outcome: Outcome) -> str:
    """What was tried and found, and every violation, one item per line."""
    fault, found = outcome.fault, outcome.findings
    mode = "fleet" if fault.is_fleet else "one process"
    verdict = "kept" if outcome.is_kept else "BROKEN"
    counts = (
        f"people {found.recipients}, stored {found.stored}, doubled {found.doubled}, lost {found.lost}, "
        f"held {found.held}, failed {found.failed}, unsettled {found.unsettled}"
        if found
        else "not judged"
    )
    lines = [f"{verdict:<6}  {fault.name} ({mode}): {counts}"]
    waits = f", of them {fault.waits_seconds:.0f} s because {fault.because}" if fault.because else ""
    lines.append(
        f"        settled {outcome.settled_seconds:.1f} s after it was gone (at most {outcome.limit_seconds:.0f} s"
        f"{waits}); {outcome.seconds:.0f} s in all"
    )
    if more := fault.figures():
        lines.append(f"        {more}")
    return "\n".join([*lines, *(f"        VIOLATION: {each}" for each in outcome.violations)])
