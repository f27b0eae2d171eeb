"""The messages that the rows know, and when the gateway should have them: bounded, however many there are."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from scheduler.verify.pages import AT_ONCE, by_id
from worker.store.tables import attempts, recipients

A_WINDOW: Final = 2_500
"""Messages that one window of time should hold: an eighth of the longest reply that is read."""

SHORTEST_SECONDS: Final = 10
MOST_SPELLS: Final = 100_000
"""Times are counted by spells of ten seconds; if there are more of them than this, by longer ones."""

MARGIN: Final = timedelta(minutes=2)
"""How far the gateway's dates may be from ours for its messages to be found by time, which saves reads."""


class KnownMessages:
    """The IDs of all messages of some runs, in order: 8 bytes for each, and one for whether it was seen."""

    def __init__(self, session: Session, run_ids: Collection[int]) -> None:
        found = array("q")
        self._spell = SHORTEST_SECONDS
        self._times: Counter[int] = Counter()
        columns: tuple[Any, ...] = (
            recipients.c.id, recipients.c.gateway_id, recipients.c.accepted_at, recipients.c.sent_at,
        )  # fmt: skip
        for run_id in run_ids:
            query = sa.select(*columns).where(recipients.c.run_id == run_id, recipients.c.gateway_id.is_not(None))
            for page in by_id(session, query, recipients.c.id):
                found.extend(row.gateway_id for row in page)
                for row in page:
                    self._note(row.accepted_at)
                    self._note(row.sent_at)
        floors = sa.select(sa.func.min(attempts.c.id_floor)).where(attempts.c.run_id.in_(run_ids))
        self.floor: int = session.scalars(floors).one() or 0
        self._ids = array("q", (id_ for id_, _ in groupby(sorted(found))))
        self._seen = bytearray(len(self._ids))

    def _note(self, at: datetime | None) -> None:
        if at is None:
            return
        self._times[int(at.timestamp()) // self._spell] += 1
        if len(self._times) > MOST_SPELLS:
            self._spell *= 10
            longer: Counter[int] = Counter()
            for spell, amount in self._times.items():
                longer[spell // 10] += amount
            self._times = longer

    def see(self, id_: int) -> bool | None:
        """Note that a message was seen; return whether it had not been before. None: no row knows it."""
        place = bisect_left(self._ids, id_)
        if place == len(self._ids) or self._ids[place] != id_:
            return None
        is_new = not self._seen[place]
        self._seen[place] = 1
        return is_new

    def is_unseen(self, id_: int) -> bool:
        """Return whether a known message was not seen so far."""
        return not self._seen[bisect_left(self._ids, id_)]

    def unseen(self) -> Iterator[list[int]]:
        """Yield what was not seen so far, some at a time."""
        missing = (id_ for place, id_ in enumerate(self._ids) if not self._seen[place])
        while part := list(islice(missing, AT_ONCE)):
            yield part

    def windows(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield the times in which messages were accepted or sent, each once, with about `A_WINDOW` of them.

        Idle time is left out, but for a margin: a window is widened only where nothing is next to it.
        """
        length = timedelta(seconds=self._spell)
        start = end = None
        messages = 0
        for spell in sorted(self._times):
            at = datetime.fromtimestamp(spell * self._spell, UTC)
            if start is None or end is None:
                start, end = at - MARGIN, at + length
            elif at - end > 2 * MARGIN:
                yield start, end + MARGIN
                start, messages = at - MARGIN, 0
            elif messages >= A_WINDOW:
                yield start, at
                start, messages = at, 0
            end, messages = at + length, messages + self._times[spell]
        if start is not None and end is not None:
            yield start, end + MARGIN
