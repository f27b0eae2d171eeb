"""Pauses before a request is made again."""

from datetime import timedelta
from random import Random

import pytest

from campaigns.backoff import backoff_after, reconnect_after

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
