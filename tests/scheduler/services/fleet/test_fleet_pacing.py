"""A fleet keeps its limits exactly: across kills of its workers, across a restart of everything, and side by side.

The throttle's own timestamps never exceed a limit. The gateway's ledger may show one batch more, plus what the rate
allows in the time by which requests differed on their way to it, which is measured in the same run. How much of a limit
is used depends on the machine's other work; `make bench` shows it.
"""

import math
import time
from datetime import timedelta

import pytest

from tests.bench.installation import Installation, Servers
from tests.bench.pacing import BATCH_SIZE, DEVICES, Traffic, send_through_kills, send_two_at_once, spend_a_day
from tests.bench.windows import LENGTHS, fullest
from tests.support.servers import PostgresServer, RedisServer

QUIET_SECONDS = 4.0
"""After a restart: twice the time for which the throttle grants nothing."""


@pytest.fixture
def servers(postgres_server: PostgresServer, redis_server: RedisServer) -> Servers:
    postgres_server.start()
    return Servers(postgres_server, redis_server)


def too_full(traffic: Traffic, *, rate: int, batch_size: int = BATCH_SIZE) -> list[str]:
    """Windows that contain more than `rate` segments a second allow, in words."""
    found = []
    on_the_way = batch_size + math.ceil(rate * traffic.spread_seconds)
    for length in LENGTHS:
        most = rate * int(length.total_seconds())
        for clock, stamps, more in (("throttle", traffic.granted, 0), ("gateway", traffic.arrived, on_the_way)):
            got = fullest(stamps, length)
            if got > most + more:
                found.append(f"{got} in {length.total_seconds():g} s by the {clock}'s clock, {most} + {more} allowed")
    return found


def test_no_window_is_too_full_while_workers_are_killed(servers: Servers) -> None:
    # when
    traffic = send_through_kills(servers, rate=100, seconds=10, workers=4, kill_every_seconds=3)

    # then
    assert too_full(traffic, rate=100) == []
    assert fullest(traffic.granted, timedelta(seconds=1)) > 50  # there was something to hold back


def test_two_campaigns_each_keep_their_own_rate(servers: Servers) -> None:
    # when
    traffic = send_two_at_once(servers, slow=1, fast=100, seconds=5, workers=2)

    # then
    assert too_full(traffic.of("slow"), rate=1, batch_size=1) == []
    assert too_full(traffic.of("fast"), rate=100, batch_size=10) == []  # `auto`: a tenth of a second's worth
    assert {stamp.campaign for stamp in traffic.arrived} == {"slow", "fast"}


def test_a_day_has_its_segments_once_although_everything_restarts(servers: Servers) -> None:
    # when half of the day's segments are sent, and all processes and Redis lose what they knew
    traffic = spend_a_day(servers, daily=60, rate=20, workers=2, for_all=False)

    # then
    assert sum(stamp.segments for stamp in traffic.granted) == 60
    assert len(traffic.arrived) <= 60


def test_a_device_keeps_its_rate_although_everything_restarts(servers: Servers) -> None:
    # given two devices, each of which has sent all that it may in this minute
    fleet = ("scheduler", "worker", "worker")
    with Installation(servers, {"device_rate": "1/minute"}) as world:
        world.start(*fleet)
        world.drop("devices", recipients=10, more="devices:\n  use: [1, 2]\n")
        world.wait(lambda: world.stored() == len(DEVICES), "sending")

        # when all processes and Redis lose what they knew
        world.restart(*fleet)
        time.sleep(QUIET_SECONDS)
        world.kill_all()

        # then nothing more is sent within the minute
        for device in DEVICES:
            mine = [stamp for stamp in world.grants() if stamp.device == device]
            assert mine
            assert fullest(mine, timedelta(minutes=1)) == 1
