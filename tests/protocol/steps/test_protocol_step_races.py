"""An answer or a receipt that is stored while the request of a step is promised: whoever commits first is seen.

On PostgreSQL, with two transactions at once, in both orders, at every moment at which the order can be decided.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaits
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from tests.protocol.steps.test_protocol_steps import reasons, steps
from tests.protocol.world.harness import Installation
from tests.store.store_world import empty
from tests.support.clocks import FakeClock
from worker.store.engine import Store
from worker.store.events import EventName
from worker.store.following import receipts
from worker.store.following.receipts import Receipt
from worker.store.people import stored_replies
from worker.store.people.stored_replies import Incoming
from worker.store.sending.claim import load_work
from worker.store.sending.intent import Intent, record_intent

P = RecipientState
ANNA: Final = "+393330000000"
WAITS_SECONDS: Final = 0.5
"""A transaction that has not ended after this long waits for the other one."""


@pytest.fixture
def bench(tmp_path: Path, postgres_store: Store, clock: FakeClock) -> Iterator[Installation]:
    made = Installation(tmp_path, postgres_store, clock)
    yield made
    made.close()
    empty(postgres_store)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def due(bench: Installation, conditions: str) -> tuple[int, int]:
    """A campaign whose step to Anna is queued, and goes now if a request is made; return the run and the batch."""
    run_id = bench.campaign(1, more=f"steps:\n  - {{name: nudge, after: 1m, {conditions}, message: Hello again}}\n")
    bench.pass_time(30)
    bench.call("steps")
    bench.clock.advance(60)
    bench.enqueue()
    [nudge] = steps(bench, run_id)
    [batch] = bench.batches(nudge.id)
    assert bench.queue.jobs == [batch.id]
    return nudge.id, batch.id


def promise(bench: Installation, session: Session, batch_id: int) -> Intent | object:
    work = load_work(session, batch_id)
    assert work is not None
    found = record_intent(session, work, target="", now=bench.clock.now(), send_by=timedelta(seconds=6))
    session.flush()
    return found


def answer(bench: Installation, session: Session) -> None:
    said = Incoming(9_001, ANNA, "I am coming", None, None, bench.clock.now(), Meaning.REPLY, ANNA)
    assert stored_replies.store_replies(
        session, bench.runtime.account_id, [said], came_by="poll", now=bench.clock.now()
    )
    session.flush()


def deliver(bench: Installation, session: Session) -> None:
    """A receipt of the text before: it was delivered."""
    found = bench.gateway.stored[0]
    at = bench.clock.now()
    receipt = Receipt(found.id, P.DELIVERED, 0, at, at, None, None, "", None, ANNA)
    assert receipts.apply_receipts(session, bench.runtime.account_id, [receipt]) == 1


@contextmanager
def waits(future: "Future[Any]") -> Iterator[None]:
    """The other transaction is waiting; after the block, it ends."""
    with pytest.raises(StillWaits):
        future.result(timeout=WAITS_SECONDS)
    yield
    future.result(timeout=20)


def test_an_answer_that_is_stored_first_keeps_the_step_from_being_promised(
    bench: Installation, pool: ThreadPoolExecutor
) -> None:
    nudge, _ = due(bench, "unless: replied")
    with ExitStack() as held:
        session = held.enter_context(bench.store.write("replies"))
        answer(bench, session)
        # a request that begins now, before the answer is committed
        sending = pool.submit(bench.work)
        with waits(sending):
            held.close()
    assert reasons(bench, nudge) == {ANNA: (P.EXCLUDED, "replied")}
    assert [message.text for message in bench.gateway.stored] == ["Ciao N0"]
    assert EventName.STEP_ANSWERED not in bench.events()


def test_a_step_that_is_promised_first_goes_and_the_answer_is_told(
    bench: Installation, pool: ThreadPoolExecutor
) -> None:
    nudge, batch_id = due(bench, "unless: replied")

    def store_answer() -> None:
        with bench.store.write("replies") as session:
            answer(bench, session)

    with ExitStack() as held:
        session = held.enter_context(bench.store.write("intent"))
        assert isinstance(promise(bench, session, batch_id), Intent)
        answering = pool.submit(store_answer)
        with waits(answering):
            held.close()
    assert reasons(bench, nudge) == {ANNA: (P.IN_DOUBT, "")}
    assert EventName.STEP_ANSWERED in bench.events()


def test_an_answer_that_is_stored_between_the_look_at_a_batch_and_its_claim_counts(bench: Installation) -> None:
    nudge, batch_id = due(bench, "unless: replied")
    with bench.store.read() as session:
        work = load_work(session, batch_id)
    assert work is not None
    with bench.store.write("replies") as session:
        answer(bench, session)
    with bench.store.write("intent") as session:
        found = record_intent(session, work, target="", now=bench.clock.now(), send_by=timedelta(seconds=6))
    assert not isinstance(found, Intent)
    assert reasons(bench, nudge) == {ANNA: (P.EXCLUDED, "replied")}


def test_a_receipt_that_is_being_stored_puts_the_step_off_until_it_counts(bench: Installation) -> None:
    nudge, _ = due(bench, "unless: delivered")
    with bench.store.write("receipts") as session:
        deliver(bench, session)
        # a request that begins now waits for nobody, and promises nothing
        bench.work()
        assert bench.states(nudge) == {P.PENDING: 1}
        assert len(bench.gateway.stored) == 1
    bench.pass_time(60)
    assert reasons(bench, nudge) == {ANNA: (P.EXCLUDED, "delivered")}
    assert len(bench.gateway.stored) == 1


def test_a_receipt_waits_for_a_step_that_is_promised_first(bench: Installation, pool: ThreadPoolExecutor) -> None:
    nudge, batch_id = due(bench, "only_if: failed")
    with bench.store.write() as session:
        session.execute(sa.text("UPDATE recipient SET state = 'failed' WHERE gateway_id IS NOT NULL"))

    def store_receipt() -> None:
        with bench.store.write("receipts") as session:
            deliver(bench, session)

    with ExitStack() as held:
        session = held.enter_context(bench.store.write("intent"))
        assert isinstance(promise(bench, session, batch_id), Intent)
        following = pool.submit(store_receipt)
        with waits(following):
            held.close()
    assert bench.states(nudge) == {P.IN_DOUBT: 1}
