"""Reads what people wrote to the phones. Polling is the truth; the webhook is only faster.

A look begins some minutes before the end of the last one, because rows may show up late. Once an hour it goes a day
back, because a phone that was offline brings replies with their old dates. Replies that are stored already are
recognised by ID and content.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaigns.sending.backoff import reconnect_after
from scheduler.replies.inbound import take_in
from scheduler.replies.passed_over import tell_passed_over
from scheduler.ticks.every import RESTS, Every, Quiet
from scheduler.ticks.lookups.unread import reads_failed, reads_worked
from scheduler.ticks.lookups.windows import WindowReads
from worker.gateway import GatewayError, MessageStatus
from worker.runtime import Runtime
from worker.store.following import clock_offsets
from worker.store.following.clock_offsets import FARTHEST
from worker.store.people import stored_replies
from worker.store.people.stored_replies import HEARD as HEARD
from worker.store.runs import due_runs

OVERLAP: Final = timedelta(minutes=10)
"""How late a row may show up after its date, and how far the gateway's clock may be off from ours."""

LOOK_BACK: Final = timedelta(hours=24)
"""How far back the first look of a process goes, and one in every hour."""

LOOK_BACK_AGAIN: Final = timedelta(hours=1)

SLICE: Final = timedelta(hours=6)
"""The longest time that one read asks for at first; if that is too much for a reply, it is asked for in halves."""

WRITE_AGAIN: Final = timedelta(minutes=5)
"""How often a look that found nothing is recorded: an idle service hardly writes. Less than `OVERLAP`."""

FRESH: Final = timedelta(minutes=1)
"""Before anything was sent nobody looks for replies: a run that starts so soon after a look needs none of its own."""

AHEAD: Final = FRESH
"""How far the clocks of our machines may be apart: replies read up to a later moment were read before a clock was put
back, and nobody knows how long ago."""

NOT_HEARD: Final = "nothing is sent until the replies of the last 24 hours are read, because one may be STOP"

_rng = random.Random()  # noqa: S311 - jitter, not a secret

_SOURCE: Final = "replies"


@dataclass(slots=True)
class RepliesTick:
    """Stores new replies and acts on them, every `reply_poll_seconds`, once anything was sent through the account."""

    look: Every = field(default_factory=Every)
    far_back: Every = field(default_factory=lambda: Every(LOOK_BACK_AGAIN.total_seconds()))
    quiet: Quiet = field(default_factory=Quiet)  # while nothing was ever sent

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        at = runtime.clock.elapsed_seconds()
        if not self.look.is_due(at):
            return RESTS
        version = runtime.store.version()
        if self.quiet.lasts(version, now):
            return {"reads": 0, "replies": 0}
        with runtime.store.read() as session:
            if not stored_replies.has_sent(session, runtime.account_id):
                self.quiet.found_nothing(version, lambda: None)
                return {"reads": 0, "replies": 0}
            until = stored_replies.read_until(session, runtime.account_id)
        self.look.rest(at, runtime.settings.reply_poll_seconds)
        goes_back = self.far_back.is_due(at)
        start = min(until or now, now) - OVERLAP  # a clock may have been set back
        if goes_back:
            start = min(start, now - LOOK_BACK)
        reads, stored, problem = _read(runtime, start, now, goes_back=goes_back)
        if goes_back and not problem:
            self.far_back.rest(at)
        return {"reads": reads, "replies": stored}


@dataclass(slots=True)
class FirstLook:
    """The look for replies without which no run starts: how often in a row it failed, and why nothing is sent."""

    failures: int = 0
    reason: str = ""
    look: Every = field(default_factory=Every)

    @property
    def given_up(self) -> str:
        """Why nothing is sent, after three failures: a command that waits for it may give up."""
        return self.reason if self.failures >= 3 else ""

    def has_heard(self, runtime: Runtime, now: datetime) -> bool:
        """Whether what people wrote is stored, up to a moment ago (`HEARD`); it is read if not.

        Somebody may have written STOP while no process ran or no reply could be read, or to these phones before this
        database was there. A look that fails is made again, later each time, and until one succeeds no run of the
        account starts: why is in their `reason`. Runs that have started go on.
        """
        with runtime.store.read() as session:
            until = stored_replies.read_until(session, runtime.account_id)
            age = None if until is None else now - until
            has_heard = age is not None and (
                -AHEAD <= age <= FRESH
                or (FRESH < age <= HEARD and stored_replies.has_sent(session, runtime.account_id))
            )
        if not has_heard:
            if not self.look.is_due(runtime.clock.elapsed_seconds()):
                return False
            start = min(now - LOOK_BACK, now if until is None else until - OVERLAP)
            _, _, problem = _read(runtime, start, now, goes_back=True, is_first=True)
            has_heard = not problem
        if has_heard:
            self.failures, self.reason, self.look = 0, "", Every()
            return True
        self.failures += 1
        self.look.rest(runtime.clock.elapsed_seconds(), reconnect_after(self.failures, _rng).total_seconds())
        self.reason = f"{NOT_HEARD}: {problem} Look with `campaigns doctor`"
        with runtime.store.write("not_heard") as session:
            due_runs.give_reason(session, runtime.account_id, self.reason, until=now)
        return False


def _read(
    runtime: Runtime, start: datetime, now: datetime, *, goes_back: bool, is_first: bool = False
) -> tuple[int, int, str]:
    """Read and store from `start` on; return reads, replies stored, and what kept it from reading all ('' for nothing).

    A first look is recorded only when it has ended: one that broke off is repeated as a whole.
    """
    stored = 0
    windows = WindowReads(runtime.gateway, passes_over=True)
    with runtime.store.read() as session:
        shifts = clock_offsets.shifts(session, runtime.account_id)
    last = now + OVERLAP + max(FARTHEST if goes_back else shifts[-1], shifts[-1])  # replies are dated by its clock
    for begin, end in _slices(start + shifts[0], last):
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
            reads_failed(runtime, _SOURCE, error)  # and read at the usual pace: one of them may be STOP
            return windows.reads, stored, str(error)
        tell_passed_over(runtime, windows.passed_over, now)
        if not is_first or end == last:
            # By whichever of its clocks: what is dated later than `end` may have been written so long before now.
            _remember(runtime, now - (last - end), now, has_news=goes_back or stored > 0)
    reads_worked(runtime, _SOURCE)
    return windows.reads, stored, ""


def _slices(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + SLICE, end)
        start += SLICE


def _remember(runtime: Runtime, until: datetime, now: datetime, *, has_news: bool) -> None:
    with runtime.store.read() as session:
        known = stored_replies.read_until(session, runtime.account_id)
    is_known = known is not None and known <= now + AHEAD and until - known < WRITE_AGAIN
    if not is_known or (has_news and known is not None and until > known):
        with runtime.store.write("replies_read") as session:
            stored_replies.record_read(session, runtime.account_id, until, possible=now + AHEAD)
