"""Reports about servers in trouble: one sentence when it begins and one when it ends, however often it is met."""

import sqlite3
from typing import Any

import psycopg
import pytest
import redis
import sqlalchemy as sa
from structlog.testing import capture_logs

from campaigns.sending.backoff import LONGEST_REST_SECONDS
from tests.support.clocks import FakeClock
from worker.servers.conditions import SQLITE_CODES, SQLSTATES, WORDS, ServerTrouble, Trouble, sentence, trouble_of
from worker.servers.troubles import FORGOTTEN_SECONDS, SETTLED_SECONDS, Troubles
from worker.throttle import ThrottleUnavailable

FULL = redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")


def of_sqlite(code: int) -> Exception:
    error = sqlite3.OperationalError("in SQLite's words")
    error.sqlite_errorcode = code
    return sa.exc.OperationalError("INSERT", {"number": "+393331000001"}, error)


def of_postgresql(state: str) -> Exception:
    state = f"{state}P01" if len(state) == 2 else state
    return sa.exc.InternalError("INSERT", {}, psycopg.errors.lookup(state)("in PostgreSQL's words"))


def of_throttle(error: Exception) -> Exception:
    unavailable = ThrottleUnavailable()
    unavailable.__cause__ = error
    return unavailable


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        *((of_postgresql(state), trouble) for state, trouble in SQLSTATES.items()),
        *((of_sqlite(code), trouble) for code, trouble in SQLITE_CODES.items()),
        (of_sqlite(sqlite3.SQLITE_READONLY_DBMOVED), Trouble.DATABASE_READ_ONLY),
        (sa.exc.OperationalError("", {}, psycopg.OperationalError("connection refused")), Trouble.DATABASE_AWAY),
        (sa.exc.TimeoutError(), Trouble.DATABASE_CROWDED),
        (redis.exceptions.TimeoutError(), Trouble.REDIS_AWAY),
        (redis.exceptions.ConnectionError(), Trouble.REDIS_AWAY),
        (redis.exceptions.BusyLoadingError(), Trouble.REDIS_LOADING),
        (redis.exceptions.ReadOnlyError(), Trouble.REDIS_READ_ONLY),
        (redis.exceptions.ResponseError("BUSY Redis is busy running a script."), Trouble.REDIS_BUSY),
        (redis.exceptions.ResponseError("MISCONF no snapshot"), Trouble.REDIS_UNSAVED),
        (of_throttle(FULL), Trouble.REDIS_FULL),
        (ServerTrouble(Trouble.REDIS_FULL), Trouble.REDIS_FULL),
        (redis.exceptions.ResponseError("ERR no such command"), None),
        (sa.exc.IntegrityError("", {}, psycopg.errors.lookup("23505")()), None),
        (KeyError("BUSY"), None),
    ],
)
def test_a_condition_is_known_by_its_code(error: Exception, trouble: Trouble | None) -> None:
    assert trouble_of(error) is trouble


def test_every_condition_has_its_words() -> None:
    assert set(WORDS) == set(Trouble)
    assert sentence(Trouble.REDIS_FULL, "OOM") == (
        "Redis has no memory left (OOM): nothing is sent; raise its maxmemory, or remove what else is stored in it; "
        "it continues by itself then"
    )


def test_a_condition_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    clock = FakeClock()
    troubles = Troubles(clock)
    with capture_logs() as told:
        # when two sources meet it for two minutes
        pauses = []
        for _ in range(240):
            pauses.append(troubles.failed("drain", FULL, event="tick.failed", tick="drain"))
            troubles.failed("job", of_throttle(FULL), event="job.failed", batch=7)
            clock.advance(0.5)
        during = troubles.current()
        troubles.worked("drain")
        clock.advance(SETTLED_SECONDS)
        troubles.worked("drain")
        still = troubles.current()
        troubles.worked("job")

    # then
    assert during == still == ((Trouble.REDIS_FULL, sentence(Trouble.REDIS_FULL, str(FULL))),)
    assert troubles.current() == ()
    assert pauses[:3] == [0.25, 0.5, 1]
    assert set(pauses[5:]) == {LONGEST_REST_SECONDS}
    assert [line["event"] for line in told] == ["trouble.began", "trouble.ended"]
    assert told[1]["failures"] == 480


def test_a_condition_that_comes_and_goes_is_one() -> None:
    clock = FakeClock()
    troubles = Troubles(clock)
    with capture_logs() as told:
        for _ in range(20):
            troubles.failed("drain", FULL)
            troubles.worked("drain")
            clock.advance(SETTLED_SECONDS / 2)
    assert [line["event"] for line in told] == ["trouble.began"]


def test_a_condition_is_shown_in_the_words_of_what_is_the_matter_now() -> None:
    troubles = Troubles(FakeClock())
    with capture_logs() as told:
        for detail in ("The server asks for a slower pace", "HTTP 502"):
            troubles.failed("replies:reads", ServerTrouble(Trouble.GATEWAY_UNREAD, detail))

    assert troubles.current() == ((Trouble.GATEWAY_UNREAD, sentence(Trouble.GATEWAY_UNREAD, "HTTP 502")),)
    assert [line["event"] for line in told] == ["trouble.began"]


def test_a_condition_that_nobody_meets_any_more_ends() -> None:
    clock = FakeClock()
    troubles = Troubles(clock)
    troubles.failed("job", FULL)
    clock.advance(FORGOTTEN_SECONDS)
    troubles.worked("another")
    assert troubles.current() == ()


def test_a_mistake_of_ours_has_one_traceback_and_is_counted() -> None:
    clock = FakeClock()
    troubles = Troubles(clock)

    def fail() -> float:
        return troubles.failed("drain", KeyError("mistake"), event="tick.failed", tick="drain")

    told: list[Any]
    with capture_logs() as told:
        for _ in range(601):  # five minutes
            fail()
            clock.advance(0.5)
        troubles.failed("drain", ValueError("another"), event="tick.failed", tick="drain")

    assert [("exc_info" in line, line.get("times")) for line in told] == [
        (True, None),
        *[(False, 120)] * 5,
        (True, None),
    ]
    assert troubles.current() == ()
