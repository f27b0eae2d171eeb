"""The budget of people in the store: counted with the intent, exact while many want the last places, and made anew."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session

from campaigns.calendar.periods import month_of
from campaigns.lifecycle import RecipientState
from tests.store.store_world import NOW, SEND_BY, SOON, World, people
from worker.store.engine import Store
from worker.store.people import device_people, people_on_record
from worker.store.people.device_people import PeopleLimit
from worker.store.sending.claim import NoIntent, load_work
from worker.store.sending.intent import Intent, record_intent
from worker.store.sending.outcome import close_attempt, conclude_batch, fail_in_doubt, record_accepted, release
from worker.store.tables import device_months
from worker.store.tables import device_people as rows

MONTH: Final = month_of(NOW, ZoneInfo("UTC"))
PHONES: Final = ("1", "2|0")


def limit(most: int) -> PeopleLimit:
    return PeopleLimit(*MONTH, most)


def promise(world: World, batch_id: int, most: int, *, target: str = "1") -> Intent | NoIntent:
    """The intent of a worker; undone if there is none."""
    with world.store.write() as session:
        work = load_work(session, batch_id)
        if work is None:
            return NoIntent.NOT_DUE
        intent = record_intent(session, work, target=target, now=NOW, send_by=SEND_BY, people=limit(most))
        if not isinstance(intent, Intent):
            session.rollback()
        return intent


def counted(world: World) -> dict[str, int]:
    """What is kept, which is what the rows say."""
    with world.store.read() as session:
        of_month = (rows.c.account_id == world.account_id, rows.c.month == MONTH[0])
        found = Counter(session.scalars(sa.select(rows.c.device).where(*of_month)))
        query = sa.select(device_months.c.device, device_months.c.people).where(device_months.c.device != "")
        kept = {device: amount for device, amount in session.execute(query) if amount}
        assert kept == dict(found)
        return kept


def on_record(world: World) -> dict[str, int]:
    """What the requests on record say."""
    with world.store.read() as session:
        return people_on_record.used_by(session, world.account_id, MONTH)


def count(world: World) -> None:
    with world.store.write() as session:
        people_on_record.count_month(session, world.account_id, MONTH)


def forget(world: World) -> None:
    with world.store.write() as session:
        session.execute(sa.delete(rows))
        session.execute(sa.delete(device_months))


def accept(world: World, intent: Intent, *, device: int | None = 1) -> None:
    with world.store.write() as session:
        close_attempt(session, intent.attempt_id, outcome="accepted", evidence={}, now=NOW)
        placed = [each._replace(device=device) for each in world.placed(intent, len(intent.addressees))]
        record_accepted(session, intent, placed, now=NOW, first_poll_at=SOON, retry_at=NOW)


def not_sent(session: Session, intent: Intent, outcome: str = "not_sent") -> None:
    close_attempt(session, intent.attempt_id, outcome=outcome, evidence={}, now=NOW)
    release(session, [a.id for a in intent.addressees], "")
    conclude_batch(session, intent.batch_id, retry_at=NOW)


def promised(world: World, run_id: int, most: int, target: str = "1") -> list[Intent]:
    found = (promise(world, batch_id, most, target=target) for batch_id in world.batches(run_id))
    return [intent for intent in found if isinstance(intent, Intent)]


def test_a_request_whose_people_are_too_many_is_no_intent_and_counts_nobody(world: World) -> None:
    first, second = world.batches(world.run(people(5), per_request=3))

    assert isinstance(promise(world, first, 4), Intent)
    assert promise(world, second, 4) is NoIntent.OVER_PEOPLE
    assert counted(world) == {"1": 3}
    assert isinstance(promise(world, second, 5), Intent)
    assert counted(world) == {"1": 5}


def test_whom_the_phone_texted_this_month_is_free_also_above_a_lowered_limit(world: World) -> None:
    for intent in promised(world, world.run(people(3)), 3):
        accept(world, intent)
    (again,) = world.batches(world.run(people(3), campaign="two"))
    (more,) = world.batches(world.run(people(1, first=5), campaign="three"))

    assert isinstance(promise(world, again, 1), Intent)
    assert promise(world, more, 3) is NoIntent.OVER_PEOPLE
    assert counted(world) == {"1": 3}


def test_each_phone_counts_for_itself_and_all_that_the_gateway_chooses_are_one(world: World) -> None:
    for place, target in enumerate(["1", "2|0", "", "1,2"]):
        promised(world, world.run(people(2, first=10 * place), campaign=f"c{place}"), 5, target)

    assert counted(world) == {"1": 2, "2|0": 2, "any": 4} == on_record(world)


def test_a_month_that_is_over_counts_nothing_more(world: World) -> None:
    (batch,) = world.batches(world.run(people(2)))
    with world.store.write() as session:
        work = load_work(session, batch)
        assert work is not None
        late = PeopleLimit(MONTH[0] - timedelta(days=31), MONTH[0], 9)
        intent = record_intent(session, work, target="1", now=NOW, send_by=SEND_BY, people=late)
        session.rollback()
    assert intent is NoIntent.OVER_PEOPLE


@pytest.mark.parametrize("outcome", ["not_sent", "missed"])
def test_who_was_proven_not_sent_is_given_back_unless_another_text_went_there(world: World, outcome: str) -> None:
    (accepted,) = promised(world, world.run(people(1)), 9)
    accept(world, accepted)
    (intent,) = promised(world, world.run(people(3), campaign="two"), 9)
    assert counted(world) == {"1": 3}

    with world.store.write() as session:
        not_sent(session, intent, outcome)

    assert counted(world) == {"1": 1} == on_record(world)


def test_who_was_refused_is_given_back_and_batches_that_wait_ask_again(world: World) -> None:
    (intent,) = promised(world, world.run(people(3)), 3)
    waiting = world.run(people(3, first=5), campaign="two")
    world.set_batches(waiting, waits_for="budget", not_before=MONTH[1])

    with world.store.write() as session:
        close_attempt(session, intent.attempt_id, outcome="accepted", evidence={}, now=NOW)
        fail_in_doubt(session, [intent.addressees[0].id], "left out")

    assert counted(world) == {"1": 2}
    assert world.batch(world.batches(waiting)[0]).not_before == NOW


def test_what_a_phone_reported_as_failed_counts(world: World) -> None:
    run_id = world.run(people(2))
    (intent,) = promised(world, run_id, 9)
    accept(world, intent)
    with world.store.write() as session:
        session.execute(sa.text("UPDATE recipient SET state = 'failed'"))

    assert on_record(world) == {"1": 2}


def test_rows_that_are_gone_are_made_anew_and_what_was_not_counted_is_added(world: World) -> None:
    # given requests with the setting, without it, in doubt, and by a second phone after the first failed
    promised(world, world.run(people(4)), 9)
    batches = world.batches(world.run(people(3, first=20), campaign="without"))
    with world.store.write() as session:
        for batch in batches:
            work = load_work(session, batch)
            assert work is not None
            record_intent(session, work, target="2|0", now=NOW, send_by=SEND_BY)
    (intent,) = promised(world, world.run(people(2, first=30), campaign="again"), 9)
    with world.store.write() as session:
        not_sent(session, intent)
    (second,) = promised(world, intent.run_id, 9, "2|0")
    accept(world, second, device=2)
    assert counted(world) == {"1": 4, "2|0": 2}
    expected = {"1": 4, "2|0": 5}

    count(world)
    assert counted(world) == expected == on_record(world)
    count(world)
    assert counted(world) == expected
    forget(world)
    assert on_record(world) == expected
    count(world)
    assert counted(world) == expected


def test_where_the_gateway_names_no_phone_each_that_may_have_sent_it_counts(world: World) -> None:
    # given a batch of two requests, because somebody's number was in doubt elsewhere when the first was made
    (elsewhere,) = promised(world, world.run(people(1)), 9, "3")
    run_id = world.run(people(2), campaign="two")
    (first,) = promised(world, run_id, 9)
    accept(world, first, device=None)
    accept(world, elsewhere, device=3)
    (second,) = promised(world, run_id, 9, "2|0")
    accept(world, second, device=None)
    assert (len(first.addressees), len(second.addressees)) == (1, 1)
    assert counted(world) == {"1": 1, "2|0": 1, "3": 1}

    forget(world)
    count(world)

    assert counted(world) == {"1": 2, "2|0": 2, "3": 1}


def test_months_that_are_over_are_forgotten(world: World) -> None:
    promised(world, world.run(people(4)), 9)
    count(world)
    with world.store.write() as session:
        assert device_people.forget_before(session, MONTH[0]) == 0
        assert device_people.forget_before(session, MONTH[1]) == 4
    assert counted(world) == {}


MOST: Final = 7
WORKERS: Final = 6


def race(world: World, runs: list[int], seed: int) -> None:
    """Several workers send all batches of these runs by two phones; some requests are proven not sent."""
    barrier = threading.Barrier(WORKERS)
    batches = [batch for run_id in runs for batch in world.batches(run_id)]

    def work(worker: int) -> None:
        rng = random.Random(1_000 * seed + worker)
        barrier.wait()
        for _ in range(3):
            for batch in rng.sample(batches, len(batches)):
                phone = rng.choice(PHONES)
                try:
                    intent = promise(world, batch, MOST, target=phone)
                except (IntegrityError, OperationalError):
                    continue  # another worker has one of the numbers in doubt
                if not isinstance(intent, Intent):
                    continue
                if rng.random() < 0.3:
                    with world.store.write() as session:
                        not_sent(session, intent)
                else:
                    accept(world, intent, device=int(phone[0]))

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))


@pytest.mark.parametrize("seed", range(3))
def test_no_phone_is_over_by_one_person_while_workers_race_for_the_last_places(world: World, seed: int) -> None:
    runs = [world.run(people(6, first=3 * place), campaign=f"c{place}", per_request=2) for place in range(6)]

    race(world, runs, seed)

    found = counted(world)
    assert all(0 < people <= MOST for people in found.values()), found
    assert found == on_record(world)
    forget(world)
    count(world)
    assert counted(world) == found


def test_a_plan_reads_the_month_also_while_nothing_is_counted(world: World, store: Store) -> None:
    (intent,) = promised(world, world.run(people(3)), 9)
    accept(world, intent)
    number = intent.addressees[0].number
    for _ in range(2):
        with store.read() as session:
            assert people_on_record.used_by(session, world.account_id, MONTH) == {"1": 3}
            assert people_on_record.texted(session, world.account_id, MONTH, [number, "+1"]) == {("1", number)}
        forget(world)
    states = world.states(intent.run_id)
    assert states[RecipientState.ACCEPTED] == 3
