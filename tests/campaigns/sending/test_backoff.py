"""Pauses before a request or a look is repeated."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from campaigns.sending.backoff import (
    backoff_after,
    blind_look_after,
    notice_after,
    pause_after,
    poll_after,
    probe_after,
    reconnect_after,
    rest_after,
    unread_after,
    unsubscribe_after,
)

TRIES = 200


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 1), (2, 5), (3, 15), (4, 15), (100, 15)])
def test_the_pause_after_a_miss_grows_to_a_quarter_of_an_hour(attempt: int, minutes: int) -> None:
    rng = Random(1)
    pauses = [backoff_after(attempt, rng, settle=timedelta(minutes=5)) for _ in range(TRIES)]

    shortest = timedelta(minutes=minutes)
    assert all(shortest <= pause <= shortest * 1.1 for pause in pauses)
    assert len(set(pauses)) > TRIES / 2  # jitter: batches that failed together do not come back together


def test_a_shorter_settle_shortens_the_pause_after_a_miss() -> None:
    pause = backoff_after(1, Random(1), settle=timedelta(seconds=5))
    assert timedelta(seconds=1) <= pause <= timedelta(seconds=1.1)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1), (3, 2), (7, 32), (8, 60), (1_000, 60)])
def test_the_pause_after_failed_connections_doubles_to_a_minute(failures: int, seconds: float) -> None:
    rng = Random(1)
    pauses = [reconnect_after(failures, rng) for _ in range(TRIES)]

    shortest = timedelta(seconds=seconds)
    assert all(shortest <= pause <= shortest * 1.1 for pause in pauses)


@pytest.mark.parametrize(
    ("share", "longest", "shortest", "took", "pause"),
    [
        # a status whose count once took long: neither it nor a report is neglected for minutes
        *((50, 30, 2, took, pause) for took, pause in ((0.01, 2), (0.1, 5), (0.6, 30), (2.9, 30), (10, 100))),
        # a look of `run`, and a count of receipts: 5 s on a slow machine are no reason to wait 100 s
        *((20, 5, 0.2, took, pause) for took, pause in ((0, 0.2), (0.1, 2), (0.3, 5), (0.5, 5), (1, 10), (5, 50))),
        (20, 5, 0, 0, 0),
        # the machine slept for an hour in the middle of a look
        (20, 5, 0.2, 3_600, 100),
    ],
)
def test_a_look_that_took_long_once_is_followed_by_no_pause_of_minutes(
    share: float, longest: float, shortest: float, took: float, pause: float
) -> None:
    assert pause_after(took, share=share, longest=longest, shortest=shortest) == pytest.approx(pause)


MANY_TIMES = 10_000
GROWING: dict[str, tuple[Callable[[int], timedelta], list[tuple[int, float]]]] = {
    "a tick or a job that failed": (
        lambda n: timedelta(seconds=rest_after(n)),
        [(1, 0.25), (2, 0.5), (5, 4), (6, 5), (MANY_TIMES, 5)],
    ),
    "receipts that could not be read": (
        lambda n: timedelta(seconds=unread_after(n)),
        [(1, 5), (2, 10), (4, 40), (5, 60), (MANY_TIMES, 60)],
    ),
    "a contact list": (unsubscribe_after, [(0, 5), (1, 10), (6, 320), (7, 600), (MANY_TIMES, 600)]),
    "a paused account": (probe_after, [(0, 60), (1, 90), (3, 202.5), (4, 300), (MANY_TIMES, 300)]),
    "a receipt": (
        lambda n: poll_after(n, first_seconds=10, longest_seconds=600),
        [(0, 10), (1, 15), (2, 22.5), (11, 600), (MANY_TIMES, 600)],
    ),
    "a pause of polls that is shorter than the first": (
        lambda n: poll_after(n, first_seconds=10, longest_seconds=5),
        [(0, 5), (9, 5)],
    ),
    "a request in doubt": (
        lambda n: blind_look_after(timedelta(minutes=1), n, settle=timedelta(minutes=5)),
        [(-4, 60), (0, 60), (1, 90), (3, 202.5), (4, 300), (MANY_TIMES, 300)],
    ),
}
"""Times -> seconds."""


@pytest.mark.parametrize("kind", GROWING)
def test_a_pause_grows_up_to_its_longest(kind: str) -> None:
    pause, seconds = GROWING[kind]
    assert [(times, pause(times).total_seconds()) for times, _ in seconds] == seconds


@pytest.mark.parametrize(("tries", "seconds"), [(0, 10), (1, 30), (2, 120), (4, 1800), (5, 3600), (MANY_TIMES, 3600)])
def test_a_notice_that_nobody_takes_is_told_once_an_hour_at_last(tries: int, seconds: float) -> None:
    shortest = timedelta(seconds=seconds)
    assert shortest <= notice_after(tries, Random(1)) <= shortest * 1.1
