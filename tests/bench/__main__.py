"""`python -m tests.bench`: measure what planning, sending and keeping limits cost on this machine, in one run."""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench.exporting import measure_exporting
from tests.bench.installation import Servers, servers
from tests.bench.limiters import How, measure_limiter
from tests.bench.lives.following import measure_following
from tests.bench.pacing import (
    BATCH_SIZE,
    each_second,
    send_automatically,
    send_by_devices,
    send_through_kills,
    send_two_at_once,
    spend_a_day,
    spent_day,
    worst_device,
)
from tests.bench.planning import measure_planning
from tests.bench.reporting.results import (
    BenchError,
    Exported,
    Idled,
    Lived,
    Paced,
    Planned,
    Scaled,
    Sent,
    Started,
    Timed,
    Waited,
)
from tests.bench.reporting.samples import write_campaign
from tests.bench.reporting.tables import (
    exporting_table,
    life_table,
    pacing_table,
    planning_table,
    scaling_table,
    sending_table,
    starting_table,
    timing_table,
    waiting_table,
)
from tests.bench.scaling import measure_alone, measure_fleet
from tests.bench.sending import measure_sending
from tests.bench.starting import measure_idle, measure_starts
from tests.bench.timing import measure_timing
from tests.bench.waiting import measure_waiting
from tests.support.servers import PostgresServer
from worker.logs import configure_logs

PLAN_RECIPIENTS: Final = (100_000, 1_000_000)
EXPORT_RECIPIENTS: Final = 200_000
TIMING_RECIPIENTS: Final = 1_000_000
LIVES: Final = (100_000, 1_000_000)

SENDS: Final = {1: 1_000, 10: 5_000, 100: 40_000, 500: 40_000}
"""Batch size -> recipients: a few seconds each."""

REPETITIONS: Final = 3
QUICK_PARTS: Final = 10

PAGE_COLUMNS: Final = 120
"""The width where the output is not a terminal."""

WORKERS: Final = 8
RATE: Final = 200  # segments a second
DAILY: Final = 500
SLOW: Final = 1
FAST: Final = 500
AUTOMATIC: Final = (100, 500)  # segments a second
PER_MINUTE: Final = 30  # of each of two devices
FLEETS: Final = (1, 2, 4)
SCALE_RECIPIENTS: Final = 80_000
WAITING: Final = 100  # campaigns of WAITING_RECIPIENTS each
WAITING_RECIPIENTS: Final = 1_000
PLANNING_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 10.0

