"""The phones by which a request may go: in turn, and not by a stuck or failed one while there is another."""

import pytest

from campaigns.definition import Definition
from worker.limits.batch_limits import ANY_DEVICE, PRIMARY_DEVICE, routes


def definition_of(devices: dict[str, object]) -> Definition:
    return Definition.model_validate(
        {"campaign": "sale", "message": "Hi", "audience": [{"file": "people.csv"}], "devices": devices}
    )


@pytest.mark.parametrize(
    ("use", "stuck", "avoid", "ways"),
    [
        (["1", "2", "3"], set(), None, ["2", "3", "1"]),
        (["1", "2", "3"], {2}, None, ["3", "1"]),
        (["1", "2", "3"], set(), 3, ["2", "1"]),
        (["1", "2", "3"], {2}, 3, ["1"]),
        (["1", "2|0", "2|1"], {2}, None, ["1"]),
        (["1", "2"], {2}, 1, ["1"]),  # it may go now where it failed; where nothing is sent, it would wait
        (["1", "2"], {1, 2}, None, ["2", "1"]),
        (["2"], {2}, 2, ["2"]),
        (["2"], set(), 2, ["2"]),
    ],
)
def test_the_second_request_takes_its_turn_among_the_phones_that_are_left(
    use: list[str], stuck: set[int], avoid: int | None, ways: list[str]
) -> None:
    found = routes(definition_of({"use": use}), first=1, stuck=stuck, avoid=avoid)

    assert [route.level_key for route in found] == ways
    assert [route.targets for route in found] == [(way,) for way in ways]


@pytest.mark.parametrize(
    ("stuck", "avoid", "ways"), [(set(), None, ["2|0"]), ({2}, None, ["1", "3"]), (set(), 2, ["1", "3"])]
)
def test_a_request_with_a_phone_of_its_own_keeps_it_while_it_works(
    stuck: set[int], avoid: int | None, ways: list[str]
) -> None:
    found = routes(definition_of({"use": ["1", "2", "3"]}), first=0, stuck=stuck, avoid=avoid, only="2|0")

    assert [route.level_key for route in found] == ways


@pytest.mark.parametrize(
    ("devices", "level"),
    [({}, PRIMARY_DEVICE), ({"mode": "all_sims"}, ANY_DEVICE), ({"use": ["1", "2"], "random": True}, ANY_DEVICE)],
)
def test_where_the_gateway_chooses_there_is_one_way(devices: dict[str, object], level: str) -> None:
    (way,) = routes(definition_of(devices), first=0, stuck={1})

    assert way.level_key == level
