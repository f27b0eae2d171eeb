"""How exactly a fleet keeps its limits, and how much of them it uses, while workers are killed and all is restarted."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.bench.installation import Installation, Servers, campaigns_of, pass_time
from tests.bench.reporting.results import Paced
from tests.bench.windows import LENGTHS, Stamp, between, fullest

BATCH_SIZE: Final = 10
SPARE: Final = 1.3
"""More people than can be reached, so that there is always work while it is measured."""

NO_DEVICE_RATE: Final = {"device_rate": "none"}
DEVICES: Final = ("1", "2")
QUIET_SECONDS: Final = 5.0
"""How long nothing more may arrive after a day's segments are spent."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was sent, on both clocks. `up`: the periods in which the processes ran and texts arrived."""

    granted: list[Stamp]
    arrived: list[Stamp]
    spread_seconds: float
    up: tuple[tuple[datetime, datetime], ...]

    def paced(self, what: str, *, rate: float, allowed: tuple[int | None, ...]) -> Paced:
        """The figures of all of it under one limit. `rate` is in segments a second."""
        return Paced(
            what, attained(self.arrived, self.up, rate=rate), allowed, windows(self.granted), windows(self.arrived),
            self.spread_seconds,
        )  # fmt: skip

    def of(self, campaign: str) -> "Traffic":
        """The part of one campaign."""
        granted, arrived = campaigns_of(self.granted, campaign), campaigns_of(self.arrived, campaign)
        return Traffic(granted, arrived, self.spread_seconds, self.up)

    def by(self, device: str) -> "Traffic":
        """The part of one device."""
        granted = [stamp for stamp in self.granted if stamp.device == device]
        arrived = [stamp for stamp in self.arrived if stamp.device == device]
        return Traffic(granted, arrived, self.spread_seconds, self.up)


def windows(stamps: Sequence[Stamp]) -> tuple[int, ...]:
    """The fullest window of each length."""
    return tuple(fullest(stamps, length) for length in LENGTHS)


def attained(stamps: Sequence[Stamp], up: Sequence[tuple[datetime, datetime]], *, rate: float) -> float:
    """The share of the rate that was used while the processes ran."""
    possible = sum(((ends - begins).total_seconds() for begins, ends in up), start=0.0) * rate
    return sum(between(stamps, begins, ends) for begins, ends in up) / possible


def each_second(rate: int) -> tuple[int | None, ...]:
    """What a rate per second allows in each window."""
    return tuple(rate * int(length.total_seconds()) for length in LENGTHS)


def send_automatically(servers: Servers, *, rate: int, seconds: float, workers: int) -> Traffic:
    """Send at `rate` segments a second, with the request size that the product chooses; nothing is killed."""
    with Installation(servers, NO_DEVICE_RATE) as world:
        world.start("scheduler", *["worker"] * workers)
        world.drop("automatic", recipients=int(rate * seconds * SPARE), rate=f"{rate}/second")
        world.wait(lambda: world.stored() > 0, "sending")
        time.sleep(seconds + 1)
        return _traffic(world, timedelta(seconds=seconds))


def send_through_kills(
    servers: Servers, *, rate: int, seconds: float, workers: int, kill_every_seconds: float
) -> Traffic:
    """Send at `rate` segments a second; repeatedly kill a worker and start another one."""
    rng = random.Random(1)
    with Installation(servers, NO_DEVICE_RATE) as world:
        _, *fleet = world.start("scheduler", *["worker"] * workers)

        def kill_one() -> None:
            n = rng.randrange(workers)
            fleet[n] = world.replace(fleet[n])

        recipients = int(rate * seconds * SPARE)
        world.drop("paced", recipients=recipients, batch_size=BATCH_SIZE, rate=f"{rate}/second")
        world.wait(lambda: world.stored() > 0, "sending")
        pass_time(seconds + 1, kill_one, kill_every_seconds)
        return _traffic(world, timedelta(seconds=seconds))


def send_by_devices(servers: Servers, *, per_minute: int, seconds: float, workers: int) -> Traffic:
    """Send by two devices, each with its own rate; halfway, everything is killed and Redis is emptied."""
    with Installation(servers, {"device_rate": f"{per_minute}/minute"}) as world:
        recipients = int(len(DEVICES) * per_minute / 60 * seconds * SPARE)
        fleet = ("scheduler", *["worker"] * workers)
        world.start(*fleet)
        world.drop("devices", recipients=recipients, more="devices:\n  use: [1, 2]\n")
        first = _send_for(world, seconds / 2)
        world.restart(*fleet)
        second = _send_for(world, seconds / 2)
        return _traffic(world, up=(first, second))


