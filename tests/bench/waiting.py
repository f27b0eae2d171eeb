"""What campaigns cost while they wait for their moment, and how soon each begins when all have the same moment."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.bench.installation import Installation, Servers, cpu_seconds
from tests.bench.reporting.results import BenchError, Waited

SETTLE_SECONDS: Final = 3.0
"""From the last file's plan until only waiting is left: files are looked at for a second, status is written."""

WORKERS: Final = 2
BATCH_SIZE: Final = 10

BEGIN_SECONDS: Final = 5.0
"""How long they are left alone once their moment has come: reading the ledger takes CPU time, too."""


def measure_waiting(
    servers: Servers | None, *, campaigns: int, recipients: int, idle_seconds: float, planning_seconds: float
) -> Waited:
    """Let campaigns wait, then begin together: with scheduler and workers, or without `servers` with `up` on SQLite.

    Raises `BenchError` if planning takes longer than `planning_seconds`: the idle time would not be idle.
    """
    with Installation(servers, {"device_rate": "none"}) as world:
        clock, *_ = world.start("up") if servers is None else world.start("scheduler", *["worker"] * WORKERS)
        waits = timedelta(seconds=planning_seconds + SETTLE_SECONDS + idle_seconds + 1)
        starts_at = (datetime.now(UTC) + waits).replace(microsecond=0)
        start = f"schedule:\n  start: {starts_at:%Y-%m-%dT%H:%M:%SZ}\n"
        for n in range(campaigns):
            world.drop(f"waiting-{n}", recipients=recipients, more=start, batch_size=BATCH_SIZE)
        world.wait(lambda: sum(1 for _ in world.inbox.glob("*.status.txt")) == campaigns, "planned", planning_seconds)
        time.sleep(SETTLE_SECONDS)
        before, began = cpu_seconds(clock), time.monotonic()
        time.sleep(idle_seconds)
        used, idle = cpu_seconds(clock) - before, time.monotonic() - began
        if datetime.now(UTC) >= starts_at or world.stored():
            raise BenchError("the campaigns started before their waiting was measured")
        time.sleep((starts_at - datetime.now(UTC)).total_seconds() + BEGIN_SECONDS)
        world.wait(lambda: len({stamp.campaign for stamp in world.arrivals()}) == campaigns, "sending them all")
        world.kill_all()
        firsts: dict[str, datetime] = {}
        for stamp in sorted(world.arrivals()):
            firsts.setdefault(stamp.campaign, stamp.at)
    what = "`up`, SQLite" if servers is None else f"scheduler and {WORKERS} workers, Redis, PostgreSQL"
    delays = tuple((at - starts_at).total_seconds() for at in firsts.values())
    return Waited(what, campaigns, idle, used, delays)
