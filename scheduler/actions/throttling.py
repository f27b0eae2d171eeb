"""`throttle`: change limits while texts are sent, and list all limits in force."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session

from campaigns.display import state_words
from campaigns.values.rates import parse_rate
from scheduler.actions.acting import Actor, acting, audited, seeing
from scheduler.actions.naming import latest_run
from scheduler.actions.refusals import Refusal, Refused
from scheduler.report.limits import Limit, limits_in_force
from worker.gateway_account import account_fingerprint
from worker.settings.settings import Settings
from worker.settings.values import MOST_SEGMENTS
from worker.store.engine import Store
from worker.store.runs.runs import campaign_runs
from worker.store.sending import account_limits
from worker.store.sending.account_limits import ACCOUNT, CAMPAIGN, DEVICE, NO_DAILY, NO_RATE
from worker.store.sending.accounts import accounts_by_key

MOST_WEIGHT: Final = 100

LIFTED: Final = "none"
"""The word that lifts a limit."""


@dataclass(frozen=True, slots=True)
class LimitPlace:
    """What is limited: a scope of an account (a row's id) as in `worker.store.sending.account_limits`; None: all."""

    account_id: int
    scope: str | None


def new_limits(rate: str | None, daily: str | None, weight: int | None) -> dict[str, Any]:
    """Parse limits as people write them: `30/minute`, `2000`, `none`; None: stays as it is. Raises `Refused`.

    A rate and a daily budget count segments.
    """
    values: dict[str, Any] = {}
    if rate is not None:
        try:
            values["rate"] = NO_RATE if rate.strip().casefold() == LIFTED else str(parse_rate(rate.strip()))
        except ValueError as error:
            raise Refused(Refusal.INVALID, str(error), field="rate") from None
    if daily is not None:
        text = daily.strip().casefold()
        if text != LIFTED and not (re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= MOST_SEGMENTS):
            sentence = f"must be a whole number of segments from 1 to {MOST_SEGMENTS}, or none"
            raise Refused(Refusal.INVALID, sentence, field="daily")
        values["daily"] = NO_DAILY if text == LIFTED else int(text)
    if weight is not None:
        if not 1 <= weight <= MOST_WEIGHT:
            raise Refused(Refusal.INVALID, f"must be a whole number from 1 to {MOST_WEIGHT}", field="weight")
        values["weight"] = weight
    return values


def refuse_unfit(values: Mapping[str, Any], *, campaign: str | None, device: str | None) -> None:
    """Raise `Refused` for a limit that the named place does not have."""
    if "weight" in values and campaign is None:
        raise Refused(Refusal.INVALID, "only a campaign has a weight", field="weight")
    if "daily" in values and device is not None:
        raise Refused(Refusal.INVALID, "is the same for all devices: set CAMPAIGNS_DEVICE_DAILY", field="daily")


def place_of(
    store: Store, settings: Settings, *, campaign: str | None = None, device: str | None = None, account: bool = False
) -> LimitPlace:
    """Return the place of the limits of a campaign, a device (as in `devices.use`) or the account. Raises `Refused`."""
    with store.read() as session:
        if campaign is not None:
            return LimitPlace(latest_run(session, campaign).account_id, f"{CAMPAIGN}{campaign}")
        scope = ACCOUNT if account else f"{DEVICE}{_device(device)}" if device is not None else None
        return LimitPlace(_account(session, settings), scope)


def change_limits(
    store: Store, actor: Actor, place: LimitPlace, values: Mapping[str, Any], *, clear: bool = False, now: datetime
) -> None:
    """Set limits of one scope, from `new_limits`: every worker applies them within a second. Raises `Refused`.

    A campaign that has ended has none to set. With `clear`, forget what was set by hand and what reports lowered.
    """
    if place.scope is None:
        raise Refused(Refusal.INVALID, "say whose limits to change: a campaign's, a device's or the account's")
    with acting(store, actor, "throttle", subject=place.scope, now=now) as session:
        campaign = place.scope.removeprefix(CAMPAIGN) if place.scope.startswith(CAMPAIGN) else ""
        audited(session, campaign=campaign, cleared=clear, **values)
        if campaign and not clear and all(run.finished_at is not None for run in campaign_runs(session, campaign)):
            state = state_words(latest_run(session, campaign).state)
            sentence = f"{campaign} is {state}, so there is nothing left to send: its limits cannot be changed any more"
            raise Refused(Refusal.WRONG_STATE, sentence)
        if not clear:
            account_limits.set_ceiling(session, place.account_id, place.scope, account_limits.PERSON, now=now, **values)
        elif not account_limits.clear_ceiling(session, place.account_id, place.scope):
            raise Refused(Refusal.WRONG_STATE, "nothing was set by hand there: there is nothing to clear")


def read_limits(store: Store, settings: Settings, place: LimitPlace, *, now: datetime) -> list[Limit]:
    """Return every limit in force at a place, and where it comes from."""
    with seeing(store) as session:
        limits = limits_in_force(session, place.account_id, settings, now=now)
    return [limit for limit in limits if place.scope is None or limit.scope == place.scope]


def _device(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,9}(\|[0-9]{1,2})?|primary|any", text):
        return text
    sentence = 'must be a device as in devices.use: 1, "2|0", primary or any'
    raise Refused(Refusal.INVALID, sentence, field="device")


def _account(session: Session, settings: Settings) -> int:
    """Return the gateway account of the settings; if none is set, the only one there is."""
    known = accounts_by_key(session)
    if settings.gateway_url and (found := known.get(account_fingerprint(settings.gateway_url))) is not None:
        return found
    if len(known) == 1 and not settings.gateway_url:
        return next(iter(known.values()))
    sentence = "several gateways were used: say which one by setting CAMPAIGNS_GATEWAY_URL"
    if settings.gateway_url or not known:
        sentence = "nothing was sent through this gateway yet: set its limits in the settings"
    raise Refused(Refusal.UNKNOWN_ACCOUNT, sentence)
