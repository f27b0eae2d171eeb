"""`verify`: every promise about a campaign, worked out again by code of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

from campaigns.clock import Clock
from campaigns.definition import Rate
from scheduler.actions.naming import latest_run
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.upkeep.gateway_reads import PacedReads
from scheduler.verify.arithmetic.limits import Speed
from scheduler.verify.checks import ABOUT, CheckResult
from scheduler.verify.facts import Rules, account_key, chain_of, runs_of
from scheduler.verify.verifying import Verified, verify
from worker.gateway import GatewayClient
from worker.gateway_account import SANDBOX_ACCOUNT, account_fingerprint, gateway_key
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.runs.runs import find_campaign_run

ASKED_OFFLINE: Final = "--offline"
REHEARSED: Final = "it was a rehearsal: add --sandbox to ask its gateway"
ELSEWHERE: Final = "it was sent through another gateway than CAMPAIGNS_GATEWAY_URL"
NO_GATEWAY: Final = "no gateway is set"


@dataclass(frozen=True, slots=True)
class ToVerify:
    """The runs of a campaign that are meant, and the gateway that they were sent through (`account_key`)."""

    campaign: str
    runs: tuple[int, ...]
    account_key: str

    @property
    def is_rehearsal(self) -> bool:
        return self.account_key == SANDBOX_ACCOUNT


def to_verify(store: Store, campaign: str, number: int | None = None, *, rehearsal: bool = False) -> ToVerify:
    """Return all runs of a campaign, or the one with this number and those that sent its texts again.

    `rehearsal`: those in the sandbox, if it was sent in earnest, too. Raises `Refused`.
    """
    with store.read() as session:
        run = latest_run(session, campaign, number)
        if rehearsal and not run.rehearsal:
            found = None if number is not None else find_campaign_run(session, campaign, rehearsal=True)
            if found is None:
                raise Refused(Refusal.WRONG_STATE, f"{campaign} was never rehearsed: leave --sandbox out")
            run = found
        ids = runs_of(session, run.campaign_id) if number is None else chain_of(session, run.id)
        return ToVerify(campaign, tuple(ids), account_key(session, run.account_id))


def verify_campaign(
    store: Store,
    wanted: ToVerify,
    settings: Settings,
    clock: Clock,
    *,
    offline: bool = False,
    sandbox: tuple[str, SecretStr] | None = None,
) -> Verified:
    """Work out every promise about these runs. Changes nothing.

    The gateway is asked if it is the one that they were sent through; `offline`: it is not. `sandbox`: (address, key)
    of that of a rehearsal. Raises `SettingsError` if its key is missing.
    """
    left_out = ASKED_OFFLINE if offline else _left_out(wanted, settings, sandbox)
    rules = rules_of(settings)
    if left_out:
        return verify(store, wanted.runs, rules, None, now=clock.now(), is_offline=left_out)
    with _client(settings, clock, sandbox) as client:
        return verify(store, wanted.runs, rules, PacedReads(client, clock), now=clock.now())


def _left_out(wanted: ToVerify, settings: Settings, sandbox: tuple[str, SecretStr] | None) -> str:
    """Return why the gateway cannot be asked; empty: it can."""
    if wanted.is_rehearsal:
        return "" if sandbox else REHEARSED
    if not settings.gateway_url:
        return NO_GATEWAY
    return "" if wanted.account_key == account_fingerprint(settings.gateway_url) else ELSEWHERE


@contextmanager
def _client(settings: Settings, clock: Clock, sandbox: tuple[str, SecretStr] | None) -> Iterator[GatewayClient]:
    url, key = sandbox or (settings.gateway_url, gateway_key(settings, url=settings.gateway_url))
    try:
        client = GatewayClient(
            url, key, clock=clock, nothing=settings.texts_for_nothing, ca_file=None if sandbox else settings.ca_file
        )
    except ValueError as error:
        raise Refused(Refusal.INVALID, f"CAMPAIGNS_GATEWAY_URL: {error}") from None
    with client:
        yield client


def rules_of(settings: Settings) -> Rules:
    """Return the rules of an installation in the words of the reckoning."""
    cap, daily, monthly = settings.frequency_cap, settings.budget_daily, settings.budget_monthly
    return Rules(
        zone=settings.timezone,
        account_rate=_speed(settings.rate),
        account_daily=settings.daily,
        account_monthly=settings.monthly,
        device_rate=_speed(settings.device_rate),
        device_daily=settings.device_daily,
        device_monthly=settings.device_monthly,
        people_monthly=settings.device_people_monthly,
        money_daily=daily.millionths if daily else None,
        money_monthly=monthly.millionths if monthly else None,
        hours=settings.hours.model_dump(mode="json", by_alias=True) if settings.hours else None,
        cap=(cap.messages, cap.per.total_seconds()) if cap else None,
    )


def _speed(rate: Rate | None) -> Speed | None:
    return Speed(rate.count, rate.per.total_seconds()) if rate else None


def verified_json(wanted: ToVerify, verified: Verified) -> dict[str, Any]:
    """Return the object of `verify --json`."""
    return {
        "campaign": wanted.campaign,
        "runs": list(verified.runs),
        "ok": not verified.wrong,
        "wrong": verified.wrong,
        "gateway": not verified.is_offline,
        "left_out": verified.is_offline or None,
        "checks": [_check_json(result) for result in verified.checks],
    }


def _check_json(result: CheckResult) -> dict[str, Any]:
    return {
        "check": result.check.value,
        "of": ABOUT[result.check][0].partition("/")[0],
        "examined": result.examined,
        "ok": not result.wrong,
        "wrong": result.wrong,
        "findings": [
            {
                "breach": found.breach.value,
                "run": found.run,
                "row": found.place or None,
                "number": found.who or None,
                "says": str(found),
                **{name: value for name, value in found.detail.items() if isinstance(value, int)},
            }
            for found in result.findings
        ],
        "notes": list(result.notes),
    }
