"""Faults in what a send stores and shows: rows left out, doubled, invented, in two groups, with other texts."""

from collections.abc import Iterator

import pytest

from tests.worker.sandbox.faults.faulty_gateway import NUMBERS, Aftermath, FaultyGateway, rows
from worker.sandbox.faults.effects import FOOTER, FOREIGN_NUMBER, TEMPLATE
from worker.sandbox.faults.replies import SERVER_ERRORS
from worker.sandbox.running.options import Profile, SandboxOptions

ALL, NONE = len(NUMBERS), 0


@pytest.fixture(scope="module", params=list(Profile))
def gateway(request: pytest.FixtureRequest) -> Iterator[FaultyGateway]:
    with FaultyGateway.start(SandboxOptions(profile=request.param, pace_per_second=1_000.0)) as started:
        yield started


def test_texts_that_are_never_stored_are_left_out_of_the_reply(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("rows_skipped")
    # when
    shown = rows(gateway.send())
    # then
    assert NONE < len(shown) < ALL
    assert [row["number"] for row in shown] == [message["number"] for message in since.stored()]
    since.assert_on_record("rows_skipped", len(shown))


def test_texts_that_are_stored_can_be_left_out_of_the_reply(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("rows_hidden")
    # when
    shown = rows(gateway.send())
    # then
    assert NONE < len(shown) < ALL
    since.assert_on_record("rows_hidden", ALL)


def test_rows_come_in_any_order(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("rows_shuffled")
    # when
    ids = [int(row["ID"]) for row in rows(gateway.send())]
    # then
    assert ids != sorted(ids)
    assert sorted(ids) == [message["ID"] for message in since.stored()]


def test_a_row_comes_twice(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("row_twice")
    # when
    ids = [int(row["ID"]) for row in rows(gateway.send())]
    # then
    assert len(ids) == ALL + 1
    assert set(ids) == {message["ID"] for message in since.stored()}


@pytest.mark.parametrize("seed", range(4))
def test_a_row_is_invented(gateway: FaultyGateway, since: Aftermath, seed: int) -> None:
    # given
    gateway.switch("extra_rows", seed=seed)
    # when
    shown = rows(gateway.send())
    # then
    (extra,) = [row for row in shown if int(row["ID"]) not in {message["ID"] for message in since.stored()}]
    assert extra["number"] in {FOREIGN_NUMBER, *NUMBERS}
    assert len(shown) == ALL + 1


@pytest.mark.parametrize("fault", ["groups_split", "groups_split_lost"])
def test_one_request_makes_two_groups(gateway: FaultyGateway, since: Aftermath, fault: str) -> None:
    # given
    gateway.switch(fault)
    # when
    reply = gateway.send()
    # then
    stored = since.stored()
    assert len({message["group"] for message in stored}) == 2
    assert [message["number"] for message in stored] == list(NUMBERS)
    since.assert_on_record(fault, ALL)
    if fault == "groups_split":
        assert [row["groupID"] for row in rows(reply)] == [message["group"] for message in stored]
    else:
        assert reply.status_code in SERVER_ERRORS


@pytest.mark.parametrize("suffix", ["", "_lost"])
@pytest.mark.parametrize(
    ("fault", "texts"),
    [
        ("text_footer", [f"Hi {index}{FOOTER}" for index in range(ALL)]),
        ("text_replaced", [TEMPLATE] * ALL),
    ],
)
def test_the_gateway_rewrites_texts(
    gateway: FaultyGateway, since: Aftermath, fault: str, texts: list[str], suffix: str
) -> None:
    # given
    gateway.switch(fault + suffix)
    # when
    reply = gateway.send()
    # then
    assert [message["message"] for message in since.stored()] == texts
    since.assert_on_record(fault + suffix, ALL)
    if suffix:
        assert reply.status_code in SERVER_ERRORS
    else:
        assert [row["message"] for row in rows(reply)] == texts
