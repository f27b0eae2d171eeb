"""The rule that decides when a phone is stuck."""

from datetime import timedelta

import pytest

from campaigns.following.stuck import suspects

LIMIT = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("minutes", "found"),
    [
        ({}, set()),
        ({1: 9}, set()),
        ({1: 11}, {1}),  # alone: by the limit
        ({1: 0, 2: 0, 3: 11}, {3}),
        ({1: 0, 2: 0, 3: 10}, set()),
        ({1: 3, 2: 3, 3: 14}, set()),  # everything is slow today: five times three minutes
        ({1: 3, 2: 3, 3: 16}, {3}),
        ({1: 0, 2: 60, 3: 60}, set()),  # half of the others wait as long
        ({1: 0, 2: 0, 3: 60, 4: 60}, {3, 4}),
    ],
)
def test_a_phone_is_stuck_that_waits_longer_than_the_limit_and_than_the_others(
    minutes: dict[int, int], found: set[int]
) -> None:
    assert suspects({device: timedelta(minutes=age) for device, age in minutes.items()}, limit=LIMIT) == found
