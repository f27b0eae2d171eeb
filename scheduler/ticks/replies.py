"""Reading what people wrote to the phones. Polling is the truth; the webhook is only faster.

A look begins some minutes before the end of the last one, for rows may show up late; once an hour it goes a day back,
for a phone that was offline brings replies with their old dates. What is stored already is known by its ID.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from scheduler.replies.inbound import take_in
from scheduler.ticks.windows import WindowReads
from worker.gateway import GatewayError, MessageStatus
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import inbound
from worker.store.answers import unfinished_answers

OVERLAP: Final = timedelta(minutes=10)
"""How late a row may show up after its date, and how far the gateway's clock may be away from ours."""

LOOK_BACK: Final = timedelta(hours=24)
"""How far the first look of a process goes back, and one in every hour."""

LOOK_BACK_AGAIN: Final = timedelta(hours=1)

SLICE: Final = timedelta(hours=6)
"""The most that one read asks for at first; what is too much for a reply is asked for in halves."""

WRITE_AGAIN: Final = timedelta(minutes=5)
"""A look that brought nothing is written down so often: an idle service hardly writes. Less than `OVERLAP`."""

_NEXT, _NEXT_BACK = "replies", "replies:back"


def replies(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Store and obey new replies, every `reply_poll_seconds`, once anything was sent through the account."""
    at = runtime.clock.elapsed_seconds()
    if at < runtime.next_looks.get(_NEXT, at):
        return {"reads": 0, "replies": 0}
    with runtime.store.read() as session:
        if not inbound.has_sent(session, runtime.account_id):
            return {"reads": 0, "replies": 0}
        until = inbound.read_until(session, runtime.account_id)
    runtime.next_looks[_NEXT] = at + runtime.settings.reply_poll_seconds
    goes_back = at >= runtime.next_looks.get(_NEXT_BACK, at)
    start = (until or now) - OVERLAP
    if goes_back:
        start = min(start, now - LOOK_BACK)
    reads, stored, is_whole = _read(runtime, start, now, goes_back=goes_back)
    if runtime.only_runs is not None:  # whoever reads the questions sends the answers
        with runtime.store.read() as session:
            runtime.only_runs.update(unfinished_answers(session, rehearsal=runtime.rehearsal))
    if is_whole and goes_back:
        runtime.next_looks[_NEXT_BACK] = at + LOOK_BACK_AGAIN.total_seconds()
    return {"reads": reads, "replies": stored}


def _read(runtime: Runtime, start: datetime, now: datetime, *, goes_back: bool) -> tuple[int, int, bool]:
    """Read and store from `start` on: reads, replies stored, and whether every read succeeded."""
    stored = 0
    windows = WindowReads(runtime.gateway)
    for begin, end in _slices(start, now + OVERLAP):
        try:
            for messages in windows.read(MessageStatus.RECEIVED, begin, end):
                stored += take_in(
                    runtime.store,
                    runtime.settings,
                    runtime.account_id,
                    messages,
                    came_by="poll",
                    rehearsal=runtime.rehearsal,
                    now=now,
                ).total()
        except GatewayError as error:
            get_logger().warning("replies.read_failed", problem=str(error))
            return windows.reads, stored, False
        _remember(runtime, min(end, now), has_news=goes_back or stored > 0)
    return windows.reads, stored, True


def _slices(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + SLICE, end)
        start += SLICE


def _remember(runtime: Runtime, until: datetime, *, has_news: bool) -> None:
    with runtime.store.read() as session:
        known = inbound.read_until(session, runtime.account_id)
    if known is None or until - known >= WRITE_AGAIN or (has_news and until > known):
        with runtime.store.write("replies_read") as session:
            inbound.record_read(session, runtime.account_id, until)
