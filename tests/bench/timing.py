"""Many people in many zones, with sending hours and a rate: what the plan costs, and whether its forecast is right.

The finish that the forecast is compared with is simulated from the stored batches: each asks the product's own throttle
for its segments, under the product's own limits and hours, on a clock that only the simulation moves.
"""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heapreplace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import sqlalchemy as sa
from sqlmodel import col

from campaigns.definition import Definition
from campaigns.timing.sending_hours import hours_of
from scheduler.intake.taking import read_file
from tests.bench.planning import measure_planning
from tests.bench.reporting.results import BenchError, Timed
from tests.bench.reporting.samples import FIRST_NUMBER
from tests.support.clocks import FakeClock
from worker.limits.batch_limits import Limits, routes
from worker.limits.limits_in_force import Ceilings
from worker.settings.settings import Settings, load_settings
from worker.store.engine import Store
from worker.store.models import Batch, Run
from worker.throttle import InMemoryThrottle

ZONES: Final = (
    "Pacific/Auckland", "Australia/Sydney", "Australia/Lord_Howe", "Australia/Adelaide", "Asia/Tokyo", "Asia/Shanghai",
    "Asia/Bangkok", "Asia/Dhaka", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Karachi", "Asia/Dubai", "Europe/Moscow",
    "Europe/Athens", "Europe/Rome", "Europe/London", "Atlantic/Azores", "America/Sao_Paulo", "America/Santiago",
    "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Pacific/Honolulu",
)  # fmt: skip

FILE: Final = """\
campaign: world
message: Hi {{ first_name }}, our spring sale starts today. Reply STOP to opt out.
audience: {file: world.csv, number: phone}
schedule:
  start: 2098-12-01 09:00
  timezone: Europe/Rome
  local_time: recipient
  window: {days: mon-sat, from: "09:00", to: "20:00"}
throughput: {rate: 20/second}
"""


def write_world(folder: Path, *, recipients: int) -> Path:
    """Write the people, spread over the zones in turn, and the campaign for them."""
    with (folder / "world.csv").open("w", encoding="utf-8") as file:
        file.write("phone,first_name,timezone\n")
        file.writelines(f"+39{FIRST_NUMBER + n},Anna{n % 10_000},{ZONES[n % len(ZONES)]}\n" for n in range(recipients))
    path = folder / "world.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def measure_timing(*, recipients: int) -> Timed:
    """Plan it into an empty SQLite file in a process of its own, and simulate what was planned."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        path = write_world(folder, recipients=recipients)
        url = f"sqlite:///{folder / 'bench.db'}"
        planned = measure_planning("SQLite", url, path)
        settings = load_settings(database_url=url, device_rate=None)
        with closing(Store(url)) as store:
            with store.read() as session:
                summary = session.scalars(sa.select(col(Run.plan_summary))).one()
            last = simulated_finish(store, read_file(path, settings), settings)
    expected = summary["forecast"]
    if expected is None or expected["last_send_at"] is None:
        raise BenchError("the plan has no forecast")
    first, forecast = (datetime.fromisoformat(expected[name]) for name in ("first_send_at", "last_send_at"))
    return Timed(planned, len(ZONES), first, forecast, last)


def simulated_finish(store: Store, definition: Definition, settings: Settings) -> datetime:
    """When the last stored batch gets its slot, if the batches that wait longest ask first."""
    with store.read() as session:
        columns = col(Batch.moment), col(Batch.ordinal), col(Batch.zones), col(Batch.segments)
        waiting = [tuple(row) for row in session.execute(sa.select(*columns))]
    heapify(waiting)
    clock = FakeClock(waiting[0][0])
    throttle, limits, ceilings = (
        InMemoryThrottle(clock),
        Limits("bench", settings.zone),
        Ceilings.from_settings(settings),
    )
    (route,) = routes(definition, first=0)
    last = clock.now()
    while waiting:
        since, ordinal, zones, segments = waiting[0]
        clock.advance(max(since - clock.now(), timedelta()))
        hours = hours_of(definition.schedule, zones)
        if hours is not None and not hours.allowed(clock.now()):
            opens = hours.next_open(clock.now())
            if opens is None:
                raise BenchError(f"the window never opens in {zones}")
            heapreplace(waiting, (opens, ordinal, zones, segments))
            continue
        granted = throttle.reserve(segments, limits.of(ceilings, definition, 1, route, now=clock.now()))
        if granted.is_granted:
            last = clock.now()
            heappop(waiting)
        else:
            clock.advance(granted.wait)
    return last.astimezone(UTC)
