"""Every limit in force, for people: what it limits, how much, who set it and until when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from sqlmodel import Session

from campaigns.definition import Definition, Rate, Throughput
from campaigns.display import target_words
from campaigns.lifecycle import RunState
from scheduler.report.shown.shapes import LimitShape
from worker.limits.limits_in_force import Ceilings
from worker.limits.live_limits import in_force, slowdowns
from worker.settings.settings import PREFIX, Settings
from worker.store.runs import runs, versions
from worker.store.sending import account_limits
from worker.store.sending.account_limits import ACCOUNT, CAMPAIGN, DEVICE, PERSON, CeilingView

OPEN: Final = (RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.RUNNING, RunState.PAUSED)

NO_LIMIT: Final = "none"

BY_HAND: Final = "by hand"
BY_RECEIPTS: Final = "its phone's reports"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit. `scope` is `account`, `device:ID` (`device:*`: each of the others) or `campaign:SLUG`."""

    scope: str
    name: str
    value: str
    source: str
    until: datetime | None = None
    reason: str = ""

    @property
    def what(self) -> str:
        """What is limited, in words."""
        if self.scope == ACCOUNT:
            return "all campaigns"
        if self.scope.startswith(DEVICE):
            target = self.scope.removeprefix(DEVICE)
            return "each phone" if target == "*" else target_words(target)
        return self.scope.replace(":", " ")

    def as_json(self) -> LimitShape:
        """Return the object of `--json`."""
        return {
            "scope": self.scope,
            "limit": self.name,
            "value": None if self.value == NO_LIMIT else self.value,
            "source": self.source,
            "until": self.until.isoformat() if self.until else None,
            "reason": self.reason or None,
        }


def limits_in_force(session: Session, account_id: int, settings: Settings, *, now: datetime) -> list[Limit]:
    """Return all limits of an account and its unfinished campaigns; an unset limit names its setting as source."""
    found = account_limits.ceilings_of(session, account_id)
    current = in_force(Ceilings.from_settings(settings), found, now)
    by_hand = {row.scope: row for row in found if row.source == PERSON}
    return [
        *_of_account(current, by_hand),
        *_of_devices(session, account_id, current, now),
        *_of_campaigns(session, account_id, current, by_hand),
    ]


def slowed_devices(session: Session, account_id: int, now: datetime) -> list[Limit]:
    """Return the devices that are slowed down because of their phones' reports."""
    found = account_limits.ceilings_of(session, account_id)
    reasons = {row.scope: row.reason for row in found if row.source == account_limits.RECEIPTS}
    return [
        Limit(f"{DEVICE}{target}", "rate", str(rate), BY_RECEIPTS, slowdown.until, reasons[f"{DEVICE}{target}"])
        for target, slowdown in slowdowns(found).items()
        if (rate := slowdown.rate_at(now)) is not None
    ]


def _of_account(current: Ceilings, by_hand: dict[str, CeilingView]) -> Iterator[Limit]:
    row = by_hand.get(ACCOUNT)
    yield Limit(ACCOUNT, "rate", _shown(current.account_rate), BY_HAND if row and row.rate else f"{PREFIX}RATE")
    is_daily = row is not None and row.daily is not None
    yield Limit(ACCOUNT, "daily", _shown(current.account_daily), BY_HAND if is_daily else f"{PREFIX}DAILY")
    yield Limit(ACCOUNT, "monthly", _shown(current.account_monthly), f"{PREFIX}MONTHLY")
    for name, amount in (("daily", current.money_daily), ("monthly", current.money_monthly)):
        if amount is not None:
            yield Limit(ACCOUNT, f"budget.{name}", str(amount), f"{PREFIX}BUDGET_{name.upper()}")


def _of_devices(session: Session, account_id: int, current: Ceilings, now: datetime) -> Iterator[Limit]:
    for name in ("rate", "daily", "monthly", "people_monthly"):
        value = _shown(getattr(current, f"device_{name}"))
        yield Limit(f"{DEVICE}*", name, value, f"{PREFIX}DEVICE_{name.upper()}")
    slowed = {limit.scope: limit for limit in slowed_devices(session, account_id, now)}
    for target, rate in sorted(current.device_rates.items()):
        scope = f"{DEVICE}{target}"
        lowered = slowed.get(scope)
        is_lowered = lowered is not None and lowered.value == _shown(rate)
        yield lowered if lowered is not None and is_lowered else Limit(scope, "rate", _shown(rate), BY_HAND)


@lru_cache(maxsize=32)
def _throughput(body: str) -> Throughput:
    """Return what a stored version says about it: live parts of pages ask it of every open campaign."""
    return Definition.model_validate_json(body).throughput


def _of_campaigns(
    session: Session, account_id: int, current: Ceilings, by_hand: dict[str, CeilingView]
) -> Iterator[Limit]:
    found = [run for run in runs.list_runs(session, OPEN) if run.account_id == account_id]
    bodies = versions.definition_bodies(session, {run.definition_id for run in found})
    for run in found:
        scope, row = f"{CAMPAIGN}{run.campaign}", by_hand.get(f"{CAMPAIGN}{run.campaign}")
        throughput = _throughput(bodies[run.definition_id])
        rate = current.campaign_rates.get(run.campaign, throughput.rate)
        daily = current.campaign_daily.get(run.campaign, throughput.daily)
        if rate is not None or (row and row.rate):
            yield Limit(scope, "rate", _shown(rate), BY_HAND if row and row.rate else run.source)
        if daily is not None or (row and row.daily is not None):
            yield Limit(scope, "daily", _shown(daily), BY_HAND if row and row.daily is not None else run.source)
        if throughput.monthly is not None:
            yield Limit(scope, "monthly", _shown(throughput.monthly), run.source)
        for name in ("total", "daily"):
            if throughput.budget is not None and (amount := getattr(throughput.budget, name)) is not None:
                yield Limit(scope, f"budget.{name}", str(amount), run.source)
        if row and row.weight is not None:
            yield Limit(scope, "weight", str(row.weight), BY_HAND)


def _shown(value: Rate | int | None) -> str:
    return NO_LIMIT if value is None else str(value)
