"""Looking up requests if a reply cannot hold all that the gateway has: parts of windows, and what they prove."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col

from campaigns.lifecycle import RecipientState
from campaigns.protocol.matching import Candidate, Match, Sought, match
from scheduler.recover import recover
from scheduler.ticks.lookups.reads import LIFE_ORDER, Candidates, by_number, read_around
from scheduler.ticks.lookups.windows import WindowMemory, WindowReads
from tests.protocol.world.harness import SETTLED, Installation, exactly_once
from tests.protocol.world.scripted_gateway import LOST, STORED, Send
from worker.gateway import Message, MessageStatus, ReplyTooLong
from worker.gateway.statuses import WORD_TO_ASK_FOR
from worker.store.following.clock_offsets import MARGIN
from worker.store.models import Attempt, DefinitionRow
from worker.store.sending.doubts import UNREAD

NUMBERS = [f"+39333000000{n}" for n in range(6)]
"""The first three are sought."""

shown_messages = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.sampled_from(NUMBERS),
        st.sampled_from(["Ciao", "Ciao!  with a footer", "Other"]),
        st.sampled_from(["g1", "g2", None]),
    ),
    unique_by=lambda row: row[0],
)


@given(rows=shown_messages, at_once=st.integers(1, 7), known=st.sets(st.integers(1, 40), max_size=8))
def test_what_is_kept_of_a_look_is_judged_as_all_of_it(
    rows: list[tuple[int, str, str, str | None]], at_once: int, known: set[int]
) -> None:
    messages = [
        Message(id, number, text, 1, 0, MessageStatus.SENT, "Sent", None, None, group, None, None, 0)
        for id, number, text, group in rows
    ]
    sought = Sought(10, {number: (place, "Ciao") for place, number in enumerate(NUMBERS[:3])})
    candidates = Candidates(10, by_number(sought.recipients), lambda ids: known & set(ids))
    parts = [messages[first : first + at_once] for first in range(0, len(messages), at_once)]
    kept = {m.id: m for part in parts for m in candidates.keep(part)} | candidates.strangers_beside()

    def judged(some: Iterable[Message]) -> Match:
        return match(sought, [Candidate(m.id, m.number, m.text, m.group_id) for m in some], attributed=known)

    assert judged(kept.values()) == judged(messages)


FEW = 20
"""The number of messages that are read from one reply here."""


def with_many(bench: Installation, *, per_second: int) -> Installation:
    """Sixty messages of ours that were sent in the last seconds, and a process that reads a few of them at a time."""
    before = bench.campaign(60, name="before", first=500, per_request=30)
    bench.finish(before)
    spread(bench, per_second)
    return bench.after_restart(max_messages=FEW)


def spread(bench: Installation, per_second: int) -> None:
    for place, message in enumerate(bench.gateway.stored):
        message.at = bench.clock.now() - timedelta(seconds=place // per_second)


@pytest.mark.parametrize(("sent", "attempts"), [(STORED, 1), (LOST, 2)])
def test_parts_of_a_window_prove_as_much_as_one_reply(bench: Installation, sent: Send, attempts: int) -> None:
    bench = with_many(bench, per_second=4)
    bench.gateway.script.append(sent)
    run_id = bench.campaign(5)

    bench.finish(run_id)

    assert exactly_once(bench, 1, run_id)
    assert len(bench.attempts(run_id)) == attempts


def test_a_second_that_is_too_much_for_a_reply_proves_nothing(bench: Installation) -> None:
    # given 60 messages from one second
    bench = with_many(bench, per_second=1_000)
    bench.gateway.script.append(LOST)
    run_id = bench.campaign(5)
    bench.pass_time(3 * SETTLED)

    # then nobody is sent to again, and the reason is given
    assert bench.states(run_id) == {RecipientState.IN_DOUBT: 5}
    (attempt,) = bench.attempts(run_id)
    assert "ignores the requested time" in attempt.evidence[UNREAD]
    assert not any(look["complete"] for look in attempt.evidence["looks"])

    # when a reply can hold them
    bench = bench.after_restart()
    bench.finish(run_id)
    assert exactly_once(bench, 1, run_id)


def test_a_message_that_moves_on_ahead_of_every_read_is_seen_by_the_last(bench: Installation) -> None:
    # given a message that has always moved on when its status is read, among more than one reply holds
    bench = with_many(bench, per_second=4)
    chased = bench.gateway.stored[7]
    chased.status = "Pending"
    words = [WORD_TO_ASK_FOR[status] for status in LIFE_ORDER]

    def move_on() -> None:
        asked = bench.gateway.asked[-1]["status"]
        if chased.status == asked != "Delivered":
            chased.status = words[words.index(asked) + 1]
        bench.gateway.before_read = move_on

    bench.gateway.before_read = move_on
    bench.gateway.asked.clear()
    now = bench.clock.now()
    seen = read_around(bench.runtime, WindowMemory(), now - MARGIN, now + MARGIN)

    assert seen.complete
    assert seen.messages.keys() == {message.id for message in bench.gateway.stored}
    assert seen.reads == len(bench.gateway.asked) > len(LIFE_ORDER)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=3), timedelta(minutes=-3)])
def test_every_message_of_a_window_is_in_one_of_its_parts(bench: Installation, ahead: timedelta) -> None:
    bench = with_many(bench, per_second=7)
    bench.gateway.behind = -ahead
    now = bench.clock.now()
    windows = WindowReads.of(bench.runtime, WindowMemory())
    parts = list(windows.read(MessageStatus.DELIVERED, now - MARGIN, now + MARGIN))
    assert {m.id for part in parts for m in part} == {message.id for message in bench.gateway.stored}
    assert max(map(len, parts)) <= FEW
    assert windows.reads <= 35


def test_a_window_that_cannot_be_divided_is_asked_for_once_a_while(bench: Installation) -> None:
    bench = with_many(bench, per_second=7)
    bench.gateway.heeds_time = False
    now, memory = bench.clock.now(), WindowMemory()
    for most in (25, 1):
        windows = WindowReads.of(bench.runtime, memory)
        with pytest.raises(ReplyTooLong, match="ignores the requested time"):
            list(windows.read(MessageStatus.DELIVERED, now - MARGIN, now + MARGIN))
        assert windows.reads <= most


def test_recover_reads_more_than_a_reply_holds(bench: Installation) -> None:
    # given a database that forgot whom it has sent to
    bench = with_many(bench, per_second=2)
    run_id = bench.campaign(50)
    bench.gateway.store((row.number, row.text) for row in bench.recipients(run_id))
    spread(bench, 2)

    recovered = recover(bench.runtime, bench.clock.now())

    assert (recovered.unknown, recovered.attributed) == (50, 50)
    bench.finish(run_id)
    assert exactly_once(bench, 1, run_id)


@pytest.mark.parametrize(
    "changed",
    [
        {"device": str(2**31)},
        {"device": str(2**63)},
        {"result_code": 2**40},
        {"group": "g" * 3_000},
        {"retries": 2**62},
    ],
)
def test_values_that_no_column_holds_are_unknown(bench_on_both: Installation, changed: dict[str, object]) -> None:
    # M7: on PostgreSQL the reply could not be stored, its people were in doubt, and looking them up failed for ever
    bench = bench_on_both

    def change() -> None:
        for message in bench.gateway.stored:
            for name, value in changed.items():
                setattr(message, name, value)

    for send in (Send(meanwhile=change), Send(STORED.answers, STORED.stores, meanwhile=change)):
        bench.gateway.script.append(send)
        run_id = bench.campaign(3, name=f"sale{len(bench.gateway.sends)}", first=10 * len(bench.gateway.sends))
        bench.finish(run_id)
        assert bench.states(run_id) == {RecipientState.DELIVERED: 3}


def test_a_doubt_that_cannot_be_looked_up_does_not_stop_the_others(bench: Installation) -> None:
    # given two requests in doubt, one of them of a campaign whose definition can no longer be read
    bench.gateway.script += [STORED, STORED]
    damaged, sound = bench.campaign(3), bench.campaign(3, name="next", first=100)
    bench.send()
    definition = bench.run(damaged).definition_id
    with bench.store.write() as session:
        session.execute(sa.update(DefinitionRow).where(col(DefinitionRow.id) == definition).values(body="{}"))
    bench = bench.after_restart()
    pauses = []
    for _ in range(3):
        bench.clock.advance(timedelta(hours=1))
        with bench.store.write() as session:
            session.execute(sa.update(Attempt).values(next_check_at=bench.clock.now()))
        bench.call("reconcile")
        (attempt,) = bench.attempts(damaged)
        pauses.append(attempt.next_check_at - bench.clock.now())

    # then the other one is decided, this one rests longer each time, and the reason is reported
    assert bench.states(sound) == {RecipientState.ACCEPTED: 3}
    assert bench.states(damaged) == {RecipientState.IN_DOUBT: 3}
    assert pauses == sorted(pauses)
    assert pauses[2] > 5 * pauses[0]
    assert "the log says where" in attempt.evidence[UNREAD]
    assert len(attempt.evidence["looks"]) == 1
