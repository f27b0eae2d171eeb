"""Many calls, one transaction; one that cannot be stored spoils no other."""

import asyncio
import json
from collections.abc import Sequence

import sqlalchemy as sa

from scheduler.web.taking import MOST_AT_ONCE, ReplyBatcher
from tests.scheduler.web.caller import message
from worker.gateway import Message
from worker.gateway.webhook import received_messages

Outcomes = list[BaseException | None]


def reply(id_: int) -> Message:
    [made] = received_messages(json.dumps([message(id_)])) or ()
    return made


def taken(taker: ReplyBatcher, calls: Sequence[Sequence[Message]]) -> Outcomes:
    async def everything() -> Outcomes:
        return await asyncio.gather(*(taker.take(messages) for messages in calls), return_exceptions=True)

    return asyncio.run(everything())


def test_what_waits_is_stored_together() -> None:
    stored: list[int] = []
    assert (
        taken(ReplyBatcher(lambda messages: stored.append(len(messages))), [[reply(n)] for n in range(1, 501)])
        == [None] * 500
    )
    assert sum(stored) == 500
    assert len(stored) <= 2


def test_a_transaction_does_not_grow_without_end() -> None:
    stored: list[int] = []
    large = [[reply(n) for n in range(1, MOST_AT_ONCE + 1)]] * 3
    assert taken(ReplyBatcher(lambda messages: stored.append(len(messages))), large) == [None] * 3
    assert stored == [MOST_AT_ONCE] * 3


def test_a_call_that_cannot_be_stored_spoils_no_other() -> None:
    stored: list[int] = []

    def store(messages: Sequence[Message]) -> None:
        if any(message.id == 13 for message in messages):
            raise OverflowError
        stored.extend(message.id for message in messages)

    outcomes = taken(ReplyBatcher(store), [[reply(n)] for n in range(1, 21)])
    assert [n for n, outcome in enumerate(outcomes, start=1) if outcome is not None] == [13]
    assert isinstance(outcomes[12], OverflowError)
    assert sorted(stored) == [n for n in range(1, 21) if n != 13]


def test_a_database_that_is_away_is_not_asked_for_each() -> None:
    asked: list[int] = []

    def store(messages: Sequence[Message]) -> None:
        asked.append(len(messages))
        raise sa.exc.OperationalError("INSERT", None, RuntimeError())

    outcomes = taken(ReplyBatcher(store), [[reply(n)] for n in range(1, 21)])
    assert all(isinstance(outcome, sa.exc.OperationalError) for outcome in outcomes)
    assert len(asked) <= 2
