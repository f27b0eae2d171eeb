"""Pauses before a request is made, or a look taken, again."""

from datetime import timedelta
from random import Random

import pytest

from campaigns.backoff import backoff_after, pause_after, reconnect_after

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
        # a status, whose count took long once: it and a report are left for no minutes
        *((50, 30, 2, took, pause) for took, pause in ((0.01, 2), (0.1, 5), (0.6, 30), (2.9, 30), (10, 100))),
        # a look of `run`, and a count of receipts: 5 s on a slow machine are no reason to wait 100
        *((20, 5, 0.2, took, pause) for took, pause in ((0, 0.2), (0.1, 2), (0.3, 5), (0.5, 5), (1, 10), (5, 50))),
        (20, 5, 0, 0, 0),
    ],
)
def test_a_look_that_took_long_once_is_followed_by_no_pause_of_minutes(
    share: float, longest: float, shortest: float, took: float, pause: float
) -> None:
    assert pause_after(took, share=share, longest=longest, shortest=shortest) == pytest.approx(pause)
