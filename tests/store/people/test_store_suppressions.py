"""The list of numbers that get nothing: who is on it, and what that does to plans."""

import dataclasses
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import pytest

from campaigns.lifecycle import BatchState, RecipientState
from tests.store.store_world import NOW, SEND_BY, World, people
from worker.store.people import suppressions
from worker.store.people.suppressions import REPLY, Entry
from worker.store.sending.claim import NoIntent, load_work
from worker.store.sending.intent import Intent, record_intent
from worker.store.sending.outcome import conclude_batch, release

P = RecipientState


def number(place: int) -> str:
    return f"+39333{place:07}"


def entry(place: int, *, kind: str = "", source: str = "command") -> Entry:
    return Entry(number(place), kind, "asked by phone", source, NOW)


def suppress(world: World, entries: Iterable[Entry]) -> int:
    with world.store.write() as session:
        return suppressions.suppress(session, list(entries), now=NOW)


def test_a_number_is_on_the_list_once(world: World) -> None:
    assert suppress(world, [entry(1), entry(2)]) == 2
    assert suppress(world, [entry(2), entry(3), entry(2, kind="marketing")]) == 2
    with world.store.read() as session:
        listed = [(e.number, e.kind) for e in suppressions.in_force(session)]
    assert sorted(listed) == [(number(1), ""), (number(2), ""), (number(2), "marketing"), (number(3), "")]


@pytest.mark.parametrize(
    ("kind", "asked", "is_in"),
    [("", "marketing", True), ("", "", True), ("marketing", "marketing", True), ("marketing", "reminder", False)],
)
def test_an_entry_holds_for_its_kind_or_for_any(world: World, kind: str, asked: str, is_in: bool) -> None:
    suppress(world, [entry(1, kind=kind)])
    with world.store.read() as session:
        found = suppressions.suppressed_among(session, [number(1), number(2)], asked)
    assert found == ({number(1)} if is_in else set())


@pytest.mark.parametrize(
    ("listed", "asked"),
    [("+5215512345602", "+525512345602"), ("+541123456789", "+5491123456789"), ("+551187654321", "+5511987654321")],
)
def test_an_entry_holds_for_every_spelling_of_a_phone(world: World, listed: str, asked: str) -> None:
    suppress(world, [dataclasses.replace(entry(1), number=listed)])
    with world.store.read() as session:
        found = suppressions.suppressed_among(session, [asked, number(1)], "marketing")
    assert found == {asked}


def test_who_opts_out_is_taken_out_of_all_that_is_planned_at_once(world: World) -> None:
    # given two runs with the same six people, in batches of three
    today, later = world.run(people(6), campaign="today"), world.run(people(6), campaign="later")
    # when one batch of each loses everybody, the other one person
    suppress(world, [entry(place) for place in (0, 1, 2, 3)])
    # then the books and the batches say so
    for run_id in (today, later):
        assert world.states(run_id) == Counter({P.SUPPRESSED: 4, P.PENDING: 2})
        batches = [world.batch(id_) for id_ in world.batches(run_id)]
        assert [(b.state, b.recipients, b.segments) for b in batches] == [
            (BatchState.CANCELLED, 0, 0),
            (BatchState.PLANNED, 2, 2),
        ]
        assert {row.reason for row in world.recipients(run_id) if row.state is P.SUPPRESSED} == {"opted out"}


def test_only_campaigns_of_the_kind_lose_the_person(world: World) -> None:
    sale, reminder = world.run(people(2), campaign="sale"), world.run(people(2), campaign="visits")
    world.set_run(sale, kind="marketing")
    world.set_run(reminder, kind="reminder")
    suppress(world, [entry(0, kind="marketing")])
    assert world.states(sale) == Counter({P.SUPPRESSED: 1, P.PENDING: 1})
    assert world.states(reminder) == Counter({P.PENDING: 2})


