"""Notifies the outside world: webhooks, e-mail, a command, until each of them has accepted the notice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from campaigns.codes import SINGLE_TEXTS, RunType
from scheduler.notifications.delivery import deliver
from scheduler.notifications.reports import report
from scheduler.notifications.targets import Target, of_account, of_installation, of_run
from scheduler.ticks.every import Quiet
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.errors import STORE_FAILS
from worker.store.notifications import outbox as store
from worker.store.notifications.outbox import DueNotice
from worker.store.runs import runs
from worker.store.runs.runs import RunView

TRY_AGAIN: Final = timedelta(minutes=1)
"""After news could not be made into notices: a file with a secret may be fixed by then."""

ALERTS: Final = frozenset({"alert.raised", "alert.cleared"})
"""They concern the installation: the webhook of one campaign's file is not told."""


@dataclass(slots=True)
class NoticesTick:
    """Makes a notice of every piece of news for each of its targets; sends those that are due."""

    resting: dict[Target, float] = field(default_factory=dict)  # earliest next try: seconds of the monotonic clock
    quiet: Quiet = field(default_factory=Quiet)

    def __call__(self, runtime: Runtime, now: datetime, *, ahead: timedelta = timedelta(0)) -> Mapping[str, int]:
        """`ahead`: do not wait so long for more news of a kind that is collected."""
        version = runtime.store.version()
        if self.quiet.lasts(version, now + ahead):
            return {"spread": 0, "told": 0, "failed": 0}
        with runtime.store.read() as session:
            due = store.next_due(session)
            if due is None or due > now + ahead:
                self.quiet.found_nothing(version, lambda: due)
                return {"spread": 0, "told": 0, "failed": 0}
            news = store.due_news(session, now + ahead, only_runs=runtime.only_runs)
            views = runs.run_views(session, {each.run_id for each in news if each.run_id is not None})
        told_of: list[tuple[DueNotice, set[Target], dict[str, object]]] = []
        for each in news:
            try:
                targets = _targets(runtime, each, views)
                # Counting a million recipients takes a second.
                told_of.append((each, targets, report(runtime.store, each) if targets else {}))
            except STORE_FAILS:
                raise
            except Exception as error:  # one piece of news that cannot be sent must not hold up the others
                get_logger().exception("notice.spread_failed", notice=each.id, run=each.run_id)
                with runtime.store.write("notice_postponed") as session:
                    store.failed(session, each.id, problem=type(error).__name__, retry_at=now + TRY_AGAIN)
        _spread(runtime, told_of, now)
        told = deliver(runtime, self.resting)
        return {"spread": len(news), "told": told.taken, "failed": told.failed}


def _spread(
    runtime: Runtime, told_of: Sequence[tuple[DueNotice, set[Target], dict[str, object]]], now: datetime
) -> None:
    """Write all at once: a hundred campaigns may start at one moment, which is not the time for a hundred commits."""
    if not told_of:
        return
    with runtime.store.write("notice_spread") as session:
        for news, targets, body in told_of:
            for channel, target in sorted(targets):
                store.tell(
                    session,
                    key=f"{news.id}:{channel}:{sha256(target.encode()).hexdigest()[:32]}",
                    channel=channel,
                    target=target,
                    event=news.event,
                    body=body,
                    run_id=news.run_id,
                    now=now,
                )
        store.taken(session, *(news.id for news, _, _ in told_of), now=now)


def _targets(runtime: Runtime, news: DueNotice, views: Mapping[int, RunView]) -> set[Target]:
    if news.event in ALERTS:
        return of_installation(runtime)
    if news.run_id is None:
        return of_account(runtime, int(news.body["account"]))
    run = views[news.run_id]
    # Somebody who tests a text is watching it; and days of single texts start and end with each of them.
    is_routine = run.type in SINGLE_TEXTS and news.event in {"run.started", "run.completed"}
    if is_routine or run.type is RunType.TEST:
        return set()
    return of_run(runtime, run.definition_id)
