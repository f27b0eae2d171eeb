"""Frequency caps in the store: what counts, and two campaigns that want the same people at the same moment."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from campaigns.lifecycle import BatchState, RecipientState
from campaigns.planning.frequency_cap import Cap
from tests.store.store_world import NOW, SEND_BY, World, people
from worker.store.models import Recipient, Run
from worker.store.sending import accounts, frequency_caps
from worker.store.sending.claim import NoIntent, load_work
from worker.store.sending.intent import Intent, record_intent

P, B = RecipientState, BatchState
WEEK = timedelta(days=7)


def cap(messages: int = 1, *, per: timedelta = WEEK, is_patient: bool = False, kind: str = "marketing") -> Cap:
    return Cap(kind, messages, per, is_patient, ZoneInfo("UTC"), lambda moment: moment)


def promise(world: World, batch_id: int, limit: Cap, *, now: datetime = NOW) -> Intent | NoIntent:
    """What a worker does before a request of a campaign with a cap."""
    with world.store.write() as session:
        if not frequency_caps.keep_cap(session, batch_id, world.account_id, limit, now=now):
            return NoIntent.NOTHING_LEFT
    return promise_at_once(world, batch_id, limit, now=now)


def promise_at_once(world: World, batch_id: int, limit: Cap, *, now: datetime = NOW) -> Intent | NoIntent:
    """The intent alone, as it is reached if nobody was over the cap a moment ago."""
    with world.store.write() as session:
        work = load_work(session, batch_id)
        if work is None:
            return NoIntent.NOT_DUE
        intent = record_intent(session, work, target="", now=now, send_by=SEND_BY, cap=limit)
        if not isinstance(intent, Intent):
            session.rollback()
        return intent


def put(world: World, run_id: int, **values: Any) -> None:
    """Put everybody in a run into a state that no life cycle needs to have led to."""
    with world.store.write() as session:
        session.execute(sa.update(Recipient).where(sa.column("run_id") == run_id).values(**values))


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        *((state, True) for state in (P.ACCEPTED, P.SENT, P.DELIVERED, P.EXPIRED, P.HELD)),
        *((state, False) for state in (P.FAILED, P.CANCELLED, P.PENDING, P.SUPPRESSED, P.CAPPED)),
    ],
)
def test_only_what_the_gateway_has_or_may_have_counts(world: World, state: RecipientState, counts: bool) -> None:
    first = world.run(people(2))
    world.sent(first)
    put(world, first, state=state)
    (batch_id,) = world.batches(world.run(people(3), campaign="two"))
    numbers = [row.number for row in people(3)]
    with world.store.read() as session:
        foreseen = frequency_caps.count_over(session, numbers, world.account_id, cap(), now=NOW)

    intent = promise(world, batch_id, cap())

    assert isinstance(intent, Intent)
    assert len(intent.addressees) == (1 if counts else 3)
    assert foreseen == 3 - len(intent.addressees)


@pytest.mark.parametrize(
    ("passed", "left"), [(WEEK - timedelta(seconds=1), 0), (WEEK, 2), (WEEK + timedelta(seconds=1), 2)]
)
def test_a_text_counts_for_exactly_so_long(world: World, passed: timedelta, left: int) -> None:
    world.sent(world.run(people(2)))
    second = world.run(people(2), campaign="two")

    promise(world, world.batches(second)[0], cap(), now=NOW + passed)

    assert world.states(second)[P.IN_DOUBT] == left


def test_a_text_that_nobody_knows_the_time_of_counts_from_its_last_moment(world: World) -> None:
    # given somebody held after a request that could be written until NOW + 30 s, and somebody declared as sent
    run_id = world.run(people(2), per_request=1)
    for batch_id, state in zip(world.batches(run_id), (P.HELD, P.ACCEPTED), strict=True):
        world.intent(batch_id)
        with world.store.write() as session:
            session.execute(sa.update(Recipient).where(sa.column("batch_id") == batch_id).values(state=state))
    second = world.run(people(2), campaign="two")

    promise(world, world.batches(second)[0], cap(), now=NOW + WEEK + timedelta(seconds=29))

    assert world.states(second) == {P.CAPPED: 2}


def test_whoever_missed_their_moment_and_is_held_got_nothing(world: World) -> None:
    first = world.run(people(2))
    put(world, first, state=P.HELD)
    (batch_id,) = world.batches(world.run(people(2), campaign="two"))

    assert isinstance(promise(world, batch_id, cap()), Intent)


@pytest.mark.parametrize("values", [{"kind": "reminder"}, {"account_id": 0}])
def test_other_kinds_and_other_gateways_do_not_count(world: World, values: dict[str, Any]) -> None:
    first = world.run(people(2))
    with world.store.write() as session:
        if "account_id" in values:
            values = {"account_id": accounts.ensure_account(session, "other")}
        session.execute(sa.update(Run).where(sa.column("id") == first).values(**values))
    world.sent(first)
    (batch_id,) = world.batches(world.run(people(2), campaign="two"))

    assert isinstance(promise(world, batch_id, cap()), Intent)


def test_the_reason_names_the_campaigns_and_their_days(world: World) -> None:
    for name, days in (("one", 6), ("two", 4), ("three", 2), ("four", 1), ("five", 0)):
        run_id = world.run(people(1), campaign=name)
        world.sent(run_id)
        put(world, run_id, accepted_at=NOW - timedelta(days=days))
    last = world.run(people(1), campaign="last")

    promise(world, world.batches(last)[0], cap(4))

    (row,) = world.recipients(last)
    assert row.reason == (
        "4 texts of marketing campaigns in the last 7d: "
        "two on 2026-11-27, three on 2026-11-29, four on 2026-11-30 and 1 more"
    )


def test_deferred_people_wait_in_one_batch_for_each_moment(world: World) -> None:
    # given three people with a text, one with a later one, and nobody else in the batch
    early, late_one = world.run(people(3)), world.run(people(1, first=3), campaign="late")
    for run_id, at in ((early, NOW - timedelta(days=3)), (late_one, NOW - timedelta(days=1))):
        world.sent(run_id)
        put(world, run_id, accepted_at=at)
    second = world.run(people(4), campaign="two", per_request=9)

    assert promise(world, world.batches(second)[0], cap(is_patient=True)) is NoIntent.NOTHING_LEFT

    first, other = [world.batch(batch_id) for batch_id in world.batches(second)]
    assert (first.recipients, first.not_before, first.state) == (3, NOW + timedelta(days=4), B.PLANNED)
    assert (other.recipients, other.not_before, other.state) == (1, NOW + timedelta(days=6), B.PLANNED)
    assert (first.segments, other.segments, first.attempt) == (3, 1, 0)
    assert world.states(second) == {P.PENDING: 4}


def test_a_batch_that_somebody_else_took_is_left_alone(world: World) -> None:
    world.sent(world.run(people(3)))
    second = world.run(people(3), campaign="two")
    world.set_batches(second, state=B.SENDING)

    with world.store.write() as session:
        assert frequency_caps.keep_cap(session, world.batches(second)[0], world.account_id, cap(), now=NOW)

    assert world.states(second) == {P.PENDING: 3}


def test_a_text_that_came_between_the_look_and_the_promise_is_seen(world: World) -> None:
    first, second = world.run(people(2)), world.run(people(3), campaign="two")
    world.sent(first)

    assert promise_at_once(world, world.batches(second)[0], cap()) is NoIntent.OVER_CAP

    assert world.states(second) == {P.PENDING: 3}
    assert world.batch_state(world.batches(second)[0]) is B.PLANNED


CAMPAIGNS, ALLOWED = 4, 2


def test_campaigns_that_race_for_the_same_people_never_pass_the_cap(world: World) -> None:
    # given four campaigns to the same people, who may get two texts
    campaigns = [world.run(people(12), campaign=f"race-{place}", per_request=2) for place in range(CAMPAIGNS)]
    batches = [world.batches(run_id) for run_id in campaigns]
    together = threading.Barrier(CAMPAIGNS)

    def send(mine: list[int]) -> None:
        together.wait()
        for batch_id in mine:
            while True:
                try:
                    intent = promise(world, batch_id, cap(ALLOWED))
                except (IntegrityError, OperationalError):
                    continue  # one of the numbers was put in doubt elsewhere at this very moment
                if isinstance(intent, Intent):
                    world.accept(intent, world.placed(intent))
                elif intent not in {NoIntent.ALL_IN_DOUBT, NoIntent.OVER_CAP}:
                    break

    # when all of them send as fast as they can, each in a different order from the others
    with ThreadPoolExecutor(CAMPAIGNS) as pool:
        for job in [pool.submit(send, mine) for mine in batches]:
            job.result()

    got = Counter(row.number for run_id in campaigns for row in world.recipients(run_id) if row.state is P.ACCEPTED)
    assert set(got.values()) == {ALLOWED}
    assert len(got) == 12
