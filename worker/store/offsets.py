"""How far the gateway's dates lie from ours, learned from messages whose moment we know, and kept with the account."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from worker.store.models import Account

MARGIN: Final = timedelta(minutes=10)
"""How far the gateway's clock may be away from ours before a read misses what it should show, and is to be learned."""

FARTHEST: Final = timedelta(hours=14)
"""How far its dates may be off and requests still be looked up: the zone that is farthest from UTC."""

ALIKE: Final = MARGIN / 2
"""Offsets that differ by less are one. One of less is none."""

NOTED_EVERY: Final = timedelta(hours=1)
"""How often it is written down that an offset still holds."""

MOST: Final = 8
"""So many are kept: where a clock changes all the time, the last ones."""


@dataclass(frozen=True, slots=True)
class Dated:
    """A message of ours with the date that the gateway gave it, and when it was shown to us."""

    accepted_at: datetime
    sent_at: datetime
    shown_at: datetime

    def offset(self) -> timedelta | None:
        """How far the gateway's clock is ahead; None: the message was under way for too long to tell.

        It was sent after it was accepted and before it was shown: both by our clock, the date in between by the other.
        """
        if self.shown_at - self.accepted_at > MARGIN:
            return None
        return self.sent_at - self.accepted_at - (self.shown_at - self.accepted_at) / 2


@dataclass(frozen=True, slots=True)
class Offset:
    """How far ahead of ours the gateway's clock was for messages accepted from `since` to `until`."""

    ahead: timedelta
    since: datetime
    until: datetime


def known_offsets(session: Session, account_id: int) -> list[Offset]:
    """Those that were seen, the one of the newest message first; none: its clock was never seen to be off."""
    kept = session.exec(select(Account.clock_offsets).where(Account.id == account_id)).one()
    found = [
        Offset(
            timedelta(seconds=each["seconds"]),
            datetime.fromisoformat(each["since"]),
            datetime.fromisoformat(each["until"]),
        )
        for each in kept
    ]
    return sorted(found, key=lambda each: each.until, reverse=True)


def shifts(session: Session, account_id: int) -> list[timedelta]:
    """By how much windows of reads are shifted: by every offset that is known, and by none."""
    return sorted({timedelta(0), *(each.ahead for each in known_offsets(session, account_id))})


def by_our_clock(date: datetime, known: Sequence[Offset], now: datetime) -> datetime:
    """When something happened that the gateway dated: of what it may be the latest that is not still to come."""
    moments = [date - each.ahead for each in known] or [date]
    return max((moment for moment in moments if moment <= now), default=now)


def learned(known: Sequence[Offset], shown: Iterable[Dated]) -> list[Offset]:
    """The offsets after more messages were shown; as they were where nothing new came of it."""
    found = list(known)
    for message in sorted(shown, key=lambda each: each.accepted_at):
        ahead = message.offset()
        if ahead is None or (not found and abs(ahead) < ALIKE):
            continue
        at = message.accepted_at
        same = next((each for each in found if abs(each.ahead - ahead) < ALIKE), None)
        if same is None:
            found.append(Offset(_rounded(ahead), at, at))
        elif at - same.until >= NOTED_EVERY or (at > same.until and same is not max(found, key=lambda e: e.until)):
            found[found.index(same)] = Offset(same.ahead, same.since, at)
    return sorted(found, key=lambda each: each.until, reverse=True)[:MOST]


def _rounded(ahead: timedelta) -> timedelta:
    return timedelta(0) if abs(ahead) < ALIKE else timedelta(seconds=round(ahead.total_seconds()))


def keep_offsets(session: Session, account_id: int, known: Sequence[Offset]) -> None:
    """Write them down."""
    rows = [
        {"seconds": each.ahead.total_seconds(), "since": each.since.isoformat(), "until": each.until.isoformat()}
        for each in known
    ]
    session.execute(sa.update(Account).where(col(Account.id) == account_id).values(clock_offsets=rows))


def in_words(ahead: timedelta) -> str:
    """`3 h 0 min ahead of ours`."""
    minutes = round(abs(ahead).total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min {'ahead of' if ahead > timedelta(0) else 'behind'} ours"
