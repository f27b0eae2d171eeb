"""Reads receipts until every message has reached its end, with as few reads as possible.

A group costs one read. When many groups are due, reading by status over slices of time may be cheaper: it takes three
reads a slice, however many groups are in it, but also returns everything else that was sent since the oldest of them.
For a gateway that shows all times in every window, one walk serves many groups (`walks`). A message that the gateway
did not show in its group (it may have retried it under another) is looked up by id. Completeness is judged by our own
list of IDs, never by the reply.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from campaigns.following.poll_spacing import (
    DATES_TO_TRUST,
    STATUSES,
    is_sweep_cheaper,
    margin_after,
    margin_before,
    rest_once_read,
    stragglers,
    windows_to_read,
)
from campaigns.sending.backoff import poll_after, unread_after
from scheduler.receipts.storing import store_receipts
from scheduler.ticks.every import RESTS, Every, Quiet
from scheduler.ticks.following.dates import learn
from scheduler.ticks.lookups.unread import ReceiptReads
from scheduler.ticks.lookups.walks import Walks
from scheduler.ticks.lookups.windows import WindowMemory, WindowReads, messages_per_part
from worker.gateway import GatewayError, MessageStatus, ReplyTooLong
from worker.gateway.results import Message
from worker.runtime import Runtime
from worker.store.following import clock_offsets, receipts
from worker.store.following.clock_offsets import MARGIN, Dated
from worker.store.following.receipts import Group
from worker.store.sending import accounts, next_looks

GROUPS_PER_TICK: Final = 2_000
"""How many due groups are considered at once."""

READS_PER_TICK: Final = 40
"""How many groups one tick reads one by one; the others stay due for the next tick."""

PROBES: Final = 10
"""How many groups are read after a sweep that changed no recipient."""

FAILURES_TO_REST: Final = 3
"""After this many unreadable groups at the start of a tick, the others are left for later."""

Span = tuple[datetime, datetime]

ENDS: Final = (MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.FAILED)
"""The statuses worth sweeping for, in the order of a message's life."""

RARE: Final = MessageStatus.FAILED
"""The status that few messages have: it is asked for over the whole time at once."""


