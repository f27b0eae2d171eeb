"""`throttle`: every limit in force and where it comes from; changing limits while texts are being sent."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scheduler.cli.errors import Refused
from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import local_time, print_json, print_table, say

if TYPE_CHECKING:
    from datetime import datetime

    from sqlmodel import Session

    from scheduler.report.limits import Limit
    from worker.settings import Settings
    from worker.store.engine import Store

MOST_WEIGHT: Final = 100


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(throttle)


@dataclass(frozen=True, slots=True)
class _Change:
    """What was asked for: the columns of a row, or to forget the row."""

    values: dict[str, Any]
    clear: bool

    def __bool__(self) -> bool:
        return bool(self.values) or self.clear


def throttle(
    campaign: Annotated[
        str | None, typer.Argument(metavar="CAMPAIGN", help="Its limits alone, in place of what its file says.")
    ] = None,
    account: Annotated[bool, typer.Option("--account", help="The limits over all campaigns.")] = False,
    device: Annotated[
        str | None, typer.Option("--device", metavar="ID", help='A device or SIM as in devices.use: 1, "2|0", primary.')
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", help="Segments per second, minute or hour: 30/minute; none lifts it.")
    ] = None,
    daily: Annotated[str | None, typer.Option("--daily", help="Segments a day; none lifts it.")] = None,
    weight: Annotated[
        int | None,
        typer.Option("--weight", help="Share of a campaign beside others of its kind; 1 without it, at most 100."),
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Forget what was set by hand, and what a phone's reports lowered.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Show every limit in force and where it comes from, or change limits while texts are sent.

    A change acts on every worker within a second.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.naming import campaign_store
    from scheduler.report.limits import limits_in_force
    from worker.settings import load_settings

    change = _Change(_values(rate, daily, weight), clear)
    _refuse_misuse(change, campaign, device, account=account)
    settings, now = load_settings(), SystemClock().now()
    with campaign_store(settings) as store:
        account_id, scope = _place(store, settings, campaign, device, account=account)
        if change and scope is not None:
            _apply(store, account_id, scope, change, now)
        with store.read() as session:
            limits = limits_in_force(session, account_id, settings, now=now)
    shown = [limit for limit in limits if scope is None or limit.scope == scope]
    if json:
        for limit in shown:
            print_json(limit.as_json())
        return
    if not shown:
        say("nothing of it is limited by hand or by its file")
    _show(shown, settings)


def _refuse_misuse(change: _Change, campaign: str | None, device: str | None, *, account: bool) -> None:
    """Raises `BadParameter` for options that mean nothing together."""
    named = sum((campaign is not None, account, device is not None))
    if named > 1:
        raise typer.BadParameter("name a campaign, or --account, or --device, and only one of them")
    if change and not named:
        raise typer.BadParameter("say what to change: a campaign, --account or --device ID")
    if change.clear and change.values:
        raise typer.BadParameter("--clear forgets all of it: leave out the others", param_hint="--clear")
    if "weight" in change.values and campaign is None:
        raise typer.BadParameter("only a campaign has a weight", param_hint="--weight")
    if "daily" in change.values and device is not None:
        raise typer.BadParameter("is for all devices alike: set CAMPAIGNS_DEVICE_DAILY", param_hint="--daily")


def _show(limits: list["Limit"], settings: "Settings") -> None:
    rows = [
        (limit.what, limit.name, limit.value, limit.source, local_time(limit.until, settings.zone), limit.reason)
        for limit in limits
    ]
    if rows:
        print_table(("of", "limit", "in force", "set by", "until", "because"), rows)


def _values(rate: str | None, daily: str | None, weight: int | None) -> dict[str, Any]:
    """The columns to set. Raises `BadParameter`."""
    from campaigns.definition.rates import parse_rate
    from worker.setting_values import MOST_SEGMENTS
    from worker.store.ceilings import NO_DAILY, NO_RATE

    values: dict[str, Any] = {}
    if rate is not None:
        try:
            values["rate"] = NO_RATE if rate.strip().casefold() == "none" else str(parse_rate(rate.strip()))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--rate") from None
    if daily is not None:
        text = daily.strip().casefold()
        if text != "none" and not (re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= MOST_SEGMENTS):
            problem = f"must be a whole number of segments from 1 to {MOST_SEGMENTS}, or none"
            raise typer.BadParameter(problem, param_hint="--daily")
        values["daily"] = NO_DAILY if text == "none" else int(text)
    if weight is not None:
        if not 1 <= weight <= MOST_WEIGHT:
            raise typer.BadParameter(f"must be a whole number from 1 to {MOST_WEIGHT}", param_hint="--weight")
        values["weight"] = weight
    return values


def _place(
    store: "Store", settings: "Settings", campaign: str | None, device: str | None, *, account: bool
) -> tuple[int, str | None]:
    """The account, and the scope that was named; None: all of them. Raises `Refused`."""
    from scheduler.actions.naming import latest_run
    from worker.store.ceilings import ACCOUNT, CAMPAIGN, DEVICE

    with store.read() as session:
        if campaign is not None:
            return latest_run(session, campaign).account_id, f"{CAMPAIGN}{campaign}"
        scope = ACCOUNT if account else f"{DEVICE}{_device(device)}" if device is not None else None
        return _account(session, settings), scope


def _device(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,9}(\|[0-9]{1,2})?|primary|any", text):
        return text
    raise typer.BadParameter('must be a device as in devices.use: 1, "2|0", primary or any', param_hint="--device")


def _account(session: "Session", settings: "Settings") -> int:
    """The gateway account of the settings; where none is set, the only one there is."""
    from worker.runtime import account_fingerprint
    from worker.store.accounts import accounts_by_key

    known = accounts_by_key(session)
    if settings.gateway_url and (found := known.get(account_fingerprint(settings.gateway_url))) is not None:
        return found
    if len(known) == 1 and not settings.gateway_url:
        return next(iter(known.values()))
    if settings.gateway_url or not known:
        raise Refused("nothing was sent through this gateway yet: set its limits in the settings")
    raise Refused("several gateways were used: say which one by setting CAMPAIGNS_GATEWAY_URL")


def _apply(store: "Store", account_id: int, scope: str, change: _Change, now: "datetime") -> None:
    from worker.store import ceilings

    with store.write("throttle") as session:
        if not change.clear:
            ceilings.set_ceiling(session, account_id, scope, ceilings.PERSON, now=now, **change.values)
        elif not ceilings.clear_ceiling(session, account_id, scope):
            raise Refused("nothing was set by hand there: there is nothing to clear")
