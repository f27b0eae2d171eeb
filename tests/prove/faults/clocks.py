"""A clock that is set by hours while texts are sent, and processes that stand still for an hour."""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.prove.faults.trial import Fault, World, events
from tests.prove.world.evidence import Ceiling, Evidence
from tests.prove.world.product import Audience, write_campaign
from tests.prove.world.stage import Process, wait_until
from tests.prove.world.unrest import QUIET, only
from tests.support.clock_file import ClockFile
from worker.sandbox.running.process import PrivateSandbox

STEPS_HOURS: Final = (3, -3, 5, 0)
"""How far off the clock is, one after the other."""

STEP_SECONDS: Final = 4.0
LOST_REPLIES: Final = 0.1
"""Share of requests whose reply is lost meanwhile: what is in doubt must not be believed absent because of a clock."""

TAKEN_SECONDS: Final = 15.0
LATE: Final = "dropped-late"
"""A campaign that is dropped right before the clock is put back."""

STOPPED_SECONDS: Final = 45.0
"""The times of the protocol are a hundredth of the usual ones here: this stands for more than an hour."""

STOPPED: Final = ("--patch", "tests.scheduler.services.fleet.fleet_world:stop_instead")


class ClockSteps(Fault):
    """The machine's clock is set forward and back by hours, while some replies of the gateway are lost."""

    name = "clock steps of hours"
    people = 480
    told = ("clock.jumped",)

    def arrange(self, world: World, stack: ExitStack) -> None:
        self._clock = ClockFile(world.stage.folder, datetime.now(UTC))
        world.stage.product.environment |= self._clock.environment

    def begin(self, world: World) -> Audience:
        world.start("up", victim=("--patch", "tests.support.clock_file:follow_everywhere"))
        return self.campaign(world)

    def happen(self, world: World) -> None:
        world.stage.put_faults(only(LOST_REPLIES, 1, "drop_after"))
        for hours in STEPS_HOURS:
            self._clock.set(datetime.now(UTC) + timedelta(hours=hours))
            time.sleep(STEP_SECONDS)
            if hours == STEPS_HOURS[-2]:
                write_campaign(world.stage.inbox, LATE, recipients=1, first=1_000)
                time.sleep(1)  # it was seen, and is not complete yet
        world.stage.put_faults(QUIET)
        if not wait_until(lambda: f"{LATE}.yaml" in world.said(), TAKEN_SECONDS):
            world.broken.append(f"a file dropped right before a step was not taken up within {TAKEN_SECONDS:.0f} s")
        seen = len(events(world, "clock.jumped"))
        if seen < len(STEPS_HOURS):
            world.broken.append(f"of {len(STEPS_HOURS)} steps of the clock {seen} were noticed")

    def evidence(self, world: World, audience: Audience, ceiling: Ceiling) -> Evidence:
        found = super().evidence(world, audience, ceiling)
        return replace(found, stored=tuple(row for row in found.stored if LATE not in row.text))


class MachineStopped(Fault):
    """The only process is stopped, and wakes up an hour later. The gateway's hour has passed as well."""

    name = "process stopped for an hour"

    def arrange(self, world: World, stack: ExitStack) -> None:
        self._clock = ClockFile(world.stage.folder, datetime.now(UTC))
        world.stage.product.environment |= self._clock.environment
        world.stage.sandbox.stop()
        its = {**self._clock.environment, "PYTHONPATH": f"{self._clock.python_path}:{Path.cwd()}"}
        before = {name: os.environ.get(name) for name in its}
        os.environ.update(its)
        try:
            world.stage.sandbox = PrivateSandbox.start(world.stage.gateway())
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def begin(self, world: World) -> Audience:
        world.start("up", victim=("--patch", "tests.support.clock_file:follow_as_if_it_passed"))
        return self.campaign(world)

    def happen(self, world: World) -> None:
        [(_, process, _)] = world.services
        _signal(process, signal.SIGSTOP)
        time.sleep(1)
        self._clock.set(datetime.now(UTC) + timedelta(hours=1))
        _signal(process, signal.SIGCONT)


class WorkersStopped(Fault):
    """Of a fleet, two workers and the scheduler that leads are stopped in the middle, and wake up when it is too late.

    One worker has promised a request and not written it, one has its reply and not stored it.
    """

    name = "processes of a fleet stopped for an hour"
    is_fleet = True
    people = 360
    rate = 6
    batch = 3

    def begin(self, world: World) -> Audience:
        points = ("receipts:before_commit:3", "post:before_first_byte:2", "post:replied:3")
        for role, point in zip(("scheduler", "worker", "worker"), points, strict=True):
            world.start(role, victim=(*STOPPED, "--crash", point))
        self._sleepers = [process for _, process, _ in world.services]
        for role in ("scheduler", "worker"):
            world.start(role)
        return self.campaign(world)

    def happen(self, world: World) -> None:
        world.until(lambda: all(map(_is_stopped, self._sleepers)), "not all of them stopped")
        time.sleep(STOPPED_SECONDS)
        for process in self._sleepers:
            _signal(process, signal.SIGCONT)


def _signal(process: Process, number: signal.Signals) -> None:
    assert process.pid is not None
    os.kill(process.pid, number)


def _is_stopped(process: Process) -> bool:
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii", errors="replace")
    return stat.rpartition(")")[2].split()[0] == "T"