Figures = Sequence[Exported | Lived | Planned | Sent | Paced | Scaled | Started | Idled | Timed | Waited]


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return the exit code: 0 measured, 1 something went wrong. A missed target is only shown."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures planning and sending.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, once: to see whether it works")
    parser.add_argument("--only", choices=list(PARTS), help="one of the parts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else PAGE_COLUMNS)
    figures: dict[str, Figures] = {}
    loads: dict[str, list[float]] = {}
    # The log is written in full, as a service does, although nobody reads it.
    with tempfile.TemporaryFile("w") as log:
        configure_logs("json", stream=log)
        try:
            for name, measure in PARTS.items():
                if options.only in (None, name):
                    before = os.getloadavg()[0]
                    figures[name], table = measure(QUICK_PARTS if options.quick else 1)
                    loads[name] = [round(load, 1) for load in (before, os.getloadavg()[0])]
                    console.print(table)
                    console.print("load average (1 minute): {} before, {} after\n".format(*loads[name]))
        except BenchError as error:
            Console(stderr=True).print(str(error), markup=False)
            return 1
    if options.json is not None:
        options.json.write_text(json.dumps(_to_json(figures, loads), indent=2) + "\n", encoding="utf-8")
    return 0


def _plan(parts: int) -> tuple[Figures, Table]:
    planned = [each for recipients in PLAN_RECIPIENTS for each in _planning(recipients // parts)]
    return planned, planning_table(planned)


def _planning(recipients: int) -> Iterator[Planned]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, closing(PostgresServer()) as postgres:
        folder = Path(name)
        path = write_campaign(folder, recipients=recipients)
        yield measure_planning("SQLite", f"sqlite:///{folder / 'bench.db'}", path)
        postgres.start()
        yield measure_planning("PostgreSQL", postgres.url(postgres.create_database()), path)


def _time(parts: int) -> tuple[Figures, Table]:
    timed = [measure_timing(recipients=TIMING_RECIPIENTS // parts)]
    return timed, timing_table(timed)


def _export(parts: int) -> tuple[Figures, Table]:
    exported = list(_exporting(EXPORT_RECIPIENTS // parts))
    return exported, exporting_table(exported)


def _exporting(recipients: int) -> Iterator[Exported]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, closing(PostgresServer()) as postgres:
        folder = Path(name)
        yield measure_exporting("SQLite", f"sqlite:///{folder / 'bench.db'}", folder, recipients=recipients)
        postgres.start()
        yield measure_exporting("PostgreSQL", postgres.url(postgres.create_database()), folder, recipients=recipients)


def _send(parts: int) -> tuple[Figures, Table]:
    repetitions = REPETITIONS if parts == 1 else 1
    sent = [measure_sending(size, recipients // parts, repetitions=repetitions) for size, recipients in SENDS.items()]
    return sent, sending_table(sent)


def _live(parts: int) -> tuple[Figures, Table]:
    lived = [measure_following(people // parts) for people in LIVES]
    return lived, life_table(lived)


def _pace(parts: int) -> tuple[Figures, Table]:
    with servers() as world:
        paced = list(_pacing(world, parts))
    return paced, pacing_table(paced, batch_size=BATCH_SIZE)


def _pacing(world: Servers, parts: int) -> Iterator[Paced]:
    traffic = send_through_kills(world, rate=RATE, seconds=60 / parts, workers=WORKERS, kill_every_seconds=5)
    yield traffic.paced(f"{RATE}/s, a worker killed every 5 s", rate=RATE, allowed=each_second(RATE))
    for rate in AUTOMATIC:
        traffic = send_automatically(world, rate=rate, seconds=30 / parts, workers=2)
        yield traffic.paced(f"{rate}/s, batch_size: auto", rate=rate, allowed=each_second(rate))
    for how in How:
        yield measure_limiter(world, how, rate=RATE, seconds=20 / parts, workers=WORKERS)
    traffic = send_two_at_once(world, slow=SLOW, fast=FAST, seconds=30 / parts, workers=WORKERS)
    for campaign, rate in (("slow", SLOW), ("fast", FAST)):
        name = f"{rate}/s, beside {FAST if campaign == 'slow' else SLOW}/s"
        yield traffic.of(campaign).paced(name, rate=rate, allowed=each_second(rate))
    # Both use little CPU: run them at the same time, each with its own servers.
    with servers() as other, ThreadPoolExecutor() as pool:
        day = pool.submit(spend_a_day, other, daily=DAILY, rate=RATE // 4, workers=WORKERS // 2, for_all=True)
        devices = pool.submit(
            send_by_devices, world, per_minute=PER_MINUTE, seconds=180 / parts, workers=WORKERS // 2
        )  # fmt: skip
        yield spent_day(day.result(), daily=DAILY)
        yield worst_device(devices.result(), per_minute=PER_MINUTE)


def _scale(parts: int) -> tuple[Figures, Table]:
    recipients = SCALE_RECIPIENTS // parts
    with servers() as world:
        scaled = [measure_fleet(world, workers=workers, recipients=recipients) for workers in FLEETS]
    scaled += measure_alone(recipients=recipients)
    return scaled, scaling_table(scaled)


def _wait(parts: int) -> tuple[Figures, Table]:
    with servers() as world:
        waited = [
            measure_waiting(
                where, campaigns=WAITING // parts, recipients=WAITING_RECIPIENTS, idle_seconds=20 / parts,
                planning_seconds=PLANNING_SECONDS,
            )
            for where in (world, None)
        ]  # fmt: skip
    return waited, waiting_table(waited)


def _start(parts: int) -> tuple[Figures, Table]:
    rounds = 5 if parts == 1 else 1
    started = measure_starts(rounds)
    idled = [each for http in ("", "127.0.0.1:0") for each in measure_idle(None, IDLE_SECONDS, rounds, http=http)]
    with servers() as world:
        idled += measure_idle(world, IDLE_SECONDS, rounds)
    return [*started, *idled], starting_table(started, idled)


PARTS: Final[Mapping[str, Callable[[int], tuple[Figures, Table]]]] = {
    "life": _live, "plan": _plan, "export": _export, "timing": _time, "send": _send, "pace": _pace, "scale": _scale,
    "wait": _wait, "start": _start,
}  # fmt: skip
"""Each part returns its figures and their table; its argument says by how much it is to be smaller.

A life comes first: on Linux a child starts at the peak of its parent's memory.
"""


def _to_json(figures: Mapping[str, Figures], loads: Mapping[str, Sequence[float]]) -> dict[str, object]:
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
    parts = {name: [row.to_json() for row in rows] for name, rows in figures.items()}
    return {"machine": machine, "load_average_before_and_after": loads, **parts}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
