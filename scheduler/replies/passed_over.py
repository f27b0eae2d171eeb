"""Replies that cannot be read whatever is tried: told once, for one of them may be STOP."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.events import EventName, details_of, record_event

TOLD_FOR: Final = timedelta(days=7)
"""For how long `doctor` tells of it. A look for replies goes back a day, or as far as none was made."""

SAME: Final = timedelta(seconds=1)
"""The windows of two seconds in which one message lies begin so far apart."""


def tell_passed_over(runtime: Runtime, passed_over: Mapping[datetime, str], now: datetime) -> None:
    """Keep and log which seconds of replies were passed over, and why, unless that is known."""
    if not passed_over:
        return
    with runtime.store.read() as session:
        known = seconds_passed_over(session, runtime.account_id, now)
    new: dict[datetime, str] = {}
    for second, problem in sorted(passed_over.items()):
        if not any(abs(second - other) <= SAME for other in (*known, *new)):
            new[second] = problem
    if not new:
        return
    with runtime.store.write("replies_passed_over") as session:
        for second in new:
            detail = {"account": runtime.account_id, "second": second.isoformat()}
            record_event(session, EventName.REPLIES_PASSED_OVER, now, detail=detail)
    for second, problem in new.items():
        get_logger().warning("replies.passed_over", second=second.isoformat(), problem=problem)


def seconds_passed_over(session: Session, account_id: int, now: datetime) -> list[datetime]:
    """Which seconds of the account's replies were found, in the last days, to be too much to be read."""
    kept = details_of(session, EventName.REPLIES_PASSED_OVER, since=now - TOLD_FOR)
    return [datetime.fromisoformat(each["second"]) for each in kept if each["account"] == account_id]
