"""When something is due next: exactly when a look finds it, and for its own account."""

from datetime import timedelta

from campaigns.codes import FAILURE, FailureCode
from tests.store.store_world import NOW, World, people
from worker.store.following import receipts
from worker.store.sending import doubts, next_looks
from worker.store.sending.outcome import mark_unknown

BEFORE = timedelta(microseconds=1)
LATER = NOW + timedelta(minutes=5)


def test_the_next_poll_is_when_a_group_becomes_due(world: World) -> None:
    with world.store.read() as session:
        assert next_looks.next_poll(session, world.account_id) is None
    world.sent(world.run(people(4), per_request=2))

    with world.store.read() as session:
        at = next_looks.next_poll(session, world.account_id)
        assert at is not None
        assert receipts.due_groups(session, now=at - BEFORE, account_id=world.account_id, limit=9) == []
        assert receipts.due_groups(session, now=at, account_id=world.account_id, limit=9) != []
        assert next_looks.next_poll(session, world.account_id + 1) is None


def test_the_next_check_is_when_a_doubt_becomes_due(world: World) -> None:
    (batch_id,) = world.batches(world.run(people(1)))
    intent = world.intent(batch_id)
    with world.store.read() as session:
        assert next_looks.next_check(session, world.account_id) is None
    with world.store.write() as session:
        evidence = {FAILURE: FailureCode.SERVER_FAILED}
        mark_unknown(session, intent, outcome="unknown", evidence=evidence, next_check_at=LATER, now=NOW)

    with world.store.read() as session:
        assert next_looks.next_check(session, world.account_id) == LATER
        assert doubts.due_doubts(session, now=LATER - BEFORE, account_id=world.account_id) == []
        assert len(doubts.due_doubts(session, now=LATER, account_id=world.account_id)) == 1
        assert next_looks.next_check(session, world.account_id + 1) is None
