"""Alerts from the ledger: raised once, cleared when over, and sent to the targets of the installation."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import Session

from campaigns.alerts.conditions import CONDITIONS, Key, Watch, found
from campaigns.alerts.figures import (
    FAST,
    LATE_ARRIVAL_FOR,
    ON_TIME_SECONDS,
    SLOW,
    AlertName,
    Figures,
    Share,
    Supply,
)
from campaigns.alerts.money import MoneySpent
from campaigns.definition import Kind
from campaigns.lifecycle import RecipientState, RunState
from scheduler.notifications.delivery import where
from scheduler.report.devices import people_of_month
from scheduler.ticks.counting import RunCounts
from scheduler.ticks.credits import Credits
from scheduler.ticks.every import RESTS, Every
from scheduler.ticks.limits_at_work import limits_at_work, money_at_work
from scheduler.ticks.pulse import Pulse
from worker.limits.ledger import StoreLedger
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.following import devices
from worker.store.notifications import alerts
from worker.store.notifications.outbox import announce_alert
from worker.store.reports import alarms, facts
from worker.store.reports.facts import Begun
from worker.store.sending import accounts
from worker.throttle import Budget

EVERY_SECONDS: Final = 10.0

SLOW_LOOK_SECONDS: Final = 60.0
"""How often to compute shares and supplies: that reads up to 100,000 rows, in some tenths of a second."""

LATELY: Final = timedelta(hours=1)
BASELINE: Final = timedelta(days=7)
PACE: Final = timedelta(minutes=30)
DAY: Final = timedelta(days=1)

SOONEST_KINDS: Final = frozenset({Kind.REMINDER.value, Kind.TRANSACTIONAL.value})
"""Marketing waits for its rate on purpose."""


@dataclass(slots=True)
class AlertsTick:
    """Checks every condition of `campaigns.alerts`, in one process: the holder of the lease."""

    counts: RunCounts = field(default_factory=RunCounts)
    credits: Credits = field(default_factory=Credits)
    pulse: Pulse = field(default_factory=Pulse)
    watch: Watch = field(default_factory=Watch)
    slow: Every = field(default_factory=lambda: Every(SLOW_LOOK_SECONDS))
    known: Figures = field(default_factory=lambda: Figures(0.0))  # what was found at the last slow look

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        if runtime.only_runs is not None:  # a command: somebody is looking on
            return RESTS
        at = runtime.clock.elapsed_seconds()
        with runtime.store.read() as session:
            begun = facts.begun_runs(session, runtime.account_id)
            account = accounts.account_view(session, runtime.account_id)
        at_work = [run for run in begun if run.state is RunState.RUNNING]
        unsent = [run for run in begun if run.state in {RunState.RUNNING, RunState.PAUSED}]
        if at_work and not account.is_paused:
            self.credits.ask(runtime)
        self.counts.count(runtime, begun)
        if self.slow.is_due(at):
            self.known = _shares(runtime, begun, at_work, self.credits, now)
            self.slow.rest(at)
        money = {
            each.subject: MoneySpent(each.spent, each.budget.amount, each.budget.whose, each.campaign)
            for each in money_at_work(runtime, unsent, now)
        }
        self.known = replace(self.known, money=money, prices_problem=runtime.prices.problem())
        paused = account.paused_reason or account.paused_by.value
        figures = _quick(runtime, replace(self.known, paused_because=paused if account.is_paused else None), now)
        campaigns = {run.id: run.campaign for run in begun}
        wrong: Counter[str] = Counter()
        for run_id, people in self.counts.wrong().items():
            wrong[campaigns.get(run_id, "")] += people
        figures = replace(figures, wrong_books=wrong, ticks=self.pulse.ages(at))
        return change(runtime, self.watch, figures, self._unknown(), now)

    def _unknown(self) -> set[AlertName]:
        """Return what could not be checked: another process found it, and nothing says that it is over."""
        unknown = set[AlertName]()
        if not self.counts.is_complete():
            unknown.add(AlertName.BOOKS)
        if not self.credits.is_known:
            unknown.add(AlertName.CREDITS)
        return unknown


def change(
    runtime: Runtime, watch: Watch, figures: Figures, unknown: Collection[AlertName], now: datetime
) -> Mapping[str, int]:
    """Raise what holds and clear what is over, each with its news. `unknown`: alerts that could not be checked."""
    holds = found(figures, unknown=unknown)
    with runtime.store.read() as session:
        raised = [row for row in alerts.raised(session) if row.is_rehearsal == runtime.rehearsal]
    mine = {(row.name, row.about): row for row in raised if row.name not in unknown}
    new, over = watch.look(holds, mine, runtime.clock.elapsed_seconds(), unknown=unknown)
    corrected = [
        key for key, row in mine.items() if key in holds and row.detail.get("budget") != holds[key].get("budget")
    ]
    if new or over or corrected:
        with runtime.store.write("alerts") as session:
            for key in new:
                id_ = alerts.raise_alert(session, *key, holds[key], rehearsal=runtime.rehearsal, now=now)
                if id_ is not None:
                    _tell(runtime, session, "alert.raised", id_, key, holds[key], now)
            for key in corrected:  # somebody changed them: the alert still holds, by other figures
                alerts.correct_alert(session, mine[key].id, holds[key])
            for key in over:
                if alerts.clear_alert(session, mine[key].id, now=now):
                    _tell(runtime, session, "alert.cleared", mine[key].id, key, mine[key].detail, now)
    return {"raised": len(new), "cleared": len(over), "open": len(mine) + len(new) - len(over)}


def _tell(
    runtime: Runtime, session: Session, event: str, id_: int, key: Key, detail: Mapping[str, Any], now: datetime
) -> None:
    name, subject = key
    condition = CONDITIONS[name]
    shown = {"alert": name.value, "subject": subject, "severity": condition.severity.value, "detail": dict(detail)}
    says = condition.sentence(subject, detail)
    announce_alert(session, runtime.account_id, event, alert_id=id_, reason=says, shown=shown, now=now)
    get_logger().warning(event, alert=name.value, subject=subject, says=says)


def _quick(runtime: Runtime, figures: Figures, now: datetime) -> Figures:
    """Add what is cheap to look at."""
    with runtime.store.read() as session:
        oldest = facts.oldest(session, runtime.account_id, now=now)
        stuck = devices.stuck_devices(session, runtime.account_id)
        late_arrivals = alarms.late_arrivals(session, since=now - LATE_ARRIVAL_FOR)
        calls = alarms.failing_calls(session)
    waiting: Counter[str] = Counter()
    for channel, target, notices in calls:
        waiting[where((channel, target))] += notices
    ages = {state: (now - since).total_seconds() for state, since in oldest.items()}
    troubles = {
        name: says
        for trouble, says in runtime.troubles.current()
        for name in (AlertName.DATABASE_AWAY, AlertName.REDIS_AWAY)
        if trouble.value.startswith(name.value.partition("_")[0])
    }
    return replace(
        figures,
        late_arrivals=late_arrivals,
        in_doubt_seconds=ages.get(RecipientState.IN_DOUBT),
        held_seconds=ages.get(RecipientState.HELD),
        stuck={str(each.device): each.waiting for each in stuck},
        calls_out=waiting,
        troubles=troubles,
    )


def _shares(
    runtime: Runtime, begun: Sequence[Begun], at_work: Sequence[Begun], left: Credits, now: datetime
) -> Figures:
    """Return what takes longer to look at."""
    account_id, ceilings = runtime.account_id, runtime.ceilings.current()
    with runtime.store.read() as session:
        lately = alarms.failed_by_phone(session, account_id, since=now - LATELY, until=now)
        before = alarms.failed_by_phone(session, account_id, since=now - BASELINE, until=now - LATELY)
        opt_outs = alarms.opt_outs(session, [run.id for run in begun])
        earlier = alarms.opt_outs(session, alarms.runs_before(session, account_id)).values()
        requests = alarms.requests_in_time(session, account_id, SOONEST_KINDS, since=now - SLOW.long)
        people = people_of_month(session, account_id, ceilings, runtime.settings.zone, now=now)
    late = [(done, (done - due).total_seconds() > ON_TIME_SECONDS) for due, done in requests]
    spans = {span for rate in (FAST, SLOW) for span in (rate.long, rate.short)}
    budgets, credits_ = _supplies(runtime, at_work, left, now)
    return Figures(
        runtime.settings.settle_seconds,
        people={device: Share(ceilings.device_people_monthly or 1, texted) for device, texted in people.items()},
        phones={str(device): (share, before.get(device, Share())) for device, share in lately.items()},
        opt_outs=opt_outs,
        opt_outs_before=Share(sum(each.all for each in earlier), sum(each.bad for each in earlier)),
        late={span: _late_within(late, now - span) for span in spans},
        budgets=budgets,
        credits=credits_,
    )


def _late_within(late: Sequence[tuple[datetime, bool]], since: datetime) -> Share:
    within = [is_late for done, is_late in late if done >= since]
    return Share(len(within), sum(within))


def _supplies(
    runtime: Runtime, at_work: Sequence[Begun], left: Credits, now: datetime
) -> tuple[list[Supply], Supply | None]:
    """Return the budgets and the credits of what is being sent, each with what is wanted of it in these hours."""
    if not at_work:
        return [], None
    ends = {run.id: _window_ends(runtime, run, now) for run in at_work}
    end = max(ends.values())
    with runtime.store.read() as session:
        unsent = alarms.unsent(session, list(ends), before=end)
        texts_lately = alarms.texts_granted(session, runtime.account_id, since=now - PACE)
    ledger = StoreLedger(runtime.store, runtime.account_id)
    supplies = []
    for each in limits_at_work(runtime, at_work, now):
        if isinstance(each.limit, Budget):
            budget, wanted = each.limit, sum(unsent.get(run_id, (0, 0))[1] for run_id in each.runs)
            until = min(budget.ends_at, max(ends[run_id] for run_id in each.runs))
            since = max(budget.starts_at, now - PACE)
            pace = replace(budget, starts_at=since, ends_at=max(now, since + timedelta(seconds=1)))
            spent, lately = (sum(segments for _, segments in ledger(limit, now)) for limit in (budget, pace))
            supplies.append(
                Supply(
                    each.label,
                    budget.limit_segments - spent,
                    wanted,
                    lately,
                    PACE.total_seconds(),
                    (until - now).total_seconds(),
                )
            )
    if not left.is_known or left.left is None:
        return supplies, None
    texts = sum(texts for texts, _ in unsent.values())
    seconds = (end - now).total_seconds()
    return supplies, Supply("credits", left.left, texts, texts_lately, PACE.total_seconds(), seconds)


def _window_ends(runtime: Runtime, run: Begun, now: datetime) -> datetime:
    """Return when the sending hours of a run end; a day from now if they are over, or there are none."""
    definition = runtime.definitions.find(run.definition_id)
    window = definition.schedule.window if definition is not None else None
    closes = None if definition is None or window is None else window.closes_at(now, definition.schedule.zone)
    return closes if closes is not None and closes > now else now + DAY
