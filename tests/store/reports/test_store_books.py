"""Whatever happens in whatever order: everybody is somewhere, nobody in two requests, nobody back from delivered."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from campaigns.codes import PausedBy, WaitsFor
from campaigns.lifecycle import RecipientState, RunState
from tests.store.store_world import NOW, SOON, World, empty, people
from tests.support.queueing import queue_due
from worker.store.engine import Store
from worker.store.following import receipts
from worker.store.following.receipts import Receipt
from worker.store.kept.counting import MOST_REASON
from worker.store.models import Attempt, AttemptState, Recipient
from worker.store.reports.counts import Books, Failures, books, counts_unlike_rows, failures
from worker.store.runs import run_ends, runs
from worker.store.sending import doubts, queue
from worker.store.sending.intent import Intent
from worker.store.sending.outcome import (
    close_attempt,
    fail_in_doubt,
    hold_in_doubt,
    postpone_batch,
    record_accepted,
    release,
)
from worker.store.tables import recipients, run_counts

AUDIENCE = 6
STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 7)), min_size=5, max_size=25)
SHOWN = [
    RecipientState.ACCEPTED,
    RecipientState.SENT,
    RecipientState.DELIVERED,
    RecipientState.FAILED,
    RecipientState.CANCELLED,
]


class Life:
    """Two runs to overlapping people, and everything that workers, ticks, people and phones do to them."""

    def __init__(self, store: Store) -> None:
        self.world = World(store)
        self.runs = [
            self.world.run(people(AUDIENCE), per_request=2),
            self.world.run(people(AUDIENCE, first=3), campaign="other", per_request=3),
        ]
        self.under_way: list[Intent] = []
        self.delivered: set[int] = set()
        self.now = NOW

    def step(self, what: int, pick: int) -> None:
        self.now += timedelta(seconds=20)
        steps = [
            self.promise, self.promise, self.accept, self.release, self.lose, self.hold, self.receipt,
            self.pause_or_resume, self.cancel, self.queue,
        ]  # fmt: skip
        steps[what](pick)

    def run_of(self, pick: int) -> int:
        return self.runs[pick % 2]

    def promise(self, pick: int) -> None:
        ids = [id_ for run_id in self.runs for id_ in self.world.batches(run_id)]
        intent = self.world.promise(ids[pick % len(ids)], now=self.now)
        if isinstance(intent, Intent):
            self.under_way.append(intent)

    def taken(self, pick: int) -> Iterator[tuple[Any, Intent]]:
        """A request under way gets its outcome, unless somebody decided before."""
        if self.under_way:
            intent = self.under_way.pop(pick % len(self.under_way))
            with self.world.store.write() as session:
                if close_attempt(session, intent.attempt_id, outcome="x", evidence={}, now=self.now):
                    yield session, intent

    def accept(self, pick: int) -> None:
        for session, intent in self.taken(pick):
            placed = self.world.placed(intent, None if pick % 2 else 1)
            left_out = [a.id for a in intent.addressees[len(placed) :]]
            fail_in_doubt(session, left_out, "left out")
            record_accepted(session, intent, placed, now=NOW, first_poll_at=SOON, retry_at=NOW)

    def release(self, pick: int) -> None:
        for session, intent in self.taken(pick):
            release(session, [a.id for a in intent.addressees], "")
            postpone_batch(session, intent.batch_id, until=NOW, waits_for=WaitsFor.RETRY, reason="")

    def lose(self, pick: int) -> None:
        with self.world.store.write() as session:
            doubts.abandon_stale(session, now=self.now, grace=timedelta(seconds=pick))

    def hold(self, pick: int) -> None:
        for session, intent in self.taken(pick):
            hold_in_doubt(session, [a.id for a in intent.addressees], "nobody can tell")
            record_accepted(session, intent, [], now=NOW, first_poll_at=SOON, retry_at=NOW)

    def receipt(self, pick: int) -> None:
        state = SHOWN[pick % len(SHOWN)]
        with self.world.store.write() as session:
            ids = list(session.exec(select(Recipient.gateway_id).order_by(col(Recipient.id))))
            shown = [Receipt(id_, state, pick % 2, NOW, NOW, 1, 0, "") for id_ in ids[pick::2] if id_ is not None]
            receipts.apply_receipts(session, self.world.account_id, shown)

    def pause_or_resume(self, pick: int) -> None:
        with self.world.store.write() as session:
            if not runs.pause_run(session, self.run_of(pick), PausedBy.PERSON, "lunch", now=NOW):
                runs.resume_run(session, self.run_of(pick))

    def cancel(self, pick: int) -> None:
        if pick == 0:  # rarely, or nothing else happens
            with self.world.store.write() as session:
                runs.cancel_run(session, self.run_of(pick), "by hand", self.now)

    def queue(self, pick: int) -> None:
        with self.world.store.write() as session:
            queue_due(session, self.run_of(pick), now=self.now, room=2)
            queue.requeue_lost(session, self.now)

    def check(self) -> None:
        for run_id in self.runs:
            states = self.world.states(run_id)
            assert states.total() == AUDIENCE
        rows = [row for run_id in self.runs for row in self.world.recipients(run_id)]
        doubtful = [row.number for row in rows if row.state is RecipientState.IN_DOUBT]
        assert len(doubtful) == len(set(doubtful))
        # everybody in doubt is so because of an undecided request, and of no other
        with self.world.store.read() as session:
            undecided = set(session.exec(select(Attempt.batch_id).where(Attempt.state != AttemptState.CLOSED)))
        assert {row.batch_id for row in rows if row.state is RecipientState.IN_DOUBT} == undecided
        delivered = {row.id for row in rows if row.state is RecipientState.DELIVERED}
        assert self.delivered <= delivered
        self.delivered = delivered

    def end(self) -> None:
        """Decide what is open: then every run ends."""
        while self.under_way:
            self.accept(1)
        for run_id in self.runs:
            with self.world.store.write() as session:
                runs.cancel_run(session, run_id, "the end", self.now)
                runs.cancel_leftovers(session, run_id)
                run_ends.expire_open(session, run_id)
                run_ends.finish_run(session, run_id, self.now)
            assert self.world.run_state(run_id) is RunState.CANCELLED
            left = {RecipientState.PENDING, RecipientState.IN_DOUBT, RecipientState.ACCEPTED}
            assert not left & set(self.world.states(run_id))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_everybody_is_somewhere_after_anything(store: Store, steps: list[tuple[int, int]]) -> None:
    empty(store)
    life = Life(store)
    for turn, (what, pick) in enumerate(steps):
        life.step(what, pick)
        if turn % 3 == 0:
            life.check()
    life.end()
    life.check()


def test_a_count_that_is_not_kept_as_the_rows_are_is_found(world: World) -> None:
    run_id = world.run(people(4), per_request=2)
    world.accept(intent := world.intent(world.batches(run_id)[0]), world.placed(intent))
    with world.store.read() as session:
        assert counts_unlike_rows(session) == {}
        before = books(session, run_id)
    assert before == Books({RecipientState.PENDING: 2, RecipientState.ACCEPTED: 2}, 2, 1, NOW, NOW)

    # given a count that somebody changed by hand
    mine = (run_counts.c.run_id == run_id, run_counts.c.figure == "pending")
    with world.store.write() as session:
        session.execute(sa.update(run_counts).where(*mine).values(amount=run_counts.c.amount + 3))
    with world.store.read() as session:
        assert counts_unlike_rows(session) == {run_id: {("pending", "text."): ((5, 0), (2, 0))}}
    with world.store.write() as session:
        session.execute(sa.update(run_counts).where(*mine).values(amount=run_counts.c.amount - 3))


def test_why_texts_failed_is_kept_and_its_key_is_bounded(world: World) -> None:
    """PostgreSQL refuses a key of more than 2,700 bytes, and with it the change that it counts."""
    run_id = world.run(people(5), per_request=5)
    world.accept(intent := world.intent(world.batches(run_id)[0]), world.placed(intent))
    rows = world.recipients(run_id)
    why = [("é|" * 3_000, 133, 2), ("no such number", None, None), ("no such number", None, None), ("gone", 1, 2)]
    with world.store.write() as session:
        for row, (reason, code, device) in zip(rows, why, strict=False):
            failed = {"state": RecipientState.FAILED, "reason": reason, "result_code": code, "device": device}
            session.execute(sa.update(recipients).where(recipients.c.id == row.id).values(failed))
    with world.store.write() as session:
        # given one that was delivered after all, and one that failed at another phone
        mine = sa.update(recipients).where(recipients.c.id == rows[3].id)
        session.execute(mine.values(state=RecipientState.DELIVERED))
        session.execute(sa.update(recipients).where(recipients.c.id == rows[0].id).values(device=3))
    with world.store.read() as session:
        assert failures(session, run_id) == [
            Failures(2, None, None, "no such number"),
            Failures(1, 133, 3, ("é|" * 3_000)[:MOST_REASON]),
        ]
        assert counts_unlike_rows(session) == {}


def test_a_run_that_ends_has_one_row_for_a_figure(world: World) -> None:
    # given shards of two other connections
    run_id = world.run(people(4), per_request=2, state=RunState.SETTLING)
    with world.store.write() as session:
        for shard, amount in () if world.store.is_sqlite else ((-1, -1), (-2, 1)):
            row = {
                "run_id": run_id,
                "figure": "pending",
                "part": "text.",
                "shard": shard,
                "amount": amount,
                "segments": 0,
            }
            session.execute(sa.insert(run_counts).values(row))
    with world.store.write() as session:
        assert run_ends.finish_run(session, run_id, NOW)
    with world.store.read() as session:
        assert set(session.scalars(sa.select(run_counts.c.shard))) == {0}
        assert counts_unlike_rows(session) == {}


def test_threads_that_change_a_run_at_once_lose_no_count_and_wait_for_nobody(world: World) -> None:
    run_id = world.run(people(60), per_request=2)

    def send(batch_id: int) -> None:
        intent = world.promise(batch_id)
        if isinstance(intent, Intent):
            world.accept(intent, world.placed(intent))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, world.batches(run_id)))
    with world.store.read() as session:
        assert counts_unlike_rows(session) == {}
        assert books(session, run_id).by_state == {RecipientState.ACCEPTED: 60}
