"""What a service forgets after a while, and what it never forgets."""

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from sqlmodel import select
from structlog.testing import capture_logs

from campaigns.access import SCHEDULER
from scheduler.ticks.every import RESTS
from scheduler.ticks.retention import EVERY, PARTS
from tests.protocol.world.harness import Installation
from tests.support.clocks import FakeClock
from worker.store import audit
from worker.store.engine import Store
from worker.store.events import EventName, record_event
from worker.store.kept import months
from worker.store.models import Event, Notice
from worker.store.notifications import outbox, retention
from worker.store.tables import calls_out

DAYS = timedelta(days=90)


def tell(bench: Installation, key: str, *, run_id: int | None = None, is_taken: bool = True) -> None:
    now = bench.clock.now()
    with bench.store.write() as session:
        outbox.tell(
            session, key=key, channel="webhook", target="https://a.example", event="e", body={}, run_id=run_id, now=now
        )
        id_ = session.exec(select(Notice.id).where(Notice.key == key)).one()
        if is_taken:
            outbox.taken(session, id_, now=now)


def keys(bench: Installation) -> set[str]:
    with bench.store.read() as session:
        found = session.exec(select(Notice.key)).all()
    return {key for key in found if not key.startswith(outbox.NEWS)}


def test_what_was_told_is_forgotten_when_it_is_old_and_its_run_is_over(bench: Installation) -> None:
    # given reports about a run that is over, one that is not, and none; and those that nobody has accepted
    over, waiting = (
        bench.campaign(1, name="over"),
        bench.campaign(1, name="later", more="schedule: {start: 2030-01-01 09:00}\n"),
    )
    bench.finish(over)
    tell(bench, "over", run_id=over)
    tell(bench, "waiting", run_id=waiting)
    tell(bench, "no run")
    tell(bench, "open", is_taken=False)
    bench.clock.advance(DAYS)
    tell(bench, "new", run_id=over)
    # when
    assert bench.call("forget") == {"forgotten": 0}
    bench.clock.advance(EVERY)
    bench.call("forget")
    # then
    assert keys(bench) == {"waiting", "open", "new"}
    assert bench.audience(over) == 1


def test_events_about_phones_are_forgotten_and_those_of_campaigns_are_not(bench: Installation) -> None:
    run_id = bench.campaign(1)
    with bench.store.write() as session:
        for name in (EventName.DEVICE_SLOWED, EventName.HELD_RESOLVED):
            record_event(session, name, bench.clock.now(), run_id=run_id, detail={"recipients": []})
    bench.clock.advance(DAYS + EVERY)
    bench.call("forget")
    assert bench.events() == [EventName.HELD_RESOLVED]


def test_much_is_forgotten_part_by_part(bench: Installation) -> None:
    # given more rows than one transaction deletes
    now = bench.clock.now()
    rows = [{"at": now, "name": EventName.DEVICE_SLOWED, "detail": {}} for _ in range(retention.AT_ONCE + 1)]
    with bench.store.write() as session:
        session.execute(sa.insert(Event), rows)
    bench.clock.advance(DAYS + EVERY)
    # then
    assert bench.call("forget") == {"forgotten": retention.AT_ONCE + 1}
    assert bench.call("forget") == RESTS
    bench.clock.advance(EVERY)
    assert bench.call("forget") == {"forgotten": 0}


def test_calls_are_forgotten_by_whole_months(bench_on_both: Installation) -> None:
    bench, begun = bench_on_both, bench_on_both.clock.now()
    month = months.month_of(begun)

    def call(at: datetime) -> int:
        values = {"notice_id": 1, "at": at, "channel": "webhook", "event": "reply", "seconds": 0.1}
        with bench.store.write() as session:
            return int(session.scalars(sa.insert(calls_out).values(values).returning(calls_out.c.id)).one())

    def left() -> list[int]:
        with bench.store.read() as session:
            return list(session.scalars(sa.select(calls_out.c.id).order_by(calls_out.c.id)))

    # given calls of this month and of the months before
    old = [call(month - timedelta(days=days)) for days in (400, 40, 1)]
    new = [call(month), call(begun)]
    # when the end of the month before is older than the setting, then all up to it are gone, and no others
    bench.clock.advance(month + DAYS - begun - EVERY)
    bench.call("forget")
    assert left() == [old[2], *new]
    bench.clock.advance(2 * EVERY)
    bench.call("forget")
    assert left() == new
    new.append(call(bench.clock.now()))
    bench.clock.advance(DAYS)
    bench.call("forget")
    assert left() == new[2:]


def test_who_may_not_change_tables_forgets_rows_all_the_same(
    tmp_path: Path, clock: FakeClock, postgres_url: str
) -> None:
    # given a service whose user may write rows, and nothing else
    role = f"plain_{uuid4().hex[:12]}"
    with closing(Store(postgres_url)) as owner:
        with owner.engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
            for kind in ("TABLES", "SEQUENCES"):
                connection.exec_driver_sql(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {role}")
        store = Store(sa.make_url(postgres_url).set(username=role).render_as_string())
        bench = Installation(tmp_path, store, clock)
        try:
            old = {"notice_id": 1, "at": clock.now(), "channel": "webhook", "event": "reply", "seconds": 0.1}
            with store.write() as session:
                session.execute(sa.insert(calls_out).values(old))
            clock.advance(timedelta(days=400))
            with capture_logs() as lines:
                assert bench.call("forget") == {"forgotten": 1}
            assert [line["table"] for line in lines if line["event"] == "months.left"] == ["call_out"]
        finally:
            bench.close()
            store.close()
            with owner.engine.begin() as connection:
                connection.exec_driver_sql(f"DROP OWNED BY {role}")
                connection.exec_driver_sql(f"DROP ROLE {role}")


def test_more_than_one_look_forgets_follows_at_the_next_call(bench: Installation) -> None:
    whole = PARTS * retention.AT_ONCE
    rows = [{"at": bench.clock.now(), "name": EventName.TEXTS_RETRIED, "detail": {}} for _ in range(whole + 1)]
    with bench.store.write() as session:
        session.execute(sa.insert(Event), rows)
    bench.clock.advance(DAYS + EVERY)
    assert [bench.call("forget") for _ in range(3)] == [{"forgotten": whole}, {"forgotten": 1}, RESTS]


def test_a_run_of_its_own_forgets_nothing(bench: Installation) -> None:
    tell(bench, "old")
    bench.clock.advance(DAYS + EVERY)
    bench.work_only_on(set())
    assert bench.call("forget") == {"forgotten": 0}
    assert keys(bench) == {"old"}


def test_the_end_of_the_audit_is_logged_once_a_day(bench: Installation) -> None:
    bench.call("forget")
    with bench.store.write() as session:
        audit.append(session, SCHEDULER, "pause", now=bench.clock.now())
    seen = []
    for _ in range(48):
        bench.clock.advance(EVERY)
        with capture_logs() as lines:
            bench.call("forget")
        seen += [line["anchor"] for line in lines if line["event"] == "audit.head"]
    with bench.store.read() as session:
        end = audit.head_of(session)
    assert seen == 2 * [f"{end.last_id}:{end.digest}"]
