"""What only the shared throttle does: the server's clock, many askers, and a server that is unavailable."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.servers import RedisServer
from tests.worker.throttle.simulation import NO_PAUSE, Grant, largest_window_segments, sum_segments
from worker.servers.conditions import Trouble, trouble_of
from worker.throttle import Granted, Limit, RateLimit, ThrottleUnavailable
from worker.throttle.redis import RedisThrottle, connect_for_throttle

SECOND = timedelta(seconds=1)


def test_grants_are_stamped_by_the_clock_of_the_server(redis_url: str) -> None:
    with connect_for_throttle(redis_url) as client:
        before = datetime.now(UTC)
        answer = RedisThrottle(client, pause=NO_PAUSE).reserve(1, [RateLimit("account:1", 1, SECOND)])
        assert before <= answer.at <= datetime.now(UTC)


def test_eight_threads_with_eight_connections_share_one_budget(
    redis_url: str, record_property: Callable[[str, object], None]
) -> None:
    # given eight senders at 200 a second, ten at a time, for three seconds
    level, seconds = RateLimit("account:1", 200, SECOND), 3
    grants: list[Grant] = []
    end = time.monotonic() + seconds

    def send(sender: int) -> None:
        with connect_for_throttle(redis_url) as client:
            throttle = RedisThrottle(client, pause=NO_PAUSE)
            while time.monotonic() < end:
                answer = throttle.reserve(10, [level])
                if answer.is_granted:
                    grants.append(Grant(answer.at, 10, sender))
                time.sleep(min(answer.wait.total_seconds(), max(0.0, end - time.monotonic())))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then no window exceeds the limit, and nearly all of it is used even on a busy machine
    grants.sort(key=lambda grant: grant.at)
    attained = sum_segments(grants) / (200 * seconds)
    record_property("attained", attained)
    assert largest_window_segments(grants, SECOND) <= 200
    assert attained >= 0.95


def test_what_was_taken_is_known_to_every_client(redis_url: str) -> None:
    level = RateLimit("device:2|1", 1, timedelta(hours=1))
    with connect_for_throttle(redis_url) as one, connect_for_throttle(redis_url) as other:
        assert RedisThrottle(one, pause=NO_PAUSE).reserve(1, [level]).is_granted
        assert RedisThrottle(other, pause=NO_PAUSE).reserve(1, [level]).wait > timedelta(minutes=59)
        assert RedisThrottle(other, pause=NO_PAUSE, prefix="another:").reserve(1, [level]).is_granted


def test_keys_have_the_prefix_and_expire_after_the_window(redis_url: str) -> None:
    with connect_for_throttle(redis_url) as client:
        RedisThrottle(client, pause=NO_PAUSE, prefix="shop:").reserve(
            1, [RateLimit("account:1", 1, timedelta(minutes=1))]
        )
        (key,) = client.keys("shop:account:1/60000000@*")
        assert sorted(client.keys("*")) == [key, b"shop:epoch"]
        assert 60_000 < client.pttl(key) <= 61_000


def test_a_level_never_keeps_more_than_about_a_thousand_entries(redis_url: str) -> None:
    # given far more grants in a window than that
    level = RateLimit("account:1", 2**26, timedelta(milliseconds=500))
    with connect_for_throttle(redis_url) as client:
        throttle = RedisThrottle(client, pause=NO_PAUSE)
        for _ in range(2500):
            assert throttle.reserve(1, [level]).is_granted
        (key,) = client.keys("campaigns:throttle:account:1/500000@*")
        assert client.llen(key) <= 1002


def test_a_server_that_forgot_its_scripts_is_taught_again(redis_url: str) -> None:
    with connect_for_throttle(redis_url) as client:
        throttle = RedisThrottle(client, pause=NO_PAUSE)
        throttle.reserve(1, [RateLimit("account:1", 1, SECOND)])
        client.script_flush()
        assert throttle.reserve(1, [RateLimit("account:2", 1, SECOND)]).is_granted


def test_a_stopped_server_grants_nothing_until_it_is_back(redis_server: RedisServer, redis_url: str) -> None:
    level = RateLimit("account:1", 100, SECOND)
    with connect_for_throttle(redis_url) as client:
        throttle = RedisThrottle(client, pause=NO_PAUSE)
        assert throttle.reserve(1, [level]).is_granted
        redis_server.stop()
        with pytest.raises(ThrottleUnavailable, match="CAMPAIGNS_REDIS_URL"):
            throttle.reserve(1, [level])
        redis_server.start()
        assert throttle.reserve(1, [level]).is_granted


def test_a_frozen_server_is_given_up_soon(redis_server: RedisServer, redis_url: str) -> None:
    with connect_for_throttle(redis_url) as client:
        throttle = RedisThrottle(client, pause=NO_PAUSE)
        throttle.reserve(1, [RateLimit("account:1", 100, SECOND)])
        redis_server.freeze()
        try:
            started = time.monotonic()
            with pytest.raises(ThrottleUnavailable, match="TimeoutError"):
                throttle.reserve(1, [RateLimit("account:1", 100, SECOND)])
            assert time.monotonic() - started < 3
        finally:
            redis_server.thaw()


def test_a_server_that_evicted_a_level_does_not_take_it_for_idle(redis_url: str) -> None:
    # given a level of one a second that was granted a moment ago, by an epoch that is older than the second
    level, granted = RateLimit("account:1", 1, SECOND), list[datetime]()

    def ledger(_limit: Limit, _now: datetime) -> list[Granted]:
        return [(at, 1) for at in granted]

    with connect_for_throttle(redis_url) as client:
        throttle = RedisThrottle(client, ledger, pause=NO_PAUSE)
        granted.append(throttle.reserve(1, [level]).at)
        time.sleep(1.1)
        granted.append(throttle.reserve(1, [level]).at)

        # when the server reclaims the memory of what expires
        client.config_set("maxmemory-policy", "volatile-ttl")
        client.config_set("maxmemory", 1)
        try:
            while client.keys("*account*"):
                time.sleep(0.01)
        finally:
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")

        # then it says so once, and reads what was granted from the ledger
        with pytest.raises(ThrottleUnavailable) as told:
            throttle.reserve(1, [level])
        assert trouble_of(told.value) is Trouble.REDIS_FORGETS
        assert throttle.reserve(1, [level]).wait > timedelta(seconds=0.5)
