"""Notices: recorded once with what happened, claimed by one process, kept until they are accepted."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from campaigns.codes import PAUSED, PausedBy
from campaigns.lifecycle import RunState
from tests.store.store_world import NOW, SOON, World, people
from worker.store.models import Notice
from worker.store.notifications import outbox, retention
from worker.store.notifications.outbox import DueNotice
from worker.store.runs import due_runs, run_ends, runs
from worker.store.sending import accounts

HOOK = ("webhook", "https://a.example/hook")
OTHER = ("webhook", "https://b.example/hook")


def noted(world: World, key: str = "k", target: tuple[str, str] = HOOK, *, now: datetime = NOW) -> bool:
    with world.store.write() as session:
        return outbox.tell(
            session, key=key, channel=target[0], target=target[1], event="e", body={"n": 1}, run_id=None, now=now
        )


def due(world: World, now: datetime = NOW) -> dict[tuple[str, str], list[int]]:
    with world.store.read() as session:
        return outbox.due_targets(session, now, most=10)


def claimed(world: World, now: datetime = NOW) -> list[DueNotice]:
    ids = [id_ for mine in due(world, now).values() for id_ in mine]
    with world.store.write() as session:
        return outbox.claim(session, ids, now=now, until=now + timedelta(minutes=1))


def news(world: World) -> list[tuple[str, int | None, str]]:
    with world.store.read() as session:
        rows = session.exec(select(Notice).where(Notice.channel == outbox.NEWS).order_by(col(Notice.id)))
        return [(row.event, row.run_id, row.body["reason"]) for row in rows]


def test_what_is_noted_twice_is_told_once(world: World) -> None:
    assert [noted(world), noted(world), noted(world, "other")] == [True, False, True]
    assert [len(ids) for ids in due(world).values()] == [2]


def test_what_is_undone_was_never_noted(world: World) -> None:
    run_id = world.run(people(1))
    with world.store.write() as session:
        outbox.announce(session, "run.paused", run_id=run_id, now=NOW)
        session.rollback()
    assert news(world) == []


def test_a_notice_is_claimed_by_one_and_comes_back_when_its_process_died(world: World) -> None:
    noted(world)
    # when
    [first] = claimed(world)
    # then
    assert (first.channel, first.target, first.body, first.tries) == (*HOOK, {"n": 1}, 0)
    assert claimed(world) == []
    assert [again.id for again in claimed(world, NOW + timedelta(minutes=1))] == [first.id]


def test_a_notice_is_tried_until_it_is_taken(world: World) -> None:
    noted(world)
    [first] = claimed(world)
    # when
    with world.store.write() as session:
        outbox.failed(session, first.id, problem="HTTP 500", retry_at=SOON)
    # then
    assert due(world, SOON - timedelta(microseconds=1)) == {}
    [again] = claimed(world, SOON)
    assert again.tries == 1
    with world.store.write() as session:
        outbox.taken(session, first.id, now=SOON)
    assert due(world, SOON + timedelta(days=30)) == {}
    with world.store.read() as session:
        assert outbox.next_due(session) is None


def test_what_was_given_up_stays_so(world: World) -> None:
    noted(world)
    [first] = claimed(world)
    with world.store.write() as session:
        assert outbox.give_up(session, first.id, problem="HTTP 500", now=SOON)
        assert not outbox.give_up(session, first.id, problem="HTTP 500", now=SOON)
    assert due(world, SOON + timedelta(days=30)) == {}


def test_one_target_that_rests_keeps_nobody_else_waiting(world: World) -> None:
    for key, target in (("1", HOOK), ("2", HOOK), ("3", OTHER)):
        noted(world, key, target)
    # when
    with world.store.write() as session:
        assert outbox.put_off(session, *HOOK, until=SOON) == 2
    # then
    assert list(due(world)) == [OTHER]
    with world.store.read() as session:
        assert outbox.due_targets(session, NOW, but=[OTHER], most=10) == {}
    assert list(due(world, SOON)) == [OTHER, HOOK]


def test_what_was_claimed_and_not_tried_is_due_at_once(world: World) -> None:
    noted(world)
    [first] = claimed(world)
    with world.store.write() as session:
        outbox.release(session, [first.id], now=NOW)
    assert [again.id for again in claimed(world)] == [first.id]


def test_the_life_of_a_run_is_news(world: World) -> None:
    run_id = world.run(people(1), state=RunState.SCHEDULED)
    # when
    with world.store.write() as session:
        assert due_runs.start_due_runs(session, world.account_id, NOW) == [run_id]
        assert runs.pause_run(session, run_id, PausedBy.PERSON, "lunch", now=NOW)
        assert not runs.pause_run(session, run_id, PausedBy.PERSON, "again", now=NOW)
        runs.resume_run(session, run_id)
        assert runs.pause_run(session, run_id, PausedBy.PERSON, "dinner", now=NOW)
        runs.cancel_run(session, run_id, "enough", NOW)
        assert run_ends.finish_run(session, run_id, NOW)
        assert not run_ends.finish_run(session, run_id, NOW)
    # then
    assert news(world) == [
        ("run.started", run_id, ""),
        ("run.paused", run_id, "lunch"),
        ("run.paused", run_id, "dinner"),
        ("run.completed", run_id, ""),
    ]


def test_a_run_that_starts_again_after_a_pause_is_no_news(world: World) -> None:
    run_id = world.run(people(1), state=RunState.SCHEDULED)
    for _ in range(2):
        with world.store.write() as session:
            due_runs.start_due_runs(session, world.account_id, NOW)
        world.set_run(run_id, state=RunState.SCHEDULED)
    assert [event for event, _, _ in news(world)] == ["run.started"]


def test_a_plan_that_failed_is_news(world: World) -> None:
    run_id = world.run(people(1), state=RunState.SCHEDULED)
    with world.store.write() as session:
        assert runs.fail_run(session, run_id, "the audience is empty", NOW)
        assert not runs.fail_run(session, run_id, "the audience is empty", NOW)
    assert news(world) == [("run.failed", run_id, "the audience is empty")]


def test_held_people_are_news_once_an_hour_and_a_moment_later(world: World) -> None:
    run_id = world.run(people(1))
    for after in (0, 10, 3600):
        with world.store.write() as session:
            outbox.announce_held(session, run_id, now=NOW + timedelta(seconds=after))
    assert news(world) == [("run.held", run_id, "")] * 2
    with world.store.read() as session:
        assert outbox.due_news(session, NOW) == []
        assert len(outbox.due_news(session, NOW + timedelta(hours=2))) == 2
        assert outbox.due_targets(session, NOW + timedelta(hours=2), most=10) == {}


def test_an_account_that_is_paused_is_news_once(world: World) -> None:
    with world.store.write() as session:
        assert accounts.pause_account(session, world.account_id, PausedBy.GATEWAY, "no credits", now=NOW, probe_at=SOON)
        assert not accounts.pause_account(session, world.account_id, PausedBy.GATEWAY, "no key", now=NOW, probe_at=SOON)
        accounts.quarantine(session, world.account_id, now=NOW)
        accounts.quarantine(session, world.account_id, now=NOW)
    assert [reason for _, _, reason in news(world)] == ["no credits", PAUSED[PausedBy.QUARANTINE]]


def test_idle_looks_read_an_index(world: World) -> None:
    with world.store.read() as session:
        if not world.store.is_sqlite:
            return  # its planner reads an empty table completely
        query = "EXPLAIN QUERY PLAN SELECT min(next_try_at) FROM notice WHERE ended_at IS NULL"
        [plan] = [row[-1] for row in session.connection().execute(sa.text(query))]
    assert "ix_notice_next_try_at" in plan


def test_old_notices_are_found_by_their_end_and_forgotten_once(world: World) -> None:
    # given a reported notice of no run, one of a run that is not over, and one that waits
    run_id = world.run(people(1))
    noted(world, "told")
    with world.store.write() as session:
        outbox.tell(session, key="of a run", channel="webhook", target="t", event="e", body={}, run_id=run_id, now=NOW)
        for id_ in session.exec(select(Notice.id)).all():
            outbox.taken(session, id_, now=NOW)
    noted(world, "waits")

    # when
    with world.store.write() as session:
        assert retention.old_notices(session, NOW) == []
        old = retention.old_notices(session, SOON)
        everything = list(session.exec(select(Notice.id)))
        assert retention.forget(session, notice_ids=old, event_ids=[]) == 1
        # then what waits is not forgotten, even if somebody asks for it
        assert retention.forget(session, notice_ids=everything, event_ids=[]) == 1
        assert session.exec(select(Notice.key)).all() == ["waits"]