def test_who_is_in_doubt_stays_in_doubt(world: World) -> None:
    run_id = world.run(people(3))
    intent = world.intent(world.batches(run_id)[0])
    suppress(world, [entry(0)])
    assert world.states(run_id) == Counter({P.IN_DOUBT: 3})
    # and once it is proven that they were not sent to, they are not sent to again
    with world.store.write() as session:
        release(session, [a.id for a in intent.addressees], "not sent")
        conclude_batch(session, intent.batch_id, retry_at=NOW)
    again = world.intent(intent.batch_id)
    assert [a.number for a in again.addressees] == [number(1), number(2)]
    assert world.states(run_id) == Counter({P.SUPPRESSED: 1, P.IN_DOUBT: 2})


def test_the_intent_itself_leaves_out_who_is_on_the_list(world: World) -> None:
    # given a list that had somebody before the plan was stored, of whom the planner knew nothing
    suppress(world, [entry(1)])
    run_id = world.run(people(3))
    # when a request is promised
    intent = world.intent(world.batches(run_id)[0])
    # then they are not in it, and the batch counts without them
    assert [a.number for a in intent.addressees] == [number(0), number(2)]
    assert world.states(run_id) == Counter({P.SUPPRESSED: 1, P.IN_DOUBT: 2})
    assert world.batch(intent.batch_id).recipients == 2


def test_a_batch_of_people_on_the_list_alone_has_nothing_left_to_send(world: World) -> None:
    suppress(world, [entry(place) for place in range(3)])
    run_id = world.run(people(3))
    assert world.promise(world.batches(run_id)[0]) is NoIntent.NOTHING_LEFT


def test_who_comes_back_is_in_later_plans_and_not_in_this_one(world: World) -> None:
    run_id = world.run(people(2))
    suppress(world, [entry(0)])
    with world.store.write() as session:
        assert suppressions.release(session, [number(0)], now=NOW) == {number(0)}
    assert world.states(run_id) == Counter({P.SUPPRESSED: 1, P.PENDING: 1})
    with world.store.read() as session:
        assert not suppressions.any_in_force(session)
        assert [e.ended_at for e in suppressions.history(session, [number(0)])] == [NOW]
    assert suppress(world, [entry(0)]) == 1


def test_a_reply_ends_what_a_reply_began_and_nothing_else(world: World) -> None:
    suppress(world, [entry(0), entry(1, source=REPLY)])
    with world.store.write() as session:
        assert suppressions.release(session, [number(0), number(1)], now=NOW, source=REPLY) == {number(1)}
    with world.store.read() as session:
        assert [e.number for e in suppressions.in_force(session)] == [number(0)]


def test_no_intent_comes_after_a_stop_that_was_stored(world: World) -> None:
    """Threads promise requests while others opt people out: a person suppressed first is in no later intent."""
    how_many = 60
    run_id = world.run(people(how_many), per_request=2)
    batches = world.batches(run_id)
    order: list[tuple[str, str]] = []  # (what, number) in the order of commits, as far as one thread can know

    def send(mine: list[int]) -> None:
        for batch_id in mine:
            with world.store.write() as session:
                work = load_work(session, batch_id)
                if work is None:
                    continue
                stopped = {n for what, n in list(order) if what == "stopped"}
                intent = record_intent(session, work, target="", now=NOW, send_by=SEND_BY)
                if isinstance(intent, Intent):
                    assert not stopped & {a.number for a in intent.addressees}
                elif intent is NoIntent.NOTHING_LEFT:
                    conclude_batch(session, batch_id, retry_at=NOW + timedelta(seconds=1))

    def stop(mine: list[int]) -> None:
        for place in mine:
            suppress(world, [entry(place)])
            order.append(("stopped", number(place)))

    failures: list[BaseException] = []

    def guarded(work: object, mine: list[int]) -> None:
        try:
            work(mine)  # type: ignore[operator]  # one of the two above
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(send, batches[part::2])) for part in range(2)]
    threads += [threading.Thread(target=guarded, args=(stop, list(range(part, how_many, 4)))) for part in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    # and the books add up: everybody is either promised or suppressed
    states = world.states(run_id)
    assert states[P.IN_DOUBT] + states[P.SUPPRESSED] == how_many