@dataclass(slots=True)
class FollowTick:
    """Polls what is due and advances recipients."""

    windows: WindowMemory = field(default_factory=WindowMemory)
    receipt_reads: ReceiptReads = field(default_factory=ReceiptReads)
    walks: Walks = field(default_factory=Walks)
    look: Every = field(default_factory=Every)
    quiet: Quiet = field(default_factory=Quiet)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        version = runtime.store.version()
        if self.quiet.lasts(version, now):
            return {"groups": 0, "moved": 0, "reads": 0}
        with runtime.store.read() as session:
            due = receipts.due_groups(
                session, now=now, account_id=runtime.account_id, limit=GROUPS_PER_TICK, only=runtime.only_runs
            )
            if not due:
                self.quiet.found_nothing(version, lambda: next_looks.next_poll(session, runtime.account_id))
            elif accounts.is_another_gateway(session, runtime.account_id):
                due = []  # its messages are different ones, whatever their IDs
        began = runtime.clock.elapsed_seconds()
        if not self.look.is_due(began):
            return RESTS
        if not due:
            return {"groups": 0, "moved": 0, "reads": 0}
        # Reads for other groups may have completed some of these, too: most of 2,802 reads at 400,000 people changed
        # nothing.
        with runtime.store.read() as session:
            still_open = receipts.open_groups(session, [group.id for group in due])
        if over := [group for group in due if group.id not in still_open]:
            due = [group for group in due if group.id in still_open]
            _schedule(runtime, [(group, None) for group in over], Counter())
        if not due:
            return {"groups": len(over), "moved": 0, "reads": 0}
        return self._read(runtime, due, now, began)

    def _read(self, runtime: Runtime, due: list[Group], now: datetime, began: float) -> Mapping[str, int]:
        """Read these groups in the cheapest way, and set when each is due again."""
        reads: Counter[int] = Counter()  # by run
        moved = left = 0
        rest_seconds = 0.0
        if windows := self._windows_worth_reading(runtime, due, now):
            moved = self._sweep(runtime, due, windows, reads)
        elif (sought := self._worth_a_walk(runtime, due)) is None:
            return {"groups": 0, "moved": 0, "reads": 0}
        elif sought:
            left, due = len(due) - len(sought), sought
            spans, latest = self._dated(runtime, sought, now)
            moved = self.walks.walk(runtime, sought, ENDS, (min(spans)[0], latest), reads)
        if moved:
            self.receipt_reads.worked(runtime)
        else:
            # Too few groups for a sweep; or the sweep changed nothing: it came too early, or this gateway's windows
            # differ from what we expect. A few groups tell which. If they advance, groups are read one by one, and the
            # others stay due.
            probes = due[:PROBES] if reads else due[:READS_PER_TICK]
            has_swept = bool(reads)
            moved, polled, rest_seconds = self._poll_each(runtime, probes, reads)
            if moved or not has_swept or rest_seconds:
                left, due = len(due) - len(polled), polled
        ended = runtime.clock.elapsed_seconds()
        if rest_seconds:
            self.look.rest(ended, rest_seconds)
        elif not left:
            self.walks.gathering_since = None
            first_poll_seconds = runtime.settings.first_poll_seconds
            self.look.rest(ended, rest_once_read(ended - began, first_poll_seconds=first_poll_seconds))
        _schedule(runtime, _next_polls(runtime, due), reads)
        return {"groups": len(due), "moved": moved, "reads": reads.total()}

    def _worth_a_walk(self, runtime: Runtime, due: Sequence[Group]) -> list[Group] | None:
        return [] if self.windows.may_divide(runtime) else self.walks.worth_one(runtime, due)

    def _poll_each(self, runtime: Runtime, groups: list[Group], reads: Counter[int]) -> tuple[int, list[Group], float]:
        """Read groups one by one; return how many recipients advanced, the groups read, and seconds to rest.

        If the first groups all fail, the gateway is at fault and not a group: the others stay due.
        """
        moved = worked = 0
        for turn, group in enumerate(groups, start=1):
            try:
                moved += self._poll(runtime, group, reads)
                worked += 1
            except GatewayError as error:
                if not worked and turn >= min(len(groups), FAILURES_TO_REST):
                    self.receipt_reads.failed(runtime, error)
                    return 0, groups[:turn], unread_after(self.receipt_reads.failures)
        self.receipt_reads.worked(runtime)
        return moved, groups, 0.0

    def _poll(self, runtime: Runtime, group: Group, reads: Counter[int]) -> int:
        """Read one group, and missing messages by id; return how many advanced. Counts reads. Raises `GatewayError`."""
        reads[group.run_id] += 1
        try:
            messages = list(runtime.gateway.read_group(group.group_id)) if group.group_id else []
        except ReplyTooLong:  # more than any request has: it ignores the group, so its messages are read by id
            messages = []
        dates = [message.sent_at for message in messages if message.sent_at is not None]
        self._note_dates(runtime, {(group.accepted_at, group.was_answered): dates})
        shown = {message.id for message in messages}
        with runtime.store.read() as session:
            waiting = receipts.open_ids(session, group.id)
        for id_ in stragglers(set(waiting) - shown, polls=group.polls):
            reads[group.run_id] += 1
            try:
                message = runtime.gateway.read_message(id_)
            except GatewayError:
                if messages:
                    break
                raise
            if message is not None:
                messages.append(message)
        return store_receipts(runtime, messages)

    def _sweep(self, runtime: Runtime, due: Sequence[Group], spans: Sequence[Span], reads: Counter[int]) -> int:
        payer = min(group.run_id for group in due)  # reads for several runs are counted for one of them
        moved = 0
        windows = WindowReads.of(runtime, self.windows)
        is_news = True
        for status in ENDS:
            for start, end in spans if status is not RARE else [(spans[0][0], spans[-1][1])]:
                try:
                    for messages in windows.read(status, start, end):
                        moved += store_receipts(runtime, messages)
                        if messages and is_news:
                            self._learn_dates(runtime, messages[:DATES_TO_TRUST])
                            is_news = False
                except ReplyTooLong:  # the other windows are no better: groups are read instead
                    reads[payer] += windows.reads
                    return moved
                except GatewayError:  # reading groups will show whether everything fails
                    continue
        reads[payer] += windows.reads
        return moved

    def _learn_dates(self, runtime: Runtime, messages: Sequence[Message]) -> None:
        """Learn how the gateway's dates relate to ours, from those of these messages that are ours."""
        dates = {message.id: message.sent_at for message in messages if message.sent_at is not None}
        with runtime.store.read() as session:
            known = receipts.accepted_at(session, runtime.account_id, dates)
        # One request has many messages, all accepted at the same moment.
        by_moment: defaultdict[tuple[datetime, bool], list[datetime]] = defaultdict(list)
        for id_, at in known.items():
            by_moment[at].append(dates[id_])
        self._note_dates(runtime, by_moment)

    def _note_dates(self, runtime: Runtime, dates: Mapping[tuple[datetime, bool], Sequence[datetime]]) -> None:
        """Remember what the gateway dated messages at that were accepted then.

        What a look-up found tells nothing of the gateway's clock: it was sent before we knew of it.
        """
        now = runtime.clock.now()
        self.windows.dates_after.extend(sent_at - at for (at, _), sent in dates.items() for sent_at in sent)
        answered = [(at, sent) for (at, was_answered), sent in dates.items() if was_answered]
        learn(runtime, [Dated(at, sent_at, now) for at, sent in answered for sent_at in sent])

    def _windows_worth_reading(self, runtime: Runtime, due: Sequence[Group], now: datetime) -> list[Span]:
        """Return the windows in which the due messages were sent; none if reading by group is cheaper.

        A window also shows what else was sent then: at 200 texts a second, ten minutes are 120,000 texts each time. So
        one in which everything has its end is left out.
        """
        if len(due) <= STATUSES or not self.windows.may_divide(runtime):
            return []
        spans, _ = self._dated(runtime, due, now)
        start, end = min(spans)[0], max(last for _, last in spans)
        wanted = sum(group.messages for group in due)
        with runtime.store.read() as session:
            ahead = max(_shifts(session, runtime, due))
            parts = receipts.accepted_parts(
                session, runtime.account_id, start - ahead, end, messages=messages_per_part(runtime)
            )
        later = self.windows.clock_ahead()
        windows = windows_to_read([(at + later, count) for at, count in parts], spans, start=start, end=end)
        shown = max(wanted, sum(count for *_, count in windows))
        is_cheaper = is_sweep_cheaper(windows=len(windows), shown=shown, groups=len(due), wanted=wanted)
        return [(first, last) for first, last, _ in windows] if is_cheaper else []

    def _dated(self, runtime: Runtime, due: Sequence[Group], now: datetime) -> tuple[list[Span], datetime]:
        """Return the first and last date that the gateway may give to messages of each group, and the last of any."""
        with runtime.store.read() as session:
            shifts = _shifts(session, runtime, due)
        dates_after, ahead, latest = tuple(self.windows.dates_after), min(shifts), now + max(shifts) + MARGIN
        reach = {
            polls: (
                ahead - margin_before(dates_after, ahead=ahead, widest=MARGIN, polls=polls),
                margin_after(dates_after, ahead=max(shifts), polls=polls),
            )
            for polls in {group.polls for group in due}
        }
        spans = []
        for group in due:
            before, after = reach[group.polls]
            spans.append(
                (group.accepted_at + before, latest if after is None else min(latest, group.accepted_at + after))
            )
        return spans, latest


