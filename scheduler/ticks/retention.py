"""Deletes old notices, alerts and phone records: a service that runs for years must not grow by them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from campaigns.calendar.periods import month_of
from scheduler.ticks.every import RESTS, Every
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.servers.conditions import detail_of
from worker.store.access import calls as kept_calls
from worker.store.audit import head_of
from worker.store.events import EventName
from worker.store.kept import months
from worker.store.notifications import retention
from worker.store.notifications.alerts import forget_alerts, old_alerts
from worker.store.people import device_people

EVERY: Final = timedelta(hours=1)
"""How often to look for old rows. Finding them means reading the whole table."""

PARTS: Final = 20
"""The most transactions of one look; the rest follows at the next call of the tick, a minute later."""

PASSING: Final = frozenset(
    {
        *(EventName.DEVICE_SLOWED, EventName.DEVICE_STUCK, EventName.DEVICE_MOVES),
        *(EventName.NOTICE_GIVEN_UP, EventName.TEXTS_RETRIED),
    }
)
"""Events that are of interest only in the database: of texts that were sent again, each has its own row. The others
tell the story of a campaign or a person."""


LEFT: Final = frozenset({"42501", "55P03"})
"""PostgreSQL's codes for what keeps the partitions as they are: this user may not change them, or they are in use."""

CALLS_KEPT: Final = timedelta(hours=24)
"""How long the answer to a call with an `Idempotency-Key` is kept. Nobody retries for longer."""

ANCHORED: Final = timedelta(days=1)
"""How often the end of the audit is logged: logs that are kept elsewhere then know it."""


def _log_anchor(runtime: Runtime) -> None:
    with runtime.store.read() as session:
        end = head_of(session)
    if end.entries:
        get_logger().info("audit.head", entries=end.entries, anchor=f"{end.last_id}:{end.digest}")


def _forget_calls(runtime: Runtime, before: datetime) -> int:
    forgotten = 0
    for _ in range(PARTS):
        with runtime.store.write("forget_calls") as session:
            some = kept_calls.forget(session, before=before)
        forgotten += some
        if some < kept_calls.AT_ONCE:
            break
    return forgotten


def _forget_people(runtime: Runtime, now: datetime) -> int:
    """Delete whom phones texted in months that are over: only the current one is counted."""
    forgotten, month = 0, month_of(now, runtime.settings.zone)[0]
    for _ in range(PARTS):
        with runtime.store.write("forget_people") as session:
            some = device_people.forget_before(session, month)
        forgotten += some
        if some < device_people.AT_ONCE:
            break
    return forgotten


def _keep_months(runtime: Runtime, now: datetime, before: datetime) -> None:
    """Make the partitions of the next months, and drop those that only have rows from before then.

    What cannot be done now is left: without a month's partition there is another one for its rows.
    """
    for table in months.TABLES:
        try:
            with runtime.store.write("make_months") as session:
                months.make_ahead(session, table, now)
            with runtime.store.read() as session:
                old = months.older_than(session, table, before)
            for partition in old:
                with runtime.store.write("drop_month") as session:
                    months.drop(session, partition)
                get_logger().info("month.dropped", partition=partition)
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", "") not in LEFT:
                raise
            get_logger().warning("months.left", table=table, problem=detail_of(error))


@dataclass(slots=True)
class ForgetTick:
    """Deletes what is older than `notice_days`, and answers of calls after a day, in parts. Only a service does.

    Calls out go by whole months. Once a day it also logs the end of the audit.
    """

    look: Every = field(default_factory=lambda: Every(EVERY.total_seconds()))
    anchor: Every = field(default_factory=lambda: Every(ANCHORED.total_seconds()))

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        if runtime.only_runs is not None:
            return {"forgotten": 0}
        at = runtime.clock.elapsed_seconds()
        if not self.look.is_due(at):
            return RESTS
        self.look.rest(at)
        if self.anchor.is_due(at):
            self.anchor.rest(at)
            _log_anchor(runtime)
        before = now - timedelta(days=runtime.settings.notice_days)
        calls_before = months.month_of(before)
        if not runtime.store.is_sqlite:
            _keep_months(runtime, now, calls_before)
        forgotten = _forget_calls(runtime, now - CALLS_KEPT)
        if forgotten == PARTS * kept_calls.AT_ONCE:
            self.look.rest(at, 0.0)
        people = _forget_people(runtime, now)
        if people == PARTS * device_people.AT_ONCE:
            self.look.rest(at, 0.0)
        forgotten += people
        for _ in range(PARTS):
            with runtime.store.read() as session:
                notices = retention.old_notices(session, before)
                events = retention.old_events(session, PASSING, before)
                calls = retention.old_calls(session, calls_before)
                gone = old_alerts(session, before, most=retention.AT_ONCE)
            if not (notices or events or calls or gone):
                break
            with runtime.store.write("forget") as session:
                forgotten += retention.forget(session, notice_ids=notices, event_ids=events, call_ids=calls)
                forgotten += forget_alerts(session, gone)
        else:
            self.look.rest(at, 0.0)
        if forgotten:
            get_logger().info("notices.forgotten", rows=forgotten)
        return {"forgotten": forgotten}
