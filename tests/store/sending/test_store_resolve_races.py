"""A person decides about held texts in one process while the service ends or sends the run in another."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Final

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col

from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.protocol.declarations import Declared
from tests.store.store_world import NOW, SOON, World, people
from worker.store.engine import Store
from worker.store.models import MessageGroup
from worker.store.runs import run_ends
from worker.store.runs.held import resolve_held
from worker.store.sending.claim import load_work
from worker.store.sending.intent import Intent, record_intent
from worker.store.sending.outcome import close_attempt, hold_in_doubt, record_accepted, release

LATER: Final = NOW + timedelta(hours=1)
LONG_ENOUGH_SECONDS: Final = 0.5
"""In this time another transaction ends, or reaches the lock that it has to wait for."""

Act = Callable[[Session], object]


def interleaved(store: Store, first: Act, second: Act) -> None:
    """Let `second` begin in another process's transaction before that of `first` is committed."""
    other = Store(store.url.render_as_string(hide_password=False))

    def follow() -> None:
        with other.write() as session:
            second(session)

    try:
        with ThreadPoolExecutor(1) as pool:
            with store.write() as session:
                first(session)
                following = pool.submit(follow)
                wait([following], timeout=LONG_ENOUGH_SECONDS)
            following.result()
    finally:
        other.close()


def held(world: World, how_many: int = 3) -> tuple[int, int]:
    """A run whose only request left the last person to be decided about; its id and that of the batch."""
    run_id = world.run(people(how_many), per_request=how_many)
    (batch_id,) = world.batches(run_id)
    conclude(world, world.intent(batch_id), found=how_many - 1)
    return run_id, batch_id


def conclude(world: World, intent: Intent, *, found: int) -> None:
    """Look-ups found the first people of a request, and nobody can know about the last one."""
    with world.store.write() as session:
        close_attempt(session, intent.attempt_id, outcome="hold", evidence={}, now=NOW)
        hold_in_doubt(session, [intent.addressees[-1].id], "nobody can tell")
        release(session, [a.id for a in intent.addressees[found:-1]], "not found")
        placed = world.placed(intent, found)
        record_accepted(session, intent, placed, now=NOW, first_poll_at=SOON, retry_at=NOW)


def decide(run_id: int) -> Act:
    """Do what `campaigns resolve --as not-sent` does."""
    return lambda session: resolve_held(session, run_id, Declared.NOT_SENT, number=None, by="ada", now=NOW)


def polls(world: World, run_id: int) -> list[object]:
    """When each group of the run is looked at next."""
    with world.store.read() as session:
        return list(session.scalars(sa.select(col(MessageGroup.next_poll_at)).filter_by(run_id=run_id)))


@pytest.mark.parametrize("decides_first", [True, False])
@pytest.mark.parametrize("before", [RunState.RUNNING, RunState.SETTLING])
def test_a_run_that_is_ended_at_the_moment_of_a_decision_goes_on(
    world: World, before: RunState, decides_first: bool
) -> None:
    # given a run with somebody held, which the finish tick is about to settle or to complete
    run_id, batch_id = held(world)
    if before is RunState.SETTLING:
        world.set_run(run_id, state=before, sent_at=NOW)

    def end(session: Session) -> None:
        if before is RunState.RUNNING:
            run_ends.settle_run(session, run_id, NOW)
        else:
            run_ends.finish_run(session, run_id, LATER, sent_at=NOW)

    # when somebody decides that it was not sent
    acts = (decide(run_id), end) if decides_first else (end, decide(run_id))
    interleaved(world.store, *acts)

    # then the run continues, the person is sent to, and the others are still followed
    assert world.run_state(run_id) is RunState.RUNNING
    assert None not in polls(world, run_id)
    with world.store.read() as session:
        assert run_ends.settleable_runs(session, world.account_id) == []
    assert len(world.intent(batch_id).addressees) == 1


@pytest.mark.parametrize("decides_first", [True, False])
def test_a_request_that_ends_at_the_moment_of_a_decision_sees_who_was_released(
    world: World, decides_first: bool
) -> None:
    # given a batch with somebody held, while the others in it are being sent
    run_id = world.run(people(2), per_request=2)
    (batch_id,) = world.batches(run_id)
    conclude(world, world.intent(batch_id), found=0)
    under_way = world.intent(batch_id)
    placed = world.placed(under_way)

    def reply(session: Session) -> None:
        close_attempt(session, under_way.attempt_id, outcome="accepted", evidence={}, now=NOW)
        record_accepted(session, under_way, placed, now=NOW, first_poll_at=SOON, retry_at=NOW)

    acts = (decide(run_id), reply) if decides_first else (reply, decide(run_id))
    interleaved(world.store, *acts)

    assert world.states(run_id) == {RecipientState.ACCEPTED: 1, RecipientState.PENDING: 1}
    assert world.batch_state(batch_id) is BatchState.PLANNED
    assert len(world.intent(batch_id).addressees) == 1


@pytest.mark.parametrize("decides_first", [True, False])
def test_a_request_promised_at_the_moment_of_a_decision_leaves_nobody_behind(world: World, decides_first: bool) -> None:
    # given a batch with somebody held and somebody to be sent to again
    run_id = world.run(people(2), per_request=2)
    (batch_id,) = world.batches(run_id)
    conclude(world, world.intent(batch_id), found=0)
    promised: list[Intent] = []

    def promise(session: Session) -> None:
        work = load_work(session, batch_id)
        assert work is not None
        intent = record_intent(session, work, target="", now=NOW, send_by=SOON - NOW)
        assert isinstance(intent, Intent)
        promised.append(intent)

    acts = (decide(run_id), promise) if decides_first else (promise, decide(run_id))
    interleaved(world.store, *acts)

    (intent,) = promised
    assert len(intent.addressees) == (2 if decides_first else 1)
    world.accept(intent, world.placed(intent))
    assert world.batch_state(batch_id) is (BatchState.ACCEPTED if decides_first else BatchState.PLANNED)


def test_a_run_that_has_sent_again_is_not_completed_for_what_was_seen_before(world: World) -> None:
    # given a run that had sent everything, and sends and settles again after a decision
    run_id, batch_id = held(world)
    with world.store.write() as session:
        run_ends.settle_run(session, run_id, NOW)
        decide(run_id)(session)
    again = world.intent(batch_id)
    world.accept(again, world.placed(again))
    with world.store.write() as session:
        assert run_ends.settle_run(session, run_id, SOON)

    # when somebody who looked before wants to complete it
    with world.store.write() as session:
        is_over = run_ends.finish_run(session, run_id, LATER, sent_at=NOW)

    assert not is_over
    assert world.run_state(run_id) is RunState.SETTLING
    assert None not in polls(world, run_id)
