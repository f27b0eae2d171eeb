"""The gateway and its account: reachable, with a valid key and credits, its clock, and why the account is paused."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import httpx

from campaigns.clock import Clock
from scheduler.doctor.clocks import GATEWAY_OFFSET, compared, measured
from scheduler.doctor.findings import Area, Finding, ok, problem, unknown
from worker.certificates import certificate_problem, is_for_another_name, trusting
from worker.gateway import GatewayClient, GatewayError
from worker.store import health
from worker.store.engine import Store
from worker.store.following import clock_offsets
from worker.store.sending import accounts

GATEWAY: Final = Area.GATEWAY
TIMEOUT_SECONDS: Final = 10.0

HALF_A_SECOND: Final = timedelta(seconds=0.5)
"""An HTTP date has whole seconds: the one it shows began up to a second ago."""


def check_address(url: str, ca_file: Path | None, clock: Clock) -> tuple[bool, list[Finding]]:
    """Check whether a server answers, and its clock: a plain GET of the base address, without the key."""
    dates: list[str] = []

    def read() -> datetime:
        # Not through the gateway client, which hides headers. Any HTTP status is an answer.
        with httpx.Client(verify=trusting(ca_file), trust_env=False, timeout=TIMEOUT_SECONDS) as client:
            dates.append(client.get(url).headers.get("Date", ""))
        return _parsed(dates[0]) or clock.now()

    try:
        offset, uncertainty = measured(read, clock)
    except httpx.HTTPError as error:
        return False, [_unreachable(error)]
    found = [ok(GATEWAY, "the gateway answers")]
    if _parsed(dates[0]) is None:
        found.append(
            unknown(Area.CLOCK, "the gateway does not report its time", "check that its machine keeps the time")
        )
    else:
        found.append(compared("the gateway", offset + HALF_A_SECOND, uncertainty + HALF_A_SECOND, GATEWAY_OFFSET))
    return True, found


def _unreachable(error: httpx.HTTPError) -> Finding:
    refused = certificate_problem(error)
    if not refused:
        return problem(
            GATEWAY,
            f"the gateway does not answer ({type(error).__name__}: {error})",
            "check that its server is running, and that CAMPAIGNS_GATEWAY_URL is its address",
        )
    advice = "renew it, or set CAMPAIGNS_CA_FILE to the certificate of the authority that issued it"
    if is_for_another_name(refused):
        advice = "correct CAMPAIGNS_GATEWAY_URL to the name that it is for"
    return problem(GATEWAY, f"the gateway's certificate is not accepted ({refused})", advice)


def check_account(gateway: GatewayClient, *, unsent: int) -> tuple[bool, Finding]:
    """Check whether the key is valid and there are credits for the `unsent` texts that are planned."""
    try:
        credits_left = gateway.balance().credits
    except GatewayError as error:
        return False, problem(
            GATEWAY, f"the account cannot be checked: {error}", "correct CAMPAIGNS_API_KEY or the account"
        )
    if credits_left is None:
        return True, ok(GATEWAY, "the key is good; credits are unlimited")
    shown = f"the key is good; {credits_left:,} credits are left, {unsent:,} texts are still to be sent"
    if credits_left <= 0 or credits_left < unsent:
        return True, problem(
            GATEWAY, shown, "buy credits: without them sending stops; it continues by itself afterwards"
        )
    return True, ok(GATEWAY, shown)


def check_pause(store: Store, account_id: int) -> Iterator[Finding]:
    """Report why nothing is sent through the account, if so."""
    with store.read() as session:
        account = accounts.account_view(session, account_id)
    if not account.is_paused:
        yield ok(GATEWAY, "the account is not paused")
        return
    again = "it is tried again by itself" if account.next_probe_at else "a person has to look into it and resume it"
    yield problem(GATEWAY, f"the account is paused: {account.paused_reason}", again)


def check_dates(store: Store, account_id: int) -> Iterator[Finding]:
    """Report how far the dates of the gateway's messages are off from ours, if they were seen to be."""
    with store.read() as session:
        known = clock_offsets.known_offsets(session, account_id)
    if not known:
        return
    newest = known[0]
    if not newest.ahead:
        yield ok(Area.CLOCK, "the gateway's clock agrees with this machine's again")
        return
    yield problem(
        Area.CLOCK,
        f"the gateway dates its messages by a clock that is {clock_offsets.in_words(newest.ahead)}, "
        f"as seen at {newest.until:%Y-%m-%d %H:%M} UTC",
        "correct its clock and its time zone; receipts, replies and requests in doubt are looked for by its dates, "
        "but texts that it is handed with a time are sent by its clock",
    )


def unsent_texts(store: Store, account_id: int | None) -> int:
    """Return how many texts are still to be sent through the account."""
    if account_id is None:
        return 0
    with store.read() as session:
        return health.unsent_texts(session, account_id)


def _parsed(date: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
