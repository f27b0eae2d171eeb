"""Limits that were set or lowered, and the device by which a message went."""

from datetime import timedelta

import pytest

from campaigns.definition import Rate
from tests.store.store_world import NOW, World, people
from worker.store.models import Attempt, AttemptState
from worker.store.sending import account_limits
from worker.store.sending.account_limits import PERSON, RECEIPTS, read_rate


def test_what_is_not_named_stays_as_it_was_set(world: World) -> None:
    for source, values in ((PERSON, {"rate": "5/minute"}), (PERSON, {"daily": 9}), (RECEIPTS, {"rate": "1/minute"})):
        with world.store.write() as session:
            account_limits.set_ceiling(session, world.account_id, "device:1", source, now=NOW, **values)

    with world.store.read() as session:
        found = account_limits.ceilings_of(session, world.account_id)

    assert [(row.source, row.rate, row.daily) for row in found] == [
        (PERSON, "5/minute", 9),
        (RECEIPTS, "1/minute", None),
    ]


def test_news_of_a_message_lead_to_the_request_that_it_went_by(world: World) -> None:
    # given a request that was made twice: the first time by another device, and not sent
    run_id = world.run(people(2))
    rows = world.sent(run_id)
    (batch_id,) = world.batches(run_id)
    with world.store.write() as session:
        session.add(
            Attempt(
                run_id=run_id, batch_id=batch_id, number=0, state=AttemptState.CLOSED, started_at=NOW, send_by=NOW,
                id_floor=0, payload_hash="", target="9", recipients=2, segments=2, next_check_at=NOW,
            )
        )  # fmt: skip

    def went_by(*ids: int | None) -> set[tuple[int, str]]:
        with world.store.read() as session:
            return account_limits.sent_by(session, world.account_id, [id_ for id_ in ids if id_ is not None])

    assert went_by(rows[0].gateway_id, rows[1].gateway_id) == {(world.run_definition(run_id), "")}
    assert went_by(5) == set()


def test_what_a_device_sent_lately_is_summed_up(world: World) -> None:
    world.sent(world.run(people(5, segments=2)))

    def lately(target: str, minutes: float) -> int:
        with world.store.read() as session:
            since = NOW - timedelta(minutes=minutes)
            return account_limits.sent_lately(session, world.account_id, target, since=since)

    assert (lately("", 5), lately("", 0), lately("1", 5)) == (10, 0, 0)


@pytest.mark.parametrize("rate", [Rate(30, timedelta(minutes=1)), Rate(1, timedelta(minutes=5))])
def test_a_rate_is_read_back_as_it_was_written(rate: Rate) -> None:
    assert read_rate(str(rate)) == rate
