"""Each alert is raised by its fault and cleared by its end: once, told once, seen by whoever asks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from campaigns.alerts.conditions import CONDITIONS, GONE_SECONDS
from campaigns.alerts.figures import AlertName
from campaigns.codes import PausedBy
from campaigns.lifecycle import BatchState, RecipientState
from campaigns.money.budgets import ALWAYS
from scheduler.actions.reading.alerts import read_alerts
from scheduler.loop import Clockwork
from scheduler.notifications.reports import letter, subject
from scheduler.processes.clock_watch import ClockWatch
from scheduler.processes.leader import leader_lock
from scheduler.rush import Rush
from scheduler.ticks.alerts import AlertsTick
from scheduler.ticks.pulse import Pulse
from scheduler.ticks.table import Tick
from tests.protocol.world.harness import SETTLED, Installation
from tests.protocol.world.sandbox_gateway import EVERYTHING, SandboxGateway
from tests.protocol.world.scripted_gateway import LOST, Reads
from tests.support.receiver import Receiver
from tests.support.servers import RedisServer
from worker.limits.limits_in_force import Ceilings
from worker.limits.live_prices import LivePrices
from worker.redis_jobs import redis_queue
from worker.sandbox.exchange import RequestKind
from worker.servers.troubles import Troubles
from worker.store import leases
from worker.store.errors import StoreError
from worker.store.models import Alert, Batch, Lease, Notice
from worker.store.money.spending import SpendingLimit, campaign_scope, open_limits
from worker.store.notifications import alerts
from worker.store.sending import accounts
from worker.store.tables import spent_money

N = AlertName
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def opened(bench: Installation) -> list[tuple[AlertName, str]]:
    return [(alert.name, alert.subject) for alert in read_alerts(bench.store)]


def look_for(bench: Installation, duration: timedelta) -> None:
    """Only look at the alerts for a while: at once, after a minute, and at the end."""
    bench.call("alerts")
    for wait in (min(MINUTE, duration), max(timedelta(0), duration - MINUTE)):
        bench.clock.advance(wait)
        bench.call("alerts")


def change(bench: Installation, statement: Any) -> None:
    with bench.store.write() as session:
        session.execute(statement)


def begun(bench: Installation, people: int = 4, **more: Any) -> int:
    """A campaign that has begun: the gateway has it, and no phone has sent it."""
    run_id = bench.campaign(people, **more)
    bench.until(lambda: sum(attempt.recipients for attempt in bench.attempts(run_id)) == people)
    return run_id


Way = Callable[[Installation], Callable[[], object]]
"""Makes a fault; returns how it ends."""


def books(bench: Installation) -> Callable[[], object]:
    run_id = bench.campaign(4)
    bench.call("start")
    mine = col(Batch.run_id) == run_id
    change(bench, sa.update(Batch).where(mine).values(state=BatchState.REFUSED))
    return lambda: change(bench, sa.update(Batch).where(mine).values(state=BatchState.PLANNED))


def late_arrival(bench: Installation) -> Callable[[], object]:
    bench.gateway.script.append(LOST)
    run_id = bench.campaign(1)
    bench.finish(run_id)
    [row] = bench.recipients(run_id)
    bench.gateway.store([(row.number, row.text)])
    bench.pass_time(20 * MINUTE, step=30)
    with bench.store.write() as session:
        accounts.resume_account(session, bench.runtime.account_id)
    look_for(bench, MINUTE)
    return lambda: look_for(bench, HOUR)


def paused(bench: Installation) -> Callable[[], object]:
    account_id, now = bench.runtime.account_id, bench.clock.now()
    with bench.store.write() as session:
        accounts.pause_account(session, account_id, PausedBy.GATEWAY, "no credits", now=now, probe_at=None)

    def resume() -> None:
        with bench.store.write() as session:
            accounts.resume_account(session, account_id)

    return resume


def trouble(error: Exception) -> Way:
    def make(bench: Installation) -> Callable[[], object]:
        troubles = Troubles(bench.clock)
        bench.runtime = replace(bench.runtime, troubles=troubles)
        troubles.failed("drain", error)

        def end() -> None:
            bench.clock.advance(10)
            troubles.worked("drain")

        return end

    return make


def in_doubt(bench: Installation) -> Callable[[], object]:
    run_id = bench.campaign(1)
    bench.gateway.script.append(LOST)
    bench.send()
    bench.gateway.reads = Reads.FAILING
    bench.pass_time(2 * SETTLED, step=20)

    def end() -> None:
        bench.gateway.reads = Reads.TRUE
        bench.finish(run_id)

    return end


def phone_stuck(bench: Installation) -> Callable[[], object]:
    bench.runtime = replace(bench.runtime, settings=bench.settings.model_copy(update={"stuck_after_seconds": 60}))
    run_id = begun(bench, per_request=1)
    bench.clock.advance(5 * MINUTE)
    bench.call("stuck")

    def end() -> None:
        bench.gateway.set_all("Delivered")
        bench.finish(run_id)
        bench.clock.advance(MINUTE)
        bench.call("stuck")

    return end


class OneLimit:
    """Nothing is limited but the people of each phone."""

    def __init__(self, most: int | None) -> None:
        self._ceilings = Ceilings(device_people_monthly=most)

    def current(self) -> Ceilings:
        return self._ceilings


def people_texted(of: int) -> Way:
    """Four people were texted by a phone that may text so many in a month."""

    def make(bench: Installation) -> Callable[[], object]:
        begun(bench, more="devices: {use: [7]}\n")
        limited, bench.runtime = bench.runtime, replace(bench.runtime, ceilings=OneLimit(of))

        def end() -> None:
            bench.runtime = replace(limited, ceilings=OneLimit(of + 2))

        return end

    return make


def phone_fails(bench: Installation) -> Callable[[], object]:
    run_id = begun(bench, 30)
    bench.gateway.set_all("Failed")
    bench.until(lambda: bench.states(run_id).get(RecipientState.FAILED, 0) == 30, within=2 * HOUR)
    return lambda: look_for(bench, HOUR)


def budget(bench: Installation) -> Callable[[], object]:
    run_id = bench.campaign(100, per_request=1, more="  daily: 3\n")
    bench.pass_time(MINUTE)
    return lambda: bench.cancel(run_id)


def credits_(bench: Installation) -> Callable[[], object]:
    bench.gateway.credits = 40
    bench.campaign(200, per_request=1, more="  rate: 10/minute\n")
    bench.pass_time(5 * MINUTE)
    bench.gateway.credits = 40

    def buy() -> None:
        bench.gateway.credits = 10_000
        look_for(bench, 6 * MINUTE)

    return buy


def late(wait: timedelta) -> Way:
    def make(bench: Installation) -> Callable[[], object]:
        run_id = bench.campaign(12, name="code", per_request=1, more="kind: transactional\n")
        bench.call("start")
        bench.clock.advance(2 * MINUTE)
        bench.until(lambda: len(bench.attempts(run_id)) == 12)
        return lambda: look_for(bench, wait)

    return make


def money(share: float) -> Way:
    """A budget of money of which this share is spent."""

    def make(bench: Installation) -> Callable[[], object]:
        run_id = bench.campaign(4, more="  budget: {total: 100 EUR}\n")
        bench.call("start")
        scope = campaign_scope(bench.run(run_id).campaign_id)
        with bench.store.write() as session:
            open_limits(session, [SpendingLimit(scope, *ALWAYS, 100_000_000)])
        change(bench, sa.update(spent_money).values(millionths=int(share * 100_000_000)))

        def end() -> None:
            bench.cancel(run_id)
            change(bench, sa.delete(spent_money))

        return end

    return make


def prices(bench: Installation) -> Callable[[], object]:
    path = bench.folder / "prices.csv"
    path.write_text("prefix,price,currency\n39,0,05,EUR\n")
    bench.runtime = replace(bench.runtime, prices=LivePrices(path, bench.clock))
    return lambda: path.write_text("prefix,price,currency\n39,0.05,EUR\n")


FAULTS: dict[AlertName, tuple[Way, str]] = {
    N.BOOKS: (books, "sale"),
    N.LATE_ARRIVAL: (late_arrival, ""),
    N.DATABASE_AWAY: (trouble(sa.exc.OperationalError("", {}, Exception())), ""),
    N.IN_DOUBT: (in_doubt, ""),
    N.PHONE_STUCK: (phone_stuck, "1"),
    N.PHONE_FAILS: (phone_fails, "1"),
    N.PEOPLE_LOW: (people_texted(5), "7"),
    N.PEOPLE_USED_UP: (people_texted(4), "7"),
    N.BUDGET: (budget, "campaign:sale"),
    N.CREDITS: (credits_, ""),
    N.MONEY_LOW: (money(0.8), "sale: throughput.budget.total"),
    N.MONEY_SPENT: (money(0.99), "sale: throughput.budget.total"),
    N.PRICES: (prices, ""),
    N.LATE_FAST: (late(HOUR), ""),
    N.LATE_SLOWLY: (late(6 * HOUR), ""),
}


def refused_key(bench: Installation, sandbox: SandboxGateway) -> Iterator[str]:
    sandbox.fail("refused_key", *EVERYTHING)
    bench.campaign(4)
    bench.until(lambda: bool(bench.paused_because()))
    yield ""
    sandbox.work()
    bench.until(lambda: not bench.paused_because(), within=HOUR)


def lost(bench: Installation, sandbox: SandboxGateway) -> Iterator[str]:
    sandbox.fail("server_error_before", RequestKind.SEND)
    run_id = bench.campaign(4)
    bench.until(lambda: bench.states(run_id) == {RecipientState.HELD: 4})
    sandbox.work()
    bench.clock.advance(HOUR)
    yield ""
    bench.resolve_not_sent(run_id)


def stops(bench: Installation, sandbox: SandboxGateway) -> Iterator[str]:
    run_id = begun(bench, 100)
    for row in bench.recipients(run_id)[:20]:
        sandbox.receive(row.number, "STOP")
    bench.pass_time(MINUTE)
    yield "sale"
    bench.until(lambda: bench.run(run_id).finished_at is not None, within=HOUR, step=60)


def refused_calls(bench: Installation, sandbox: SandboxGateway) -> Iterator[str]:
    with Receiver(500, 500, 500) as receiver:
        given = {"allow_private_webhooks": True, "report_webhook": receiver.url}
        settings = bench.settings.__class__.model_validate({**bench.settings.model_dump(), **given})
        bench.runtime = replace(bench.runtime, settings=settings)
        bench.campaign(4)
        bench.until(lambda: len(receiver.calls) == 3, within=HOUR)
        yield f"127.0.0.1:{receiver.port}"
        bench.until(lambda: len(receiver.calls) > 3, within=HOUR)


def missing_table(bench: Installation, sandbox: SandboxGateway) -> Iterator[str]:
    """One tick fails each time, and the others work: nothing else shows it."""
    with clockwork(bench, "unsubscribe", "late"):
        change(bench, sa.text("ALTER TABLE unsubscription RENAME TO away"))
        try:
            bench.clock.advance(301)
            await_(lambda: bench.ticks.pulse.ages(bench.clock.elapsed_seconds())["late"] == 0)
            yield "unsubscribe"
        finally:
            change(bench, sa.text("ALTER TABLE away RENAME TO unsubscription"))
        bench.clock.advance(10)  # it rests after a failure
        await_(lambda: bench.ticks.pulse.ages(bench.clock.elapsed_seconds())["unsubscribe"] == 0)


def redis_stopped(bench: Installation, redis: RedisServer) -> Iterator[str]:
    troubles = Troubles(bench.clock)
    queue = redis_queue(redis.url, lambda _: None, troubles)
    bench.runtime = replace(bench.runtime, troubles=troubles, queue=queue)
    bench.campaign(4)
    redis.stop()
    try:
        with clockwork(bench, "start", "drain"):
            await_(lambda: bool(troubles.current()))
            yield ""
            redis.start()
            bench.clock.advance(10)
            await_(lambda: bool(queue.outstanding()))
            bench.clock.advance(10)
            await_(lambda: not troubles.current())
    finally:
        redis.start()
        queue.stop()


@contextmanager
def clockwork(bench: Installation, *names: str) -> Iterator[None]:
    """The real clock calls these ticks, in threads of their own."""
    ticks = [tick for tick in bench.ticks.all if tick.name in names]
    clock = Clockwork(bench.runtime, ticks, Rush(), bench.ticks.pulse)
    clock.start()
    try:
        yield
    finally:
        clock.stop()


def await_(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


IN_SANDBOX: dict[AlertName, Callable[[Installation, SandboxGateway], Iterator[str]]] = {
    N.ACCOUNT_PAUSED: refused_key,
    N.HELD: lost,
    N.OPT_OUTS: stops,
    N.CALLS_OUT: refused_calls,
    N.NO_TICK: missing_table,
}
"""Each makes a fault, says which subject its alert has, and ends the fault."""


def test_every_alert_has_its_fault_here() -> None:
    assert {*FAULTS, *IN_SANDBOX, N.REDIS_AWAY, N.NO_LEASE_HOLDER} == set(AlertName)


@pytest.mark.parametrize("name", FAULTS)
def test_an_alert_is_raised_by_its_fault_and_cleared_by_its_end(known: Installation, name: AlertName) -> None:
    make, about = FAULTS[name]

    def fault() -> Iterator[str]:
        end = make(known)
        yield about
        end()

    raised_and_cleared(known, name, fault())


@pytest.mark.long
@pytest.mark.parametrize("name", IN_SANDBOX)
def test_an_alert_is_raised_and_cleared_in_a_sandbox(
    bench_with_sandbox: Installation, sandbox: SandboxGateway, name: AlertName
) -> None:
    bench = bench_with_sandbox
    before = bench.campaign(1, name="before", first=900)
    bench.until(lambda: bench.run(before).finished_at is not None, within=HOUR, step=60)

    raised_and_cleared(bench, name, IN_SANDBOX[name](bench, sandbox))


def test_redis_that_is_away_raises_an_alert(bench: Installation, redis_server: RedisServer) -> None:
    redis_server.start()

    raised_and_cleared(bench, N.REDIS_AWAY, redis_stopped(bench, redis_server))


def raised_and_cleared(bench: Installation, name: AlertName, fault: Iterator[str]) -> None:
    """The first half of `fault` makes it, the second ends it."""
    look_for(bench, MINUTE)
    assert opened(bench) == []

    about = next(fault)
    look_for(bench, CONDITIONS[name].holds + 2 * MINUTE)
    raised = opened(bench)
    assert next(fault, None) is None
    assert (name, about) in raised

    look_for(bench, timedelta(seconds=GONE_SECONDS) + 2 * MINUTE)
    assert (name, about) not in opened(bench)
    with bench.store.read() as session:
        rows = session.exec(select(Alert).where(Alert.name == name)).all()
        news = session.scalars(sa.select(col(Notice.event)).where(col(Notice.event).startswith("alert."))).all()
    assert len(rows) == 1
    assert rows[0].cleared_at is not None
    assert {"alert.raised", "alert.cleared"} <= set(news)
    [shown] = [alert for alert in read_alerts(bench.store, with_cleared=True) if alert.name is name]
    assert "?" not in shown.says


def test_nobody_who_runs_the_clock_is_seen_from_outside(bench_on_both: Installation) -> None:
    bench = bench_on_both
    bench.campaign(4)
    bench.call("start")
    if bench.store.is_sqlite:  # the lock is a file there, and `doctor` looks at it
        assert opened(bench) == []
        return
    with bench.store.write() as session:
        assert leases.take(session, leases.CLOCK, "the test") is not None
    assert opened(bench) == []
    expired = sa.func.now() - sa.cast(timedelta(seconds=61), sa.Interval)
    change(bench, sa.update(Lease).values(expires_at=expired))
    assert opened(bench) == [(N.NO_LEASE_HOLDER, "")]


def test_with_no_clock_another_process_raises_and_tells_and_the_next_clock_clears(bench_on_both: Installation) -> None:
    bench = bench_on_both
    lock, key = leader_lock(bench.store), (N.NO_LEASE_HOLDER, "")
    with Receiver() as receiver:
        given = {"allow_private_webhooks": True, "report_webhook": receiver.url}
        settings = bench.settings.__class__.model_validate({**bench.settings.model_dump(), **given})
        bench.runtime = replace(bench.runtime, settings=settings)
        watches = [ClockWatch(bench.runtime) for _ in range(2)]  # two workers

        def look(seconds: float) -> list[tuple[AlertName, str]]:
            for wait in (0, seconds):
                bench.clock.advance(wait)
                for watch in watches:
                    watch.look()
            return opened(bench)

        assert lock.acquire()
        assert look(120) == []
        lock.release()
        assert look(59) == []
        assert look(1) == [key]
        assert look(600) == [key]
        assert receiver.events() == ["alert.raised"]

        assert lock.acquire()
        look_for(bench, timedelta(seconds=GONE_SECONDS))
        bench.call("notices")
        lock.release()
        assert opened(bench) == []
        assert receiver.events() == ["alert.raised", "alert.cleared"]


def test_an_alert_is_stored_and_told_once_on_both_databases(bench_on_both: Installation) -> None:
    bench, now = bench_on_both, bench_on_both.clock.now()
    with bench.store.write() as session:
        made = [alerts.raise_alert(session, N.HELD, "", {"hours": 2}, rehearsal=False, now=now) for _ in range(2)]
        assert alerts.raise_alert(session, N.HELD, "", {}, rehearsal=True, now=now) is not None
    assert made[0] is not None
    assert made[1] is None
    with bench.store.write() as session:
        assert alerts.clear_alert(session, made[0], now=now)
        assert not alerts.clear_alert(session, made[0], now=now)
        assert alerts.raise_alert(session, N.HELD, "", {}, rehearsal=False, now=now) is not None
    assert [alert.rehearsal for alert in read_alerts(bench.store)] == [True, False]
    bench.call("alerts")  # every figure is looked at on both


def test_an_alert_is_told_to_the_targets_of_the_settings_alone(bench: Installation) -> None:
    with Receiver() as mine, Receiver() as theirs:
        given = {"allow_private_webhooks": True, "report_webhook": mine.url}
        settings = bench.settings.__class__.model_validate({**bench.settings.model_dump(), **given})
        bench.runtime = replace(bench.runtime, settings=settings)
        bench.campaign(4, more=f"report:\n  webhook: {theirs.url}\n")
        paused(bench)
        look_for(bench, 6 * MINUTE)
        bench.call("notices")
        told = [call.json for call in mine.calls if call.json["event"] == "alert.raised"]
        assert [(body["alert"], body["severity"], body["subject"]) for body in told] == [("account_paused", "page", "")]
        assert told[0]["reason"] == "nothing is sent: no credits"
        assert "alert.raised" not in theirs.events()
        assert subject(told[0], "alert.raised") == "[campaigns] page: nothing is sent: no credits"
        assert "Why: nothing is sent: no credits" in letter(told[0], "alert.raised")


def test_a_process_that_takes_over_clears_what_another_one_raised(bench: Installation) -> None:
    end = paused(bench)
    look_for(bench, 6 * MINUTE)
    end()
    tick = AlertsTick()
    tick(bench.runtime, bench.clock.now())
    assert opened(bench) == [(N.ACCOUNT_PAUSED, "")]
    bench.clock.advance(GONE_SECONDS)
    tick(bench.runtime, bench.clock.now())
    assert opened(bench) == []


def test_an_alert_about_a_budget_that_was_raised_has_the_new_figures_at_the_next_look(bench: Installation) -> None:
    end = money(0.9)(bench)
    tick = AlertsTick()
    tick(bench.runtime, bench.clock.now())
    assert [alert.says for alert in read_alerts(bench.store)] == [
        "sale has spent 90 % of throughput.budget.total: 90.00 of 100.00 EUR"
    ]

    bench.campaign(4, more="  budget: {total: 110 EUR}\n")
    bench.call("start")
    bench.clock.advance(10)
    tick(bench.runtime, bench.clock.now())

    assert [alert.says for alert in read_alerts(bench.store)] == [
        "sale has spent 81 % of throughput.budget.total: 90.00 of 110.00 EUR"
    ]
    end()


def test_a_command_raises_nothing(bench: Installation) -> None:
    paused(bench)
    runtime = replace(bench.runtime, only_runs=frozenset())
    tick = AlertsTick()
    for _ in range(3):
        assert tick(runtime, bench.clock.now()) == {}
        bench.clock.advance(5 * MINUTE)


def test_the_clock_notes_which_ticks_work(bench: Installation) -> None:
    def fails(*_: object) -> dict[str, int]:
        raise StoreError("away")

    pulse = Pulse()
    ticks = Tick("works", 0.02, lambda *_: {}), Tick("fails", 0.02, fails)
    clockwork = Clockwork(bench.runtime, ticks, Rush(), pulse)
    clockwork.start()
    bench.clock.advance(301)
    deadline = time.monotonic() + 10
    while pulse.ages(bench.clock.elapsed_seconds())["works"] and time.monotonic() < deadline:
        time.sleep(0.02)
    clockwork.stop()
    assert pulse.ages(bench.clock.elapsed_seconds()) == {"works": 0.0, "fails": 301.0}
