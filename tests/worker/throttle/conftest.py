"""Both back ends under one name: what a test expects of `throttle` holds for each."""

from collections.abc import Iterator

import pytest

from tests.support.clocks import FakeClock
from tests.worker.throttle.simulation import NO_PAUSE
from worker.throttle import InMemoryThrottle, Throttle
from worker.throttle.redis import RedisThrottle, connect_for_throttle


@pytest.fixture(params=["memory", "redis"])
def throttle(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[Throttle]:
    if request.param == "memory":
        yield InMemoryThrottle(clock, pause=NO_PAUSE)
        return
    with connect_for_throttle(request.getfixturevalue("redis_url")) as client:
        yield RedisThrottle(client, pause=NO_PAUSE, clock=clock)