def _shifts(session: Session, runtime: Runtime, due: Sequence[Group]) -> list[timedelta]:
    """Return by how much the gateway's clock may have been ahead of ours since these groups were accepted."""
    since = min(group.accepted_at for group in due) - MARGIN
    clocks = clock_offsets.known_offsets(session, runtime.account_id)
    return [each.ahead for each in clocks if each.until >= since] or [timedelta(0)]


def _next_polls(runtime: Runtime, due: Sequence[Group]) -> list[tuple[Group, datetime | None]]:
    """Return when to look at each group next; None once all of its messages have reached their end.

    From now on, and not from when the reads began: a clock that was put back by hours meanwhile has moved the pauses
    that were stored, and these would be due after those hours.
    """
    with runtime.store.read() as session:
        still_open = receipts.open_groups(session, [group.id for group in due])
    now = runtime.clock.now()
    first, longest = runtime.settings.first_poll_seconds, runtime.settings.max_poll_seconds
    return [
        (group, now + poll_after(group.polls, first_seconds=first, longest_seconds=longest))
        if group.id in still_open
        else (group, None)
        for group in due
    ]


def _schedule(runtime: Runtime, polls: Sequence[tuple[Group, datetime | None]], reads: Counter[int]) -> None:
    with runtime.store.write("poll_schedule") as session:
        receipts.schedule_poll(session, [(group.id, at) for group, at in polls])
    # On its own: every intent of the run waits for the transaction that writes its row (2 to 4 s of a campaign,
    # measured), and who ends a run locks it before its groups: in one transaction, the two would deadlock.
    if reads:
        with runtime.store.write("count_reads") as session:
            receipts.count_reads(session, reads)
