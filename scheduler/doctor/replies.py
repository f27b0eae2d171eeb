"""Replies: whether they can be read, were read lately, and whether any waits for a person."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from campaigns.counting import amount
from scheduler.doctor.findings import Area, Finding, ok, problem, unknown
from scheduler.replies.passed_over import seconds_passed_over
from scheduler.ticks.lookups.windows import WindowReads
from scheduler.ticks.replies import OVERLAP, WRITE_AGAIN
from worker.gateway import GatewayClient, GatewayError, MessageStatus
from worker.store.engine import Store
from worker.store.people import reviews, stored_replies

LOOK_BACK: Final = timedelta(hours=6)
"""As much as one look of the service asks for."""

TOO_OLD: Final = WRITE_AGAIN * 2 + timedelta(minutes=5)
"""A service records a look that found nothing every five minutes: after this long none is at work."""


def check_reads(gateway: GatewayClient, now: datetime) -> Finding:
    """Look once, as the service does."""
    try:
        counted = Counter(
            message.status is MessageStatus.RECEIVED
            for messages in WindowReads(gateway, passes_over=True).read(
                MessageStatus.RECEIVED, now - LOOK_BACK, now + OVERLAP
            )
            for message in messages
        )
    except GatewayError as error:
        return problem(
            Area.PROTOCOL,
            f"replies cannot be read: {error}",
            "people who write STOP are not heard until they can be read; ask the gateway's operator",
        )
    if others := counted[False]:
        return problem(
            Area.PROTOCOL,
            f"asked for replies, the gateway shows {others:,} messages that are not replies: it ignores the status",
            "replies are still found among them, but each look reads everything; ask the gateway's operator",
        )
    return ok(Area.PROTOCOL, f"replies can be read: {counted[True]:,} in the last 6 hours")


def check_heard(store: Store, account_id: int, now: datetime) -> Iterator[Finding]:
    """Check whether a service reads them, and report what waits for a person."""
    with store.read() as session:
        has_sent = stored_replies.has_sent(session, account_id)
        until = stored_replies.read_until(session, account_id)
        waiting = len(reviews.waiting_reviews(session))
        unread = seconds_passed_over(session, account_id, now)
    if has_sent and (until is None or now - until > TOO_OLD):
        when = f"since {until:%Y-%m-%d %H:%M} UTC" if until else "yet"
        yield unknown(Area.PROTOCOL, f"no replies were read {when}", "a service reads them all the time: campaigns up")
    if unread:
        yield unknown(
            Area.PROTOCOL,
            f"replies of {len(unread):,} seconds in the last days are too long to be read, the last at "
            f"{unread[-1]:%Y-%m-%d %H:%M:%S} UTC",
            "one of them may be STOP: look for it at the gateway, and enter it with campaigns suppress add",
        )
    if waiting:
        waits = amount(waiting, "reply may mean stop and waits", "replies may mean stop and wait")
        yield unknown(Area.PROTOCOL, f"{waits} for a person", "campaigns suppress review")
