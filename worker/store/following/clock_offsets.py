"""How far the gateway's dates are from ours, learned from messages whose moment we know, and kept with the account."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.tables import accounts

MARGIN: Final = timedelta(minutes=10)
"""How far apart the two clocks may be before a read misses messages, and the offset must be learned."""

FARTHEST: Final = timedelta(hours=14)
"""How far its dates may be off before requests can no longer be looked up: the zone that is farthest from UTC."""

ALIKE: Final = MARGIN / 2
"""Offsets that differ by less than this, beyond their uncertainty, are the same. A smaller one than this is none."""

NOTED_EVERY: Final = timedelta(hours=1)
"""How often to record that an offset still holds."""

MOST: Final = 8
"""How many are kept: if a clock changes all the time, the last ones."""


@dataclass(frozen=True, slots=True)
class Dated:
    """A message of ours with the date that the gateway gave it, and when it was shown to us."""

    accepted_at: datetime
    sent_at: datetime
    shown_at: datetime

    def offset(self) -> tuple[timedelta, timedelta] | None:
        """Return how far the gateway's clock is ahead, and how wrong that may be.

        The message was sent after it was accepted and before it was shown: both by our clock, the date in between by
        the gateway's. None: the message was under way for too long to say, or our own clock was set back meanwhile.
        """
        took = self.shown_at - self.accepted_at
        if not timedelta(0) <= took <= MARGIN:
            return None
        return self.sent_at - self.accepted_at - took / 2, took / 2


@dataclass(frozen=True, slots=True)
class Offset:
    """How far ahead of ours the gateway's clock was for messages accepted from `since` to `until`."""

    ahead: timedelta
    since: datetime
    until: datetime


def known_offsets(session: Session, account_id: int) -> list[Offset]:
    """Return the offsets seen, the newest message's first; empty if its clock was never seen to be off."""
    kept = session.scalars(sa.select(accounts.c.clock_offsets).where(accounts.c.id == account_id)).one()
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
    """Return by how much to shift windows of reads: every known offset, and zero."""
    return sorted({timedelta(0), *(each.ahead for each in known_offsets(session, account_id))})


def by_our_clock(date: datetime, known: Sequence[Offset], now: datetime) -> datetime:
    """Return when something that the gateway dated happened: the latest possible moment that is not in the future."""
    moments = [date - each.ahead for each in known] or [date]
    return max((moment for moment in moments if moment <= now), default=now)


def learned(known: Sequence[Offset], shown: Iterable[Dated]) -> list[Offset]:
    """Return the offsets after more messages were shown; the same ones if nothing new was learned.

    A message shown after ten minutes is wrong by up to five, as much as `ALIKE`. So an offset is new only if its
    uncertainty cannot explain it by a clock like ours or by a known offset.
    """
    found = list(known)
    for message in sorted(shown, key=lambda each: each.accepted_at):
        measured = message.offset()
        if measured is None:
            continue
        ahead, uncertainty = measured
        apart = ALIKE + uncertainty
        is_right = abs(ahead) < apart
        if is_right and not found:
            continue
        at = message.accepted_at
        newest = max((each.until for each in found), default=at)
        same = max((e for e in found if abs(e.ahead - ahead) < apart), key=lambda e: e.until, default=None)
        if same is None:
            found.append(Offset(timedelta(0) if is_right else timedelta(seconds=round(ahead.total_seconds())), at, at))
        elif at - same.until >= NOTED_EVERY or (at > same.until and same.until < newest):
            found[found.index(same)] = Offset(same.ahead, same.since, at)
    return sorted(found, key=lambda each: each.until, reverse=True)[:MOST]


def keep_offsets(session: Session, account_id: int, known: Sequence[Offset]) -> None:
    """Store the offsets."""
    rows = [
        {"seconds": each.ahead.total_seconds(), "since": each.since.isoformat(), "until": each.until.isoformat()}
        for each in known
    ]
    session.execute(sa.update(accounts).where(accounts.c.id == account_id).values(clock_offsets=rows))


def in_words(ahead: timedelta) -> str:
    """Return an offset in words: `3 h 0 min ahead of this machine's`."""
    minutes = round(abs(ahead).total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min {'ahead of' if ahead > timedelta(0) else 'behind'} this machine's"