def spend_a_day(servers: Servers, *, daily: int, rate: int, workers: int, for_all: bool) -> Traffic:
    """Spend a day's segments (of all campaigns, or of one); once half of them are gone, everything restarts."""
    settings = {**NO_DEVICE_RATE, "timezone": noon_zone(datetime.now(UTC))}
    with Installation(servers, {**settings, "daily": str(daily)} if for_all else settings) as world:
        fleet = ("scheduler", *["worker"] * workers)
        world.start(*fleet)
        own = 2 * daily if for_all else daily
        world.drop("day", recipients=2 * daily, batch_size=BATCH_SIZE, rate=f"{rate}/second", daily=own)
        world.wait(lambda: world.stored() >= daily // 2, "half through")
        world.restart(*fleet)
        world.wait(lambda: sum(stamp.segments for stamp in world.grants()) >= daily, "through")
        time.sleep(QUIET_SECONDS)
        return _traffic(world)


def send_two_at_once(servers: Servers, *, slow: int, fast: int, seconds: float, workers: int) -> Traffic:
    """Send two campaigns, `slow` and `fast` segments a second, on the same workers."""
    with Installation(servers, NO_DEVICE_RATE) as world:
        world.start("scheduler", *["worker"] * workers)
        # The slow one has begun and continues until after the end.
        world.drop("slow", recipients=int(slow * (seconds + 60)), rate=f"{slow}/second")
        world.wait(lambda: world.stored() > 1, "sending")
        world.drop("fast", recipients=int(fast * seconds * SPARE), rate=f"{fast}/second")
        world.wait(lambda: any(grant.campaign == "fast" for grant in world.grants()), "sending both")
        time.sleep(seconds + 1)
        world.kill_all()
        began = min(stamp.at for stamp in campaigns_of(world.arrivals(), "fast"))
        return _traffic(world, up=((began, began + timedelta(seconds=seconds)),))


def worst_device(traffic: Traffic, *, per_minute: int) -> Paced:
    """The figures of both devices together: the smaller share, and the fullest windows of either."""
    rows = [traffic.by(device).paced("", rate=per_minute / 60, allowed=(None, None, per_minute)) for device in DEVICES]
    return Paced(
        f"{per_minute}/minute, each of {len(DEVICES)} devices; everything restarted",
        min(row.attained for row in rows), rows[0].allowed,
        tuple(map(max, *(row.granted for row in rows))), tuple(map(max, *(row.arrived for row in rows))),
        traffic.spread_seconds,
    )  # fmt: skip


def spent_day(traffic: Traffic, *, daily: int) -> Paced:
    """The figures of a day's segments: no window is longer than a day, so each of them allows that many."""
    total = between(traffic.arrived, *traffic.up[0])
    return Paced(
        f"{daily} a day; everything restarted", total / daily, (daily,) * len(LENGTHS), windows(traffic.granted),
        windows(traffic.arrived), traffic.spread_seconds,
    )  # fmt: skip


def noon_zone(now: datetime) -> str:
    """A zone in which it is about noon, so that no day ends meanwhile."""
    return f"Etc/GMT{now.hour - 12:+d}"


def _send_for(world: Installation, seconds: float) -> tuple[datetime, datetime]:
    """Let it send for this long from the next text on; return the period."""
    before = world.stored()
    world.wait(lambda: world.stored() > before, "sending")
    began = world.arrivals()[before].at
    time.sleep(seconds)
    return began, began + timedelta(seconds=seconds)


def _traffic(
    world: Installation, duration: timedelta | None = None, up: tuple[tuple[datetime, datetime], ...] = ()
) -> Traffic:
    """What was sent: without `up`, for this long from the first text on, or all of it."""
    world.kill_all()
    arrived = world.arrivals()
    first, last = min(arrived).at, max(arrived).at
    ends = last + timedelta(microseconds=1) if duration is None else first + duration
    return Traffic(world.grants(), arrived, world.spread_seconds(), up or ((first, ends),))
