"""Some hundred hostile calls of the API; `make prove` makes 10,000."""

from tests.prove.api import prove


def test_hostile_calls_change_nothing_and_tell_nothing() -> None:
    tally = prove(300, seed=7)

    assert tally.faults == []
    assert tally.statuses.total() > 200
    assert {200, 401, 403, 404, 422} <= set(tally.statuses)
